package heapbackend

import (
	"iter"
	"unsafe"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/internal/wire"
)

// ages are the stamps of a chunk's elements, and two bounds on those of the whole list up to the chunk's last element.
//
// Invariant: stamps has one stamp for each element of the chunk; none of the list is below least; at least half of the
// elements there were when the list was last gone through have stamps up to half.
type ages struct {
	stamps []Timestamp
	least  Timestamp
	half   Timestamp
}

func (a *ages) copied() *ages {
	if a == nil {
		return nil
	}
	c := *a
	c.stamps = append(make([]Timestamp, 0, cap(a.stamps)), a.stamps...)
	return &c
}

// date stamps the element that was just added.
func (c *chunks[V]) date(stamp Timestamp) {
	l := c.tail()
	if l.ages == nil {
		l.ages = &ages{stamps: make([]Timestamp, 0, cap(l.elems)), least: stamp, half: stamp}
		if l.before != nil {
			l.ages.least, l.ages.half = l.before.ages.least, l.before.ages.half
		}
	}
	l.ages.least = min(l.ages.least, stamp)
	l.ages.stamps = append(l.ages.stamps, stamp)
}

// stamped yields the elements from first to last, each with its stamp: when it was appended or, if that is later, when
// all were last read.
func (c *chunks[V]) stamped(touched Timestamp, yield func(*V, Timestamp) bool) {
	for l, n := range c.runs {
		for j := range l.elems[:n] {
			if !yield(&l.elems[j], max(touched, l.ages.stamps[j])) {
				return
			}
		}
	}
}

// whole reports whether it is plain that nothing of the list has expired.
func (c *chunks[V]) whole(w window) bool {
	return !w.on || w.stamp > w.limit || c.last != nil && c.tail().ages.least > w.limit
}

// alive reports whether an element of a list, which nobody appends to meanwhile, has not expired. It looks at the
// newest chunks first.
func (c *chunks[V]) alive(w window) bool {
	if c.whole(w) {
		return c.n > 0
	}
	for l := c.tail(); l != nil; l = l.before {
		for _, stamp := range l.ages.stamps {
			if stamp > w.limit {
				return true
			}
		}
	}
	return false
}

// count returns how many elements have not expired.
func (c *chunks[V]) count(w window) int {
	if c.whole(w) {
		return c.n
	}
	n := 0
	c.stamped(w.stamp, func(_ *V, stamp Timestamp) bool {
		if stamp > w.limit {
			n++
		}
		return true
	})
	return n
}

// living yields what has not expired of the elements present now.
func (c chunks[V]) living(w window) iter.Seq[V] {
	if c.whole(w) {
		return c.seq()
	}
	return func(yield func(V) bool) {
		c.stamped(w.stamp, func(v *V, stamp Timestamp) bool { return stamp <= w.limit || yield(*v) })
	}
}

// trimmed returns a list of the elements that have not expired.
func (c *chunks[V]) trimmed(space *cow.Space, w window) (kept chunks[V]) {
	c.stamped(w.stamp, func(v *V, stamp Timestamp) bool {
		if stamp > w.limit {
			kept.add(space, *v)
			kept.date(stamp)
		}
		return true
	})
	if kept.n == 0 {
		return kept
	}
	// Half of what is left has expired once the latest stamp of the first half has, however the clock went.
	left, half := (kept.n+1)/2, MinTimestamp
	kept.stamped(MinTimestamp, func(_ *V, stamp Timestamp) bool {
		half = max(half, stamp)
		left--
		return left > 0
	})
	kept.tail().ages.half = half
	return kept
}

func (c *valueCodec[V]) appendAging(dst []byte, l *chunks[V], w window) (_ []byte, err error) {
	dst = wire.AppendArrayLen(dst, l.count(w))
	l.stamped(w.stamp, func(v *V, stamp Timestamp) bool {
		if stamp > w.limit {
			dst, err = c.append(appendStamp(dst, max(stamp, w.floor)), v)
		}
		return err == nil
	})
	return dst, err
}

// windowOf returns the window of a list in its table at a moment.
func (s *List[K, V]) windowOf(t *cow.Table[K, chunks[V]], hash uint64, c *chunks[V], m moment) window {
	return window{on: true, stamp: Timestamp(*t.StampOf(hash, c)), limit: m.limit}
}

// due reports whether at least half of a list has expired, as far as can be told without going through it.
func (c *chunks[V]) due(w window) bool {
	return c.last == nil || max(w.stamp, c.tail().ages.half) <= w.limit
}

// trimFor drops what has expired of a list that is going to be appended to, if that is due. If the list was last read
// at a time that is still to come, the clock having gone back, its elements get that stamp here: those that follow do
// not.
func (s *List[K, V]) trimFor(k K, c *chunks[V]) {
	if c.n == 0 {
		return
	}
	t, hash := s.locate(k)
	m := s.momentOf(k)
	if w := s.windowOf(t, hash, c, m); w.stamp > m.stamp || c.due(w) {
		*c = c.trimmed(s.core.space, w)
		s.untouch(k, c)
	}
}

// untouch forgets when a list was read, since it has no elements that were.
func (s *List[K, V]) untouch(k K, c *chunks[V]) {
	t, hash := s.locate(k)
	*t.StampOf(hash, c) = int64(MinTimestamp)
}

func (s *List[K, V]) addAging(k K, c *chunks[V], vs []V) {
	stamp := s.momentOf(k).stamp
	for _, v := range vs {
		c.add(s.core.space, v)
		c.date(stamp)
	}
}

