package primary

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestRetainsTheNewest(t *testing.T) {
	for _, retain := range []int{1, 2, 5} {
		bubble(t, func(t *testing.T, store Store) {
			r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Retain = retain })
			var want []uint64
			for range 8 {
				want = slices.Insert(want, 0, r.complete().Checkpoint)
				want = want[:min(retain, len(want))]
				synctest.Wait()
				require.Equal(t, want, requireIntact(t, store))
				oldestFirst := slices.Clone(want)
				slices.Reverse(oldestFirst)
				require.Equal(t, oldestFirst, r.objectIDs())
				requireClean(t, store)
			}
			r.stop()
			again := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Retain = 1 })
			require.Len(t, again.c.Retained(), retain, "nothing is dropped by opening")
			last := again.complete().Checkpoint
			synctest.Wait()
			require.Equal(t, []uint64{last}, requireIntact(t, store))
			requireClean(t, store)
		})
	}
}

func TestIncrementalObjectsLiveAsLongAsTheyAreNamed(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		r.complete()
		base := r.objects()[0]
		for range 3 { // task 0 builds on its first object, task 1 does not
			id := r.trigger(false)
			require.NoError(t, r.ack(0, id, false, base))
			require.NoError(t, r.ack(1, id, false))
			require.NoError(t, r.outcome(id))
			synctest.Wait()
			require.Len(t, r.objects(), 3)
			require.Contains(t, r.objects(), base)
			requireIntact(t, store)
		}
		r.complete()
		synctest.Wait()
		require.NotContains(t, r.objects(), base)
		requireClean(t, store)
	})
}

func TestPendingCheckpointMayBuildOnOneJustDropped(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.MaxConcurrent = 3 })
		r.complete()
		base := r.objects()[0]
		second, third := r.trigger(false), r.trigger(false)
		r.ackAll(second, false)
		require.Contains(t, r.objects(), base, "the third may have been captured before the second was confirmed")
		require.NoError(t, r.ack(0, third, false, base))
		require.NoError(t, r.ack(1, third, false))
		require.NoError(t, r.outcome(third))
		synctest.Wait()
		require.Contains(t, r.objects(), base)
		require.Equal(t, []uint64{third}, requireIntact(t, store))
		requireClean(t, store)
	})
}

func TestHeldObjectsGoWhenNothingPendingCanNameThem(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.MaxConcurrent = 3 })
		first := r.complete()
		second, third := r.trigger(false), r.trigger(false)
		r.ackAll(second, false)
		require.Equal(t, []uint64{first.Checkpoint, second}, r.objectIDs())
		fourth := r.trigger(false) // began after the first was dropped
		r.c.mu.Lock()
		r.c.abortLocked(r.c.pendingLocked(third), ErrRestarted, nil)
		r.c.mu.Unlock()
		synctest.Wait()
		require.Equal(t, []uint64{second}, r.objectIDs())
		require.ErrorIs(t, r.ack(0, fourth, false, first.Operators[0].Tasks[0].Objects[0]), ErrUnknownObject)
	})
}

func TestAbortNeverDeletesWhatAnotherNames(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = -1 })
		kept := r.complete()
		base := kept.Operators[0].Tasks[0].Objects[0]
		id := r.trigger(false)
		require.NoError(t, r.ack(0, id, false, base))
		task := r.cfg.Tasks[1].TaskID
		require.NoError(t, r.c.Decline(task, r.attempts[task], id, errTest))
		synctest.Wait()
		require.Equal(t, []uint64{kept.Checkpoint}, r.objectIDs())
		requireIntact(t, store)
	})
}

func TestSweepAfterAnAbort(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		id := r.trigger(false)
		r.part(0, id, false) // stored, never acknowledged
		r.c.AbortAll(errTest)
		synctest.Wait()
		require.Empty(t, r.objects())
		r.part(1, id, false) // still at it after the abort
		r.complete()
		synctest.Wait()
		require.NotContains(t, r.objectIDs(), id)
		requireClean(t, store)
	})
}

