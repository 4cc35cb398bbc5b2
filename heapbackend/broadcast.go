package heapbackend

import (
	"fmt"
	"iter"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/keygroups"
)

// Broadcast is a state that holds one map from MK to V for the task as a whole, the same in every task: rules that
// every task has to know, say. That it is the same is the program's part: every task writes what all of them write, in
// the same order. A restore gives each task its own map back; where the parallelism changed, task i that of old task i
// modulo the number of old tasks.
//
// The state keeps its own copy of what Put is given; what Get and All return must not be assigned through.
type Broadcast[MK comparable, V any] struct {
	operator
	codec mapCodec[MK, V]
	own   *owning[V]
	pool  *cow.Pool[MK, V]
	table cow.Table[MK, V]
	check *checker // nil without Config.CheckValues
}

// NewBroadcast registers a broadcast state. MK may be what a backend's key may be; the Options are those of the values.
// Arguments and errors are otherwise those of NewSplitList.
func NewBroadcast[MK comparable, V any, K comparable](b *Backend[K], name string, opts ...Options[V]) (*Broadcast[MK, V], error) {
	c, err := newValueCodec(opts)
	if err != nil {
		return nil, err
	}
	h, err := keygroups.NewHasher[MK](b.cfg.Seed)
	if err != nil {
		return nil, fmt.Errorf("heapbackend: state %q: %w", name, err)
	}
	sub, err := newKeyCodec(h)
	if err != nil {
		return nil, err
	}
	info := c.describe(name, kindBroadcast)
	info.sub = h.Type()
	o, err := b.newOperator(info, c.life)
	if err != nil {
		return nil, err
	}
	s := &Broadcast[MK, V]{operator: o, codec: mapCodec[MK, V]{sub: sub, value: c}, own: c.owns()}
	s.pool = s.codec.newPool(b.space)
	s.table = *cow.NewTable(s.pool)
	s.check = b.newChecker(&s.info, c.check(), 1)
	if err := b.registerOperator(s); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Broadcast[MK, V]) hash(mk MK) uint64 {
	if h, ok := s.codec.sub.hasher.HashWord(mk); ok {
		return h
	}
	return s.codec.sub.hasher.Hash(mk)
}

// Put sets the value of a key to a copy of v. Errors: ErrConcurrent, ErrFull, ErrDepth, ErrClosed. O(1), with
// references O(size of the value); after a capture the first write to a page copies it.
func (s *Broadcast[MK, V]) Put(mk MK, v V) error {
	if !s.core.guard.enter() {
		return s.core.guard.refused()
	}
	p, inserted, _, err := s.table.Upsert(s.hash(mk), mk)
	if err != nil {
		return s.core.full(s.info.name, err)
	}
	if s.check != nil && !inserted {
		if err := s.check.again(s.hash(mk), wholeValue(p)); err != nil {
			return err
		}
	}
	*p = v
	if s.own != nil && !s.own.take(p) {
		return s.core.tooDeep(s.info.name)
	}
	if s.check != nil {
		err = s.check.wrote(0, s.hash(mk), wholeValue(p))
	}
	s.core.guard.leave()
	return err
}

// Get returns the value of a key, and whether there is one. It must not be assigned through. O(1), no allocation.
func (s *Broadcast[MK, V]) Get(mk MK) (v V, ok bool) {
	if !s.enter() {
		return v, false
	}
	p := s.table.Get(s.hash(mk), mk)
	if p != nil {
		v, ok = *p, true
	}
	s.core.guard.leave()
	return v, ok
}

// Remove removes a key; one that is not there is no error. Errors as Put. O(1).
func (s *Broadcast[MK, V]) Remove(mk MK) error {
	if !s.core.guard.enter() {
		return s.core.guard.refused()
	}
	s.table.Delete(s.hash(mk), mk)
	if s.check != nil {
		s.check.forget(0, s.hash(mk))
	}
	s.core.guard.leave()
	return nil
}

// All yields every key and value as they were when the loop began, in no order that a program may rely on; the loop's
// body may write. The values must not be assigned through.
func (s *Broadcast[MK, V]) All() iter.Seq2[MK, V] {
	return func(yield func(MK, V) bool) {
		if !s.enter() {
			return
		}
		view := s.core.space.View()
		defer s.core.ended(view)
		f := s.table.Freeze()
		s.core.guard.leave()
		copies(f.All())(yield)
	}
}

// Len returns the number of keys. O(1).
func (s *Broadcast[MK, V]) Len() int {
	if !s.enter() {
		return 0
	}
	n := s.table.Len()
	s.core.guard.leave()
	return n
}

// At returns the state as it is in a snapshot; see Value.At.
func (s *Broadcast[MK, V]) At(snap *Snapshot) (*BroadcastView[MK, V], error) {
	f, err := frozenIn(snap, s.info.name, func(f *frozenBroadcast[MK, V]) bool { return f.state == s })
	if err != nil {
		return nil, err
	}
	return &BroadcastView[MK, V]{f: f, snap: snap}, nil
}

