package heapbackend

import (
	"fmt"
	"slices"
	"time"

	"github.com/heapstate/heapstate/internal/wire"
)

// TTL lets what a state holds expire: each value of a Value, Reducing or Aggregating state, each element of a List,
// each entry of the map of a Map. Each carries a stamp, the time of its last write. It has expired once stamp + After
// <= now, a sum beyond MaxTimestamp being that: at MaxTimestamp, the end of time, all has expired.
//
// A write never shortens a life. What is written counts as written at the latest time that the state knows of, where
// the clock is behind that: a time that an operation or a capture has read from the clock or, after a restore, that of
// the capture as far as the copy tells it: at the least the latest stamp of what it holds. What is written before there
// is any time, the clock being at MinTimestamp, counts as written at the first one that the clock then shows.
//
// What has expired is not there for Get, loops, Len, views and snapshots, and Update begins with the zero value. A
// snapshot decides at its capture what has expired and always holds the same. What expires while a job is down has
// expired after the restore. Keys, and Namespaces.Of, may still count a key whose content was not cleaned up yet;
// those of a view do not.
//
// Memory: 8 bytes a value, element or map entry, and 8 for each list. Time: a read of the clock for each operation, and
// Cleanup. Snapshot.Entries, AppendGroup and StageSnapshot count the group's entries once for each snapshot.
type TTL struct {
	// After is how long an entry lives, in milliseconds rounded up. It must be positive. Another After after a restore
	// applies to what was restored, too.
	After time.Duration
	// OnRead makes a read extend a life as a write does: Get, and loops over a list or a map (List.Get, Map.Entries)
	// when they end, for what they have yielded until then and the program has not removed. The first read of a page
	// after a capture then copies it, as a write would. Leaving a loop over a list early costs O(chunks of the list).
	// Loops over a whole state, Len and views extend nothing.
	OnRead bool
	// ReturnExpired makes Get return also what has expired but is still there: once for a value or a map's value,
	// which the read removes, and for a list's elements until they are cleaned up. What a restored snapshot did not
	// hold is never returned, whether it was restored by taking memory over or from bytes.
	ReturnExpired bool
	// Clock returns the time, once for each operation; nil is the wall clock. An event-time program gives its
	// watermark, and MinTimestamp while it has none. It is called by the backend's owner, inside the operation, so it
	// must not use the backend, and by restores of a state that was written without a TTL, on their goroutines. It may
	// go back: then what was and what is stamped lives longer, and what had expired and is still there is there again,
	// but for what a restored snapshot left out.
	Clock func() Timestamp
	// Cleanup is how many entries each operation on the state looks at, at a place that moves through the state, to
	// remove the expired ones: 0 means 5, below 0 none. Each takes O(1), or amortised over appends for a list, which
	// is cut when at least half of it has expired. Removing one copies its page if a snapshot may see it, as any write
	// does. A state that is not used is not cleaned. What a read or write finds expired goes whatever Cleanup says.
	Cleanup int
}

const defaultCleanup = 5

// lifetime is the TTL of one state at work. It belongs to the backend's owner, but for its clock.
//
// Invariant: a stamp is above MinTimestamp; one that was given since the group was installed is above gone, and at most
// the later of newest and gone+1.
type lifetime struct {
	after         Timestamp // in milliseconds, positive
	onRead        bool
	returnExpired bool
	clock         func() Timestamp
	cleanup       int
	// gone says for each group up to which stamp entries are no more, whatever the clock says now: those that the
	// snapshot it was taken over from left out. Below MaxTimestamp, since a group without a later stamp is installed
	// as empty.
	gone []Timestamp
	// born says for each group what stamps before it count as: those of before there was a time, which are lower than
	// any. It is unborn where the clock has shown none since, and MinTimestamp where there are no such stamps.
	born    []Timestamp
	waiting bool      // Invariant: it is set if any of born is unborn
	newest  Timestamp // the latest time known, MinTimestamp if none is; never MaxTimestamp, the end of time
	now     Timestamp // of the operation that runs
}

// unborn is in lifetime.born for a group whose time has not come.
const unborn = MaxTimestamp

// times are what a group that is installed brings along.
type times struct{ gone, born, newest Timestamp }

// noTimes are those of an empty group.
var noTimes = times{gone: MinTimestamp, born: unborn, newest: MinTimestamp}

// moment is an operation's time in one group.
type moment struct {
	stamp Timestamp // of what is written now
	limit Timestamp // stamps up to this have expired
	gone  Timestamp // see lifetime
}

func newLifetime(o *TTL) (*lifetime, error) {
	if o == nil {
		return nil, nil
	}
	if o.After <= 0 {
		return nil, fmt.Errorf("%w: TTL.After is %v; it must be positive", ErrConfig, o.After)
	}
	l := &lifetime{onRead: o.OnRead, returnExpired: o.ReturnExpired, clock: o.Clock, cleanup: o.Cleanup}
	l.after = Timestamp(o.After / time.Millisecond)
	if o.After%time.Millisecond != 0 {
		l.after++
	}
	if l.clock == nil {
		l.clock = func() Timestamp { return TimestampOf(time.Now()) }
	}
	if l.cleanup == 0 {
		l.cleanup = defaultCleanup
	}
	return l, nil
}

