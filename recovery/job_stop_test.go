package recovery

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/primary"
)

func TestJobStopsWithASavepointAndStartsFromIt(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Tasks = 3 })
	w.start()
	w.readTo(300)
	w.checkpoint()
	w.readTo(500)
	m, err := w.job.Stop(t.Context(), true)
	require.NoError(t, err)
	require.True(t, m.Savepoint)
	require.NoError(t, w.end())
	require.Len(t, w.checks, 2)
	require.True(t, w.checks[1].Savepoint)
	m, err = primary.LoadSavepoint(t.Context(), w.store, "job", m.Checkpoint)
	require.NoError(t, err)
	base := w.cfg
	base.SharedStore = true
	for name, change := range map[string]func(c *Config){
		"the same job":                   func(*Config) {},
		"another job, other parallelism": func(c *Config) { c.Name, c.Tasks, c.Seed, c.M = "copy", 2, 0, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			w.cfg = base
			change(&w.cfg)
			w.cfg.From = m
			w.start()
			rs := w.recovered(w.cfg.Tasks)
			require.Equal(t, m.Checkpoint, rs[0].Report.Checkpoint)
			require.Equal(t, strings.Repeat("P", testM), all(rs))
			w.again() // from then on its own checkpoints count
			rs = w.recovered(2 * w.cfg.Tasks)
			require.NotEqual(t, m.Checkpoint, rs[len(rs)-1].Report.Checkpoint)
			w.stop()
		})
	}
}

func TestJobGoesOnWhenTheSavepointOfAStopFails(t *testing.T) {
	broken := errors.New("disk on fire")
	w := newWorld(t, nil)
	w.start()
	w.readTo(300)
	w.checkpoint()
	w.store.set(func() { w.store.create = func(name string) error { return when(isObject(name), broken) } })
	_, err := w.job.Stop(t.Context(), true)
	require.ErrorIs(t, err, broken)
	w.store.set(func() { w.store.create = nil })
	w.readTo(500)
	w.again()
}

func TestJobProcessesNothingAfterTheSavepointOfAStop(t *testing.T) {
	w := newWorld(t, nil)
	w.note(func() { w.limit = 1 << 40 }) // tasks run freely
	w.start()
	w.recovered(2)
	var m *primary.Manifest
	require.Eventually(t, func() (ok bool) {
		var err error
		m, err = w.job.Stop(t.Context(), true)
		return err == nil
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, w.end())
	for _, ts := range m.Operators[0].Tasks {
		p, err := decodePosition(ts.Position)
		require.NoError(t, err)
		require.Equal(t, w.last[ts.Task].Load(), p.next, "task %d went on", ts.Task)
	}
	w.limit = 0
}

func TestJobEndsWhenEveryTaskHas(t *testing.T) {
	w := newWorld(t, nil)
	w.note(func() {
		w.first = func(_ context.Context, t *Task, offset int64) error {
			return when(offset >= 200+400*int64(t.Index()), errDone)
		}
	})
	w.start()
	w.note(func() { w.limit = 500 })
	w.until("task 1 to read", func() bool { return w.at[1] == 500 })
	id := w.checkpoint() // task 0 has finished and still takes part
	require.Equal(t, id, w.job.Latest().Checkpoint)
	w.failOnce(1, func() { panic("boom") })
	w.recovered(4)
	w.note(func() {
		w.limit = 1000
		w.hook = func(_ context.Context, _ *Task, offset int64) error { return when(offset >= 600, errDone) }
	})
	require.NoError(t, w.end())
}

func TestJobEndsAsItsRestartStrategySays(t *testing.T) {
	boom := errors.New("boom")
	for name, tt := range map[string]struct {
		strategy RestartStrategy
		err      error
		starts   int
		want     error
	}{
		"none":      {None{}, boom, 1, ErrGivenUp},
		"two":       {Fixed{Attempts: 2}, boom, 3, ErrGivenUp},
		"permanent": {Fixed{}, Permanent(boom), 1, boom},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.Restart, c.Tasks = tt.strategy, 1 })
			w.first = func(context.Context, *Task, int64) error { return tt.err }
			w.start()
			err := w.end()
			require.ErrorIs(t, err, tt.want)
			require.ErrorIs(t, err, boom)
			te := new(TaskError)
			require.ErrorAs(t, err, &te)
			require.Equal(t, tt.starts, te.Attempts)
		})
	}
}

func TestJobTurnsGoexitIntoAFailure(t *testing.T) {
	w := newWorld(t, nil)
	w.start()
	w.readTo(100)
	w.failOnce(0, runtime.Goexit)
	rs := w.recovered(4)
	require.ErrorIs(t, rs[3].Cause, ErrGoexit)
	w.again()
}

