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

// A store that does not know whether a commit took place: it did or did not, the
// way to find out is open or closed for a while, and an heir comes or does not.
func TestCommitInDoubt(t *testing.T) {
	for _, landed := range []bool{false, true} {
		for _, blind := range []int{0, 1, 5} {
			for _, again := range []bool{false, true} {
				for name, heir := range map[string]func(*testing.T, Store) *Manifest{
					"nobody": nil, "claims": heirs["claims"], "retires": heirs["claims and retires every slot before its own"],
				} {
					t.Run(fmt.Sprintf("landed=%v/blind=%d/again=%v/%s", landed, blind, again, name), func(t *testing.T) {
						doubt(t, landed, blind, again, heir)
					})
				}
			}
		}
	}
}

func doubt(t *testing.T, landed bool, blind int, again bool, heir func(*testing.T, Store) *Manifest) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = -1 })
		kept := r.complete()
		id := r.trigger(false)
		acks := []Ack{r.part(0, id, false), r.part(1, id, false)}
		commits := 0
		inLog := func(o op) bool { return strings.HasPrefix(o.name, logPrefix(testJob)) && o.kind != "delete" }
		isCommit := func(o op) bool { return o.kind == "commit" && inLog(o) }
		unknown := func(o op) error {
			if !isCommit(o) {
				return nil
			}
			commits++
			if commits == 1 || again && commits == 2 {
				return fmt.Errorf("%w: %w", ErrUncertain, errTest)
			}
			return nil
		}
		hooked.set(func(_ context.Context, o op) error {
			if commits > 0 && blind > 0 && inLog(o) {
				blind--
				return errTest
			}
			if landed {
				return nil
			}
			return unknown(o)
		}, func(_ context.Context, o op) error {
			if landed {
				return unknown(o)
			}
			return nil
		})
		for _, a := range acks {
			require.NoError(t, r.c.Ack(t.Context(), a))
		}
		var found *Manifest
		synctest.Wait()
		if heir != nil {
			found = heir(t, store)
		}
		r.c.AbortAll(errTest)
		require.NoError(t, r.c.Settle(t.Context()))
		err := r.outcome(id)
		hooked.set(nil, nil)
		synctest.Wait()
		ids := requireIntact(t, store)
		if heir == nil {
			if landed {
				require.NoError(t, err)
				require.Equal(t, []uint64{id}, ids)
			} else {
				require.ErrorIs(t, err, ErrCommit)
				require.Equal(t, []uint64{kept.Checkpoint}, ids)
			}
			require.Equal(t, ids[0], r.c.Latest().Checkpoint)
			require.Greater(t, r.complete().Checkpoint, id)
			synctest.Wait()
			requireIntact(t, store)
			requireClean(t, store)
			return
		}
		if err == nil {
			require.Equal(t, id, found.Checkpoint)
		} else if !errors.Is(err, ErrCommit) {
			require.ErrorIs(t, err, ErrFenced)
		}
		next := startRig(t, store)
		synctest.Wait()
		require.Equal(t, ids, requireIntact(t, store))
		next.complete()
		synctest.Wait()
		requireClean(t, store)
	})
}

// The store repeats a request whose answer was lost, and then says "exists".
func TestOwnSlotThatExistsIsCommitted(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked)
		hooked.set(nil, func(_ context.Context, o op) error {
			if o.kind == "commit" && strings.Contains(o.name, "/log/") {
				return ErrExist
			}
			return nil
		})
		require.EqualValues(t, 1, r.complete().Checkpoint)
		require.Equal(t, []uint64{1}, requireIntact(t, store))
	})
}

