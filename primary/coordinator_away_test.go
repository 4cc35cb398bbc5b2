package primary

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// A damaged record whose copy does not answer is no lost record: the copy may be good, and a start that goes back to an
// older checkpoint would be for nothing.
func TestCopyThatDoesNotAnswerIsNoDamage(t *testing.T) {
	now, _, _, newest := aJob(t, situations["after a checkpoint"], 2)
	top := uint64(0)
	for name := range now {
		top = max(top, parseName(testJob, name).slot)
	}
	record, second := commitlog.RecordName(testJob, top), commitlog.CopyName(testJob, top)
	for what, damaged := range map[string][]byte{"flipped": flipped(now[record], 40), "empty": {}, "cut": now[record][:30]} {
		for _, kind := range []string{"size", "readat"} {
			t.Run(fmt.Sprintf("%s/%s", what, kind), func(t *testing.T) {
				c := maps.Clone(now)
				c[record] = damaged
				hooked := &hookStore{Store: c.store(t)}
				hooked.set(func(_ context.Context, o op) error {
					if o.kind == kind && o.name == second {
						return errTest
					}
					return nil
				}, nil)
				step := func(cfg *CoordinatorConfig) { cfg.Retain, cfg.SkipCorrupt = 2, true }
				_, err := OpenCoordinator(t.Context(), newRig(t, hooked, step).cfg)
				require.ErrorIs(t, err, errTest)
				require.NotErrorIs(t, err, ErrCorrupt)
				_, err = LoadRetained(t.Context(), hooked, testJob)
				require.ErrorIs(t, err, errTest)
				hooked.set(nil, nil)
				coord, err := OpenCoordinator(t.Context(), newRig(t, hooked, step).cfg)
				require.NoError(t, err)
				require.Equal(t, newest, coord.Latest().Checkpoint)
			})
		}
	}
}

// A claim that held a checkpoint and cannot be read stays, as every record does that cannot be read, and nothing that
// it may speak of is swept: it may be repaired.
func TestAClaimThatCannotBeReadStays(t *testing.T) {
	for what, damage := range map[string]func(b []byte) []byte{
		"damaged": func(b []byte) []byte { return flipped(b, len(b)/2) },
		"lost":    func([]byte) []byte { return nil },
	} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				keep := func(cfg *CoordinatorConfig) { cfg.Retain = 2 }
				r := startRig(t, store, keep)
				older := r.complete()
				r.stop()
				r = startRig(t, store, keep)
				claim := r.c.Epoch()
				r.complete()
				synctest.Wait()
				r.stop()
				now := contentsOf(t, store)
				for _, name := range []string{commitlog.RecordName(testJob, claim), commitlog.CopyName(testJob, claim)} {
					require.Contains(t, now, name)
					if now[name] = damage(now[name]); now[name] == nil {
						delete(now, name)
					}
				}
				store = now.store(t)
				_, err := LoadRetained(t.Context(), store, testJob)
				require.ErrorContains(t, err, padded(claim))
				for range 3 {
					r := startRig(t, store, keep)
					synctest.Wait()
					r.complete()
					synctest.Wait()
					r.stop()
					if what == "lost" {
						return
					}
					for name, b := range now {
						if at := parseName(testJob, name); at.slot == claim || at.checkpoint == older.Checkpoint {
							require.Equal(t, b, contentsOf(t, store)[name], name)
						}
					}
				}
			})
		})
	}
}

// A slot that was passed over because it was damaged stays while those after it go. So it is no proof for who wrote it,
// and slept since, that nobody has had the slot after it.
func TestASleeperBehindASkippedSlotIsFenced(t *testing.T) {
	for what, damage := range map[string]func(b []byte) []byte{
		"flipped": func(b []byte) []byte { return flipped(b, len(b)/2) },
		"cut":     func(b []byte) []byte { return b[:len(b)/2] },
	} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				sleeper := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Retain = 2 })
				sleeper.complete()
				sleeper.complete()
				synctest.Wait()
				top, err := commitlog.NewestSlot(t.Context(), logStore{store}, testJob)
				require.NoError(t, err)
				for _, name := range []string{commitlog.RecordName(testJob, top), commitlog.CopyName(testJob, top)} {
					b, err := readObject(t.Context(), store, name)
					require.NoError(t, err)
					require.NoError(t, store.Delete(t.Context(), name))
					require.NoError(t, createObject(t.Context(), store, name, damage(b)))
				}
				heir := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.SkipCorrupt = true })
				heir.complete()
				newest := heir.complete().Checkpoint
				synctest.Wait()
				require.NotContains(t, names(t, store, commitlog.Prefix(testJob)), commitlog.RecordName(testJob, top+1))
				id := sleeper.trigger(false)
				sleeper.ackAll(id, false)
				require.ErrorIs(t, sleeper.outcome(id), ErrFenced)
				require.Equal(t, newest, heir.c.Latest().Checkpoint)
				heir.complete()
				synctest.Wait()
				requireIntact(t, store)
			})
		})
	}
}
