package primary

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

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
		"deleted by its owner":       {func(r *rig) { removeAll(r, r.savepoints()) }, 0},
		"one object deleted already": {func(r *rig) { removeAll(r, r.savepoints()[:1]) }, 1},
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

func removeAll(r *rig, names []string) {
	for _, name := range names {
		require.NoError(r.t, r.store.Delete(r.t.Context(), name))
	}
}

// A sweep lists a savepoint before its manifest is there, and decides after it.
func TestSweepDoesNotTakeASavepointJustCompleted(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		before := startRig(t, store)
		before.complete()
		before.stop()
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

// A coordinator that does not know it was replaced may give the id of a savepoint
// of its successor. What its tasks store lies among the savepoint's objects.
func TestSweepKnowsASavepointsObjectsFromAZombies(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		zombie := startRig(t, store)
		zombie.complete()
		heir := startRig(t, store)
		id := heir.trigger(true)
		require.Equal(t, id, zombie.trigger(true), "the same id, from both")
		heir.ackAll(id, true)
		require.NoError(t, heir.outcome(id))
		stray := zombie.part(0, id, true).Objects[0]
		require.Len(t, heir.savepoints(), 4)
		heir.stop()
		last := startRig(t, store)
		synctest.Wait()
		require.Len(t, last.savepoints(), 3)
		require.NotContains(t, last.savepoints(), stray)
		requireIntact(t, store)
	})
}

func TestCloseDuringTheManifestCopy(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked)
		gate := make(chan struct{})
		hooked.set(nil, func(_ context.Context, o op) error { // a store that does not look at its context
			if o.kind == "commit" && strings.HasSuffix(o.name, "/manifest") {
				<-gate
			}
			return nil
		})
		id := r.trigger(true)
		r.ackAll(id, true)
		time.AfterFunc(time.Second, func() { close(gate) })
		require.NoError(t, r.c.Close())
		require.ErrorIs(t, <-r.ran, ErrClosed)
		require.ErrorIs(t, r.outcome(id), ErrClosed)
		_, err := LoadSavepoint(t.Context(), store, testJob, id)
		require.NoError(t, err)
		requireIntact(t, store)
	})
}
