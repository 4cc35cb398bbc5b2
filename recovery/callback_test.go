package recovery

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A callback that panics or ends its goroutine loses nobody else's call, and is logged.
func TestJobContainsItsCallbacks(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic("in a callback") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				recovered, checked := 0, 0
				a := newTally(func(c *Config) {
					c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
					c.OnRecovery = func(RecoveryReport) { recovered++; fail() }
					c.OnCheckpoint = func(CheckpointReport) { checked++; fail() }
				})
				job, done := begin(t, a.cfg, a.task)
				time.Sleep(25 * time.Second)
				a.failNow()
				time.Sleep(20 * time.Second)
				stop(t, job, done)
				require.Equal(t, 2, recovered)
				require.GreaterOrEqual(t, checked, 3)
				require.Equal(t, recovered+checked, strings.Count(log.String(), "a callback failed"))
			})
		})
	}
}

// Run does not wait for ever for a callback that does not return, and calls none after it has returned.
func TestJobLeavesACallbackBehindThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		calls := 0
		a := newTally(func(c *Config) {
			c.Grace = 2 * time.Second
			c.OnCheckpoint = func(CheckpointReport) { calls++; <-release }
		})
		job, done := begin(t, a.cfg, a.task)
		time.Sleep(35 * time.Second)
		start := time.Now()
		stop(t, job, done)
		require.Equal(t, a.cfg.Grace, time.Since(start))
		close(release)
		synctest.Wait()
		require.Equal(t, 1, calls)
	})
}

type oddStrategy func()

func (s oddStrategy) Next([]time.Time) (time.Duration, bool) { s(); return 0, true }

func TestJobEndsWithARestartStrategyThatFails(t *testing.T) {
	for name, tt := range map[string]struct {
		next func()
		want string
	}{"panic": {func() { panic("odd") }, "odd"}, "goexit": {runtime.Goexit, ErrGoexit.Error()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newTally(func(c *Config) { c.Restart = oddStrategy(tt.next) })
				_, done := begin(t, a.cfg, a.task)
				time.Sleep(5 * time.Second)
				a.failNow()
				err := <-done
				require.ErrorIs(t, err, ErrGivenUp)
				require.ErrorContains(t, err, tt.want)
				require.ErrorContains(t, err, "boom")
			})
		})
	}
}

// Whatever hangs in the store when a job ends, Run returns within three times Grace.
func TestJobEndsInTimeWithAStoreThatHangs(t *testing.T) {
	for _, where := range []string{"/objects/", "/log/"} {
		t.Run(strings.Trim(where, "/"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newTally(func(c *Config) { c.Grace = 200 * time.Millisecond })
				ctx, cancel := context.WithCancel(context.Background())
				job, err := NewJob(a.cfg)
				require.NoError(t, err)
				done := make(chan error, 1)
				go func() { done <- job.Run(ctx, a.task) }()
				time.Sleep(15 * time.Second)
				hang, hung := make(chan struct{}), atomic.Int64{}
				a.store.set(func() {
					a.store.commit = func(_ context.Context, name string) error {
						if strings.Contains(name, where) {
							hung.Add(1)
							<-hang // deaf to its context
						}
						return nil
					}
				})
				time.Sleep(10 * time.Second)
				require.Positive(t, hung.Load())
				start := time.Now()
				cancel()
				require.ErrorIs(t, <-done, context.Canceled)
				require.LessOrEqual(t, time.Since(start), 3*a.cfg.Grace)
				close(hang)
				time.Sleep(time.Minute)
			})
		})
	}
}
