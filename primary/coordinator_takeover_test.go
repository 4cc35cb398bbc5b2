package primary

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// The predecessor commits a savepoint while the successor opens the log: the
// successor must not take its objects for deleted, and sweep them.
func TestSavepointCommittedDuringTakeover(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		old := &hookStore{Store: store}
		a := startRig(t, old)
		a.complete()
		var block atomic.Bool
		block.Store(true)
		release := make(chan struct{})
		old.set(func(_ context.Context, o op) error {
			if block.Load() && o.kind == "create" && strings.HasSuffix(o.name, "/manifest") {
				<-release
			}
			return nil
		}, nil)
		successor := &hookStore{Store: store}
		var once atomic.Bool
		var id uint64
		successor.set(nil, func(_ context.Context, o op) error {
			if o.kind == "list" && once.CompareAndSwap(false, true) {
				id = a.trigger(true)
				for i := range a.cfg.Tasks {
					require.NoError(t, a.ack(i, id, true))
				}
				time.Sleep(time.Second)
			}
			return nil
		})
		b := startRig(t, successor)
		synctest.Wait()
		block.Store(false)
		close(release)
		synctest.Wait()
		m, err := LoadSavepoint(t.Context(), store, testJob, id)
		require.NoError(t, err)
		require.True(t, m.Savepoint)
		requireIntact(t, store)
		a.cancel()
		<-a.ran
		b.stop()
	})
}

// forgetfulStore is as forgetful as a store may be: a listing misses what was
// created and what was deleted during it.
type forgetfulStore struct {
	Store
	during func() // runs during the next listing of the log, once
}

func (f *forgetfulStore) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		var infos []Info
		for info, err := range f.Store.List(ctx, prefix) {
			if err != nil {
				yield(info, err)
				return
			}
			infos = append(infos, info)
		}
		if during := f.during; during != nil && strings.HasPrefix(prefix, commitlog.Prefix(testJob)) {
			f.during = nil
			during()
		}
		for _, info := range infos {
			if _, err := f.Store.Size(ctx, info.Name); err == nil && !yield(info, nil) {
				return
			}
		}
	}
}

func TestReplacedCoordinatorDoesNotCommitInAHole(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		forgetful := &forgetfulStore{Store: store}
		a := startRig(t, forgetful)
		a.complete()
		id := a.trigger(false)
		require.NoError(t, a.ack(0, id, false))
		b := startRig(t, store)
		b.complete() // retires a's slots and b's claim: there is the hole
		synctest.Wait()
		forgetful.during = func() { // retires all that a's listing could have seen
			id := b.trigger(false)
			for i := range b.cfg.Tasks {
				require.NoError(t, b.ack(i, id, false))
			}
			time.Sleep(time.Second) // until it is committed and the cleaner is done
		}
		require.NoError(t, a.ack(1, id, false))
		time.Sleep(time.Minute)
		require.ErrorIs(t, a.outcome(id), ErrFenced)
		require.ErrorIs(t, <-a.ran, ErrFenced)
		require.Len(t, requireIntact(t, store), 1)
		b.stop()
	})
}

// Slots are deleted from the beginning of the log, each after all before it, also
// when a deletion fails: that is what a replaced coordinator is found out by.
func TestSlotsAreRetiredInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked, func(cfg *CoordinatorConfig) { cfg.Retain = 2 })
		var gone []string
		failing := true
		hooked.set(func(_ context.Context, o op) error {
			if o.kind != "delete" || !strings.HasPrefix(o.name, commitlog.Prefix(testJob)) {
				return nil
			}
			if failing && o.name == slotName(testJob, 2) {
				return errTest
			}
			gone = append(gone, o.name)
			return nil
		}, nil)
		for range 5 {
			r.complete()
			synctest.Wait()
		}
		require.Equal(t, []string{commitlog.CopyName(testJob, 1), slotName(testJob, 1), commitlog.CopyName(testJob, 2)}, slices.Compact(slices.Clone(gone)))
		failing = false
		r.complete()
		synctest.Wait()
		var want []string
		for slot := range uint64(5) {
			want = append(want, commitlog.CopyName(testJob, slot+1), slotName(testJob, slot+1))
		}
		require.Equal(t, want, slices.Compact(slices.Clone(gone)))
		requireClean(t, store)
		r.stop()
	})
}

// A commit ends in doubt because another coordinator claims the log right after
// it: the sweep that is under way must leave what the commit names alone.
func TestDoubtfulCommitIsNotSwept(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		before := startRig(t, store)
		before.stop()
		a := newRig(t, hooked)
		a.open()
		a.startTasks()
		id := a.trigger(false)
		acks := []Ack{a.part(0, id, false), a.part(1, id, false)} // the sweep's listing has their objects

		var b *rig
		listed := make(chan struct{})
		hooked.set(nil, func(_ context.Context, o op) error {
			switch {
			case o.kind == "list" && strings.HasSuffix(o.name, "/objects/"):
				<-listed
			case o.kind == "commit" && strings.Contains(o.name, "/log/"):
				b = startRig(t, store)
				time.Sleep(time.Second / 2) // until its cleaner has retired a's slots
			}
			return nil
		})
		a.run()
		synctest.Wait()
		for _, ack := range acks {
			require.NoError(t, a.c.Ack(t.Context(), ack))
		}
		synctest.Wait()
		require.ErrorIs(t, a.outcome(id), ErrFenced)
		require.Equal(t, id, b.c.Latest().Checkpoint)
		close(listed)
		require.ErrorIs(t, <-a.ran, ErrFenced)
		synctest.Wait()
		require.Equal(t, []uint64{id}, requireIntact(t, store))
		b.stop()
	})
}
