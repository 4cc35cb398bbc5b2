package primary

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A coordinator that has been replaced is called the zombie here.

func TestNewCoordinatorFencesTheOld(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		zombie := startRig(t, store)
		kept := zombie.complete()
		id := zombie.trigger(false)
		require.NoError(t, zombie.ack(0, id, false))
		heir := startRig(t, store)
		require.Equal(t, kept, heir.c.Latest())
		require.Greater(t, heir.c.Epoch(), zombie.c.Epoch())
		require.NoError(t, zombie.ack(1, id, false))
		require.ErrorIs(t, zombie.outcome(id), ErrFenced)
		require.ErrorIs(t, <-zombie.ran, ErrFenced)
		_, err := zombie.c.Trigger(t.Context(), false)
		require.ErrorIs(t, err, ErrFenced)
		require.ErrorIs(t, zombie.ack(0, id, false), ErrFenced)
		require.ErrorIs(t, zombie.c.Run(t.Context()), ErrFenced)
		synctest.Wait()
		require.Equal(t, []uint64{kept.Checkpoint}, requireIntact(t, store))
		last := heir.complete()
		synctest.Wait()
		require.Equal(t, []uint64{last.Checkpoint}, requireIntact(t, store))
	})
}

// heirs are what may happen at any moment of a zombie's life.
var heirs = map[string]func(t *testing.T, store Store) *Manifest{
	"claims": func(t *testing.T, store Store) *Manifest {
		r := newRig(t, store)
		r.open()
		return r.c.Latest()
	},
	"claims and commits": func(t *testing.T, store Store) *Manifest {
		r := startRig(t, store)
		found := r.c.Latest()
		r.complete()
		return found
	},
	"claims and retires every slot before its own": func(t *testing.T, store Store) *Manifest {
		r := startRig(t, store)
		found := r.c.Latest()
		for range 3 {
			r.complete()
		}
		return found
	},
	"two claim, the second retires": func(t *testing.T, store Store) *Manifest {
		first := startRig(t, store)
		found := first.c.Latest()
		first.complete()
		second := startRig(t, store)
		for range 3 {
			second.complete()
		}
		return found
	},
	"claims and makes a savepoint": func(t *testing.T, store Store) *Manifest {
		r := startRig(t, store)
		found := r.c.Latest()
		id := r.trigger(true)
		r.ackAll(id, true)
		r.complete()
		return found
	},
}

// The heir comes before or after each call of the store that the zombie makes for
// its commit and what follows it.
func TestZombieInEveryInterleaving(t *testing.T) {
	for name, heir := range heirs {
		for _, savepoint := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/savepoint=%v", name, savepoint), func(t *testing.T) {
				for at := 1; interleave(t, heir, at, savepoint); at++ {
					require.Less(t, at, 100)
				}
			})
		}
	}
}

// interleave returns false if the zombie makes fewer calls than the heir waits for.
func interleave(t *testing.T, heir func(*testing.T, Store) *Manifest, at int, savepoint bool) (came bool) {
	synctest.Test(t, func(t *testing.T) {
		store := NewMemory()
		hooked := &hookStore{Store: store}
		zombie := startRig(t, hooked)
		kept := zombie.complete()
		synctest.Wait()
		id := zombie.trigger(savepoint)
		acks := []Ack{zombie.part(0, id, savepoint), zombie.part(1, id, savepoint)}
		var found *Manifest
		come := func(_ context.Context, o op) error {
			if 2*o.n-1 == at || 2*o.n == at {
				came, found = true, heir(t, store)
			}
			return nil
		}
		if at%2 == 1 {
			hooked.set(come, nil)
		} else {
			hooked.set(nil, come)
		}
		for _, a := range acks {
			require.NoError(t, zombie.c.Ack(t.Context(), a))
		}
		err := zombie.outcome(id)
		time.Sleep(time.Second) // not synctest.Wait: the heir, in a hook, needs that
		hooked.set(nil, nil)
		if !came {
			return
		}
		ids := requireIntact(t, store)
		require.NotNil(t, found)
		switch {
		case err == nil && !savepoint:
			require.Equal(t, id, found.Checkpoint, "at %d: a commit the heir does not know", at)
		case err != nil:
			require.ErrorIs(t, err, ErrFenced)
			if found.Checkpoint == id { // committed, but retired before the zombie knew
				require.NotContains(t, ids, id)
			}
		case savepoint:
			require.Equal(t, kept.Checkpoint, found.Checkpoint)
		}
		// Whatever became of that: it is the last thing a zombie does.
		if again, err := zombie.c.Trigger(t.Context(), false); err == nil {
			zombie.ackAll(again, false)
			require.ErrorIs(t, zombie.outcome(again), ErrFenced)
		}
		synctest.Wait()
		require.Equal(t, ids, requireIntact(t, store), "the zombie cleans up, and touches nothing of the heir's")
		last := startRig(t, store)
		synctest.Wait()
		require.Equal(t, ids, requireIntact(t, store))
		last.complete()
		synctest.Wait()
		requireIntact(t, store)
		requireClean(t, store)
	})
	return came
}

