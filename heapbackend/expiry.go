package heapbackend

import (
	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/internal/wire"
)

// sweep is a place in a state from which the next entries to clean up are looked for.
type sweep struct {
	group  int // index in the tables
	cursor cow.Cursor
}

// entriesStamped reports whether the tables have stamps.
func (s *keyed[K, E]) entriesStamped() bool {
	return s.life != nil && (s.layout.parts == nil || s.layout.parts.touched)
}

// alive reports whether an entry, or anything in it, has not expired.
func (s *keyed[K, E]) alive(e *E, w window) bool {
	if p := s.layout.parts; p != nil {
		return p.alive(e, w)
	}
	return w.stamp > w.limit
}

// renew begins a write to the entry of a key: it reads the clock and stamps the entry. It reports whether the entry is
// new because what it was has expired; then it is zero.
func (s *keyed[K, E]) renew(t *cow.Table[K, E], hash uint64, k K, e *E, inserted bool) (expired bool) {
	s.life.tick()
	if !s.entriesStamped() {
		return false
	}
	stamp := (*Timestamp)(t.StampOf(hash, e))
	if s.layout.parts != nil {
		if inserted {
			*stamp = MinTimestamp // its parts have not been read
		}
		return false
	}
	m := s.life.in(s.groupOf(k) - s.core.cfg.Range.First)
	expired = !inserted && *stamp <= m.limit
	if *stamp = m.stamp; expired {
		var zero E
		*e = zero
	}
	return expired
}

// open begins an operation on a state with a lifetime: it reads the clock and returns the table of a key, nil if the
// operation is refused, its hash and the moment. The caller calls leave.
func (s *keyed[K, E]) open(k K) (t *cow.Table[K, E], hash uint64, m moment) {
	if !s.core.guard.enter() {
		s.core.guard.refused()
		return nil, 0, m
	}
	if t, hash = s.locate(k); t == nil {
		s.foreign(k)
		return nil, 0, m
	}
	s.life.tick()
	return t, hash, s.momentOf(k)
}

// momentOf returns the moment of the running operation in the group of k, which is the backend's.
func (s *keyed[K, E]) momentOf(k K) moment { return s.life.in(s.groupOf(k) - s.core.cfg.Range.First) }

// read is get for entries that expire as a whole.
func (s *keyed[K, E]) read(k K) (v E, ok bool) {
	t, hash, m := s.open(k)
	if t == nil {
		return v, false
	}
	if e := t.Get(hash, k); e != nil {
		stamp := Timestamp(*t.StampOf(hash, e))
		if ok = s.life.shown(stamp, m); ok {
			v = *e
		}
		switch {
		case stamp <= m.limit:
			s.remove(k)
		case s.life.onRead && stamp < m.stamp:
			t.Stamp(hash, k, int64(m.stamp))
		}
	}
	s.leave()
	return v, ok
}

// unexpired returns the entry of a key that expires as a whole, and its stamp; with none if it is not there or has
// expired. It is valid until the next write.
func (s *keyed[K, E]) unexpired(k K) (e *E, stamp Timestamp) {
	if s.life == nil {
		return s.get(k), 0
	}
	t, hash, m := s.open(k)
	if t == nil {
		return nil, 0
	}
	defer s.core.guard.leave()
	if e = t.Get(hash, k); e == nil {
		return nil, 0
	}
	if stamp = Timestamp(*t.StampOf(hash, e)); stamp <= m.limit {
		return nil, 0
	}
	return e, stamp
}

// restamp gives the entry that the running operation has written the stamp it had under another key, if that is given.
func (s *keyed[K, E]) restamp(k K, stamp *Timestamp) {
	if s.life != nil && stamp != nil {
		t, hash := s.locate(k)
		t.Stamp(hash, k, int64(*stamp))
	}
}

// cleanEntries removes what has expired of the next few entries.
func (s *keyed[K, E]) cleanEntries() {
	for range s.life.cleanup {
		k, _, stamp, m, ok := s.next()
		if ok && stamp <= m.limit {
			s.remove(k)
		}
	}
}

// next moves the sweep on by one place and returns the entry there, if there is one, and the moment in its group.
func (s *keyed[K, E]) next() (k K, e *E, stamp Timestamp, m moment, ok bool) {
	at := &s.sweep
	group := at.group
	k, e, n, ok := s.tables[group].Next(&at.cursor)
	if at.cursor.AtStart() {
		if at.group++; at.group == len(s.tables) {
			at.group = 0
		}
	}
	if ok {
		m = s.life.in(group)
	}
	return k, e, Timestamp(n), m, ok
}

// decodeStamp reads the stamp of an entry that was just inserted, if it has one.
func (s *keyed[K, E]) decodeStamp(r *wire.Reader, c decodedGroup[K, E], hash uint64, e *E) error {
	stamp := MinTimestamp
	if s.layout.parts == nil {
		var err error
		if stamp, err = c.read(r); err != nil {
			return err
		}
	}
	if s.entriesStamped() {
		*c.table.StampOf(hash, e) = int64(stamp)
	}
	return nil
}
