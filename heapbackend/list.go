package heapbackend

import (
	"iter"
	"reflect"
	"unsafe"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/internal/wire"
)

// List is a state that holds a sequence of elements of type V for each key. An append costs O(1) whatever the length,
// after a capture too: the elements stand in chunks, of which a snapshot and the backend share all but the last.
//
// The state keeps its own copies of elements, which never change. What it yields must not be assigned through. With a
// TTL each element expires on its own.
type List[K comparable, V any] struct {
	*keyed[K, chunks[V]]
	own *owning[V]
}

// chunks is a list: its last chunk, from which the earlier ones are reached, and its length. The pointer is untyped
// for the reason that that of inner is. unsafe: last is nil or a *chunk[V]; only add and touched set it.
type chunks[V any] struct {
	last unsafe.Pointer
	n    int
}

// tail returns the last chunk, nil if there is none.
func (c *chunks[V]) tail() *chunk[V] { return (*chunk[V])(c.last) }

// chunk holds consecutive elements.
//
// Invariant: elems is appended to only while epoch is newer than what any snapshot sees; elements never change.
type chunk[V any] struct {
	before *chunk[V]
	epoch  uint64
	elems  []V
	ages   *ages // nil without TTL
}

const (
	firstChunk = 4
	lastChunk  = 256  // elements that an append after a capture copies at most
	chunkBytes = 8192 // and about how many bytes, but always one element
)

// newChunk returns an empty chunk for twice as many elements as before holds, within bounds.
func newChunk[V any](before *chunk[V], epoch uint64) *chunk[V] {
	size := firstChunk
	if before != nil {
		size = 2 * cap(before.elems)
	}
	most := max(1, min(lastChunk, chunkBytes/max(1, int(reflect.TypeFor[V]().Size()))))
	return &chunk[V]{before: before, epoch: epoch, elems: make([]V, 0, min(size, most))}
}

// add appends one element. space is the clock that the chunks' epochs belong to.
func (c *chunks[V]) add(space *cow.Space, v V) {
	l := c.tail()
	switch {
	case l == nil || len(l.elems) == cap(l.elems):
		l = newChunk(l, space.Epoch())
	case space.Shared(l.epoch):
		elems := append(make([]V, 0, cap(l.elems)), l.elems...)
		l = &chunk[V]{before: l.before, epoch: space.Epoch(), elems: elems, ages: l.ages.copied()}
	}
	l.elems = append(l.elems, v)
	c.last = unsafe.Pointer(l)
	c.n++
}

// runs yields the chunks from first to last, each with the number of its elements that are the list's. It allocates one
// pointer for each chunk.
func (c *chunks[V]) runs(yield func(*chunk[V], int) bool) {
	var first [16]*chunk[V]
	order := first[:0]
	for l := c.tail(); l != nil; l = l.before {
		order = append(order, l)
	}
	left := c.n
	for i := len(order) - 1; i >= 0; i-- {
		n := min(left, len(order[i].elems))
		if left -= n; !yield(order[i], n) {
			return
		}
	}
}

// all yields the elements from first to last.
func (c *chunks[V]) all(yield func(*V) bool) {
	for l, n := range c.runs {
		for j := range l.elems[:n] {
			if !yield(&l.elems[j]) {
				return
			}
		}
	}
}

// NewList registers a list state; see NewValue for the arguments and errors. The Options are those of the elements;
// Clone is used once for each element that is appended, or that a Codec or a migration returned.
func NewList[V any, K comparable](in Scope[K], name string, opts ...Options[V]) (*List[K, V], error) {
	c, err := newValueCodec(opts)
	if err != nil {
		return nil, err
	}
	s, err := register(in, c.describe(name, kindList), layout[chunks[V]]{
		append:   c.appendList,
		decoder:  c.listDecoder,
		pointers: true,
		life:     c.life, parts: &partsLayout[chunks[V]]{touched: true, alive: (*chunks[V]).alive, append: c.appendAging},
	})
	if err != nil {
		return nil, err
	}
	l := &List[K, V]{keyed: s, own: c.owns()}
	if s.life != nil {
		s.clean = l.cleanLists
	}
	s.checked(c.check(), elements[V])
	return l, nil
}

