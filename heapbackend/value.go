package heapbackend

import (
	"iter"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/internal/wire"
)

// Value is a state that holds one value of type V for each key.
//
// A value that holds slices, maps or pointers belongs to the state once it was given to Put; what Get and All return
// must not be modified, since snapshots may share it. Update is the way to modify in place: it works on a copy where a
// snapshot, another key or the program may share the value, which is once after each Put and after each capture.
type Value[K comparable, V any] struct {
	*keyed[K, V]
	clone func(dst, src *V) // nil when plain assignment is a deep copy
}

// NewValue registers a value state in a backend or in its Namespaces; K follows from that. At most one Options may be given. Errors: ErrStateName,
// ErrStateExists, ErrStateType (V cannot be encoded or copied, or the name has another type), ErrConfig, and ErrSchema
// if the restored checkpoint holds the state with another type.
func NewValue[V any, K comparable](in Scope[K], name string, opts ...Options[V]) (*Value[K, V], error) {
	return newValue(in, name, kindValue, opts)
}

// newValue registers a state whose entries are values, of any kind.
func newValue[V any, K comparable](in Scope[K], name, kind string, opts []Options[V]) (*Value[K, V], error) {
	c, err := newValueCodec(opts)
	if err != nil {
		return nil, err
	}
	s, err := register(in, c.describe(name, kind), layout[V]{
		append: c.append,
		decoder: func(_ *cow.Space, written *stateInfo, _ stamps) (func(*wire.Reader, *V) error, error) {
			return c.from(written)
		},
		refs: c.clone != nil, pointers: c.pointers, life: c.life,
	})
	if err != nil {
		return nil, err
	}
	s.checked(c.check(), wholeValue[V])
	return &Value[K, V]{keyed: s, clone: c.clone}, nil
}

// Get returns the value of a key, and whether there is one. If the backend refuses use it returns none, and the
// backend's Err says why. The value must not be modified. O(1), no allocation.
func (s *Value[K, V]) Get(k K) (v V, ok bool) {
	if s.life != nil {
		return s.read(k)
	}
	if p := s.get(k); p != nil {
		return *p, true
	}
	return v, false
}

// Put sets the value of a key. Errors: ErrGroup, ErrConcurrent, ErrFull, ErrClosed; each but the last also makes the
// next capture fail, so that a caller may leave them to it. O(1); after a capture the first write to a page copies it.
func (s *Value[K, V]) Put(k K, v V) error {
	p, _, _, err := s.upsert(k)
	if err != nil {
		return err
	}
	*p = v
	if s.clone != nil { // v may refer to what Get returned, or to what the program keeps
		s.disown(k)
	}
	err = s.tidy()
	s.core.guard.leave()
	return err
}

// Update calls fn with the value of a key for modification in place, with the zero value if there is none yet. The
// pointer is valid only during the call, and fn must not use the backend. If fn panics the backend refuses further use.
// Errors and cost as Put, with one look-up for what would otherwise be a Get and a Put.
func (s *Value[K, V]) Update(k K, fn func(*V)) error {
	p, _, fresh, err := s.upsert(k)
	if err != nil {
		return err
	}
	s.unshare(p, fresh)
	fn(p)
	err = s.tidy()
	s.core.guard.leave()
	return err
}

// unshare makes a value that is not fresh ready to be written through.
func (s *Value[K, V]) unshare(p *V, fresh bool) {
	if !fresh && s.clone != nil {
		var c V
		s.clone(&c, p)
		*p = c
	}
}

// All yields every key and value as they were when the loop began, in no order that a program may rely on; the loop's
// body may read and write the state. The values must not be modified.
func (s *Value[K, V]) All() iter.Seq2[K, V] { return values(s.each) }

// InGroup is All for the keys of one key group; nothing for a group that is not the backend's.
func (s *Value[K, V]) InGroup(group int) iter.Seq2[K, V] { return values(s.inGroup(group)) }

// At returns the state as it is in a snapshot, for reading from any goroutine. Errors: ErrReleased, ErrUnknownState if
// the snapshot was taken before the state was registered, ErrMismatch if it is another backend's.
func (s *Value[K, V]) At(snap *Snapshot) (*ValueView[K, V], error) {
	f, err := viewOf(s.keyed, snap)
	if err != nil {
		return nil, err
	}
	return &ValueView[K, V]{f}, nil
}

// ValueView is a Value as it was at a capture. It is free to all goroutines until the snapshot's handle is released;
// then it holds nothing. A call or a loop that has begun by then completes. What a value refers to through slices, maps
// or pointers may be read until then too, and no longer: the owner may write to it once no snapshot holds it.
type ValueView[K comparable, V any] struct {
	*viewed[K, V]
}

// Get returns the value of a key, and whether there was one. It must not be modified.
func (w *ValueView[K, V]) Get(k K) (v V, ok bool) {
	release, err := w.snap.hold()
	if err != nil {
		return v, false
	}
	defer release()
	if p := w.f.get(k); p.e != nil {
		return *p.e, true
	}
	return v, false
}

// All yields every key and value, always in the same order. The values must not be modified.
func (w *ValueView[K, V]) All() iter.Seq2[K, V] { return values(held(w.snap, w.f.each)) }

// InGroup is All for the keys of one key group.
func (w *ValueView[K, V]) InGroup(group int) iter.Seq2[K, V] {
	return values(held(w.snap, w.f.inGroup(group)))
}

// values turns entries that are there whole or not at all into values.
func values[K, V any](each func(func(K, part[V]) bool)) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		each(func(k K, p part[V]) bool { return yield(k, *p.e) })
	}
}

// copies turns pointers into values.
func copies[K, V any](all func(func(K, *V) bool)) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		all(func(k K, v *V) bool { return yield(k, *v) })
	}
}
