package heapbackend

import (
	"iter"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/internal/wire"
)

// OperatorList is a state that holds a sequence of elements of type V for the task as a whole: what a source reads
// from, say, and how far it has come. NewSplitList and NewUnionList say what a restore makes of the lists of all
// tasks.
//
// The state keeps its own copies of elements, which never change: replace them with Set. What it yields must not be
// assigned through.
type OperatorList[V any] struct {
	operator
	codec valueCodec[V]
	own   *owning[V]
	list  chunks[V]
	check *checker // nil without Config.CheckValues
}

// NewSplitList registers a list whose elements are shared out when the parallelism changes: the lists of all old
// tasks, one after the other by task, are cut into as many runs as there are tasks now, as long as one another or one
// element longer at the first tasks. With the parallelism unchanged each task gets its own list back.
//
// At most one Options may be given, those of the elements; Clone is used as by a List. Errors: ErrStateName,
// ErrStateExists, ErrStateType, ErrConfig (also where the backend's task is not known: see Config.Tasks), and
// ErrSchema if the restored checkpoint holds the state with another type.
func NewSplitList[V any, K comparable](b *Backend[K], name string, opts ...Options[V]) (*OperatorList[V], error) {
	return newOperatorList(&b.core, name, kindSplit, opts)
}

// NewUnionList registers a list of which every task gets everything at a restore: the lists of all old tasks, one
// after the other by task. The program drops what it has no use for, with Set: what it keeps is multiplied by the next
// restore. Arguments and errors are those of NewSplitList.
//
// A list that is registered only after the restore gets what was carried for it, which is shared out as a split list
// is.
func NewUnionList[V any, K comparable](b *Backend[K], name string, opts ...Options[V]) (*OperatorList[V], error) {
	return newOperatorList(&b.core, name, kindUnion, opts)
}

func newOperatorList[V any](c *core, name, kind string, opts []Options[V]) (*OperatorList[V], error) {
	values, err := newValueCodec(opts)
	if err != nil {
		return nil, err
	}
	o, err := c.newOperator(values.describe(name, kind), values.life)
	if err != nil {
		return nil, err
	}
	s := &OperatorList[V]{operator: o, codec: values, own: values.owns()}
	s.check = c.newChecker(&s.info, values.check(), 1)
	if err := c.registerOperator(s); err != nil {
		return nil, err
	}
	return s, nil
}

// Append adds copies of elements to the end of the list. Errors: ErrConcurrent, ErrDepth, ErrClosed, and what else made
// the backend refuse use. O(size of the elements); after a capture the first append copies at most 256 elements or
// about 8 KiB.
func (s *OperatorList[V]) Append(vs ...V) error {
	if !s.core.guard.enter() {
		return s.core.guard.refused()
	}
	vs, ok := s.own.copies(vs)
	if !ok {
		return s.core.tooDeep(s.info.name)
	}
	if err := s.compare(); err != nil {
		return err
	}
	for _, v := range vs {
		s.list.add(s.core.space, v)
	}
	err := s.written()
	s.core.guard.leave()
	return err
}

// Set replaces the list by copies of elements; with none it becomes empty. Errors as Append. O(size of the elements).
func (s *OperatorList[V]) Set(vs ...V) error {
	if !s.core.guard.enter() {
		return s.core.guard.refused()
	}
	vs, ok := s.own.copies(vs)
	if !ok {
		return s.core.tooDeep(s.info.name)
	}
	if err := s.compare(); err != nil {
		return err
	}
	s.list = chunks[V]{}
	for _, v := range vs {
		s.list.add(s.core.space, v)
	}
	err := s.written()
	s.core.guard.leave()
	return err
}

// compare compares the elements with what was last written.
func (s *OperatorList[V]) compare() error {
	if s.check == nil {
		return nil
	}
	return s.check.again(0, elements(&s.list))
}

// written checks the elements that were written.
func (s *OperatorList[V]) written() error {
	if s.check == nil {
		return nil
	}
	return s.check.wrote(0, 0, elements(&s.list))
}

func (s *OperatorList[V]) checkAll() error {
	if s.check == nil {
		return nil
	}
	return s.check.whole(elements(&s.list))
}

// All yields the elements from first to last as they were when the loop began; the loop's body may write. They must
// not be assigned through. If the backend refuses use it yields none, and the backend's Err says why.
func (s *OperatorList[V]) All() iter.Seq[V] {
	return func(yield func(V) bool) {
		if !s.enter() {
			return
		}
		list := s.list
		s.core.guard.leave()
		list.seq()(yield)
	}
}