// refused is the error of a TTL for a state that has no keys.
func (l *lifetime) refused(name string) error {
	if l == nil {
		return nil
	}
	return fmt.Errorf("%w: state %q: operator state has no TTL", ErrConfig, name)
}

// horizon returns the highest stamp that has expired at that time, MinTimestamp if none has.
func (l *lifetime) horizon(now Timestamp) Timestamp {
	switch {
	case now == MaxTimestamp:
		return MaxTimestamp // where every later sum ends
	case now < MinTimestamp+l.after:
		return MinTimestamp
	}
	return now - l.after
}

// begin sets the times of that many groups, all of them empty.
func (l *lifetime) begin(groups int) {
	l.gone, l.born = slices.Repeat([]Timestamp{noTimes.gone}, groups), slices.Repeat([]Timestamp{noTimes.born}, groups)
	l.newest, l.waiting = noTimes.newest, true
}

// install sets the times of the group of that index.
func (l *lifetime) install(group int, t times) {
	if t.newest == MinTimestamp {
		t.born = unborn
	}
	l.gone[group], l.born[group] = t.gone, t.born
	l.newest, l.waiting = max(l.newest, t.newest), l.waiting || t.born == unborn
}

// tick reads the clock for an operation. With the first time that there is, what has waited for one gets it.
func (l *lifetime) tick() {
	if l.now = l.clock(); l.now == MinTimestamp || l.now == MaxTimestamp {
		return
	}
	if l.newest = max(l.newest, l.now); l.waiting {
		for i, born := range l.born {
			if born == unborn {
				l.born[i] = l.newest
			}
		}
		l.waiting = false
	}
}

// in returns the moment of the running operation in the group of that index. Where the clock is far behind a
// snapshot's, the stamp is later than what the snapshot left out.
func (l *lifetime) in(group int) moment {
	stamp := max(l.newest, l.gone[group]+1)
	return moment{stamp: stamp, limit: l.limit(group, l.horizon(l.now)), gone: l.gone[group]}
}

// limit returns the highest stamp that has expired in the group of that index: that of the horizon, unless it is of
// what was born later.
func (l *lifetime) limit(group int, horizon Timestamp) Timestamp {
	if horizon < l.born[group] {
		return l.gone[group]
	}
	return max(horizon, l.gone[group])
}

// limits returns for each of n groups from index first on up to which stamp entries have expired now.
func (l *lifetime) limits(first, n int) []Timestamp {
	l.tick()
	limits, horizon := make([]Timestamp, n), l.horizon(l.now)
	for i := range limits {
		limits[i] = l.limit(first+i, horizon)
	}
	return limits
}

// shown reports whether Get returns what has that stamp.
func (l *lifetime) shown(stamp Timestamp, m moment) bool {
	return stamp > m.limit || l.returnExpired && stamp > m.gone
}

// window says what of an entry is there. The zero window is that of a state without TTL, in which all is.
type window struct {
	on    bool
	stamp Timestamp // of the entry in its table; for a list the time of the last read that extended its elements' lives
	limit Timestamp // stamps up to this have expired
	floor Timestamp // stamps before this count as it: see lifetime.born
}

// stamps is how the stamps of a group being decoded are read.
type stamps struct {
	written bool      // there are some
	kept    bool      // the state wants some
	now     Timestamp // what they are if it does and there are none
	found   *times    // what is known of the group by what was read; set if the state wants some
}

// stampsOf returns how the stamps of a group that was written as described are read into s.
func (s *keyed[K, E]) stampsOf(written *stateInfo) stamps {
	st := stamps{written: written.stamped, kept: s.life != nil}
	if st.kept {
		st.found = &times{gone: MinTimestamp, born: MinTimestamp, newest: MinTimestamp}
	}
	if st.kept && !st.written {
		if st.now = s.life.clock(); st.now == MaxTimestamp {
			st.now = MinTimestamp // all has expired then, and nothing is older
		}
	}
	return st
}

// read reads the stamp before a value, which is the next thing to read then.
func (s stamps) read(r *wire.Reader) (Timestamp, error) {
	if !s.written {
		return s.note(s.now), nil
	}
	if n := r.ArrayLen(); n != 2 && r.Err() == nil {
		return 0, fmt.Errorf("a stamp and a value of %d parts", n)
	}
	return s.note(Timestamp(r.Int())), r.Err()
}

// note returns the stamp that stands for the one that was read. The lowest is that of before there was a time.
func (s stamps) note(stamp Timestamp) Timestamp {
	stamp = max(stamp, MinTimestamp+1)
	if s.found == nil {
		return stamp
	}
	if stamp == MinTimestamp+1 {
		s.found.born = unborn
	} else if stamp < MaxTimestamp {
		s.found.newest = max(s.found.newest, stamp)
	}
	return stamp
}

// appendStamp appends what stamps.read reads; the value follows.
func appendStamp(dst []byte, stamp Timestamp) []byte {
	return wire.AppendInt(wire.AppendArrayLen(dst, 2), int64(stamp))
}