// The old coordinator commits between any two calls that opening the new one makes.
func TestCommitsDuringOpen(t *testing.T) {
	for at := 1; ; at++ {
		came := false
		bubble(t, func(t *testing.T, store Store) {
			old := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Retain = 2 })
			old.complete()
			hooked := &hookStore{Store: store}
			hooked.set(func(_ context.Context, o op) error {
				if o.n == at {
					came = true
					for range 3 {
						if id, err := old.c.Trigger(t.Context(), false); err == nil {
							old.ackAll(id, false)
						}
					}
				}
				return nil
			}, nil)
			heir := newRig(t, hooked, func(cfg *CoordinatorConfig) { cfg.Retain = 2 })
			heir.open()
			require.Equal(t, manifestIDs(heir.c.Retained()), requireIntact(t, store))
			require.Equal(t, heir.c.Latest(), old.c.Latest(), "what the old one committed is known to the new one")
			hooked.set(nil, nil)
			heir.startTasks()
			heir.run()
			heir.complete()
			if id, err := old.c.Trigger(t.Context(), false); err == nil {
				old.ackAll(id, false)
				require.ErrorIs(t, old.outcome(id), ErrFenced)
			}
			synctest.Wait()
			requireIntact(t, store)
		})
		if !came {
			require.Greater(t, at, 5)
			return
		}
	}
}

// Two are opened at once: at every moment of one, the other opens from first to last.
func TestTwoOpenAtOnce(t *testing.T) {
	for at := 1; ; at++ {
		came := false
		bubble(t, func(t *testing.T, store Store) {
			var other *rig
			hooked := &hookStore{Store: store}
			hooked.set(nil, func(_ context.Context, o op) error {
				if o.n == at {
					came = true
					other = startRig(t, store)
					other.complete()
					other.complete()
				}
				return nil
			})
			one := newRig(t, hooked)
			c, err := OpenCoordinator(t.Context(), one.cfg)
			hooked.set(nil, nil)
			if !came {
				return
			}
			if err != nil {
				require.ErrorIs(t, err, ErrFenced)
				other.complete()
			} else if c.Epoch() < other.c.Epoch() { // it had claimed the log already
				one.c = c
				one.startTasks()
				one.run()
				id := one.trigger(false)
				one.ackAll(id, false)
				require.ErrorIs(t, one.outcome(id), ErrFenced)
				other.complete()
			} else {
				require.Equal(t, other.c.Latest(), c.Latest())
				id := other.trigger(false)
				other.ackAll(id, false)
				require.ErrorIs(t, other.outcome(id), ErrFenced)
			}
			requireIntact(t, store)
		})
		if !came {
			require.Greater(t, at, 3)
			return
		}
	}
}

func manifestIDs(ms []*Manifest) []uint64 {
	ids := []uint64{}
	for _, m := range ms {
		ids = append(ids, m.Checkpoint)
	}
	return ids
}
