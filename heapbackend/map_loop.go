package heapbackend

import (
	"iter"
	"unsafe"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
)

// pair is an entry of a map, copied for a loop.
type pair[MK comparable, V any] struct {
	key   MK
	value V
}

// loopBytes is how many bytes a loop copies at most to be independent of what its body writes. Beyond that a view is
// cheaper, although every page that is written during the loop is copied then.
const loopBytes = 4096

// loop is Entries. Everything is read from the backend before the first entry is yielded.
func (s *Map[K, MK, V]) loop(k K, yield func(MK, V) bool) {
	if !s.core.guard.enter() {
		s.core.guard.refused()
		return
	}
	t, hash := s.locate(k)
	if t == nil {
		s.foreign(k)
		return
	}
	var m moment
	p := part[inner[MK, V]]{}
	if s.life != nil {
		s.life.tick()
		m = s.momentOf(k)
		s.clean() // first, since it may move the map
		p.window = window{on: true, limit: m.limit}
	}
	if p.e = t.Get(hash, k); p.e == nil {
		s.core.guard.leave()
		return
	}
	if s.vals == nil && p.e.table().Len() <= loopBytes/max(1, int(unsafe.Sizeof(pair[MK, V]{}))) {
		pairs := s.copied(p)
		s.core.guard.leave()
		defer s.discardCopy(pairs)
		s.yieldAll(k, m, seqOf(pairs), yield)
		return
	}
	view := s.core.space.View()
	defer s.core.ended(view)
	entries := clipped(p.e.living(p.window), s.vals.clips())
	s.core.guard.leave()
	s.yieldAll(k, m, entries, yield)
}

// copied returns what a loop over a small map yields.
func (s *Map[K, MK, V]) copied(p part[inner[MK, V]]) (pairs []pair[MK, V]) {
	pairs, s.spare = s.spare, nil
	for mk, v := range p.e.living(p.window) {
		pairs = append(pairs, pair[MK, V]{mk, v})
	}
	return pairs
}

// discardCopy ends the use of what copied returned, which must not keep alive what it refers to.
func (s *Map[K, MK, V]) discardCopy(pairs []pair[MK, V]) {
	clear(pairs)
	s.spare = pairs[:0]
}

func seqOf[MK comparable, V any](pairs []pair[MK, V]) iter.Seq2[MK, V] {
	return func(yield func(MK, V) bool) {
		for i := range pairs {
			if p := &pairs[i]; !yield(p.key, p.value) {
				return
			}
		}
	}
}

// yieldAll passes entries of the map of k on to a loop. Where reading extends lives it does so when the loop ends, for
// what was yielded: entries yields the same again.
func (s *Map[K, MK, V]) yieldAll(k K, m moment, entries iter.Seq2[MK, V], yield func(MK, V) bool) {
	if s.life == nil || !s.life.onRead {
		entries(yield)
		return
	}
	n := 0
	defer func() { s.extend(k, m, n, entries) }()
	entries(func(mk MK, v V) bool {
		n++
		return yield(mk, v)
	})
}

// extend lets the first n of the entries live on that are still in the map of k.
func (s *Map[K, MK, V]) extend(k K, m moment, n int, entries iter.Seq2[MK, V]) {
	if n == 0 {
		return
	}
	if !s.core.guard.enter() {
		s.core.guard.refused()
		return
	}
	defer s.core.guard.leave()
	t, hash := s.locate(k)
	e := t.Get(hash, k)
	if e == nil {
		return
	}
	var inside *cow.Table[MK, V] // the map ready to be written, once that is needed
	for mk := range entries {
		sub := s.subHash(mk)
		if v := e.table().Get(sub, mk); v != nil && Timestamp(*e.table().StampOf(sub, v)) < m.stamp {
			if inside == nil {
				inside = s.ownIn(t, hash, k)
				e = t.Get(hash, k)
			}
			inside.Stamp(sub, mk, int64(m.stamp))
		}
		if n--; n == 0 {
			return
		}
	}
}
