package primary

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestOpenReportsEveryFault(t *testing.T) {
	_, err := OpenCoordinator(t.Context(), CoordinatorConfig{
		Job: "a/b", M: 0, Interval: -1, Timeout: -1, MinPause: -1, MaxConcurrent: -1, Retain: -1,
	})
	require.ErrorIs(t, err, ErrInvalid)
	for _, part := range []string{
		"no store", "no transport", "job name", "max parallelism 0", "interval", "timeout", "min pause",
		"max concurrent", "retain", "no tasks",
	} {
		require.ErrorContains(t, err, part)
	}
}

func TestOpenChecksTasks(t *testing.T) {
	cases := map[string]struct {
		change func([]TaskPlan) []TaskPlan
		says   string
	}{
		"gap":           {func(p []TaskPlan) []TaskPlan { p[1].Range.First++; return p }, "must cover"},
		"overlap":       {func(p []TaskPlan) []TaskPlan { p[1].Range.First--; return p }, "must cover"},
		"short":         {func(p []TaskPlan) []TaskPlan { return p[:1] }, "must cover"},
		"beyond M":      {func(p []TaskPlan) []TaskPlan { p[1].Range.End++; return p }, "must cover"},
		"empty":         {func(p []TaskPlan) []TaskPlan { p[0].Range.End = 0; return p }, "must cover"},
		"twice":         {func(p []TaskPlan) []TaskPlan { return append(p, p[0]) }, "twice"},
		"negative":      {func(p []TaskPlan) []TaskPlan { p[0].Task = -1; return p }, "negative"},
		"bad operator":  {func(p []TaskPlan) []TaskPlan { p[0].Operator = "ma in"; return p }, "operator name"},
		"slash":         {func(p []TaskPlan) []TaskPlan { p[0].Operator = "ma/in"; return p }, "operator name"},
		"long operator": {func(p []TaskPlan) []TaskPlan { p[0].Operator = strings.Repeat("x", 200); return p }, "operator name"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			store := NewMemory()
			r := newRig(t, store, func(cfg *CoordinatorConfig) { cfg.Tasks = tc.change(cfg.Tasks) })
			_, err := OpenCoordinator(t.Context(), r.cfg)
			require.ErrorIs(t, err, ErrInvalid)
			require.ErrorContains(t, err, tc.says)
			require.Empty(t, names(t, store, ""))
		})
	}
}

func TestOpenRefusesWhatDoesNotFitAndChangesNothing(t *testing.T) {
	cases := map[string]struct {
		change func(*CoordinatorConfig)
		what   string
	}{
		"another job":  {func(cfg *CoordinatorConfig) { cfg.Job = "other" }, "job"},
		"another M":    {func(cfg *CoordinatorConfig) { cfg.M, cfg.Tasks = 16, testPlans(16, 2) }, "max parallelism"},
		"another seed": {func(cfg *CoordinatorConfig) { cfg.Seed = 8 }, "seed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				r := startRig(t, store)
				r.complete()
				r.stop()
				before := dump(t, store)
				_, err := OpenCoordinator(t.Context(), newRig(t, store, tc.change).cfg)
				require.ErrorIs(t, err, ErrMismatch)
				var mismatch *MismatchError
				require.ErrorAs(t, err, &mismatch)
				require.Equal(t, tc.what, mismatch.What)
				require.Equal(t, before, dump(t, store))
			})
		})
	}
}

func TestSharedStoreHoldsSeveralJobs(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		a := startRig(t, store)
		a.complete()
		a.stop()
		b := newRig(t, store, func(cfg *CoordinatorConfig) { cfg.Job, cfg.SharedStore = "other", true })
		b.open()
		require.Nil(t, b.c.Latest())
		require.NoError(t, b.c.Close())
		require.Equal(t, []uint64{1}, requireIntact(t, store))
	})
}

func TestSeedComesFromTheStore(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		unset := func(cfg *CoordinatorConfig) { cfg.Seed = 0 }
		r := startRig(t, store, unset)
		seed := r.c.Seed()
		require.NotZero(t, seed)
		require.Equal(t, seed, r.complete().Seed)
		r.stop()
		again := newRig(t, store, unset)
		again.open()
		require.Equal(t, seed, again.c.Seed())
	})
}

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