// trim drops what has expired of the list of k, and with the last element the list.
func (s *List[K, V]) trim(t *cow.Table[K, chunks[V]], hash uint64, k K, c *chunks[V], w window) {
	kept := c.trimmed(s.core.space, w)
	if kept.n == 0 {
		s.remove(k)
		return
	}
	if c, _, _, err := t.Upsert(hash, k); err == nil { // a key that is present takes no room
		*c = kept
	}
	s.forget(k, hash)
}

// living is Get of a state with a lifetime.
func (s *List[K, V]) living(k K) iter.Seq[V] {
	var list chunks[V]
	t, hash, m := s.open(k)
	if t == nil {
		return list.seq()
	}
	var w window
	if c := t.Get(hash, k); c != nil {
		w = s.windowOf(t, hash, c, m)
		if list = *c; c.due(w) {
			s.trim(t, hash, k, c, w)
		}
	}
	s.leave()
	if s.life.returnExpired {
		w.limit = m.gone
	}
	if s.life.onRead && list.n > 0 {
		return s.reading(k, list, w)
	}
	return list.living(w)
}

// reading is living for a list whose elements live on when they are read. The loop is an operation of its own.
func (s *List[K, V]) reading(k K, list chunks[V], w window) iter.Seq[V] {
	return func(yield func(V) bool) {
		t, _, m := s.open(k)
		if t == nil {
			list.living(w)(yield)
			return
		}
		s.leave()
		at, read, more := 0, 0, true
		defer func() {
			if more {
				read = list.n
			}
			s.extend(k, list, read, m)
		}()
		list.stamped(w.stamp, func(v *V, stamp Timestamp) bool {
			if at++; stamp <= w.limit {
				return true
			}
			read, more = at, false // until yield has returned, which it may not
			more = yield(*v)
			return more
		})
	}
}

// extend lets those of the first n elements of a list that had not expired at a moment live on. What has expired is
// dropped before all is revived; elements that are kept are not looked at again before they expire, so this is O(1)
// amortised over appends, but O(chunks) for a part. Where the list was put together anew meanwhile a part cannot be
// told, and lives on with the rest.
func (s *List[K, V]) extend(k K, list chunks[V], n int, m moment) {
	if n == 0 {
		return
	}
	if !s.core.guard.enter() {
		s.core.guard.refused()
		return
	}
	defer s.core.guard.leave()
	t, hash := s.locate(k)
	c := t.Get(hash, k)
	if c == nil {
		return
	}
	w := s.windowOf(t, hash, c, m)
	if w.stamp >= m.stamp {
		return
	}
	if n < c.n && c.extends(&list) {
		if c, _, _, err := t.Upsert(hash, k); err == nil { // as in trim
			*c = c.touched(s.core.space, n, w, m.stamp)
		}
		return
	}
	if !c.whole(w) {
		s.trim(t, hash, k, c, w)
	}
	if t.Get(hash, k) != nil {
		t.Stamp(hash, k, int64(m.stamp))
	}
}

// extends reports whether a list begins with the chunks of an earlier one.
func (c *chunks[V]) extends(earlier *chunks[V]) bool {
	l := c.tail()
	for l != nil && l != earlier.tail() {
		l = l.before
	}
	return l != nil
}

// touched returns the list with a new stamp for those of its first n elements that have not expired. Chunks without
// such share their stamps, and all but the last, which may be appended to, their elements.
func (c *chunks[V]) touched(space *cow.Space, n int, w window, stamp Timestamp) chunks[V] {
	var last *chunk[V]
	for l, has := range c.runs {
		last = &chunk[V]{before: last, epoch: space.Epoch(), elems: l.elems, ages: l.ages}
		if l == c.tail() {
			last.elems = append(make([]V, 0, cap(l.elems)), l.elems...)
		}
		if l == c.tail() || n > 0 {
			last.ages = l.ages.copied()
		}
		for i := range last.ages.stamps[:min(n, has)] {
			if old := &last.ages.stamps[i]; max(*old, w.stamp) > w.limit {
				*old = max(*old, stamp)
			}
		}
		n -= min(n, has)
	}
	return chunks[V]{last: unsafe.Pointer(last), n: c.n}
}

// mergeLiving is merge for a state with a lifetime: every element keeps its stamp. Where reading extends lives it goes
// through the list that is added to as well, whose last read is none of the new elements'.
func (s *List[K, V]) mergeLiving(into, from K) error {
	t, hash, m := s.open(from)
	if t == nil {
		return s.core.Err()
	}
	var moved chunks[V]
	if c := t.Get(hash, from); c != nil {
		moved = c.trimmed(s.core.space, s.windowOf(t, hash, c, m))
	}
	s.core.guard.leave()
	if moved.n == 0 {
		return s.Delete(from)
	}
	c, _, _, err := s.upsert(into)
	if err != nil {
		return err
	}
	t, hash = s.locate(into)
	if w := s.windowOf(t, hash, c, s.momentOf(into)); w.stamp > MinTimestamp {
		*c = c.trimmed(s.core.space, w)
		s.untouch(into, c)
	}
	moved.stamped(MinTimestamp, func(v *V, stamp Timestamp) bool {
		c.add(s.core.space, *v)
		c.date(stamp)
		return true
	})
	s.remove(from)
	return s.leave()
}

func (s *List[K, V]) lenLiving(k K) (n int) {
	t, hash, m := s.open(k)
	if t == nil {
		return 0
	}
	if c := t.Get(hash, k); c != nil {
		n = c.count(s.windowOf(t, hash, c, m))
	}
	s.leave()
	return n
}

// cleanLists drops what has expired of the next few lists where that is due.
func (s *List[K, V]) cleanLists() {
	for range s.life.cleanup {
		k, c, touched, m, ok := s.next()
		if !ok {
			continue
		}
		if w := (window{on: true, stamp: touched, limit: m.limit}); c.due(w) {
			t, hash := s.locate(k)
			s.trim(t, hash, k, c, w)
		}
	}
}
