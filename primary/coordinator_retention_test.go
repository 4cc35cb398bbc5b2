package primary

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
		require.NoError(t, createObject(t.Context(), store, newer, nil))

		again := startRig(t, store)
		synctest.Wait()
		require.Equal(t, []uint64{kept.Checkpoint}, requireIntact(t, store))
		require.Len(t, again.savepoints(), 3+1)
		left := names(t, store, "")
		require.Subset(t, left, foreign)
		require.NotContains(t, left, older)
		require.Contains(t, left, newer, "a successor's task may be writing it")
		require.EqualValues(t, 91, again.trigger(false), "no id comes twice")
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

func TestSavepointIsSelfContainedAndTheUsers(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		first := r.complete()
		id := r.trigger(true)
		r.ackAll(id, true)
		require.True(t, r.sent.of("trigger", id)[0].trigger.Savepoint)
		m, err := r.c.Wait(t.Context(), id)
		require.NoError(t, err)
		require.True(t, m.Savepoint)
		for name := range objectsOf(m) {
			require.True(t, strings.HasPrefix(name, savepointsPrefix(testJob)+padded(id)+"/"))
		}
		require.Equal(t, first, r.c.Latest(), "a savepoint is not a checkpoint")
		require.Empty(t, r.sent.of("confirm", id), "nothing becomes superfluous by it")
		require.Equal(t, []uint64{first.Checkpoint}, requireIntact(t, store))

		saved := r.savepoints()
		require.Len(t, saved, 3)
		for range 4 {
			r.complete()
		}
		require.NoError(t, r.c.Ack(t.Context(), Ack{Task: r.cfg.Tasks[0].TaskID, Attempt: r.attempts[r.cfg.Tasks[0].TaskID], Checkpoint: id, Objects: saved[:1]}))
		r.stop()
		again := startRig(t, store)
		for range 3 {
			again.complete()
		}
		// Much later somebody repeats the ack: history is gone.
		require.ErrorIs(t, again.c.Ack(t.Context(), Ack{Task: r.cfg.Tasks[0].TaskID, Attempt: r.attempts[r.cfg.Tasks[0].TaskID], Checkpoint: id, Objects: saved[:1]}), ErrFenced)
		synctest.Wait()
		require.Equal(t, saved, again.savepoints())
		loaded, err := LoadSavepoint(t.Context(), store, testJob, id)
		require.NoError(t, err)
		require.Equal(t, m, loaded)
		requireIntact(t, store)
		requireClean(t, store)
	})
}

func TestAbortedSavepointLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Timeout = time.Minute })
		id := r.trigger(true)
		require.NoError(t, r.ack(0, id, true))
		late := r.part(1, id, true)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.ErrorIs(t, r.outcome(id), ErrExpired)
		require.Empty(t, r.savepoints())
		require.NoError(t, createObject(t.Context(), store, late.Objects[0], nil))
		require.ErrorIs(t, r.c.Ack(t.Context(), late), ErrLate)
		synctest.Wait()
		require.Empty(t, r.savepoints())
		require.Zero(t, r.c.Stats().Failed)
	})
}

// failManifest fails everything about the manifests beside savepoints.
func failManifest(_ context.Context, o op) error {
	if strings.HasSuffix(o.name, "/manifest") {
		return errTest
	}
	return nil
}

func TestSavepointGetsItsManifestLater(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked)
		r.complete()
		hooked.set(failManifest, nil)
		id := r.trigger(true)
		r.ackAll(id, true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := r.c.Wait(ctx, id)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		r.complete() // checkpoints go on meanwhile
		r.complete()
		require.Len(t, r.savepoints(), 2)

		hooked.set(nil, nil)
		m, err := r.c.Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, id, m.Checkpoint)
		r.complete()
		synctest.Wait()
		requireIntact(t, store)
		requireClean(t, store)
		require.Len(t, r.savepoints(), 3)
	})
}

