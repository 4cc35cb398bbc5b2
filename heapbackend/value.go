package heapbackend

import (
	"iter"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/internal/wire"
)

// Value is a state that holds one value of type V for each key.
//
// The state keeps its own copy of what Put is given. What Get and All return must not be assigned through, since the
// state and snapshots share it, but may be appended to and put anywhere. Update is the way to modify in place: it works
// on a copy where a snapshot may share the value, which is once after each capture. The package's rules for values say
// more.
type Value[K comparable, V any] struct {
	*keyed[K, V]
	own *owning[V] // nil when plain assignment is a deep copy
	// apart says that Get has more to do than to look up.
	apart bool
}

// NewValue registers a value state in a backend or in its Namespaces; K follows from that. At most one Options may be
// given. Errors: ErrStateName, ErrStateExists, ErrStateType (V cannot be encoded or copied, or the name has another
// type), ErrConfig, and ErrSchema if the restored checkpoint holds the state with another type.
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
		refs: c.owner.References(), pointers: c.pointers, life: c.life,
	})
	if err != nil {
		return nil, err
	}
	s.checked(c.check(), wholeValue[V])
	own := c.owns()
	return &Value[K, V]{keyed: s, own: own, apart: s.life != nil || own.clips() != nil}, nil
}

// Get returns the value of a key, and whether there is one. If the backend refuses use it returns none, and the
// backend's Err says why. The value must not be assigned through; it may change with the next Update of the key. O(1),
// no allocation.
func (s *Value[K, V]) Get(k K) (v V, ok bool) {
	if s.apart {
		return s.getApart(k)
	}
	if p := s.get(k); p != nil {
		return *p, true
	}
	return v, false
}

// getApart is Get of a state with a lifetime, or of values that have slices.
func (s *Value[K, V]) getApart(k K) (v V, ok bool) {
	if s.life != nil {
		v, ok = s.read(k)
	} else if p := s.get(k); p != nil {
		v, ok = *p, true
	}
	clip(&v, s.own.clips())
	return v, ok
}

// Put sets the value of a key to a copy of v. Errors: ErrGroup, ErrConcurrent, ErrFull, ErrDepth, ErrClosed; each but
// the last also makes the next capture fail, so that a caller may leave them to it. O(1), with references O(size of the
// value); after a capture the first write to a page copies it.
func (s *Value[K, V]) Put(k K, v V) error {
	p, _, _, err := s.upsert(k)
	if err != nil {
		return err
	}
	*p = v
	if s.own != nil && !s.own.take(p) {
		return s.core.tooDeep(s.info.name)
	}
	err = s.tidy()
	s.core.guard.leave()
	return err
}

// Update calls fn with the value of a key for modification in place, with the zero value if there is none yet. The
// pointer, and what it leads to, is fn's only during the call; what fn stores in the value is copied. fn must not use
// the backend. If it panics the backend refuses further use. Errors as Put. O(1), with one look-up for what would
// otherwise be a Get and a Put; values with references may be copied, see the package's rules for values.
func (s *Value[K, V]) Update(k K, fn func(*V)) error {
	p, _, fresh, err := s.upsert(k)
	if err != nil {
		return err
	}
	if s.own == nil {
		fn(p)
	} else if !s.own.update(p, fresh, fn) {
		return s.core.tooDeep(s.info.name)
	}
	err = s.tidy()
	s.core.guard.leave()
	return err
}

// All yields every key and value as they were when the loop began, in no order that a program may rely on; the loop's
// body may read and write the state. The values must not be assigned through.
func (s *Value[K, V]) All() iter.Seq2[K, V] { return values(s.each, s.own.clips()) }

// InGroup is All for the keys of one key group; nothing for a group that is not the backend's.
func (s *Value[K, V]) InGroup(group int) iter.Seq2[K, V] {
	return values(s.inGroup(group), s.own.clips())
}

// At returns the state as it is in a snapshot, for reading from any goroutine. Errors: ErrReleased, ErrUnknownState if
// the snapshot was taken before the state was registered, ErrMismatch if it is another backend's.
func (s *Value[K, V]) At(snap *Snapshot) (*ValueView[K, V], error) {
	f, err := viewOf(s.keyed, snap)
	if err != nil {
		return nil, err
	}
	return &ValueView[K, V]{f, s.own.clips()}, nil
}

// ValueView is a Value as it was at a capture. It is free to all goroutines until the snapshot's handle is released;
// then it holds nothing. A call or a loop that has begun by then completes. What a value refers to through slices, maps
// or pointers may be read until then too, and no longer: the owner may write to it once no snapshot holds it.
type ValueView[K comparable, V any] struct {
	*viewed[K, V]
	clips []uintptr // see clip
}

// Get returns the value of a key, and whether there was one. It must not be assigned through.
func (w *ValueView[K, V]) Get(k K) (v V, ok bool) {
	release, err := w.snap.hold()
	if err != nil {
		return v, false
	}
	defer release()
	if p := w.f.get(k); p.e != nil {
		v, ok = *p.e, true
		clip(&v, w.clips)
	}
	return v, ok
}

// All yields every key and value, always in the same order. The values must not be assigned through.
func (w *ValueView[K, V]) All() iter.Seq2[K, V] {
	return values(held(w.snap, w.f.each), w.clips)
}

// InGroup is All for the keys of one key group.
func (w *ValueView[K, V]) InGroup(group int) iter.Seq2[K, V] {
	return values(held(w.snap, w.f.inGroup(group)), w.clips)
}

// values turns entries that are there whole or not at all into values.
func values[K, V any](each func(func(K, part[V]) bool), clips []uintptr) iter.Seq2[K, V] {
	return clipped(func(yield func(K, V) bool) {
		each(func(k K, p part[V]) bool { return yield(k, *p.e) })
	}, clips)
}

// copies turns pointers into values.
func copies[K, V any](all func(func(K, *V) bool)) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		all(func(k K, v *V) bool { return yield(k, *v) })
	}
}
