package primary

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
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

// A commit ends in doubt because another coordinator claims the log right after
// it: the sweep that is under way must leave what the commit names alone.
func TestDoubtfulCommitIsNotSwept(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		a := newRig(t, hooked)
		a.open()
		a.startTasks()
		id := a.trigger(false)
		acks := []Ack{a.part(0, id, false), a.part(1, id, false)} // the sweep's listing has their objects

		var b *rig
		listed := make(chan struct{})
		var unreadable atomic.Bool
		hooked.set(func(_ context.Context, o op) error {
			if unreadable.Load() && (o.kind == "size" || o.kind == "readat") && strings.Contains(o.name, "/log/") {
				return errTest
			}
			return nil
		}, func(_ context.Context, o op) error {
			switch {
			case o.kind == "list" && strings.HasSuffix(o.name, "/objects/"):
				<-listed
			case o.kind == "commit" && strings.Contains(o.name, "/log/"):
				b = startRig(t, store)
				unreadable.Store(true)
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
