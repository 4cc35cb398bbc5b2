package recovery

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/primary"
)

// A store that hangs and does not look at contexts must not make a task hold more and more snapshots and goroutines.
func TestJobWithAHungStoreHoldsNoSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var snapshots []*heapbackend.Snapshot
		var last error
		store := newFaultStore()
		hang, hanging := make(chan struct{}), 0
		store.commit = func(_ context.Context, name string) error {
			if isObject(name) {
				mu.Lock()
				hanging++
				mu.Unlock()
				<-hang
			}
			return nil
		}
		cfg := Config{Name: "j", Tasks: 1, M: 8, Primary: store, Every: 10 * time.Second, Timeout: 30 * time.Second, TolerableFailures: -1}
		cfg.OnCheckpoint = func(r CheckpointReport) { last = r.Err }
		job, done := begin(t, cfg, idle(func(t *Task, b heapbackend.AnyBackend) error { return t.Attach(spyBackend{b, &mu, &snapshots}) }))
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		mu.Lock()
		require.Equal(t, maxStuck, hanging)
		require.Len(t, snapshots, maxStuck)
		for i, s := range snapshots {
			_, err := s.Retain()
			require.ErrorIs(t, err, heapbackend.ErrReleased, "snapshot %d of %d", i, len(snapshots))
		}
		mu.Unlock()
		require.ErrorIs(t, last, errStuck)
		store.set(func() { store.commit = nil })
		close(hang)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NoError(t, last, "the store works again")
		_, err := job.Stop(context.Background(), false)
		require.NoError(t, err)
		require.NoError(t, <-done)
	})
}

// When ctx ends, tasks may return before the supervisor has seen it. That is no failure.
func TestJobContextEndIsNeverAFailure(t *testing.T) {
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		job, err := NewJob(Config{Name: "j", Tasks: 4, M: 8, Primary: primary.NewMemory(), Restart: None{}})
		require.NoError(t, err)
		restored := make(chan struct{}, 4)
		done := make(chan error, 1)
		go func() {
			done <- job.Run(ctx, func(ctx context.Context, task *Task) error {
				if _, err := heapbackend.For[uint64](task); err != nil {
					return err
				}
				if _, err := task.Restore(ctx); err != nil {
					return err
				}
				restored <- struct{}{}
				<-ctx.Done()
				return ctx.Err()
			})
		}()
		for range 4 {
			<-restored
		}
		cancel()
		require.Equal(t, context.Canceled, <-done)
	}
}
