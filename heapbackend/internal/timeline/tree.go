package timeline

// Frozen is a tree as it was at a capture. It is read from any goroutine for as long as the view it belongs to is held.
type Frozen[K comparable] struct {
	kind *Kind[K]
	root *node[K] // nil if there are no items
	n    int
}

// Len returns the number of items. O(1).
func (f *Frozen[K]) Len() int { return f.n }

// First returns the first item, nil if there is none. It must not be written. O(height).
func (f *Frozen[K]) First() *Item[K] {
	n := f.root
	if n == nil {
		return nil
	}
	for n.kids != nil {
		n = n.kids[0]
	}
	return &n.items[0]
}

// Has reports whether x is there. O(log n).
func (f *Frozen[K]) Has(x *Item[K]) bool {
	if f.root == nil {
		return false
	}
	var steps [pathLen]step[K]
	_, found := f.find(x, steps[:0])
	return found
}

// All yields the items in order. They must not be written.
func (f *Frozen[K]) All(yield func(*Item[K]) bool) {
	if f.root != nil {
		f.root.all(yield)
	}
}

// step is a node on the way to an item and the index, in it, of the kid to go on to or of the item.
type step[K comparable] struct {
	node *node[K]
	i    int
}

// pathLen is a length that no tree that fits into memory exceeds; a longer path would only be slower.
const pathLen = 8

// find returns the way to x, or to where it belongs, and whether it is there. There is a root.
func (f *Frozen[K]) find(x *Item[K], path []step[K]) (_ []step[K], found bool) {
	n := f.root
	for n.kids != nil {
		i := f.kind.search(n.items[1:], x)
		if i+1 < len(n.items) && !f.kind.less(x, &n.items[i+1]) { // the bound itself is below its kid
			i++
		}
		path = append(path, step[K]{n, i})
		n = n.kids[i]
	}
	i := f.kind.search(n.items, x)
	return append(path, step[K]{n, i}), i < len(n.items) && !f.kind.less(x, &n.items[i])
}

// Tree is the timers of one key group.
type Tree[K comparable] struct {
	Frozen[K]
}

// NewTree returns an empty tree.
func NewTree[K comparable](kind *Kind[K]) *Tree[K] { return &Tree[K]{Frozen[K]{kind: kind}} }

// Freeze returns the tree as it is; it belongs to a capture of the space, with no write between. O(1).
func (t *Tree[K]) Freeze() Frozen[K] { return t.Frozen }

// Adopt makes the tree what f is, in O(1). The caller has made the view of f usable with cow.Space.Adopt; f is not changed
// and may be adopted again.
func (t *Tree[K]) Adopt(f Frozen[K]) { t.root, t.n = f.root, f.n }

// Take makes the tree what from is, which was filled in a space of its own and is not used again. O(nodes).
func (t *Tree[K]) Take(from *Tree[K]) {
	t.Adopt(from.Frozen)
	if t.root != nil {
		t.root.stamp(t.kind.space.Epoch())
	}
}

func (n *node[K]) stamp(epoch uint64) {
	n.epoch = epoch
	for _, kid := range n.kids {
		kid.stamp(epoch)
	}
}

// own makes the nodes of a path ready to be written.
func (t *Tree[K]) own(path []step[K]) {
	for d := range path {
		place := &t.root
		if d > 0 {
			place = &path[d-1].node.kids[path[d-1].i]
		}
		path[d].node = t.owned(place)
	}
}

// owned makes the node at a place, whose own node is owned, ready to be written.
func (t *Tree[K]) owned(place **node[K]) *node[K] {
	space, n := t.kind.space, *place
	if n.epoch == space.Epoch() {
		return n
	}
	if space.Shared(n.epoch) {
		n = t.kind.copyOf(n)
		*place = n
	}
	n.epoch = space.Epoch()
	return n
}

