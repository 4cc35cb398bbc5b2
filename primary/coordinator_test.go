package primary

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestNothingBeginsBeforeEveryTaskRuns(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := newRig(t, store, func(cfg *CoordinatorConfig) { cfg.Interval = time.Minute })
		r.open()
		r.run()
		r.startTask(0)
		time.Sleep(time.Hour)
		_, err := r.c.Trigger(t.Context(), false)
		require.ErrorIs(t, err, ErrNotRunning)
		require.Empty(t, r.sent.ids("trigger"))
		r.startTask(1)
		time.Sleep(time.Minute - 1)
		synctest.Wait()
		require.Empty(t, r.sent.ids("trigger"))
		time.Sleep(1)
		synctest.Wait()
		require.Equal(t, []uint64{1}, r.sent.ids("trigger"))
		require.NoError(t, r.c.SetAttempt(r.cfg.Tasks[0].TaskID, uuid.Nil))
		time.Sleep(time.Hour)
		require.Equal(t, []uint64{1}, r.sent.ids("trigger"))
	})
}

func TestTriggersComeByInterval(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Interval, cfg.MaxConcurrent = time.Minute, 9 })
		for n := range uint64(5) {
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Len(t, r.sent.ids("trigger"), int(n)+1)
		}
		require.Equal(t, []uint64{1, 2, 3, 4, 5}, r.sent.ids("trigger"))
		m := r.sent.of("trigger", 3)
		require.Len(t, m, 2)
		require.Equal(t, r.c.ObjectName(m[1].task, m[1].attempt, 3, false), m[1].trigger.Object)
	})
}

func TestNoIntervalNoTriggers(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		time.Sleep(24 * time.Hour)
		require.Empty(t, r.sent.ids("trigger"))
		require.EqualValues(t, 1, r.complete().Checkpoint)
	})
}

func TestMinPauseCountsFromTheLastCompletion(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Interval, cfg.MinPause = time.Minute, 45*time.Second })
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []uint64{1}, r.sent.ids("trigger"))
		time.Sleep(50 * time.Second)
		r.ackAll(1, false) // at 1m50s: the next is due at 2m, but not before 2m35s
		time.Sleep(45*time.Second - 1)
		synctest.Wait()
		require.Equal(t, []uint64{1}, r.sent.ids("trigger"))
		time.Sleep(1)
		synctest.Wait()
		require.Equal(t, []uint64{1, 2}, r.sent.ids("trigger"))
	})
}

func TestMaxConcurrentHoldsTriggersBack(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Interval, cfg.MaxConcurrent = time.Second, 2 })
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []uint64{1, 2}, r.sent.ids("trigger"))
		_, err := r.c.Trigger(t.Context(), false)
		require.ErrorIs(t, err, ErrBusy)
		r.ackAll(1, false) // there is room: the one that was due begins at once
		require.Equal(t, []uint64{1, 2, 3}, r.sent.ids("trigger"))
		require.EqualValues(t, 4, r.trigger(true), "a savepoint is not held back")
	})
}

func TestTimeoutAborts(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Timeout, cfg.TolerableFailures = time.Minute, 1 })
		id := r.trigger(false)
		require.NoError(t, r.ack(0, id, false))
		time.Sleep(time.Minute - 1)
		require.EqualValues(t, 1, r.c.Stats().Pending)
		time.Sleep(1)
		synctest.Wait()
		err := r.outcome(id)
		require.ErrorIs(t, err, ErrExpired)
		require.ErrorContains(t, err, "1 of 2 tasks did not acknowledge: main/1")
		require.Empty(t, r.objects())
		aborts := r.sent.of("abort", id)
		require.Len(t, aborts, 2)
		require.ErrorIs(t, aborts[0].cause, ErrExpired)

		require.ErrorIs(t, r.ack(1, id, false), ErrLate)
		synctest.Wait()
		require.Empty(t, r.objects(), "a late ack is discarded with its object")
		require.Nil(t, r.c.Latest())
	})
}

func TestDefaultTimeoutIsTenMinutes(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = -1 })
		id := r.trigger(false)
		time.Sleep(10*time.Minute - 1)
		require.EqualValues(t, 1, r.c.Stats().Pending)
		time.Sleep(1)
		require.ErrorIs(t, r.outcome(id), ErrExpired)
	})
}

func TestDeclineAborts(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = 1 })
		id := r.trigger(false)
		require.NoError(t, r.ack(0, id, false))
		task := r.cfg.Tasks[1].TaskID
		require.ErrorIs(t, r.c.Decline(task, uuid.New(), id, errTest), ErrFenced)
		require.ErrorIs(t, r.c.Decline(TaskID{Operator: "x"}, uuid.New(), id, errTest), ErrUnknownTask)
		require.NoError(t, r.c.Decline(task, r.attempts[task], id, errTest))
		require.ErrorIs(t, r.c.Decline(task, r.attempts[task], id, errTest), ErrLate)
		err := r.outcome(id)
		require.ErrorIs(t, err, ErrDeclined)
		require.ErrorIs(t, err, errTest)
		var abort *AbortError
		require.ErrorAs(t, err, &abort)
		require.Equal(t, id, abort.Checkpoint)
		synctest.Wait()
		require.Empty(t, r.objects())
		require.Len(t, r.sent.of("abort", id), 2)
	})
}