func TestSavepointIsFinishedAtTheNextStart(t *testing.T) {
	for name, owner := range map[string]struct {
		deletes func(r *rig)
		want    int
	}{
		"all there":                  {func(*rig) {}, 3},
		"deleted by its owner":       {func(r *rig) { deleteAll(r, r.savepoints()) }, 0},
		"one object deleted already": {func(r *rig) { deleteAll(r, r.savepoints()[:1]) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				hooked := &hookStore{Store: store}
				r := startRig(t, hooked)
				r.complete()
				hooked.set(failManifest, nil)
				id := r.trigger(true)
				r.ackAll(id, true)
				require.NoError(t, r.c.Close())
				require.ErrorIs(t, r.outcome(id), ErrClosed)
				require.Len(t, r.savepoints(), 2)
				owner.deletes(r)
				again := startRig(t, store)
				synctest.Wait()
				require.Len(t, again.savepoints(), owner.want)
				again.complete()
				synctest.Wait()
				require.Len(t, again.savepoints(), owner.want)
				requireIntact(t, store)
				requireClean(t, store)
			})
		})
	}
}

func deleteAll(r *rig, names []string) {
	for _, name := range names {
		require.NoError(r.t, r.store.Delete(r.t.Context(), name))
	}
}

// A sweep lists a savepoint before its manifest is there, and decides after it.
func TestSweepDoesNotTakeASavepointJustCompleted(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := newRig(t, hooked)
		r.open()
		r.startTasks()
		listed, release := make(chan struct{}), make(chan struct{})
		hooked.set(nil, func(_ context.Context, o op) error {
			if o.kind == "list" && o.name == savepointsPrefix(testJob) {
				close(listed)
				<-release
			}
			return nil
		})
		id := r.trigger(true)
		acks := []Ack{r.part(0, id, true), r.part(1, id, true)}
		r.run()
		<-listed
		hooked.set(nil, nil)
		require.NoError(t, r.c.Ack(t.Context(), acks[0]))
		require.NoError(t, r.c.Ack(t.Context(), acks[1]))
		require.NoError(t, r.outcome(id))
		close(release)
		synctest.Wait()
		require.Len(t, r.savepoints(), 3)
		requireIntact(t, store)
	})
}

func TestReadersOfAJobThatNeverRan(t *testing.T) {
	store := NewMemory()
	ms, err := LoadRetained(t.Context(), store, testJob)
	require.NoError(t, err)
	require.Empty(t, ms)
	entries, err := ReadLog(t.Context(), store, testJob)
	require.NoError(t, err)
	require.Empty(t, entries)
	_, err = LoadSavepoint(t.Context(), store, testJob, 1)
	require.ErrorIs(t, err, ErrNotExist)
	for range Savepoints(t.Context(), store, testJob) {
		t.Fatal("no savepoints")
	}
	_, err = LoadRetained(t.Context(), store, "../x")
	require.ErrorIs(t, err, ErrName)
	_, err = LoadSavepoint(t.Context(), store, "a/b", 1)
	require.ErrorIs(t, err, ErrName)
}

func TestReadersSeeTheLogWhileItMoves(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Retain = 2 })
		r.complete()
		r.complete()
		moves := 0
		hooked.set(func(_ context.Context, o op) error { // the reader's store: others commit between its calls
			if moves < 4 {
				moves++
				r.complete()
				synctest.Wait()
			}
			return nil
		}, nil)
		ms, err := LoadRetained(t.Context(), hooked, testJob)
		require.NoError(t, err)
		require.Len(t, ms, 2)
		require.Equal(t, r.c.Retained(), ms)
		entries, err := ReadLog(t.Context(), store, testJob)
		require.NoError(t, err)
		require.Len(t, entries, 2)
		require.True(t, entries[0].Live)
		require.Equal(t, ms[0], entries[0].Manifest)
		require.EqualValues(t, 1, entries[0].Epoch)
	})
}