// Insert adds x and reports whether it was not there before. O(log n), and nothing is written if it was.
func (t *Tree[K]) Insert(x *Item[K]) bool {
	if t.root == nil {
		t.root, t.n = t.kind.nodeOf(x, nil, firstItems), 1
		return true
	}
	var steps [pathLen]step[K]
	path, found := t.find(x, steps[:0])
	if found {
		return false
	}
	t.own(path)
	t.n++
	t.insert(path, x)
	return true
}

// insert puts x where the path leads to, and splits the nodes that are full.
func (t *Tree[K]) insert(path []step[K], x *Item[K]) {
	k, kid := t.kind, (*node[K])(nil)
	for d := len(path) - 1; d >= 0; d-- {
		n, i := path[d].node, path[d].i
		if kid != nil {
			i++ // behind the kid that was split
		}
		if len(n.items) < k.most {
			k.put(n, i, x, kid)
			return
		}
		var right *node[K]
		switch at := k.splitAt(i); {
		case i == len(n.items):
			right = k.nodeOf(x, kid, firstItems)
		case i <= at:
			right = k.split(n, at)
			k.put(n, i, x, kid)
		default:
			right = k.split(n, at)
			k.put(right, i-at, x, kid)
		}
		kid, x = right, &right.items[0]
	}
	root := k.nodeOf(&t.root.items[0], t.root, firstItems)
	k.put(root, 1, x, kid)
	t.root = root
}

// Delete removes x and reports whether it was there. O(log n), and nothing is written if it was not.
func (t *Tree[K]) Delete(x *Item[K]) bool {
	if t.root == nil {
		return false
	}
	var steps [pathLen]step[K]
	path, found := t.find(x, steps[:0])
	if found {
		t.remove(path)
	}
	return found
}

// Pop removes the first item and returns it. There is one. O(height), and amortised O(1) nodes.
func (t *Tree[K]) Pop() Item[K] {
	var steps [pathLen]step[K]
	path := steps[:0]
	n := t.root
	for n.kids != nil {
		path = append(path, step[K]{n, 0})
		n = n.kids[0]
	}
	x := n.items[0]
	t.remove(append(path, step[K]{n, 0}))
	return x
}

// remove removes what the path leads to, and nodes that became empty or too small to stand alone.
func (t *Tree[K]) remove(path []step[K]) {
	t.own(path)
	t.n--
	for d := len(path) - 1; d >= 0; d-- {
		n := path[d].node
		n.cut(path[d].i)
		if d > 0 && len(n.items) > 0 && !t.join(&path[d-1]) {
			return
		}
	}
	for t.root.kids != nil && len(t.root.kids) == 1 {
		t.root = t.root.kids[0]
	}
	if len(t.root.items) == 0 {
		t.root = nil
	}
}

// join moves the content of the kid at a step into a neighbour, or the other way round, if the kid is small and both fit
// well into one. It leaves the step at the kid that is to be cut out, and reports whether there is one.
func (t *Tree[K]) join(at *step[K]) bool {
	p, i, most := at.node, at.i, t.kind.most
	n := len(p.kids[i].items)
	if n >= most/4 {
		return false
	}
	for _, left := range []int{i, i - 1} {
		if left < 0 || left+1 >= len(p.kids) || len(p.kids[left].items)+len(p.kids[left+1].items) > most*3/4 {
			continue
		}
		l, r := t.owned(&p.kids[left]), p.kids[left+1]
		start := len(l.items)
		l.items = append(t.grown(l.items, len(r.items)), r.items...)
		if r.kids != nil {
			l.items[start] = p.items[left+1] // the bound of a first kid means nothing
			l.kids = append(l.kids, r.kids...)
		}
		at.i = left + 1
		return true
	}
	return false
}

// grown returns items with room for n more.
func (t *Tree[K]) grown(items []Item[K], n int) []Item[K] {
	if cap(items)-len(items) >= n {
		return items
	}
	return append(make([]Item[K], 0, t.kind.most), items...)
}