func TestTriggerThatCannotBeSentDeclines(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := newRig(t, store, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = 1 })
		r.sent.onTrigger = func(m message) error {
			if m.task.Task == 1 {
				return errTest
			}
			return nil
		}
		r.open()
		r.startTasks()
		r.run()
		id := r.trigger(false)
		require.ErrorIs(t, r.outcome(id), errTest)
	})
}

func TestTransportMayCallBack(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := newRig(t, store)
		r.sent.onTrigger = func(m message) error { return r.ack(m.task.Task, m.checkpoint, m.trigger.Savepoint) }
		r.open()
		r.startTasks()
		r.run()
		id := r.trigger(false)
		require.NoError(t, r.outcome(id))
		synctest.Wait()
		require.Len(t, r.sent.of("confirm", id), 2)
	})
}

func TestFailuresInARow(t *testing.T) {
	fail := func(r *rig) uint64 {
		id := r.trigger(false)
		task := r.cfg.Tasks[0].TaskID
		require.NoError(r.t, r.c.Decline(task, r.attempts[task], id, errTest))
		synctest.Wait()
		return id
	}
	t.Run("none tolerated by default", func(t *testing.T) {
		bubble(t, func(t *testing.T, store Store) {
			r := startRig(t, store)
			fail(r)
			err := <-r.ran
			require.ErrorIs(t, err, ErrFailures)
			require.ErrorIs(t, err, errTest)
			var failures *FailuresError
			require.ErrorAs(t, err, &failures)
			require.Equal(t, 1, failures.Failures)
			r.run() // a restarted job runs it again, from nought
			require.EqualValues(t, 2, r.complete().Checkpoint)
			require.Zero(t, r.c.Stats().FailuresInRow)
		})
	})
	t.Run("reset by a newer success", func(t *testing.T) {
		bubble(t, func(t *testing.T, store Store) {
			r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = 2 })
			for range 5 {
				fail(r)
				fail(r)
				require.Equal(t, 2, r.c.Stats().FailuresInRow)
				r.complete()
				require.Zero(t, r.c.Stats().FailuresInRow)
			}
			fail(r)
			fail(r)
			fail(r)
			require.ErrorIs(t, <-r.ran, ErrFailures)
		})
	})
	t.Run("one count per checkpoint", func(t *testing.T) {
		bubble(t, func(t *testing.T, store Store) {
			r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.TolerableFailures, cfg.Timeout = 1, time.Minute })
			id := fail(r)
			for i := range r.cfg.Tasks {
				task := r.cfg.Tasks[i].TaskID
				require.ErrorIs(t, r.c.Decline(task, r.attempts[task], id, errTest), ErrLate)
			}
			time.Sleep(time.Hour)
			require.Equal(t, 1, r.c.Stats().FailuresInRow)
			require.EqualValues(t, 1, r.c.Stats().Failed)
		})
	})
	t.Run("an older failure does not count", func(t *testing.T) {
		bubble(t, func(t *testing.T, store Store) {
			r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.MaxConcurrent, cfg.TolerableFailures = 2, 5 })
			c := r.c
			c.mu.Lock()
			old := &pending{Trigger: Trigger{Checkpoint: 3}}
			c.lastSuccess = 4
			c.countFailureLocked(old, errTest)
			require.Zero(t, c.failures)
			c.mu.Unlock()
		})
	})
	t.Run("savepoints, restarts and newer completions do not count", func(t *testing.T) {
		bubble(t, func(t *testing.T, store Store) {
			r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.MaxConcurrent = 3 })
			task := r.cfg.Tasks[0].TaskID
			id := r.trigger(true)
			require.NoError(t, r.c.Decline(task, r.attempts[task], id, errTest))
			require.ErrorIs(t, r.outcome(id), ErrDeclined)
			r.trigger(false)
			r.c.AbortAll(errTest)
			r.trigger(false)
			r.startTask(1)
			r.trigger(false)
			r.complete()
			require.Zero(t, r.c.Stats().Failed)
			require.EqualValues(t, 4, r.c.Stats().Aborted)
		})
	})
	t.Run("any number", func(t *testing.T) {
		bubble(t, func(t *testing.T, store Store) {
			r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = -1 })
			for range 50 {
				fail(r)
			}
			require.Equal(t, 50, r.c.Stats().FailuresInRow)
			r.complete()
		})
	})
}
