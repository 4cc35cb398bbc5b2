package recovery

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/primary"
)

// spyBackend remembers every snapshot handle that was given out.
type spyBackend struct {
	heapbackend.AnyBackend
	mu        *sync.Mutex
	snapshots *[]*heapbackend.Snapshot
}

func (b spyBackend) Capture() (*heapbackend.Snapshot, error) {
	s, err := b.AnyBackend.Capture()
	if err == nil {
		b.mu.Lock()
		*b.snapshots = append(*b.snapshots, s)
		b.mu.Unlock()
	}
	return s, err
}

// idle is a task function that restores and then takes part in checkpoints until its context ends.
func idle(attach func(t *Task, b heapbackend.AnyBackend) error) TaskFunc {
	return func(ctx context.Context, t *Task) error {
		b, err := heapbackend.New[uint64](t.BackendConfig())
		if err != nil {
			return err
		}
		if err := attach(t, b); err != nil {
			return err
		}
		if _, err := t.Restore(ctx); err != nil {
			return err
		}
		for o := t.Offset(); ; o++ {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-t.DueC():
				if err := t.Advance(ctx, o); err != nil {
					return err
				}
			}
		}
	}
}

func attach(t *Task, b heapbackend.AnyBackend) error { return t.Attach(b) }

func TestUploadAlwaysReleasesItsSnapshot(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, fail := range map[string]func(s *faultStore){
		"durable":      func(*faultStore) {},
		"create fails": func(s *faultStore) { s.create = func(n string) error { return when(isObject(n), broken) } },
		"create panics": func(s *faultStore) {
			s.create = func(n string) error {
				if isObject(n) {
					panic(broken)
				}
				return nil
			}
		},
		"write fails": func(s *faultStore) { s.write = func(n string) error { return when(isObject(n), broken) } },
		"commit fails": func(s *faultStore) {
			s.commit = func(_ context.Context, n string) error { return when(isObject(n), broken) }
		},
		"commit hangs": func(s *faultStore) {
			s.commit = func(ctx context.Context, n string) error {
				if isObject(n) {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var snapshots []*heapbackend.Snapshot
			store := newFaultStore()
			job, err := NewJob(Config{Name: "j", Tasks: 2, M: 8, Primary: store, TolerableFailures: -1})
			require.NoError(t, err)
			done := make(chan error, 1)
			go func() {
				done <- job.Run(t.Context(), idle(func(t *Task, b heapbackend.AnyBackend) error {
					return t.Attach(spyBackend{b, &mu, &snapshots})
				}))
			}()
			require.Eventually(t, func() bool { _, err := job.Checkpoint(t.Context()); return err == nil }, 10*time.Second, time.Millisecond)
			store.set(func() { fail(store) })
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, _ = job.Checkpoint(ctx)
			_, err = job.Stop(t.Context(), false)
			require.NoError(t, err)
			require.NoError(t, <-done)
			require.Zero(t, store.writers.Load(), "a writer was not ended")
			mu.Lock()
			defer mu.Unlock()
			require.GreaterOrEqual(t, len(snapshots), 3)
			for i, s := range snapshots {
				_, err := s.Retain()
				require.ErrorIs(t, err, heapbackend.ErrReleased, "snapshot %d of %d", i, len(snapshots))
			}
			for _, name := range store.objects(t) {
				used := false
				for _, m := range retained(t, store) {
					for _, ts := range m.Operators[0].Tasks {
						used = used || ts.Objects[0] == name
					}
				}
				require.True(t, used, "%s was left behind", name)
			}
		})
	}
}

func retained(t *testing.T, s primary.Store) []*primary.Manifest {
	out, err := primary.LoadRetained(t.Context(), s, "j")
	require.NoError(t, err)
	return out
}

func TestJobWaitsAsLongAsItsStrategySays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Duration
		begin := time.Now()
		job, err := NewJob(Config{Name: "j", Tasks: 1, M: 8, Primary: primary.NewMemory(), Restart: Exponential{Initial: time.Hour, Factor: 2, Max: 3 * time.Hour, Attempts: 3}})
		require.NoError(t, err)
		boom := errors.New("boom")
		err = job.Run(t.Context(), func(context.Context, *Task) error {
			starts = append(starts, time.Since(begin))
			return boom
		})
		require.ErrorIs(t, err, ErrGivenUp)
		require.ErrorIs(t, err, boom)
		require.Equal(t, []time.Duration{0, time.Hour, 3 * time.Hour, 6 * time.Hour}, starts)
	})
}

func TestJobTriggersEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		cfg := Config{Name: "j", Tasks: 2, M: 8, Primary: primary.NewMemory(), Every: time.Minute}
		cfg.OnCheckpoint = func(r CheckpointReport) { at = append(at, time.Since(begin)) }
		job, err := NewJob(cfg)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute+time.Second)
		defer cancel()
		require.ErrorIs(t, job.Run(ctx, idle(attach)), context.DeadlineExceeded)
		require.Equal(t, []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute}, at)
	})
}

// While a task waits to be restarted nothing is triggered: there is nobody to answer.
func TestJobTriggersNothingWhileATaskDoesNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failed []error
		cfg := Config{Name: "j", Tasks: 2, M: 8, Primary: primary.NewMemory(), Every: time.Minute, Region: RestartOne, Restart: Fixed{Delay: time.Hour}}
		cfg.OnCheckpoint = func(r CheckpointReport) { failed = append(failed, r.Err) }
		job, err := NewJob(cfg)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour+70*time.Second)
		defer cancel()
		require.ErrorIs(t, job.Run(ctx, func(ctx context.Context, task *Task) error {
			if task.Attempts() > 1 || task.Index() > 0 {
				return idle(attach)(ctx, task)
			}
			ctx, cancel := context.WithTimeoutCause(ctx, time.Second, errors.New("boom"))
			defer cancel()
			return idle(attach)(ctx, task)
		}), context.DeadlineExceeded)
		require.Equal(t, []error{nil}, failed)
	})
}

// A task that hangs makes its checkpoint time out; too many of these and it is replaced, although it never returns.
func TestJobReplacesATaskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		recovered := make(chan RecoveryReport, 10)
		cfg := Config{Name: "j", Tasks: 2, M: 8, Primary: primary.NewMemory(), Every: time.Minute, Timeout: time.Minute, TolerableFailures: 1,
			OnRecovery: func(r RecoveryReport) { recovered <- r }}
		job, err := NewJob(cfg)
		require.NoError(t, err)
		begin := time.Now()
		done := make(chan error, 1)
		go func() {
			done <- job.Run(t.Context(), func(ctx context.Context, task *Task) error {
				err := idle(func(task *Task, b heapbackend.AnyBackend) error {
					if err := task.Attach(b); err != nil || task.Attempts() > 1 || task.Index() > 0 {
						return err
					}
					if _, err := task.Restore(ctx); err != nil {
						return err
					}
					<-release // deaf
					return task.Advance(ctx, 1)
				})(ctx, task)
				return err
			})
		}()
		for range 4 {
			<-recovered
		}
		// The first two triggers, at 1 and 2 minutes, time out at 2 and 3; then Grace and the delay of the restart.
		require.Equal(t, 3*time.Minute+DefaultGrace, time.Since(begin).Truncate(time.Second))
		synctest.Wait()
		m, err := job.Checkpoint(t.Context())
		require.NoError(t, err)
		close(release)
		_, err = job.Stop(t.Context(), false)
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.Equal(t, m.Checkpoint, retained(t, cfg.Primary)[0].Checkpoint)
	})
}

func TestTaskThatEndsWhileItCapturesKeepsNothing(t *testing.T) {
	var mu sync.Mutex
	var snapshots []*heapbackend.Snapshot
	b, err := heapbackend.New[uint64](heapbackend.Config{M: 8, Range: rng(0, 8)})
	require.NoError(t, err)
	defer b.Close()
	task := &Task{backend: spyBackend{b, &mu, &snapshots}, ctx: t.Context(), ended: ErrSlotLost, run: &run{}}
	require.ErrorIs(t, task.capture(dueCheckpoint{id: 1}, nil), ErrSlotLost)
	_, err = snapshots[0].Retain()
	require.ErrorIs(t, err, heapbackend.ErrReleased)
}

func TestTaskTriggers(t *testing.T) {
	task := &Task{ctx: t.Context(), dueC: make(chan struct{}, 1), captured: 5, restored: true}
	require.NoError(t, task.trigger(dueCheckpoint{id: 5})) // its barrier was faster
	_, due := task.Due()
	require.False(t, due)
	require.NoError(t, task.trigger(dueCheckpoint{id: 6}))
	require.NoError(t, task.trigger(dueCheckpoint{id: 7}))
	id, due := task.Due()
	require.True(t, due)
	require.EqualValues(t, 6, id)
	task.abort(6, errFinished)
	id, _ = task.Due()
	require.EqualValues(t, 7, id)
	task.abort(7, errFinished)
	_, due = task.Due()
	require.False(t, due)
	task.run = &run{open: map[uint64]*openCheckpoint{}}
	_, ok := task.takeDue(9) // nobody was asked for that
	require.False(t, ok)
}
