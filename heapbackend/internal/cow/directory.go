package cow

// segmentBits is the number of directory bits one segment resolves: a segment is what a write after a capture copies of
// the directory, so that its cost does not grow with the table.
const (
	segmentBits = 8
	segmentLen  = 1 << segmentBits
)

// segment is a run of the directory.
//
// Invariant: pages is written only while epoch is newer than what any live snapshot sees; epoch 0 means shared.
type segment struct {
	pages []*header
	epoch uint64
}

// directory maps the directory bits of a hash to a page. The first 1<<depth combinations are distinct entries; a page of
// local depth d stands at every index that agrees with it in the low d bits.
//
// Invariant: depth 0 means the one page (or none) is in one and segs is empty; else the entries of segs are 1<<depth.
type directory struct {
	one   *header
	segs  []segment
	mask  uint64 // 1<<depth - 1
	n     int    // entries in all pages
	pages int    // distinct pages
	deep  int    // pages whose local depth is the directory's; kept only while depth > 0
	depth uint8
}

// page returns the page a hash belongs to, nil in an empty table.
func (d *directory) page(hash uint64) *header {
	if d.depth == 0 {
		return d.one
	}
	i := hash >> dirShift & d.mask
	return d.segs[i>>segmentBits].pages[i&(segmentLen-1)]
}

// at returns the page at directory index i.
func (d *directory) at(i uint64) *header {
	if d.depth == 0 {
		return d.one
	}
	return d.segs[i>>segmentBits].pages[i&(segmentLen-1)]
}

// all yields every page once.
func (d *directory) all(yield func(*header) bool) {
	if d.depth == 0 {
		if d.one != nil {
			yield(d.one)
		}
		return
	}
	for i := uint64(0); i <= d.mask; i++ {
		if h := d.at(i); i>>h.depth == 0 && !yield(h) {
			return
		}
	}
}

// set puts h at every index that leads to it, copying what a snapshot shares of the directory.
func (t *Table[K, V]) set(hash uint64, h *header) {
	if t.depth == 0 {
		t.one = h
		return
	}
	t.ownRoot()
	step := uint64(1) << h.depth
	for i := hash >> dirShift & (step - 1); i <= t.mask; i += step {
		t.ownSegment(i >> segmentBits).pages[i&(segmentLen-1)] = h
	}
}

func (t *Table[K, V]) ownRoot() {
	if s := t.pool.space; t.rootEpoch != s.epoch && s.Shared(t.rootEpoch) {
		t.segs = append(make([]segment, 0, len(t.segs)), t.segs...)
		t.rootEpoch = s.epoch
	}
}

// ownSegment returns segment i ready to be written; the root is owned already.
func (t *Table[K, V]) ownSegment(i uint64) *segment {
	g := &t.segs[i]
	if s := t.pool.space; g.epoch != s.epoch && s.Shared(g.epoch) {
		g.pages = append(make([]*header, 0, len(g.pages)), g.pages...)
		g.epoch = s.epoch
	}
	return g
}

// double makes the directory tell one more bit apart. Above one segment the halves share their segments until written:
// O(segments).
func (t *Table[K, V]) double() {
	epoch := t.pool.space.epoch
	switch {
	case t.depth == 0:
		t.segs = []segment{{pages: []*header{t.one, t.one}, epoch: epoch}}
		t.one = nil
	case t.depth < segmentBits:
		old := t.segs[0].pages
		pages := append(make([]*header, 0, 2*len(old)), old...)
		t.segs = []segment{{pages: append(pages, old...), epoch: epoch}}
	default:
		segs := append(make([]segment, 0, 2*len(t.segs)), t.segs...)
		segs = append(segs, t.segs...)
		for i := range segs {
			segs[i].epoch = 0
		}
		t.segs = segs
	}
	t.rootEpoch = epoch
	t.depth++
	t.mask = 1<<t.depth - 1
	t.deep = 0
}

// halve undoes double once no page needs the last bit.
func (t *Table[K, V]) halve() {
	epoch := t.pool.space.epoch
	switch {
	case t.depth == 1:
		t.one, t.segs = t.segs[0].pages[0], nil
	case t.depth <= segmentBits:
		old := t.segs[0].pages
		t.segs = []segment{{pages: append([]*header(nil), old[:len(old)/2]...), epoch: epoch}}
	default:
		t.segs = append([]segment(nil), t.segs[:len(t.segs)/2]...)
	}
	t.rootEpoch = epoch
	t.depth--
	t.mask = 1<<t.depth - 1
	t.deep = 0
	for h := range t.all {
		if h.depth == t.depth && t.depth > 0 {
			t.deep++
		}
	}
}
