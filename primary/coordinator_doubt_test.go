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
		inLog := func(o op) bool { return strings.HasPrefix(o.name, commitlog.Prefix(testJob)) && o.kind != "delete" }
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

// A commit in doubt whose slot is found damaged has an end: nothing can follow it, and nothing of it is deleted, since
// the record may be repaired.
func TestCommitInDoubtThatIsDamaged(t *testing.T) {
	for name, answer := range map[string]error{"unknown": ErrUncertain, "exists": ErrExist} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				hooked := &hookStore{Store: store}
				r := startRig(t, hooked)
				kept := r.complete()
				hooked.set(nil, func(ctx context.Context, o op) error {
					if o.kind != "commit" || !strings.Contains(o.name, "/log/") {
						return nil
					}
					b, err := readObject(ctx, store, o.name)
					require.NoError(t, err)
					require.NoError(t, store.Delete(ctx, o.name))
					require.NoError(t, createObject(ctx, store, o.name, flipped(b, 40)))
					return answer
				})
				id := r.trigger(false)
				r.ackAll(id, false)
				r.c.AbortAll(errTest)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				require.NoError(t, r.c.Settle(ctx))
				require.ErrorIs(t, r.outcome(id), ErrUncertain)
				require.ErrorIs(t, <-r.ran, ErrFenced)
				require.Equal(t, []uint64{kept.Checkpoint, id}, r.objectIDs())
				_, err := OpenCoordinator(t.Context(), newRig(t, store).cfg)
				require.ErrorIs(t, err, ErrCorrupt)
			})
		})
	}
}

// A commit that ended after its time may still arrive, whatever the store says: before its objects are deleted its slot
// is filled.
func TestCommitThatTimedOutCannotArriveLate(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = -1 })
		r.complete()
		top, err := commitlog.NewestSlot(t.Context(), logStore{store}, testJob)
		require.NoError(t, err)
		hooked.set(func(ctx context.Context, o op) error {
			if o.kind == "commit" && o.name == slotName(testJob, top+1) {
				<-ctx.Done()
				hooked.set(nil, nil)
				return ctx.Err()
			}
			return nil
		}, nil)
		id := r.trigger(false)
		r.ackAll(id, false)
		time.Sleep(DefaultTimeout + time.Minute)
		require.ErrorIs(t, r.outcome(id), ErrCommit)
		require.ErrorIs(t, createObject(t.Context(), store, slotName(testJob, top+1), []byte("late")), ErrExist)
		require.NotContains(t, r.objectIDs(), id)
		r.complete()
		requireIntact(t, store)
	})
}

// A commit cut short by the end of Run is tried again by the next. If the first try arrives after all, it is in the
// way of the second, and both count the same objects.
func TestCommitTriedAgainThatArrivesLate(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked)
		r.complete()
		var late []byte
		inLog := func(o op) bool { return o.kind == "commit" && strings.Contains(o.name, "/log/") }
		hooked.set(nil, func(ctx context.Context, o op) error {
			if !inLog(o) {
				return nil
			}
			late, _ = readObject(ctx, store, o.name)
			require.NoError(t, store.Delete(ctx, o.name))
			<-ctx.Done()
			return ctx.Err()
		})
		id := r.trigger(false)
		r.ackAll(id, false)
		r.stop()
		hooked.set(func(ctx context.Context, o op) error {
			if !inLog(o) {
				return nil
			}
			return createObject(ctx, store, o.name, late)
		}, nil)
		time.Sleep(time.Second)
		r.run()
		require.ErrorIs(t, r.outcome(id), ErrUncertain)
		require.ErrorIs(t, <-r.ran, ErrFenced)
		require.Equal(t, []uint64{id}, requireIntact(t, store))
	})
}