func TestCompletingAbortsOlderCheckpoints(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.MaxConcurrent = 4 })
		first, savepoint, second, third := r.trigger(false), r.trigger(true), r.trigger(false), r.trigger(false)
		require.NoError(t, r.ack(0, first, false))
		require.NoError(t, r.ack(0, savepoint, true))
		require.NoError(t, r.ack(0, third, false))
		r.ackAll(second, false)
		require.NoError(t, r.outcome(second))
		require.ErrorIs(t, r.outcome(first), ErrSubsumed)
		require.Equal(t, []uint64{second}, r.sent.ids("confirm"))
		require.Equal(t, []uint64{first}, r.sent.ids("abort"))
		require.Equal(t, []uint64{second, third}, r.objectIDs())
		require.EqualValues(t, 2, r.c.Stats().Pending, "the savepoint and the newer one go on")

		require.ErrorIs(t, r.ack(1, first, false), ErrLate)
		require.NoError(t, r.ack(1, savepoint, true))
		require.NoError(t, r.ack(1, third, false))
		require.NoError(t, r.outcome(savepoint))
		require.NoError(t, r.outcome(third))
		synctest.Wait()
		require.Equal(t, []uint64{third}, r.objectIDs())
		require.Equal(t, []uint64{third}, requireIntact(t, store))
		requireClean(t, store)
	})
}

func TestAckOfAnAttemptNoLongerCurrent(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		kept := r.complete()
		id := r.trigger(false)
		zombie := r.part(1, id, false)
		r.startTask(1)
		require.ErrorIs(t, r.outcome(id), ErrRestarted)
		next := r.trigger(false)
		late := r.part(1, next, false)
		zombieNext := zombie
		zombieNext.Checkpoint = next
		require.ErrorIs(t, r.c.Ack(t.Context(), zombie), ErrFenced)
		require.ErrorIs(t, r.c.Ack(t.Context(), zombieNext), ErrFenced)
		synctest.Wait()
		require.NotContains(t, r.objects(), zombie.Objects[0], "its object is deleted")
		require.NoError(t, r.c.Ack(t.Context(), late))
		require.NoError(t, r.ack(0, next, false))
		require.NoError(t, r.outcome(next))
		require.Less(t, kept.Checkpoint, r.c.Latest().Checkpoint)
		for _, task := range r.c.Latest().Operators[0].Tasks {
			require.Equal(t, r.attempts[TaskID{"main", task.Task}], task.Attempt)
		}
		synctest.Wait()
		requireClean(t, store)
	})
}

func TestAcknowledgedPartOfADeadAttemptNeverCommits(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		id := r.trigger(false)
		require.NoError(t, r.ack(0, id, false))
		require.NoError(t, r.c.SetAttempt(r.cfg.Tasks[0].TaskID, uuid.Nil))
		require.ErrorIs(t, r.ack(1, id, false), ErrLate)
		synctest.Wait()
		require.ErrorIs(t, r.outcome(id), ErrRestarted)
		require.Empty(t, r.objects())
		require.Empty(t, requireIntact(t, store))
	})
}

func TestAckIsIdempotent(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		id := r.trigger(false)
		a, b := r.part(0, id, false), r.part(1, id, false)
		require.NoError(t, r.c.Ack(t.Context(), a))
		require.NoError(t, r.c.Ack(t.Context(), a))
		require.NoError(t, r.c.Ack(t.Context(), b))
		synctest.Wait()
		require.NoError(t, r.c.Ack(t.Context(), a), "repeated after the completion")
		require.NoError(t, r.c.Ack(t.Context(), b))
		synctest.Wait()
		require.Equal(t, []uint64{id}, requireIntact(t, store))
		require.Len(t, r.objects(), 2)
	})
}

