package recovery

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// TestTaskCheckpointFollowsBarriers plays an engine: task 0 reads, task 1 is told by it, and a barrier may be faster than the trigger.
func TestTaskCheckpointFollowsBarriers(t *testing.T) {
	cfg := Config{Name: "j", Tasks: 2, M: testM, Primary: newFaultStore(), Local: localcopy.Stack(localcopy.Heap()), Restart: Fixed{Attempts: 3}}
	job, err := NewJob(cfg)
	require.NoError(t, err)
	barriers := make(chan uint64, 10)
	var fail atomic.Bool
	positions := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- job.Run(t.Context(), func(ctx context.Context, task *Task) error {
			if _, err := heapbackend.For[uint64](task); err != nil {
				return err
			}
			if _, err := task.Restore(ctx); err != nil {
				return err
			}
			positions <- string(task.Position())
			for {
				var id uint64
				switch task.Index() {
				case 0:
					select {
					case <-ctx.Done():
						return context.Cause(ctx)
					case <-task.DueC():
					}
					due, ok := task.Due()
					if !ok {
						continue
					}
					id = due
					barriers <- id
				default:
					select {
					case <-ctx.Done():
						return context.Cause(ctx)
					case id = <-barriers:
					}
				}
				pos := []byte("engine position")
				if err := task.Checkpoint(ctx, id, pos); err != nil {
					return err
				}
				pos[0] = 'X' // the job has its own
				if err := task.Checkpoint(ctx, id, nil); err != nil {
					return err // captured already: nothing happens
				}
				if err := task.Checkpoint(ctx, id+100, nil); err != nil {
					return err // nobody ever triggered that
				}
				if fail.Swap(false) {
					return errors.New("boom")
				}
			}
		})
	}()
	require.Empty(t, <-positions)
	require.Empty(t, <-positions)
	var m *primary.Manifest
	require.Eventually(t, func() bool { m, err = job.Checkpoint(t.Context()); return err == nil }, 10*time.Second, time.Millisecond)
	for _, ts := range m.Operators[0].Tasks {
		require.Equal(t, "engine position", string(ts.Position))
	}
	fail.Store(true)
	require.Eventually(t, func() bool { _, err = job.Checkpoint(t.Context()); return len(positions) == 2 }, 10*time.Second, time.Millisecond)
	require.Equal(t, "engine position", <-positions)
	require.Equal(t, "engine position", <-positions)
	_, err = job.Stop(t.Context(), false)
	require.NoError(t, err)
	require.NoError(t, <-done)
}

// hungFormat is a local disk that never answers, not even about what is on it.
type hungFormat struct {
	localcopy.Format
	release chan struct{}
}

func (f hungFormat) Begin(context.Context, localcopy.Meta, *heapbackend.Snapshot) (localcopy.Writer, error) {
	<-f.release
	return nil, errors.New("late")
}

func (f hungFormat) Claim(context.Context, string, []uuid.UUID) error {
	<-f.release
	return nil
}

func TestJobWithAHungLocalDiskChecksAndRecovers(t *testing.T) {
	release := make(chan struct{})
	w := newWorld(t, func(c *Config) {
		c.Grace = 200 * time.Millisecond
		c.Local = localcopy.Stack(localcopy.Heap(), hungFormat{localcopy.Heap(), release})
	})
	w.start()
	for range 6 {
		w.readTo(w.limit + 100)
		start := time.Now()
		w.checkpoint()
		require.Less(t, time.Since(start), 2*time.Second)
	}
	w.failOnce(0, func() { panic("boom") })
	rs := w.recovered(4)[2:]
	require.Contains(t, letters(rs[0]), "HHHH")
	require.NotContains(t, all(rs), "P")
	w.again()
	start := time.Now()
	w.stop()
	require.Less(t, time.Since(start), 5*time.Second)
	close(release)
}

func TestAllocationsOfANamedWorkerNeverChange(t *testing.T) {
	require.Equal(t, "14ce5345-6c55-5043-a336-a0cfb7358f47", allocationOf("job", "worker", 3).String())
	require.NotEqual(t, allocationOf("ab", "c", 3), allocationOf("a", "bc", 3))
	require.NotEqual(t, allocationOf("a", "b", 11), allocationOf("a", "b1", 1))
}
