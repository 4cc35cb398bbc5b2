package recovery

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Defaults of [Exponential], which is the restart strategy of a job that names none.
const (
	// DefaultInitialDelay is the delay before the first restart.
	DefaultInitialDelay = time.Second
	// DefaultMaxDelay is the longest delay.
	DefaultMaxDelay = time.Minute
	// DefaultFactor multiplies the delay after each failure.
	DefaultFactor = 1.5
	// DefaultResetAfter is how long a job runs before its failures are forgotten.
	DefaultResetAfter = time.Hour
)

// RestartStrategy decides after each failure whether and when to restart. Implementations are pure functions of the
// failures; anyone may write one.
type RestartStrategy interface {
	// Next returns the delay before the restart, or false to give up. failures are the times of the failures of this
	// Run so far, oldest first, at least the newest KeptFailures of them; the last is the one to decide on. Tasks that
	// fail together are one failure. The slice is only valid during the call.
	Next(failures []time.Time) (delay time.Duration, restart bool)
}

// KeptFailures is how many failures of a Run a strategy is told of at least. Those of this package that count further get more.
const KeptFailures = 1024

// trimFailures forgets the failures that are too old to be decided on.
func trimFailures(s RestartStrategy, failures []time.Time) []time.Time {
	keep := KeptFailures
	switch s := s.(type) {
	case Fixed:
		keep = max(keep, s.Attempts+1)
	case FailureRate:
		keep = max(keep, s.Failures+1)
	case Exponential:
		keep = max(keep, s.Attempts+1)
	}
	if extra := len(failures) - keep; extra > 0 {
		return slices.Delete(failures, 0, extra)
	}
	return failures
}

// Fixed restarts after a fixed delay.
type Fixed struct {
	// Attempts is how many restarts there are in all; 0 means no limit.
	Attempts int
	// Delay is the time between a failure and the restart.
	Delay time.Duration
}

// Next implements RestartStrategy.
func (s Fixed) Next(failures []time.Time) (time.Duration, bool) {
	return s.Delay, s.Attempts == 0 || len(failures) <= s.Attempts
}

func (s Fixed) check() error { return checkNotNegative("Fixed", int64(s.Attempts), int64(s.Delay)) }

// FailureRate restarts after a fixed delay as long as failures are rare.
type FailureRate struct {
	// Failures is how many failures within Interval are allowed; one more ends the job. At least 1.
	Failures int
	// Interval is the time in which they are counted, more than 0.
	Interval time.Duration
	// Delay is the time between a failure and the restart.
	Delay time.Duration
}

// Next implements RestartStrategy.
func (s FailureRate) Next(failures []time.Time) (time.Duration, bool) {
	now, recent := failures[len(failures)-1], 0
	for _, f := range failures {
		if now.Sub(f) < s.Interval {
			recent++
		}
	}
	return s.Delay, recent <= s.Failures
}

func (s FailureRate) check() error {
	if s.Failures < 1 || s.Interval <= 0 {
		return fmt.Errorf("FailureRate needs Failures of at least 1 and an Interval: %d in %s", s.Failures, s.Interval)
	}
	return checkNotNegative("FailureRate", int64(s.Delay))
}

// Exponential restarts after a delay that grows with each failure, and starts over after a long time without one.
type Exponential struct {
	// Initial is the delay before the first restart; 0 means DefaultInitialDelay.
	Initial time.Duration
	// Max is the longest delay; 0 means DefaultMaxDelay.
	Max time.Duration
	// Factor multiplies the delay after each failure, at least 1; 0 means DefaultFactor.
	Factor float64
	// ResetAfter is how long after a failure and its delay the next one counts as the first again; 0 means DefaultResetAfter.
	ResetAfter time.Duration
	// Jitter spreads the delay by up to this share of it, in both directions, 0 to 1, so that jobs that failed together
	// do not come back together. The spread is a function of the time of the failure.
	Jitter float64
	// Attempts is how many restarts there are without a reset; 0 means no limit.
	Attempts int
}

// Next implements RestartStrategy.
func (s Exponential) Next(failures []time.Time) (time.Duration, bool) {
	s = s.withDefaults()
	delay, streak := s.Initial, 1
	for i := 1; i < len(failures); i++ {
		if failures[i].Sub(failures[i-1]) >= s.ResetAfter+delay {
			delay, streak = s.Initial, 1
			continue
		}
		streak++
		delay = time.Duration(math.Min(float64(delay)*s.Factor, float64(s.Max)))
	}
	if s.Attempts > 0 && streak > s.Attempts {
		return 0, false
	}
	return delay + time.Duration(float64(delay)*s.Jitter*spread(failures[len(failures)-1])), true
}

func (s Exponential) withDefaults() Exponential {
	if s.Initial == 0 {
		s.Initial = DefaultInitialDelay
	}
	if s.Max == 0 {
		s.Max = max(DefaultMaxDelay, s.Initial)
	}
	if s.Factor == 0 {
		s.Factor = DefaultFactor
	}
	if s.ResetAfter == 0 {
		s.ResetAfter = DefaultResetAfter
	}
	return s
}

func (s Exponential) check() error {
	s = s.withDefaults()
	if s.Factor < 1 || math.IsNaN(s.Factor) || s.Jitter < 0 || s.Jitter > 1 || math.IsNaN(s.Jitter) || s.Max < s.Initial {
		return fmt.Errorf("Exponential needs Factor >= 1, Jitter in [0, 1] and Max >= Initial: %v, %v, %s, %s", s.Factor, s.Jitter, s.Max, s.Initial)
	}
	return checkNotNegative("Exponential", int64(s.Initial), int64(s.ResetAfter), int64(s.Attempts))
}

// spread maps a time to [-1, 1), evenly (the finalizer of splitmix64).
func spread(t time.Time) float64 {
	x := uint64(t.UnixNano())
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64(int64(x^x>>31)) / (1 << 63)
}

// None never restarts: the first failure ends the job.
type None struct{}

// Next implements RestartStrategy.
func (None) Next([]time.Time) (time.Duration, bool) { return 0, false }

func checkNotNegative(what string, values ...int64) error {
	for _, v := range values {
		if v < 0 {
			return errors.New(what + " has a negative value")
		}
	}
	return nil
}

// RestartScope says which tasks start again when one fails.
type RestartScope uint8

const (
	// RestartAll restarts every task from the same checkpoint: right whenever tasks exchange records. The default.
	RestartAll RestartScope = iota
	// RestartOne restarts only the task that failed; the others go on. Right only when each task reads its own records
	// from a source that can be replayed, and none sends any to another.
	RestartOne
)
