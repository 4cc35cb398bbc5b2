package recovery

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/primary"
)

// ticking is a task function that processes a record a second and takes part in checkpoints only then; before, if not nil, is
// called before each.
func ticking(before func(ctx context.Context, t *Task)) TaskFunc {
	return func(ctx context.Context, t *Task) error {
		if _, err := heapbackend.For[uint64](t); err != nil {
			return err
		}
		if _, err := t.Restore(ctx); err != nil {
			return err
		}
		for o := t.Offset(); ; o++ {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(time.Second):
			}
			if before != nil {
				before(ctx, t)
			}
			if err := t.Advance(ctx, o+1); err != nil {
				return err
			}
		}
	}
}

// begin runs a job in a synctest bubble; its result is in the channel.
func begin(t *testing.T, cfg Config, fn TaskFunc) (*Job, <-chan error) {
	t.Helper()
	job, err := NewJob(cfg)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- job.Run(context.Background(), fn) }()
	return job, done
}

// A savepoint that is pending when a stop begins is captured first. Tasks must not wait after it for the end of the stop, whose own
// savepoint is still to be captured.
func TestJobStopsWithASavepointWhileAnotherIsPending(t *testing.T) {
	for name, periodic := range map[string]time.Duration{"nothing else": 0, "periodic checkpoints": 10 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := primary.NewMemory()
				cfg := Config{Name: "j", Tasks: 2, M: 8, Primary: store, Every: periodic, MaxConcurrent: 4}
				job, done := begin(t, cfg, ticking(nil))
				time.Sleep(1500 * time.Millisecond)
				saved := make(chan error, 1)
				go func() {
					_, err := job.Savepoint(context.Background())
					saved <- err
				}()
				synctest.Wait()
				start := time.Now()
				m, err := job.Stop(context.Background(), true)
				require.NoError(t, err)
				require.Less(t, time.Since(start), 2*time.Second)
				<-saved // it may be the slower one, and is aborted then
				require.NoError(t, <-done)
				for _, ts := range m.Operators[0].Tasks {
					p, err := decodePosition(ts.Position)
					require.NoError(t, err)
					require.EqualValues(t, 2, p.next, "the stop's savepoint came with the first record after it")
				}
			})
		})
	}
}

// A savepoint goes on when its caller does not wait for it any longer.
func TestJobReportsASavepointWhoseCallerIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports []CheckpointReport
		cfg := Config{Name: "j", Tasks: 1, M: 8, Primary: primary.NewMemory(), OnCheckpoint: func(r CheckpointReport) { reports = append(reports, r) }}
		job, done := begin(t, cfg, ticking(nil))
		time.Sleep(1500 * time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		_, err := job.Savepoint(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, reports, 1)
		require.True(t, reports[0].Savepoint)
		require.NoError(t, reports[0].Err)
		_, err = job.Stop(context.Background(), false)
		require.NoError(t, err)
		require.NoError(t, <-done)
	})
}

// A job that has gone on after a savepoint cannot be taken back by Config.From.
func TestJobWarnsOfASavepointItDoesNotUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		cfg := Config{Name: "j", Tasks: 1, M: 8, Primary: primary.NewMemory(), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
		job, done := begin(t, cfg, ticking(nil))
		time.Sleep(time.Second)
		m, err := job.Savepoint(context.Background())
		require.NoError(t, err)
		newer, err := job.Checkpoint(context.Background())
		require.NoError(t, err)
		_, err = job.Stop(context.Background(), false)
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.NotContains(t, log.String(), "Config.From")
		cfg.From = m
		job, done = begin(t, cfg, ticking(nil))
		time.Sleep(time.Second)
		require.Equal(t, newer.Checkpoint, job.Latest().Checkpoint)
		_, err = job.Stop(context.Background(), false)
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.Contains(t, log.String(), "Config.From not used")
	})
}