func TestUnusableAckDeclines(t *testing.T) {
	cases := map[string]struct {
		savepoint bool
		change    func(r *rig, a *Ack)
		want      error
	}{
		"group outside the range":     {false, func(r *rig, a *Ack) { a.Groups[0].Group = 7; a.Groups[0].Segments[0].Group = 7 }, ErrInvalid},
		"segment without object":      {false, func(r *rig, a *Ack) { a.Objects = nil }, ErrInvalid},
		"unknown compression":         {false, func(r *rig, a *Ack) { a.Compression = 9 }, ErrInvalid},
		"bad object name":             {false, func(r *rig, a *Ack) { a.Objects[0] = "../x" }, ErrInvalid},
		"object of nobody":            {false, func(r *rig, a *Ack) { a.Objects = append(a.Objects, testJob+"/objects/x") }, ErrUnknownObject},
		"object of another task":      {false, func(r *rig, a *Ack) { a.Objects[0] = strings.Replace(a.Objects[0], "main-0", "main-1", 1) }, ErrUnknownObject},
		"log slot":                    {false, func(r *rig, a *Ack) { a.Objects[0] = slotName(testJob, 1) }, ErrUnknownObject},
		"savepoint names an old one":  {true, func(r *rig, a *Ack) { a.Objects = append(a.Objects, r.objects()[0]) }, ErrUnknownObject},
		"checkpoint named as if both": {false, func(r *rig, a *Ack) { a.Objects[0] = strings.Replace(a.Objects[0], "objects", "savepoints", 1) }, ErrUnknownObject},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = 1 })
				kept := r.complete()
				id := r.trigger(tc.savepoint)
				a := r.part(0, id, tc.savepoint)
				tc.change(r, &a)
				require.ErrorIs(t, r.c.Ack(t.Context(), a), tc.want)
				require.ErrorIs(t, r.outcome(id), ErrDeclined)
				synctest.Wait()
				require.Equal(t, []uint64{kept.Checkpoint}, requireIntact(t, store))
				requireClean(t, store)
			})
		})
	}
}

func TestAbortAllThenSettle(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked)
		release := make(chan struct{})
		hooked.set(func(ctx context.Context, o op) error {
			if o.kind == "commit" && strings.Contains(o.name, "/log/") {
				<-release
			}
			return nil
		}, nil)
		id := r.trigger(false)
		r.ackAll(id, false)
		r.c.AbortAll(errTest)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, r.c.Settle(ctx), context.DeadlineExceeded)
		require.Nil(t, r.c.Latest())
		close(release)
		require.NoError(t, r.c.Settle(t.Context()))
		require.Equal(t, id, r.c.Latest().Checkpoint, "it was too late to abort it")

		second := r.trigger(false)
		require.NoError(t, r.ack(0, second, false))
		r.c.AbortAll(errTest)
		require.NoError(t, r.c.Settle(t.Context()))
		require.ErrorIs(t, r.outcome(second), errTest)
		require.Equal(t, id, r.c.Latest().Checkpoint)
	})
}

func TestHangingStoreBlocksNobody(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked, func(cfg *CoordinatorConfig) {
			cfg.MaxConcurrent, cfg.TolerableFailures, cfg.Timeout = 3, 2, time.Minute
		})
		kept := r.complete()
		hang := make(chan struct{})
		hooked.set(func(_ context.Context, o op) error {
			if strings.Contains(o.name, "/log/") || o.kind == "delete" || o.kind == "list" {
				<-hang
			}
			return nil
		}, nil)
		first, second := r.trigger(false), r.trigger(false)
		r.ackAll(first, false)
		r.ackAll(second, false)
		third := r.trigger(false)
		task := r.cfg.Tasks[0].TaskID
		require.NoError(t, r.c.Decline(task, r.attempts[task], third, errTest))
		require.ErrorIs(t, r.ack(1, third, false), ErrLate)
		require.Equal(t, kept, r.c.Latest())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.ErrorIs(t, <-r.ran, ErrFailures, "the time of a commit that hangs counts as well")
		close(hang)
	})
}

func TestCommitThatFailsLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = 1 })
		hooked.set(func(_ context.Context, o op) error {
			if o.kind == "commit" && strings.Contains(o.name, "/log/") {
				return errTest
			}
			return nil
		}, nil)
		id := r.trigger(false)
		r.ackAll(id, false)
		err := r.outcome(id)
		require.ErrorIs(t, err, ErrCommit)
		require.ErrorIs(t, err, errTest)
		require.Empty(t, r.objects())
		require.Equal(t, 1, r.c.Stats().FailuresInRow)
		hooked.set(nil, nil)
		r.complete()
		requireClean(t, store)
	})
}