// Len returns the number of elements. O(1).
func (s *OperatorList[V]) Len() int {
	if !s.enter() {
		return 0
	}
	n := s.list.n
	s.core.guard.leave()
	return n
}

// At returns the list as it is in a snapshot; see Value.At.
func (s *OperatorList[V]) At(snap *Snapshot) (*OperatorListView[V], error) {
	f, err := frozenIn(snap, s.info.name, func(f *frozenList[V]) bool { return f.state == s })
	if err != nil {
		return nil, err
	}
	return &OperatorListView[V]{list: f.list, snap: snap}, nil
}

// OperatorListView is an OperatorList as it was at a capture; see ValueView.
type OperatorListView[V any] struct {
	list chunks[V]
	snap *Snapshot
}

// All yields the elements from first to last. They must not be assigned through.
func (w *OperatorListView[V]) All() iter.Seq[V] {
	return heldElements(w.snap.hold, part[chunks[V]]{e: &w.list})
}

// Len returns the number of elements, 0 once the snapshot is released. O(1).
func (w *OperatorListView[V]) Len() int {
	release, err := w.snap.hold()
	if err != nil {
		return 0
	}
	defer release()
	return w.list.n
}

// frozenList is an OperatorList of a snapshot.
type frozenList[V any] struct {
	state *OperatorList[V]
	list  chunks[V]
}

func (f *frozenList[V]) described() *stateInfo { return &f.state.info }
func (f *frozenList[V]) entries(int) uint64    { return uint64(f.list.n) }

// only implements frozen.
func (f *frozenList[V]) only(int) frozen {
	bare := &OperatorList[V]{operator: operator{info: f.state.info}, codec: f.state.codec}
	return &frozenList[V]{state: bare, list: f.list}
}

func (f *frozenList[V]) appendGroup(dst []byte, group int) ([]byte, error) {
	start := len(dst)
	var err error
	at := 0
	for v := range f.list.all {
		if dst, err = f.state.codec.append(dst, v); err != nil {
			return dst[:start], &EncodeError{State: f.state.info.name, Group: group, Entry: at, Cause: err}
		}
		at++
	}
	return dst, nil
}

func (s *OperatorList[V]) freeze() frozen { return &frozenList[V]{state: s, list: s.list} }

func (s *OperatorList[V]) drop() { s.list = chunks[V]{} }

// stage returns a *chunks[V] that nobody else has.
func (s *OperatorList[V]) stage(written *stateInfo, _ int, entries uint64, records []byte) (content, error) {
	if !s.info.related(written) {
		return nil, mismatch(&s.info, written, nil)
	}
	decode, err := s.codec.from(written)
	if err != nil {
		return nil, mismatch(&s.info, written, err)
	}
	list, space := new(chunks[V]), cow.NewSpace()
	err = s.readRecords(written, entries, records, 1, func(r *wire.Reader) error {
		var v V
		if err := decode(r, &v); err != nil {
			return err
		}
		list.add(space, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func (s *OperatorList[V]) stageFrozen(f frozen, group int) (content, error) {
	if same, ok := f.(*frozenList[V]); ok && s.info.same(f.described()) {
		return &same.list, nil
	}
	return s.stageRecords(s, f, group)
}

// install takes a list over. Its chunks may be a snapshot's: their epochs tell add.
func (s *OperatorList[V]) install(_ int, c content) {
	if s.check != nil {
		s.check.install(0)
	}
	s.list = chunks[V]{}
	if list, ok := c.(*chunks[V]); ok {
		s.list = *list
	}
}

func (s *OperatorList[V]) combine(old inheritance[content]) content {
	task, tasks := s.core.cfg.place()
	if s.info.kind == kindSplit && old.tasks == tasks {
		return old.of(task)
	}
	n := 0
	for _, p := range old.parts {
		n += p.part.(*chunks[V]).n
	}
	first, end := 0, n
	if s.info.kind == kindSplit {
		first, end = share(n, task, tasks)
	}
	var all chunks[V]
	at := 0
	for _, p := range old.parts {
		list := p.part.(*chunks[V])
		switch {
		case at+list.n <= first || at >= end:
		case at == first && at+list.n <= end && all.n == 0:
			all = *list // further ones go behind it
		default:
			list.appendTo(&all, s.core.space, first-at, end-at)
		}
		at += list.n
	}
	return &all
}

// appendTo appends the elements [first, end) of the list, as far as there are any, to another.
func (c *chunks[V]) appendTo(to *chunks[V], space *cow.Space, first, end int) {
	at := 0
	for v := range c.all {
		if at >= end {
			return
		}
		if at >= first {
			to.add(space, *v)
		}
		at++
	}
}