func TestSweepAtTheStart(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		kept := r.complete()
		saved := r.trigger(true)
		r.ackAll(saved, true)
		dead, deadSavepoint := r.trigger(false), r.trigger(true)
		r.part(0, dead, false)
		r.part(1, deadSavepoint, true)
		r.stop()
		foreign := []string{
			testJob + "/objects/README", testJob + "/objects/00000000000000000003/notes.txt",
			testJob + "/savepoints/mine/manifest", testJob + "/objectsx/1", "elsewhere/x",
		}
		for _, name := range foreign {
			require.NoError(t, createObject(t.Context(), store, name, []byte("x")))
		}
		of := func(epoch uint64) string {
			return objectName(testJob, Trigger{Checkpoint: 90}, r.cfg.Tasks[0].TaskID, uuid.New(), epoch)
		}
		older, newer := of(1), of(1000)
		require.NoError(t, createObject(t.Context(), store, older, nil))
		ancient := objectName(testJob, Trigger{Checkpoint: 0}, r.cfg.Tasks[0].TaskID, uuid.New(), 1)
		require.NoError(t, createObject(t.Context(), store, ancient, nil))

		again := newRig(t, store)
		again.open()
		again.startTasks()
		require.NoError(t, createObject(t.Context(), store, newer, nil))
		again.run()
		synctest.Wait()
		require.NotContains(t, again.objects(), ancient)
		require.Contains(t, again.objects(), older, "it may be of a checkpoint whose record is lost")
		require.EqualValues(t, 91, again.complete().Checkpoint, "no id comes twice")
		synctest.Wait()
		kept = again.c.Latest()
		require.Equal(t, []uint64{kept.Checkpoint}, requireIntact(t, store))
		require.Len(t, again.savepoints(), 3+1+1, "only the manifest of a savepoint says what is not its own")
		left := names(t, store, "")
		require.Subset(t, left, foreign)
		require.NotContains(t, left, older)
		require.Contains(t, left, newer, "a successor's task may be writing it")
	})
}

func TestSweepLeavesWhatIsBeingWritten(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := newRig(t, store)
		r.open()
		r.startTasks()
		id := r.trigger(false)
		first, save := r.part(0, id, false), r.trigger(true)
		r.part(0, save, true)
		r.run() // sweeps
		synctest.Wait()
		require.Equal(t, first.Objects, r.objects())
		require.Len(t, r.savepoints(), 1)
	})
}

func TestDeletionIsRepeatedWhenItFailed(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked)
		r.complete()
		hooked.set(func(_ context.Context, o op) error {
			if o.kind == "delete" || o.kind == "list" && !strings.HasSuffix(o.name, "/log/") {
				return errTest
			}
			return nil
		}, nil)
		r.complete()
		id := r.trigger(false)
		r.part(0, id, false)
		r.c.AbortAll(errTest)
		synctest.Wait()
		require.NotZero(t, r.c.Stats().DeleteErrors)
		hooked.set(nil, nil)
		require.Len(t, r.objectIDs(), 3)
		last := r.complete()
		synctest.Wait()
		require.Equal(t, []uint64{last.Checkpoint}, r.objectIDs())
		requireClean(t, store)
	})
}

func TestIdsOfAbortedCheckpointsDoNotComeAgain(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.MaxConcurrent = 3 })
		first := r.trigger(false)
		require.EqualValues(t, 2, r.trigger(false))
		require.EqualValues(t, 3, r.trigger(false))
		r.ackAll(first, false)
		r.c.AbortAll(errTest) // 2 and 3 leave nothing but a number in the log
		r.stop()
		again := startRig(t, store)
		require.EqualValues(t, 4, again.trigger(false))
	})
}

func TestSweepTakesAPredecessorsObjectsOfAPendingId(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		old := newRig(t, store)
		old.open()
		old.startTasks()
		r := newRig(t, store)
		r.open()
		r.startTasks()
		id := r.trigger(false)
		require.Equal(t, id, old.trigger(false))
		left, mine := old.part(0, id, false), r.part(0, id, false)
		r.run()
		synctest.Wait()
		require.Contains(t, r.objects(), left.Objects[0], "it may be of a checkpoint whose record is lost")
		require.NoError(t, r.c.Ack(t.Context(), mine))
		require.NoError(t, r.ack(1, id, false))
		synctest.Wait()
		require.NotContains(t, r.objects(), left.Objects[0])
		require.Contains(t, r.objects(), mine.Objects[0])
	})
}

func TestSweepIsRepeatedWhenItFailed(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		r.part(0, r.trigger(false), false)
		r.stop()
		hooked := &hookStore{Store: store}
		again := newRig(t, hooked)
		again.open()
		hooked.set(func(_ context.Context, o op) error {
			if o.kind == "list" {
				return errTest
			}
			return nil
		}, nil)
		again.startTasks()
		again.run()
		synctest.Wait()
		hooked.set(nil, nil)
		require.Len(t, again.objects(), 1)
		again.complete()
		synctest.Wait()
		requireClean(t, store)
	})
}
