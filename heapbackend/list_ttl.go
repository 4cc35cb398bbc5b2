package heapbackend

import (
	"iter"

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

// stamped yields the elements from first to last, each with its stamp: when it was appended or, if that is later, when all
// were last read.
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

// alive reports whether an element of a list, which nobody appends to meanwhile, has not expired. It looks at the newest
// chunks first.
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
			dst, err = c.append(appendStamp(dst, stamp), v)
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

// trimFor drops what has expired of a list that is going to be appended to, if that is due. If the list was last read at a
// time that is still to come, the clock having gone back, its elements get that stamp here: those that follow do not.
func (s *List[K, V]) trimFor(k K, c *chunks[V]) {
	if c.n == 0 {
		return
	}
	t, hash := s.locate(k)
	m := s.momentOf(k)
	if w := s.windowOf(t, hash, c, m); w.stamp > m.stamp() || c.due(w) {
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
	stamp := s.momentOf(k).stamp()
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
		list = *c
		s.settle(t, hash, k, c, w, m)
	}
	s.leave()
	if s.life.returnExpired {
		w.limit = m.gone
	}
	return list.living(w)
}

// settle does what reading a list entails: with OnRead its elements live on, those that have expired being dropped before
// they are revived; else they are dropped when that is due. An element that OnRead keeps is not looked at again before it
// expires, so both are O(1) amortised over appends.
func (s *List[K, V]) settle(t *cow.Table[K, chunks[V]], hash uint64, k K, c *chunks[V], w window, m moment) {
	if s.life.onRead && !c.whole(w) || c.due(w) {
		s.trim(t, hash, k, c, w)
	}
	if s.life.onRead && w.stamp < m.now && t.Get(hash, k) != nil {
		t.Stamp(hash, k, int64(m.now))
	}
}

// mergeLiving is merge for a state with a lifetime: every element keeps its stamp. Where reading extends lives it goes through
// the list that is added to as well, whose last read is none of the new elements'.
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
	s.leave()
	return nil
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
