package heapbackend

import (
	"iter"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/internal/wire"
)

// mapSweep is a place inside one map.
type mapSweep[K comparable] struct {
	inside bool
	key    K
	cursor cow.Cursor
}

// shows reports whether a value of the map, of a key with that hash, has not expired.
func (e *inner[MK, V]) shows(hash uint64, v *V, w window) bool {
	return !w.on || Timestamp(*e.table().StampOf(hash, v)) > w.limit
}

// alive reports whether an entry of the map has not expired.
func (e *inner[MK, V]) alive(w window) (alive bool) {
	f := e.table().Freeze()
	f.Each(func(_ MK, _ *V, stamp int64) bool {
		alive = Timestamp(stamp) > w.limit
		return !alive
	})
	return alive
}

func (e *inner[MK, V]) count(w window) (n int) {
	f := e.table().Freeze()
	f.Each(func(_ MK, _ *V, stamp int64) bool {
		if Timestamp(stamp) > w.limit {
			n++
		}
		return true
	})
	return n
}

// living yields what has not expired of a map that is not written meanwhile.
func (e *inner[MK, V]) living(w window) iter.Seq2[MK, V] {
	if !w.on {
		return e.seq()
	}
	f := e.table().Freeze()
	return func(yield func(MK, V) bool) {
		f.Each(func(k MK, v *V, stamp int64) bool { return Timestamp(stamp) <= w.limit || yield(k, *v) })
	}
}

// appendStamped writes a map as an array of alternating keys and pairs of stamp and value.
func (m *mapCodec[MK, V]) appendStamped(dst []byte, e *inner[MK, V], w window) (_ []byte, err error) {
	f := e.table().Freeze()
	dst = wire.AppendArrayLen(dst, 2*e.count(w))
	f.Each(func(k MK, v *V, stamp int64) bool {
		if Timestamp(stamp) <= w.limit {
			return true
		}
		if dst, err = m.sub.codec.Append(dst, &k); err == nil {
			dst, err = m.value.append(appendStamp(dst, max(Timestamp(stamp), w.floor)), v)
		}
		return err == nil
	})
	return dst, err
}

// renewIn is renew for an entry of the map of k, which upsert was called for.
func (s *Map[K, MK, V]) renewIn(t *cow.Table[MK, V], k K, mk MK, v *V) (expired bool) {
	stamp, m := t.StampOf(s.subHash(mk), v), s.momentOf(k)
	expired = Timestamp(*stamp) <= m.limit
	if *stamp = int64(m.stamp); expired {
		var zero V
		*v = zero
	}
	return expired
}

// read is Get of a state with a lifetime.
func (s *Map[K, MK, V]) read(k K, mk MK) (v V, ok bool) {
	t, hash, m := s.open(k)
	if t == nil {
		return v, false
	}
	if e := t.Get(hash, k); e != nil {
		sub := s.subHash(mk)
		if p := e.table().Get(sub, mk); p != nil {
			stamp := Timestamp(*e.table().StampOf(sub, p))
			if ok = s.life.shown(stamp, m); ok {
				v = *p
			}
			switch {
			case stamp <= m.limit:
				s.discard(t, hash, k, mk)
			case s.life.onRead && stamp < m.stamp:
				s.ownIn(t, hash, k).Stamp(sub, mk, int64(m.stamp))
			}
		}
	}
	s.leave()
	return v, ok
}

// ownIn returns the map of k, which is there, ready to be written.
func (s *Map[K, MK, V]) ownIn(t *cow.Table[K, inner[MK, V]], hash uint64, k K) *cow.Table[MK, V] {
	e, _, _, err := t.Upsert(hash, k) // a key that is present takes no room
	if err != nil {
		return cow.NewTable(s.maps) // a second goroutine writes, and the backend has been told
	}
	return s.own(e)
}

// discard removes an entry from the map of k, and with the last one the map.
func (s *Map[K, MK, V]) discard(t *cow.Table[K, inner[MK, V]], hash uint64, k K, mk MK) {
	inside := s.ownIn(t, hash, k)
	s.forget(k, hash)
	if inside.Delete(s.subHash(mk), mk); inside.Len() == 0 {
		s.remove(k)
	}
}

func (s *Map[K, MK, V]) lenLiving(k K) (n int) {
	t, hash, m := s.open(k)
	if t == nil {
		return 0
	}
	if e := t.Get(hash, k); e != nil {
		n = e.count(window{on: true, limit: m.limit})
	}
	s.leave()
	return n
}

// cleanMaps removes what has expired of the next few entries, going through one map after the other.
func (s *Map[K, MK, V]) cleanMaps() {
	at := &s.within
	for range s.life.cleanup {
		if !at.inside {
			k, _, _, _, ok := s.next()
			if !ok {
				continue
			}
			*at = mapSweep[K]{inside: true, key: k}
		}
		t, hash := s.locate(at.key)
		e := t.Get(hash, at.key)
		if e == nil {
			at.inside = false
			continue
		}
		k := at.key
		mk, _, stamp, ok := e.table().Next(&at.cursor)
		at.inside = !at.cursor.AtStart()
		if ok && Timestamp(stamp) <= s.momentOf(k).limit {
			s.discard(t, hash, k, mk)
		}
	}
}
