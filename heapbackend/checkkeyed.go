package heapbackend

import (
	"unsafe"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
)

// checked makes operations on the state check its values, if the backend is to. values yields those in an entry.
func (s *keyed[K, E]) checked(v valueCheck, in func(e *E) valueSeq) {
	if s.check = s.core.newChecker(&s.info, v, s.core.groups()); s.check == nil {
		return
	}
	s.values = in
	after := s.after
	s.after = func() error {
		err := s.check.end() // before a clean-up moves entries
		if after == nil || err != nil {
			return err
		}
		return after()
	}
}

// upserted is the end of upsert where there is more to an operation than its entry.
func (s *keyed[K, E]) upserted(
	t *cow.Table[K, E], hash uint64, k K, e *E, inserted, fresh bool,
) (*E, bool, bool, error) {
	if s.check != nil {
		w := writing{group: s.groupOf(k) - s.core.cfg.Range.First, key: hash, values: func() valueSeq {
			if e := t.Get(hash, k); e != nil {
				return s.values(e)
			}
			return nil
		}}
		if err := s.check.begin(w, !inserted); err != nil {
			return nil, false, false, err
		}
	}
	if s.life != nil && s.renew(t, hash, k, e, inserted) {
		return e, true, true, nil
	}
	return e, inserted, fresh, nil
}

// forget is told that the entry of a key changes outside an operation on it.
func (s *keyed[K, E]) forget(k K, hash uint64) {
	if s.check != nil {
		s.check.forget(s.groupOf(k)-s.core.cfg.Range.First, hash)
	}
}

// checkAll compares every entry with what was written.
func (s *keyed[K, E]) checkAll() error {
	if s.check == nil {
		return nil
	}
	if err := s.check.end(); err != nil {
		return err
	}
	for i := range s.tables {
		f := s.tables[i].Freeze()
		err := s.check.all(i, func(yield func(uint64, valueSeq) bool) {
			for k, e := range f.All() {
				if !yield(s.keys.hash(k), s.values(e)) {
					return
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// wholeValue yields the one value of an entry.
func wholeValue[V any](e *V) valueSeq { return one(unsafe.Pointer(e)) }

// elements yields the values of a list.
func elements[V any](c *chunks[V]) valueSeq {
	return func(yield func(uint64, unsafe.Pointer) bool) {
		at := uint64(0)
		for v := range c.all {
			if !yield(at, unsafe.Pointer(v)) {
				return
			}
			at++
		}
	}
}

// inside returns what yields the values of a map, whose keys have that hash.
func inside[MK comparable, V any](hash func(MK) uint64) func(*inner[MK, V]) valueSeq {
	return func(e *inner[MK, V]) valueSeq {
		return func(yield func(uint64, unsafe.Pointer) bool) {
			f := e.table().Freeze()
			for k, v := range f.All() {
				if !yield(hash(k), unsafe.Pointer(v)) {
					return
				}
			}
		}
	}
}
