package supervise

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Failure is a kind of injected failure.
type Failure string

// The failures there are.
const (
	Panic    Failure = "panic"    // a keyed task panics
	Kill     Failure = "kill"     // the worker process is killed with SIGKILL
	LoseDisk Failure = "losedisk" // the same, and its local disk is gone
)

// Injection is a failure at a share of the input, 0 < Percent < 100.
type Injection struct {
	Failure Failure
	Percent float64
}

// String is the injection as it is written on the command line.
func (i Injection) String() string {
	return fmt.Sprintf("%s@%s%%", i.Failure, strconv.FormatFloat(i.Percent, 'f', -1, 64))
}

// ErrInjection: a list of injections that cannot be read.
var ErrInjection = errors.New("bad injection")

// ParseInjections reads a list like "panic@25%,kill@50%", in any order; "none"
// and "" are the empty list. The result is sorted by share.
func ParseInjections(list string) ([]Injection, error) {
	if list == "none" || list == "" {
		return nil, nil
	}
	var out []Injection
	for item := range strings.SplitSeq(list, ",") {
		i, err := parseInjection(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	slices.SortStableFunc(out, func(a, b Injection) int { return cmp.Compare(a.Percent, b.Percent) })
	return out, nil
}

func parseInjection(item string) (Injection, error) {
	kind, share, found := strings.Cut(item, "@")
	number, percent := strings.CutSuffix(share, "%")
	if !found || !percent {
		return Injection{}, fmt.Errorf("%w %q: want KIND@SHARE%%, for example kill@50%%", ErrInjection, item)
	}
	switch Failure(kind) {
	case Panic, Kill, LoseDisk:
	default:
		return Injection{}, fmt.Errorf("%w %q: %q is none of panic, kill, losedisk", ErrInjection, item, kind)
	}
	p, err := strconv.ParseFloat(number, 64)
	if err != nil || !(p > 0 && p < 100) {
		return Injection{}, fmt.Errorf("%w %q: the share has to be above 0%% and below 100%%", ErrInjection, item)
	}
	return Injection{Failure(kind), p}, nil
}

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

// schedule decides when the next injection happens: at its share of the input,
// once a checkpoint has completed since the last start, with its local copies. It
// is pure: events in, limit and decision out.
type schedule struct {
	pending []Injection
	total   int64
	patient bool // checkpoints come often enough to wait for one
	local   bool // there are local copies to wait for

	read      int64  // bytes of the input
	completed uint64 // newest checkpoint since the last start
	complete  int    // how many
	sealed    uint64 // newest one with its local copies

	failing bool  // an injection is happening: the tasks are not back yet
	failed  int64 // bytes read when it happened
	waited  int   // events since then
}

// newSchedule drops the injections that lie before what has been read already.
func newSchedule(injections []Injection, total, read int64, every time.Duration, local bool) (*schedule, []Injection) {
	s := &schedule{total: total, read: read, patient: every <= patience, local: local}
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

// at is the injection's place in the input, in bytes.
func (s *schedule) at(i Injection) int64 { return int64(i.Percent / 100 * float64(s.total)) }

// restarted notes that all tasks have their state again, or that a new process is about to start.
func (s *schedule) restarted() {
	s.completed, s.complete, s.sealed = 0, 0, 0
	s.failing, s.waited = false, 0
}

func (s *schedule) checkpoint(id uint64) {
	s.completed = id
	s.complete++
}

// progress notes how much of the input has been read.
func (s *schedule) progress(read int64) {
	s.read = read
	s.waited++
}

// limit is where the sources have to wait.
func (s *schedule) limit() int64 {
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

// due returns the injection whose time has come, and takes it off the list. The
// next one is not due before restarted was called.
func (s *schedule) due() (Injection, bool) {
	if s.failing || len(s.pending) == 0 || s.read < s.at(s.pending[0]) {
		return Injection{}, false
	}
	sealed := !s.local || s.sealed == s.completed || s.complete >= unsealed
	if s.patient && (s.complete == 0 || !sealed) {
		return Injection{}, false
	}
	next := s.pending[0]
	s.pending = s.pending[1:]
	s.failing, s.failed, s.waited = true, s.read, 0
	return next, true
}