// BroadcastView is a Broadcast as it was at a capture; see ValueView.
type BroadcastView[MK comparable, V any] struct {
	f    *frozenBroadcast[MK, V]
	snap *Snapshot
}

// Get returns the value of a key, and whether there was one. It must not be assigned through.
func (w *BroadcastView[MK, V]) Get(mk MK) (v V, ok bool) {
	release, err := w.snap.hold()
	if err != nil {
		return v, false
	}
	defer release()
	if p := w.f.table.Get(w.f.state.hash(mk), mk); p != nil {
		return *p, true
	}
	return v, false
}

// All yields every key and value, always in the same order. The values must not be assigned through.
func (w *BroadcastView[MK, V]) All() iter.Seq2[MK, V] { return copies(held(w.snap, w.f.table.All())) }

// Len returns the number of keys, 0 once the snapshot is released. O(1).
func (w *BroadcastView[MK, V]) Len() int {
	release, err := w.snap.hold()
	if err != nil {
		return 0
	}
	defer release()
	return w.f.table.Len()
}

// frozenBroadcast is a Broadcast of a snapshot.
type frozenBroadcast[MK comparable, V any] struct {
	state *Broadcast[MK, V]
	table cow.Frozen[MK, V]
}

func (f *frozenBroadcast[MK, V]) described() *stateInfo { return &f.state.info }
func (f *frozenBroadcast[MK, V]) entries(int) uint64    { return uint64(f.table.Len()) }

// only implements frozen.
func (f *frozenBroadcast[MK, V]) only(int) frozen {
	bare := &Broadcast[MK, V]{operator: operator{info: f.state.info}, codec: f.state.codec}
	return &frozenBroadcast[MK, V]{state: bare, table: f.table}
}

func (f *frozenBroadcast[MK, V]) appendGroup(dst []byte, group int) ([]byte, error) {
	start, c := len(dst), &f.state.codec
	var err error
	at := 0
	for k, v := range f.table.All() {
		dst = wire.AppendArrayLen(dst, 2)
		if dst, err = c.sub.codec.Append(dst, &k); err == nil {
			dst, err = c.value.append(dst, v)
		}
		if err != nil {
			return dst[:start], &EncodeError{State: f.state.info.name, Group: group, Entry: at, Cause: err}
		}
		at++
	}
	return dst, nil
}

func (s *Broadcast[MK, V]) checkAll() error {
	if s.check == nil {
		return nil
	}
	f := s.table.Freeze()
	return s.check.all(0, func(yield func(uint64, valueSeq) bool) {
		for k, v := range f.All() {
			if !yield(s.hash(k), wholeValue(v)) {
				return
			}
		}
	})
}

func (s *Broadcast[MK, V]) freeze() frozen {
	return &frozenBroadcast[MK, V]{state: s, table: s.table.Freeze()}
}

func (s *Broadcast[MK, V]) drop() { s.table = *cow.NewTable(s.pool) }

// stage returns a *cow.Table[MK, V] of a space of its own.
func (s *Broadcast[MK, V]) stage(written *stateInfo, _ int, entries uint64, records []byte) (content, error) {
	if !s.info.related(written) {
		return nil, mismatch(&s.info, written, nil)
	}
	decode, err := s.codec.value.from(written)
	if err != nil {
		return nil, mismatch(&s.info, written, err)
	}
	const least = 3 // an array of two
	t := cow.NewTableFor(s.codec.newPool(cow.NewSpace()), expected[MK, V](min(entries, uint64(len(records)/least)), len(records)))
	err = s.readRecords(written, entries, records, least, func(r *wire.Reader) error {
		if n := r.ArrayLen(); n != 2 && r.Err() == nil {
			return fmt.Errorf("a record of %d parts", n)
		}
		v, err := s.codec.decodeKey(r, t, stamps{})
		if err != nil {
			return err
		}
		return decode(r, v)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (s *Broadcast[MK, V]) stageFrozen(f frozen, group int) (content, error) {
	if same, ok := f.(*frozenBroadcast[MK, V]); ok && s.info.same(f.described()) {
		return same, nil
	}
	return s.stageRecords(s, f, group)
}

func (s *Broadcast[MK, V]) install(_ int, c content) {
	if s.check != nil {
		s.check.install(0)
	}
	switch c := c.(type) {
	case *frozenBroadcast[MK, V]:
		s.table.Adopt(c.table)
	case *cow.Table[MK, V]:
		s.table.Take(c)
	default:
		s.table = *cow.NewTable(s.pool)
	}
}

func (s *Broadcast[MK, V]) combine(old inheritance[content]) content {
	task, _ := s.core.cfg.place()
	return old.copyFor(task)
}
