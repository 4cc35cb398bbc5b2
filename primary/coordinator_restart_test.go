package primary

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// hungCommit makes a checkpoint whose commit hangs in the store until answer is called, which says what the store
// answers.
func hungCommit(t *testing.T, r *rig, h *hookStore, hears bool) (id uint64, answer func(error)) {
	t.Helper()
	answers := make(chan error, 1)
	hung := false
	h.set(func(ctx context.Context, o op) error {
		if hung || o.kind != "commit" || !strings.HasPrefix(o.name, commitlog.Prefix(testJob)) {
			return nil
		}
		hung = true
		if !hears {
			ctx = context.Background()
		}
		select {
		case err := <-answers:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}, nil)
	id = r.trigger(false)
	r.ackAll(id, false)
	require.True(t, hung)
	return id, func(err error) { answers <- err }
}

// A commit that AbortAll came too late for is written now or never: not by another try, and not by a request that the
// store still carries out after it has said no.
func TestOvertakenCommitNeverArrives(t *testing.T) {
	for name, answer := range map[string]error{
		"refused":                                errTest,
		"refused with the sentinel of a context": context.Canceled,
		"unknown":                                fmt.Errorf("%w: %w", ErrUncertain, errTest),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				h := &hookStore{Store: store}
				r := startRig(t, h, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = -1 })
				kept := r.complete()
				id, say := hungCommit(t, r, h, false)
				r.c.AbortAll(errTest)
				say(answer)
				require.NoError(t, r.c.Settle(t.Context()))
				require.ErrorIs(t, r.outcome(id), ErrCommit)
				require.Equal(t, kept, r.c.Latest())
				late := createObject(t.Context(), store, slotName(testJob, kept.Sequence+1), []byte("late"))
				require.ErrorIs(t, late, ErrExist, "the slot is still free")
				require.Greater(t, r.complete().Checkpoint, id)
				synctest.Wait()
				requireClean(t, store)
			})
		})
	}
}

// A commit that was interrupted by the end of Run is tried again by the next Run, unless the tasks restarted in
// between.
func TestOvertakenCommitIsNotTriedAgain(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprint("restarted=", restarted), func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				h := &hookStore{Store: store}
				r := startRig(t, h)
				kept := r.complete()
				id, say := hungCommit(t, r, h, false)
				r.cancel()
				synctest.Wait()
				if restarted {
					r.c.AbortAll(errTest)
				}
				say(context.Canceled)
				require.ErrorIs(t, <-r.ran, context.Canceled)
				r.run()
				require.NoError(t, r.c.Settle(t.Context()))
				synctest.Wait()
				if restarted {
					require.ErrorIs(t, r.outcome(id), ErrCommit)
					require.Equal(t, kept, r.c.Latest())
				} else {
					require.NoError(t, r.outcome(id))
				}
				require.Greater(t, r.complete().Checkpoint, id)
			})
		})
	}
}

func TestHastenCutsACommitThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		h := &hookStore{Store: store}
		r := startRig(t, h)
		r.c.Hasten() // nothing to hasten
		kept := r.complete()
		id, _ := hungCommit(t, r, h, true)
		r.c.AbortAll(errTest)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, r.c.Settle(ctx), context.DeadlineExceeded)
		r.c.Hasten()
		start := time.Now()
		require.NoError(t, r.c.Settle(t.Context()))
		require.Zero(t, time.Since(start))
		require.ErrorIs(t, r.outcome(id), ErrCommit)
		require.Equal(t, kept, r.c.Latest())
		require.Zero(t, r.c.Stats().Failed, "nothing is tolerated, and Run goes on")
		r.complete()
	})
}

func TestPinKeepsWhatIsRestored(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		first := r.complete()
		release, other := r.c.Pin(first), r.c.Pin(first)
		r.complete()
		r.complete()
		synctest.Wait()
		require.Equal(t, []uint64{1, 3}, r.objectIDs())
		release()
		release()
		synctest.Wait()
		require.Equal(t, []uint64{1, 3}, r.objectIDs(), "the other pin holds")
		other()
		synctest.Wait()
		require.Equal(t, []uint64{3}, r.objectIDs())
		r.c.Pin(r.c.Latest())()
		synctest.Wait()
		require.Equal(t, []uint64{3}, requireIntact(t, store))
		requireClean(t, store)
	})
}

func TestReload(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		h := &hookStore{Store: store}
		r := startRig(t, h, func(cfg *CoordinatorConfig) { cfg.Retain = 2 })
		live, err := r.c.Reload(t.Context())
		require.NoError(t, err)
		require.Empty(t, live)
		r.complete()
		r.complete()
		r.ackAll(r.trigger(true), true)
		live, err = r.c.Reload(t.Context())
		require.NoError(t, err)
		require.Equal(t, []uint64{2, 1}, manifestIDs(live))

		h.set(func(_ context.Context, o op) error { return errTest }, nil)
		_, err = r.c.Reload(t.Context())
		require.ErrorIs(t, err, errTest)
		h.set(nil, nil)
		r.complete() // it is still the job's

		heir := startRig(t, store)
		heir.complete()
		_, err = r.c.Reload(t.Context())
		require.ErrorIs(t, err, ErrFenced)
		_, err = r.c.Trigger(t.Context(), false)
		require.ErrorIs(t, err, ErrFenced)
		require.ErrorIs(t, <-r.ran, ErrFenced)
		_, err = heir.c.Reload(t.Context())
		require.NoError(t, err)
	})
}

// A listing that is empty says nothing: the coordinator's own claim must be in it.
func TestReloadDoesNotTakeAnEmptyListingForAnEmptyLog(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		r.complete()
		for _, name := range names(t, store, commitlog.Prefix(testJob)) {
			require.NoError(t, store.Delete(t.Context(), name))
		}
		_, err := r.c.Reload(t.Context())
		require.Error(t, err)
		require.False(t, errors.Is(err, ErrFenced))
	})
}

// What is to be swept after a long time without a completion is bounded, holds nothing twice, and finds as much.
func TestSweepsToComeAreBounded(t *testing.T) {
	for _, whole := range []bool{false, true} {
		var kept trash
		if whole {
			kept.later(sweep{all: true})
		}
		for id := range uint64(3 * maxSweeps) {
			kept.later(sweep{Trigger: Trigger{Checkpoint: id}})
			kept.later(sweep{Trigger: Trigger{Checkpoint: id}})
			require.LessOrEqual(t, len(kept.resweeps), maxSweeps)
		}
		require.Equal(t, sweep{all: true, ours: !whole}, kept.resweeps[0])
		kept.again()
		require.NotEmpty(t, kept.sweeps)
		require.Empty(t, kept.resweeps)
	}
}
