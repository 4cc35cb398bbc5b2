package recovery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRestartStrategies(t *testing.T) {
	const s = time.Second
	tests := map[string]struct {
		strategy RestartStrategy
		gaps     []time.Duration // between failures
		want     []time.Duration // -1: given up
	}{
		"none":                          {None{}, []time.Duration{0}, []time.Duration{-1}},
		"fixed, two attempts":           {Fixed{Attempts: 2, Delay: s}, []time.Duration{0, s, s}, []time.Duration{s, s, -1}},
		"fixed, no limit":               {Fixed{Delay: s}, []time.Duration{0, s, s}, []time.Duration{s, s, s}},
		"rate: too many at once":        {FailureRate{Failures: 2, Interval: 10 * s, Delay: s}, []time.Duration{0, s, s}, []time.Duration{s, s, -1}},
		"rate: rare ones go on":         {FailureRate{Failures: 2, Interval: 10 * s, Delay: s}, []time.Duration{0, 9 * s, 9 * s, 9 * s}, []time.Duration{s, s, s, s}},
		"rate: just outside":            {FailureRate{Failures: 1, Interval: 10 * s}, []time.Duration{0, 10 * s}, []time.Duration{0, 0}},
		"rate: just inside":             {FailureRate{Failures: 1, Interval: 10 * s}, []time.Duration{0, 10*s - 1}, []time.Duration{0, -1}},
		"exponential grows to its max":  {Exponential{Initial: s, Factor: 2, Max: 5 * s}, []time.Duration{0, s, s, s, s}, []time.Duration{s, 2 * s, 4 * s, 5 * s, 5 * s}},
		"exponential starts over":       {Exponential{Initial: s, Factor: 2, ResetAfter: 60 * s}, []time.Duration{0, s, 62 * s, s}, []time.Duration{s, 2 * s, s, 2 * s}},
		"exponential, just not over":    {Exponential{Initial: s, Factor: 2, ResetAfter: 60 * s}, []time.Duration{0, s, 62*s - 1}, []time.Duration{s, 2 * s, 4 * s}},
		"exponential, limited":          {Exponential{Initial: s, Attempts: 2}, []time.Duration{0, s, s}, []time.Duration{s, 1500 * time.Millisecond, -1}},
		"exponential, reset of attempt": {Exponential{Initial: s, Attempts: 1}, []time.Duration{0, 2 * time.Hour, 2 * time.Hour}, []time.Duration{s, s, s}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1_700_000_000, 0)
			var failures []time.Time
			for i, gap := range tt.gaps {
				now = now.Add(gap)
				failures = append(failures, now)
				delay, ok := tt.strategy.Next(failures)
				if tt.want[i] < 0 {
					require.False(t, ok, "failure %d", i)
					continue
				}
				require.True(t, ok, "failure %d", i)
				require.Equal(t, tt.want[i], delay, "failure %d", i)
			}
		})
	}
}

func TestExponentialJitterStaysWithinItsShareAndSpreads(t *testing.T) {
	s := Exponential{Initial: time.Second, Jitter: 0.25}
	low, high := time.Hour, time.Duration(0)
	for i := range 1000 {
		at := []time.Time{time.Unix(1_700_000_000, int64(i)*12345)}
		d, ok := s.Next(at)
		again, _ := s.Next(at)
		require.True(t, ok)
		require.Equal(t, d, again)
		low, high = min(low, d), max(high, d)
	}
	require.GreaterOrEqual(t, low, 750*time.Millisecond)
	require.Less(t, low, 760*time.Millisecond)
	require.LessOrEqual(t, high, 1250*time.Millisecond)
	require.Greater(t, high, 1240*time.Millisecond)
}

func TestRestartForgetsOldFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		strategy RestartStrategy
		want     int
	}{
		"exponential":         {Exponential{}, KeptFailures},
		"counting far":        {Exponential{Attempts: 3000}, 3001},
		"fixed counting far":  {Fixed{Attempts: 2000}, 2001},
		"rate counting far":   {FailureRate{Failures: 2000, Interval: time.Hour}, 2001},
		"rate":                {FailureRate{Failures: 3, Interval: time.Hour}, KeptFailures},
		"fixed without limit": {Fixed{}, KeptFailures},
	} {
		t.Run(name, func(t *testing.T) {
			var failures []time.Time
			now := time.Unix(0, 0)
			for range 5000 {
				now = now.Add(time.Minute)
				failures = trimFailures(tt.strategy, append(failures, now))
			}
			require.Len(t, failures, tt.want)
			require.Equal(t, now, failures[len(failures)-1])
		})
	}
}