func TestRunEndsAndMayBeRepeated(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		synctest.Wait()
		require.ErrorIs(t, r.c.Run(t.Context()), ErrRunning)
		id := r.trigger(false)
		require.NoError(t, r.ack(0, id, false))
		r.stop()
		require.NoError(t, r.ack(1, id, false), "messages wait for the next Run")
		r.run()
		require.NoError(t, r.outcome(id))
		require.NoError(t, r.c.Close())
		require.ErrorIs(t, <-r.ran, ErrClosed)
		require.NoError(t, r.c.Close())
		require.ErrorIs(t, r.c.Run(t.Context()), ErrClosed)
		_, err := r.c.Trigger(t.Context(), false)
		require.ErrorIs(t, err, ErrClosed)
	})
}

func TestCloseAbortsAndCleans(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		kept := r.complete()
		id := r.trigger(false)
		require.NoError(t, r.ack(0, id, false))
		require.NoError(t, r.c.Close())
		require.ErrorIs(t, r.outcome(id), ErrClosed)
		require.ErrorIs(t, r.ack(1, id, false), ErrLate)
		require.Equal(t, []uint64{kept.Checkpoint}, requireIntact(t, store))
	})
}

func TestCloseDoesNotWaitForAStoreThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked)
		hang := make(chan struct{})
		hooked.set(func(_ context.Context, o op) error {
			if strings.Contains(o.name, "/log/") {
				<-hang
			}
			return nil
		}, nil)
		id := r.trigger(false)
		r.ackAll(id, false)
		begin := time.Now()
		require.NoError(t, r.c.Close())
		require.LessOrEqual(t, time.Since(begin), time.Minute)
		require.ErrorIs(t, r.outcome(id), ErrClosed)
		require.ErrorIs(t, <-r.ran, ErrClosed)
		close(hang) // the commit takes place after all: nobody minds
		synctest.Wait()
		require.Len(t, r.objects(), 2, "what may be committed is not deleted")
		requireIntact(t, store)
	})
}

func TestWait(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		_, err := r.c.Wait(t.Context(), 1)
		require.ErrorIs(t, err, ErrUnknownCheckpoint)
		id := r.trigger(false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = r.c.Wait(ctx, id)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		r.ackAll(id, false)
		m, err := r.c.Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, id, m.Checkpoint)
		require.Equal(t, m, r.c.Latest())
		for range historySize {
			r.complete()
		}
		_, err = r.c.Wait(t.Context(), id)
		require.ErrorIs(t, err, ErrUnknownCheckpoint)
	})
}

func TestManifestSaysEverything(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		id := r.trigger(false)
		acks := []Ack{r.part(0, id, false), r.part(1, id, false)}
		require.NoError(t, r.c.Ack(t.Context(), acks[1]))
		require.NoError(t, r.c.Ack(t.Context(), acks[0]))
		m, err := r.c.Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, testJob, m.Job)
		require.Equal(t, 8, m.M)
		require.EqualValues(t, 7, m.Seed)
		require.EqualValues(t, 2, m.Sequence)
		require.True(t, m.Created.Equal(time.Now()))
		require.Len(t, m.Operators, 1)
		for i, task := range m.Operators[0].Tasks {
			require.Equal(t, acks[i].state(r.cfg.Tasks[i]), task)
		}
		loaded, err := LoadRetained(t.Context(), store, testJob)
		require.NoError(t, err)
		require.Equal(t, r.c.Retained(), loaded)
	})
}

func TestLogsOnlyToTheGivenLogger(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		var b strings.Builder
		r := startRig(t, store, func(cfg *CoordinatorConfig) {
			cfg.Logger, cfg.TolerableFailures = slog.New(slog.NewTextHandler(&b, nil)), 1
		})
		id := r.trigger(false)
		task := r.cfg.Tasks[0].TaskID
		require.NoError(t, r.c.Decline(task, r.attempts[task], id, errors.New("disk full")))
		synctest.Wait()
		require.Contains(t, b.String(), "disk full")
		require.Contains(t, b.String(), "checkpoint=1")
	})
}

func TestUnknownTask(t *testing.T) {
	r := newRig(t, NewMemory())
	r.open()
	require.ErrorIs(t, r.c.SetAttempt(TaskID{"main", 2}, uuid.New()), ErrUnknownTask)
	require.ErrorIs(t, r.c.Ack(t.Context(), Ack{Task: TaskID{"main", 2}}), ErrUnknownTask)
}