func TestJobRefusesTaskFunctionsThatWouldLoseState(t *testing.T) {
	for name, tt := range map[string]struct {
		fn   TaskFunc
		want error
	}{
		"no backend": {func(ctx context.Context, t *Task) error { return t.Advance(ctx, 1) }, ErrNoBackend},
		"restore without a backend": {func(ctx context.Context, t *Task) error {
			_, err := t.Restore(ctx)
			return err
		}, ErrNoBackend},
		"no restore": {func(ctx context.Context, t *Task) error {
			if _, err := heapbackend.For[uint64](t); err != nil {
				return err
			}
			return t.Advance(ctx, 1)
		}, ErrNotRestored},
		"two restores": {func(ctx context.Context, t *Task) error {
			if _, err := heapbackend.For[uint64](t); err != nil {
				return err
			}
			_, err1 := t.Restore(ctx)
			_, err2 := t.Restore(ctx)
			return errors.Join(err1, err2)
		}, ErrRestored},
		"two backends": {func(ctx context.Context, t *Task) error {
			_, err1 := heapbackend.For[uint64](t)
			_, err2 := heapbackend.For[uint64](t)
			return errors.Join(err1, err2)
		}, ErrAttached},
	} {
		t.Run(name, func(t *testing.T) {
			job, err := NewJob(Config{Name: "j", Tasks: 1, Primary: primary.NewMemory()})
			require.NoError(t, err)
			require.ErrorIs(t, job.Run(t.Context(), tt.fn), tt.want)
		})
	}
}

func TestJobEndsWithAFaultThatCheckValuesFinds(t *testing.T) {
	for name, next := range map[string]func(s *heapbackend.Value[uint64, []int]) error{
		"at the next write": func(s *heapbackend.Value[uint64, []int]) error { return s.Put(1, nil) },
		"at its end":        func(*heapbackend.Value[uint64, []int]) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			job, err := NewJob(Config{Name: "j", Tasks: 1, Primary: primary.NewMemory(), CheckValues: true})
			require.NoError(t, err)
			starts := 0
			err = job.Run(t.Context(), func(ctx context.Context, t *Task) error {
				starts++
				b, err := heapbackend.For[uint64](t)
				if err != nil {
					return err
				}
				s, err := heapbackend.NewValue[[]int](b, "numbers")
				if err != nil {
					return err
				}
				if _, err := t.Restore(ctx); err != nil {
					return err
				}
				if err := s.Put(1, []int{1}); err != nil {
					return err
				}
				v, _ := s.Get(1)
				v[0] = 2 // what Update is for
				return next(s)
			})
			require.ErrorIs(t, err, heapbackend.ErrCheck)
			require.Equal(t, 1, starts, "another start would find it again")
		})
	}
}

func TestJobRefusesAnotherJobsStoreAndAnotherM(t *testing.T) {
	w := newWorld(t, nil)
	w.start()
	w.readTo(300)
	w.checkpoint()
	w.crash()
	before := names(t, w.store)
	for name, change := range map[string]func(c *Config){
		"another job":  func(c *Config) { c.Name = "thief" },
		"another M":    func(c *Config) { c.M = 64 },
		"another seed": func(c *Config) { c.Seed = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := w.cfg
			change(&cfg)
			job, err := NewJob(cfg)
			require.NoError(t, err)
			require.ErrorIs(t, job.Run(t.Context(), w.task), primary.ErrMismatch)
			require.Equal(t, before, names(t, w.store))
		})
	}
	t.Run("M and seed are found out", func(t *testing.T) {
		w.cfg.M, w.cfg.Seed, w.cfg.Tasks = 0, 0, 3
		w.start()
		w.recovered(3)
		w.again()
	})
}

func TestJobContextEndsRun(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	job, err := NewJob(w.cfg)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- job.Run(ctx, w.task) }()
	w.recovered(2)
	require.ErrorIs(t, job.Run(ctx, w.task), ErrRunning)
	why := errors.New("enough")
	cancel(why)
	require.ErrorIs(t, <-done, why)
	_, err = job.Checkpoint(t.Context())
	require.ErrorIs(t, err, ErrNotRunning)
	require.Nil(t, job.Slots())
}

func TestJobChecksPeriodically(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Every, c.MinPause = 5*time.Millisecond, time.Millisecond })
	w.start()
	for i := range 5 {
		w.readTo(int64(i+1) * 100)
		w.until("another checkpoint", func() bool { return len(w.checks) > i })
	}
	w.mu.Lock()
	c := w.checks[0]
	w.mu.Unlock()
	require.NoError(t, c.Err)
	require.Len(t, c.Tasks, 2)
	require.Positive(t, c.Tasks[0].Bytes)
	require.Positive(t, c.Tasks[0].Took)
}
