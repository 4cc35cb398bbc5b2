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

// restoreOnly attaches a backend and restores it.
func restoreOnly(ctx context.Context, t *Task) error {
	if _, err := heapbackend.For[uint64](t); err != nil {
		return err
	}
	_, err := t.Restore(ctx)
	return err
}

// A task that has no records may finish long before any other has called Advance.
func TestJobChecksWithATaskThatFinishedWithoutRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		completed, failed := 0, 0
		cfg := Config{Name: "j", Tasks: 2, M: 8, Primary: primary.NewMemory(), Every: time.Minute}
		cfg.OnCheckpoint = func(r CheckpointReport) {
			if r.Err == nil {
				completed++
			} else {
				failed++
			}
		}
		slow := func(ctx context.Context, t *Task) {
			if t.Offset() == 0 { // the first record comes after a while
				select {
				case <-time.After(5 * time.Minute):
				case <-ctx.Done():
				}
			}
		}
		job, done := begin(t, cfg, func(ctx context.Context, t *Task) error {
			if t.Index() == 0 {
				return restoreOnly(ctx, t)
			}
			return ticking(slow)(ctx, t)
		})
		time.Sleep(time.Hour)
		m, err := job.Checkpoint(context.Background())
		require.NoError(t, err)
		p, err := decodePosition(m.Operators[0].Tasks[0].Position)
		require.NoError(t, err)
		require.Zero(t, p.next)
		synctest.Wait()
		require.Greater(t, completed, 50)
		require.Zero(t, failed)
		_, err = job.Stop(context.Background(), false)
		require.NoError(t, err)
		require.NoError(t, <-done)
	})
}

// captures is a task function that captures every due checkpoint with a position of its own.
func captures(position string) TaskFunc {
	return func(ctx context.Context, t *Task) error {
		if err := restoreOnly(ctx, t); err != nil {
			return err
		}
		for {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-t.DueC():
			}
			id, _ := t.Due()
			if err := t.Checkpoint(ctx, id, []byte(position)); err != nil {
				return err
			}
		}
	}
}

// Nobody but the engine knows the last position of a finished task that uses Checkpoint.
func TestJobSaysThatAFinishedTaskOfAnEngineEndsTheCheckpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		cfg := Config{Name: "j", Tasks: 2, M: 8, Primary: primary.NewMemory(), TolerableFailures: -1, Timeout: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		job, done := begin(t, cfg, func(ctx context.Context, t *Task) error {
			if t.Index() == 0 {
				return restoreOnly(ctx, t)
			}
			return captures("mine")(ctx, t)
		})
		time.Sleep(time.Second)
		_, err := job.Checkpoint(context.Background())
		require.Error(t, err)
		_, err = job.Checkpoint(context.Background())
		require.ErrorIs(t, err, primary.ErrNotRunning)
		_, err = job.Stop(context.Background(), false)
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.Contains(t, log.String(), "no checkpoints from now on")
	})
}

// An engine's position must never be taken for offset 0, with which every record would be read again.
func TestTaskRefusesToAdvanceFromAForeignPosition(t *testing.T) {
	for name, foreign := range map[string]string{"text": "partition 3 offset 12345", "none": ""} {
		t.Run(name, func(t *testing.T) { foreignPosition(t, foreign) })
	}
}

func foreignPosition(t *testing.T, foreign string) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Name: "j", Tasks: 1, M: 8, Primary: primary.NewMemory()}
		job, done := begin(t, cfg, captures(foreign))
		time.Sleep(time.Second)
		_, err := job.Checkpoint(context.Background())
		require.NoError(t, err)
		_, err = job.Stop(context.Background(), false)
		require.NoError(t, err)
		require.NoError(t, <-done)

		_, done = begin(t, cfg, ticking(nil))
		require.ErrorIs(t, <-done, ErrPosition)

		var position string
		job, done = begin(t, cfg, func(ctx context.Context, t *Task) error {
			position = string(t.Position())
			return captures("partition 3 offset 12346")(ctx, t)
		})
		time.Sleep(time.Second)
		_, err = job.Checkpoint(context.Background())
		require.NoError(t, err, "the engine goes on")
		require.Equal(t, foreign, position)
		_, err = job.Stop(context.Background(), false)
		require.NoError(t, err)
		require.NoError(t, <-done)
	})
}

// A checkpoint whose barrier was overtaken can never complete: it is declined, and does not wait for its timeout.
func TestTaskDeclinesCheckpointsItSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Name: "j", Tasks: 1, M: 8, Primary: primary.NewMemory(), MaxConcurrent: 2, TolerableFailures: -1}
		barriers := make(chan uint64)
		job, done := begin(t, cfg, func(ctx context.Context, t *Task) error {
			if err := restoreOnly(ctx, t); err != nil {
				return err
			}
			for {
				select {
				case <-ctx.Done():
					return context.Cause(ctx)
				case id := <-barriers:
					if err := t.Checkpoint(ctx, id, nil); err != nil {
						return err
					}
				}
			}
		})
		time.Sleep(time.Second)
		ended := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := job.Checkpoint(context.Background())
				ended <- err
			}()
			synctest.Wait()
		}
		start := time.Now()
		barriers <- 2
		first, second := <-ended, <-ended
		if first == nil {
			first, second = second, first
		}
		require.ErrorIs(t, first, errSkipped)
		require.NoError(t, second)
		require.Zero(t, time.Since(start))
		_, err := job.Stop(context.Background(), false)
		require.NoError(t, err)
		require.NoError(t, <-done)
	})
}

// The keeper of a slot is shared with the attempt that comes next.
func TestTaskThatEndsWhileItRestoresTellsTheKeeperNothing(t *testing.T) {
	task := &Task{ended: ErrSlotLost} // without a keeper
	require.ErrorIs(t, task.keepRestored(), ErrSlotLost)
}