func (c *valueCodec[V]) appendList(dst []byte, l *chunks[V]) ([]byte, error) {
	dst = wire.AppendArrayLen(dst, l.n)
	var err error
	for v := range l.all {
		if dst, err = c.append(dst, v); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (c *valueCodec[V]) listDecoder(space *cow.Space, written *stateInfo, st stamps) (func(*wire.Reader, *chunks[V]) error, error) {
	decode, err := c.from(written)
	return func(r *wire.Reader, l *chunks[V]) error {
		for range r.ArrayLen() {
			var v V
			stamp, err := st.read(r)
			if err != nil {
				return err
			}
			if err := decode(r, &v); err != nil {
				return err
			}
			if l.add(space, v); st.kept {
				l.date(stamp)
			}
		}
		return r.Err()
	}, err
}

// Append adds copies of elements to the end of a key's list. Errors as Value.Put. O(size of the elements); after a
// capture the first append to a list copies at most one chunk: 256 elements or about 8 KiB.
func (s *List[K, V]) Append(k K, vs ...V) error {
	if len(vs) == 0 {
		return s.core.Err()
	}
	c, _, _, err := s.upsert(k)
	if err != nil {
		return err
	}
	vs, ok := s.own.copies(vs)
	if !ok {
		return s.core.tooDeep(s.info.name)
	}
	if s.life != nil {
		s.trimFor(k, c)
	}
	s.add(k, c, vs)
	return s.leave()
}

// Set replaces a key's list by copies of elements; with none it is Delete. Errors as Value.Put. O(size of the
// elements).
func (s *List[K, V]) Set(k K, vs ...V) error {
	if len(vs) == 0 {
		return s.Delete(k)
	}
	c, _, _, err := s.upsert(k)
	if err != nil {
		return err
	}
	vs, ok := s.own.copies(vs)
	if !ok {
		return s.core.tooDeep(s.info.name)
	}
	if *c = (chunks[V]{}); s.life != nil {
		s.untouch(k, c)
	}
	s.add(k, c, vs)
	return s.leave()
}

func (s *List[K, V]) add(k K, c *chunks[V], vs []V) {
	if s.life != nil {
		s.addAging(k, c, vs)
		return
	}
	for _, v := range vs {
		c.add(s.core.space, v)
	}
}

// Get yields the elements of a key from first to last, as they were when Get was called; the loop's body may append.
// The elements must not be assigned through.
func (s *List[K, V]) Get(k K) iter.Seq[V] {
	if s.life != nil {
		return s.living(k)
	}
	var list chunks[V]
	if c := s.get(k); c != nil {
		list = *c
	}
	return list.seq()
}

// Len returns the number of elements of a key's list. O(1), with a TTL O(elements).
func (s *List[K, V]) Len(k K) int {
	if s.life != nil {
		return s.lenLiving(k)
	}
	if c := s.get(k); c != nil {
		return c.n
	}
	return 0
}

// All yields every key and its elements as they were when the loop began; otherwise as Value.All.
func (s *List[K, V]) All() iter.Seq2[K, iter.Seq[V]] { return lists(s.each) }

// InGroup is All for the keys of one key group; nothing for a group that is not the backend's.
func (s *List[K, V]) InGroup(group int) iter.Seq2[K, iter.Seq[V]] { return lists(s.inGroup(group)) }

func lists[K, V any](each func(func(K, part[chunks[V]]) bool)) iter.Seq2[K, iter.Seq[V]] {
	return func(yield func(K, iter.Seq[V]) bool) {
		each(func(k K, p part[chunks[V]]) bool { return yield(k, p.e.living(p.window)) })
	}
}

// merge implements Mergeable. A list that is moved whole is not copied.
func (s *List[K, V]) merge(into, from K) error {
	if s.life != nil {
		return s.mergeLiving(into, from)
	}
	c := s.get(from)
	if c == nil {
		return s.core.Err()
	}
	moved := *c
	to, inserted, _, err := s.upsert(into)
	if err != nil {
		return err
	}
	if inserted {
		*to = moved
	} else {
		for v := range moved.all {
			to.add(s.core.space, *v)
		}
	}
	s.remove(from)
	return s.leave()
}

// At returns the state as it is in a snapshot; see Value.At.
func (s *List[K, V]) At(snap *Snapshot) (*ListView[K, V], error) {
	f, err := viewOf(s.keyed, snap)
	if err != nil {
		return nil, err
	}
	return &ListView[K, V]{f}, nil
}

// ListView is a List as it was at a capture; see ValueView.
type ListView[K comparable, V any] struct {
	*viewed[K, chunks[V]]
}

// Get yields the elements of a key from first to last.
func (w *ListView[K, V]) Get(k K) iter.Seq[V] {
	return func(yield func(V) bool) {
		release, err := w.snap.hold()
		if err != nil {
			return
		}
		defer release()
		if p := w.f.get(k); p.e != nil {
			p.e.living(p.window)(yield)
		}
	}
}

// All yields every key and its elements.
func (w *ListView[K, V]) All() iter.Seq2[K, iter.Seq[V]] { return w.lists(w.f.each) }

// InGroup is All for the keys of one key group.
func (w *ListView[K, V]) InGroup(group int) iter.Seq2[K, iter.Seq[V]] {
	return w.lists(w.f.inGroup(group))
}

func (w *ListView[K, V]) lists(each func(func(K, part[chunks[V]]) bool)) iter.Seq2[K, iter.Seq[V]] {
	return func(yield func(K, iter.Seq[V]) bool) {
		l, err := w.snap.begin()
		if err != nil {
			return
		}
		defer l.end()
		for k, p := range each {
			if !yield(k, heldElements(l.hold, p)) {
				return
			}
		}
	}
}

// heldElements yields the elements of a list of a snapshot while it can be held, none once it is released: the owner
// may append then.
func heldElements[V any](hold func() (func(), error), p part[chunks[V]]) iter.Seq[V] {
	return func(yield func(V) bool) {
		if release, err := hold(); err == nil {
			defer release()
			p.e.living(p.window)(yield)
		}
	}
}

// seq yields the elements: those present now, since chunks only ever gain elements behind them.
func (c chunks[V]) seq() iter.Seq[V] {
	return func(yield func(V) bool) {
		for v := range c.all {
			if !yield(*v) {
				return
			}
		}
	}
}
