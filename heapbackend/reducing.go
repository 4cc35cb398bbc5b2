package heapbackend

import (
	"fmt"
	"iter"
)

// Reducing is a state that holds, for each key, all values that were added to it, reduced to one.
//
// The rules for values are those of Value. The reduce function's first argument is the state's: it may change it and
// return it, and keeps nothing of it. It may return its second argument, or what that refers to, but must not change
// it; the state keeps a copy of what is not the first.
type Reducing[K comparable, V any] struct {
	*keyed[K, V]
	value  *Value[K, V]
	reduce func(a, b V) V
}

// NewReducing registers a reducing state; see NewValue for the other arguments and the errors, and ErrConfig if reduce
// is nil. reduce makes one value of what the state holds and what is added. It is called on the owner's goroutine and
// must not use the backend, and it must be associative where namespaces are merged.
func NewReducing[V any, K comparable](in Scope[K], name string, reduce func(a, b V) V, opts ...Options[V]) (*Reducing[K, V], error) {
	if reduce == nil {
		return nil, fmt.Errorf("%w: state %q: no reduce function", ErrConfig, name)
	}
	s, err := newValue(in, name, kindReducing, opts)
	if err != nil {
		return nil, err
	}
	return &Reducing[K, V]{keyed: s.keyed, value: s, reduce: reduce}, nil
}

// Add reduces v into what the state holds for a key, which becomes v itself if that was nothing. If the function panics
// the backend refuses further use. Errors and cost as Value.Update.
func (s *Reducing[K, V]) Add(k K, v V) error {
	return s.add(k, v, nil)
}

// add is Add; where there was nothing the value gets the stamp, if one is given.
func (s *Reducing[K, V]) add(k K, v V, stamp *Timestamp) error {
	p, inserted, fresh, err := s.upsert(k)
	if err != nil {
		return err
	}
	if own := s.value.own; own != nil {
		if !s.addOwn(own, p, v, inserted, fresh) {
			return s.core.tooDeep(s.info.name)
		}
	} else if inserted {
		*p = v
	} else {
		*p = s.reduce(*p, v)
	}
	if inserted {
		s.restamp(k, stamp)
	}
	return s.leave()
}

// addOwn adds to the entry p of values that hold references. It reports false if the result is nested too deep.
func (s *Reducing[K, V]) addOwn(own *owning[V], p *V, v V, inserted, fresh bool) bool {
	if inserted {
		*p = v
		return own.take(p)
	}
	own.begin(p, fresh)
	*p = s.reduce(*p, v)
	return own.end(p)
}

// Get returns the reduced value of a key, and whether there is one; see Value.Get.
func (s *Reducing[K, V]) Get(k K) (v V, ok bool) { return s.value.Get(k) }

// All yields every key and its reduced value; see Value.All.
func (s *Reducing[K, V]) All() iter.Seq2[K, V] { return s.value.All() }

// InGroup is All for the keys of one key group; nothing for a group that is not the backend's.
func (s *Reducing[K, V]) InGroup(group int) iter.Seq2[K, V] { return s.value.InGroup(group) }

// At returns the state as it is in a snapshot; see Value.At.
func (s *Reducing[K, V]) At(snap *Snapshot) (*ValueView[K, V], error) { return s.value.At(snap) }

// merge implements Mergeable.
func (s *Reducing[K, V]) merge(into, from K) error {
	p, stamp := s.unexpired(from)
	if p == nil {
		return s.Delete(from)
	}
	moved := *p
	clip(&moved, s.value.own.clips())
	if err := s.add(into, moved, &stamp); err != nil {
		return err
	}
	return s.Delete(from)
}