// A commit left in doubt when Run ends is settled by the next Run.
func TestDoubtSurvivesRun(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked)
		down := func(_ context.Context, o op) error {
			if strings.Contains(o.name, "/log/") && o.kind != "create" {
				return fmt.Errorf("%w: %w", ErrUncertain, errTest)
			}
			return nil
		}
		hooked.set(nil, down)
		id := r.trigger(false)
		r.ackAll(id, false)
		time.Sleep(time.Hour)
		require.ErrorIs(t, <-r.ran, ErrFailures, "it is overdue, and nothing is tolerated")
		require.Nil(t, r.c.Latest())
		require.Len(t, r.sent.of("abort", id), 0)
		hooked.set(nil, nil)
		r.run()
		require.NoError(t, r.outcome(id))
		require.Equal(t, id, r.c.Latest().Checkpoint)
		require.Equal(t, []uint64{id}, requireIntact(t, store))
	})
}

func TestCorruptLog(t *testing.T) {
	flip := func(t *testing.T, store Store, slot uint64) {
		b, err := readObject(t.Context(), store, slotName(testJob, slot))
		require.NoError(t, err)
		b[len(b)/2] ^= 1
		require.NoError(t, store.Delete(t.Context(), slotName(testJob, slot)))
		require.NoError(t, createObject(t.Context(), store, slotName(testJob, slot), b))
	}
	cases := map[string]struct {
		slots []uint64 // slot 1 is the claim, 2 to 5 are checkpoints 1 to 4
		left  []uint64
	}{
		"the newest":       {[]uint64{5}, []uint64{3, 2}},
		"one in between":   {[]uint64{4}, []uint64{4, 2}},
		"the oldest":       {[]uint64{3}, []uint64{4, 3}},
		"all but one":      {[]uint64{4, 5}, []uint64{2}},
		"everything there": {[]uint64{3, 4, 5}, []uint64{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				three := func(cfg *CoordinatorConfig) { cfg.Retain = 3 }
				r := startRig(t, store, three)
				for range 4 {
					r.complete()
				}
				r.stop()
				for _, slot := range tc.slots {
					flip(t, store, slot)
				}
				ms, err := LoadRetained(t.Context(), store, testJob)
				require.ErrorIs(t, err, ErrCorrupt)
				require.ErrorContains(t, err, slotName(testJob, tc.slots[0]))
				require.Equal(t, tc.left, manifestIDs(ms))

				before := dump(t, store)
				_, err = OpenCoordinator(t.Context(), r.cfg)
				require.ErrorIs(t, err, ErrCorrupt)
				require.Equal(t, before, dump(t, store), "nothing is changed")

				objects := r.objects()
				again := startRig(t, store, three, func(cfg *CoordinatorConfig) { cfg.SkipCorrupt = true })
				synctest.Wait()
				require.Equal(t, tc.left, manifestIDs(again.c.Retained()))
				require.Equal(t, objects, again.objects(), "what cannot be read may yet be repaired")
				require.EqualValues(t, 5, again.complete().Checkpoint)
				again.stop()
				require.Equal(t, append([]uint64{5}, tc.left...)[:min(3, len(tc.left)+1)], requireIntact(t, store))
				for _, slot := range tc.slots {
					require.Contains(t, names(t, store, logPrefix(testJob)), slotName(testJob, slot))
				}
			})
		})
	}
	t.Run("a counted record is missing", func(t *testing.T) {
		bubble(t, func(t *testing.T, store Store) {
			r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Retain = 3 })
			for range 3 {
				r.complete()
			}
			r.stop()
			require.NoError(t, store.Delete(t.Context(), slotName(testJob, 3)))
			_, err := LoadRetained(t.Context(), store, testJob)
			require.ErrorIs(t, err, ErrCorrupt)
			_, err = OpenCoordinator(t.Context(), r.cfg)
			require.ErrorIs(t, err, ErrCorrupt)
		})
	})
	t.Run("of a newer version", func(t *testing.T) {
		store := NewMemory()
		b := appendFrame(nil, recordMagic, recordVersion+1, func(b []byte) []byte { return append(b, "whatever"...) })
		require.NoError(t, createObject(t.Context(), store, slotName(testJob, 1), b))
		r := newRig(t, store, func(cfg *CoordinatorConfig) { cfg.SkipCorrupt = true })
		_, err := OpenCoordinator(t.Context(), r.cfg)
		require.ErrorIs(t, err, ErrVersion)
		require.NotErrorIs(t, err, ErrCorrupt)
	})
}
