package inject

import (
	"math"
	"time"
)

const (
	// patience is the longest interval of checkpoints that an injection waits for.
	patience = 5 * time.Second
	// lead is how far before the share the sources are held when no checkpoint has
	// completed yet: so much, at least, is read again after the failure.
	lead = 0.02
	// unsealed is how many checkpoints complete, while an injection waits for local copies, before it waits no longer.
	unsealed = 3
	// nudge is how far sources may go on after an injected panic, so that a record
	// comes along for a task to panic at; and hopeless how many events later they are let go as far as they like.
	nudge    = 0.01
	hopeless = 100
)

// Schedule decides when the next injection happens: at its share of the input,
// once a checkpoint has completed since the last start, with its local copies. It
// is pure: events in, limit and decision out. One goroutine uses it.
type Schedule struct {
	pending []Injection
	total   int64
	patient bool // checkpoints come often enough to wait for one
	local   bool // there are local copies to wait for

	read      int64  // how much of the input has been read
	completed uint64 // newest checkpoint since the last start
	complete  int    // how many
	empty     int    // how many came empty while the sources waited
	sealed    uint64 // newest one with its local copies

	failing bool  // an injection is happening: the tasks are not back yet
	failed  int64 // how much had been read when it happened
	waited  int   // events since then
	held    bool  // it is one during which nothing more is to be read
}

// NewSchedule returns the schedule of injections, sorted by share, in total of input, in any unit, of which read has been read. The
// injections that lie before that are dropped, and returned. every is the time between checkpoints; local says that there are local
// copies to wait for.
func NewSchedule(injections []Injection, total, read int64, every time.Duration, local bool) (*Schedule, []Injection) {
	s := &Schedule{total: total, read: read, patient: every <= patience, local: local}
	var passed []Injection
	for _, i := range injections {
		if read > 0 && s.at(i) <= read {
			passed = append(passed, i)
			continue
		}
		s.pending = append(s.pending, i)
	}
	return s, passed
}

// at is the injection's place in the input.
func (s *Schedule) at(i Injection) int64 { return int64(i.Percent / 100 * float64(s.total)) }

// Restarted notes that all tasks have their state again, or that a new process is about to start.
func (s *Schedule) Restarted() {
	s.completed, s.complete, s.sealed, s.empty = 0, 0, 0, 0
	s.failing, s.held, s.waited = false, false, 0
}

// Checkpoint notes a checkpoint that completed.
func (s *Schedule) Checkpoint(id uint64) {
	s.completed = id
	s.complete++
}

// Empty notes a checkpoint that completed and holds nothing, which is one from before the first record: a recovery from it
// would show nothing. It counts as a checkpoint only when some have come while the sources waited for one.
func (s *Schedule) Empty(id uint64) {
	if s.read >= s.Limit() {
		s.empty++
	}
	if s.empty >= unsealed {
		s.Checkpoint(id)
	}
}

// Sealed notes that the local copies of a checkpoint are complete.
func (s *Schedule) Sealed(id uint64) { s.sealed = max(s.sealed, id) }

// Read is how much of the input has been read.
func (s *Schedule) Read() int64 { return s.read }

// Pending is how many injections have not happened.
func (s *Schedule) Pending() int { return len(s.pending) }

// Progress notes how much of the input has been read.
func (s *Schedule) Progress(read int64) {
	s.read = read
	s.waited++
}

// Limit is where the sources have to wait.
func (s *Schedule) Limit() int64 {
	if s.held {
		return s.failed
	}
	if len(s.pending) == 0 {
		return math.MaxInt64
	}
	at := s.at(s.pending[0])
	before := max(at-int64(lead*float64(s.total)), 0)
	switch {
	case s.failing && s.waited > hopeless:
		return math.MaxInt64
	case s.failing:
		return max(before, s.failed+int64(nudge*float64(s.total))+1)
	case s.patient && s.complete == 0:
		return before
	}
	return at
}

// Due returns the injection whose time has come, and takes it off the list. The
// next one is not due before Restarted was called.
func (s *Schedule) Due() (Injection, bool) {
	if s.failing || len(s.pending) == 0 || s.read < s.at(s.pending[0]) {
		return Injection{}, false
	}
	sealed := !s.local || s.sealed == s.completed || s.complete >= unsealed
	if s.patient && (s.complete == 0 || !sealed) {
		return Injection{}, false
	}
	next := s.pending[0]
	s.pending = s.pending[1:]
	s.failing, s.failed, s.waited, s.held = true, s.read, 0, next.Failure == Rescale
	return next, true
}
