package localcopy_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/localcopy"
)

// waitingFor runs Copies and returns how long it took.
func waitingFor(k *localcopy.Keeper, id uint64) (copies []localcopy.Copy, took time.Duration) {
	start := time.Now()
	copies = k.Copies(id)
	return copies, time.Since(start)
}

func TestCopiesWaitsForAHungDiskOnlySoLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newState(t), newDisk(t)
		defer d.heal()
		d.hangAt(vfs.OpRename)
		k := s.keep(localcopy.FileFS(d.fs))
		s.store(k, 1)
		copies, took := waitingFor(k, 1)
		require.Empty(t, copies)
		require.Equal(t, localcopy.DefaultLookupTimeout, took)
		_, took = waitingFor(k, 1)
		require.Zero(t, took, "it was waited for already")
		d.heal()
		settle(t, k)
		require.Len(t, k.Copies(1), 1)

		d.hangAt(vfs.OpStat) // now the search at start hangs
		next := s.keepWith(localcopy.KeeperConfig{Formats: localcopy.Stack(localcopy.FileFS(d.fs)), LookupTimeout: time.Second})
		copies, took = waitingFor(next, 1)
		require.Empty(t, copies)
		require.Equal(t, time.Second, took)
		_, took = waitingFor(next, 1)
		require.Zero(t, took)
		d.heal()
		settle(t, next)
		require.Len(t, next.Copies(1), 1)
	})
}

func TestCopiesWaitsForTheSealUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newState(t), newDisk(t)
		defer d.heal()
		d.hangAt(vfs.OpRename)
		k := s.keep(localcopy.FileFS(d.fs))
		s.store(k, 1)
		time.AfterFunc(time.Second, d.heal)
		copies, took := waitingFor(k, 1)
		require.Len(t, copies, 1)
		require.Equal(t, time.Second, took)
	})
}

func TestCopiesDoesNotWaitForALessPreferredFormat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newState(t), newDisk(t)
		defer d.heal()
		d.hangAt(vfs.OpWrite)
		k := s.keep(localcopy.Heap(), localcopy.FileFS(d.fs))
		synctest.Wait()
		s.store(k, 1)
		copies, took := waitingFor(k, 1)
		require.Len(t, copies, 1)
		require.Zero(t, took)
	})
}

func TestSearchAtStartObeysWhatHappenedMeanwhile(t *testing.T) {
	for name, rule := range map[string]struct {
		meanwhile func(*state, *localcopy.Keeper)
		want      []uint64
	}{
		"nothing":  {func(*state, *localcopy.Keeper) {}, []uint64{1, 2, 3}},
		"restored": {func(_ *state, k *localcopy.Keeper) { k.Restored(2) }, []uint64{2}},
		"aborted":  {func(_ *state, k *localcopy.Keeper) { k.Abort(2) }, []uint64{1, 3}},
		"stored":   {func(s *state, k *localcopy.Keeper) { s.store(k, 2) }, []uint64{1, 2, 3}},
		"confirmed": {func(s *state, k *localcopy.Keeper) {
			s.store(k, 3)
			k.Confirm(3)
		}, []uint64{3}},
		"disposed": {func(_ *state, k *localcopy.Keeper) { k.Dispose(false) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := newState(t), newDisk(t)
				defer d.heal()
				old := s.keep(localcopy.FileFS(d.fs))
				for id := uint64(1); id < 4; id++ {
					s.store(old, id)
				}
				settle(t, old)
				d.hangAt(vfs.OpReadDir)
				k := s.keep(localcopy.FileFS(d.fs))
				synctest.Wait()
				rule.meanwhile(s, k)
				synctest.Wait()
				d.heal()
				require.Equal(t, rule.want, held(t, k))
				for _, id := range rule.want {
					require.Len(t, k.Copies(id), 1, "no id twice")
				}
			})
		})
	}
}

// An allocation is freed only when no writer is left that could make its directory again.
func TestFreedAllocationLeavesNothingAfterAHungWriter(t *testing.T) {
	for _, kind := range []vfs.Kind{vfs.OpMkdirAll, vfs.OpCreate, vfs.OpWrite, vfs.OpRename} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := newState(t), newDisk(t)
				defer d.heal()
				k := s.keep(localcopy.FileFS(d.fs))
				settle(t, k)
				d.hangAt(kind)
				s.store(k, 1)
				synctest.Wait()
				require.NotZero(t, d.hits.Load())
				k.Dispose(true)
				synctest.Wait()
				d.heal()
				settle(t, k)
				left, err := d.fs.ReadDir(".")
				require.NoError(t, err)
				require.Empty(t, left)
			})
		})
	}
}

func TestStuckCopiesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d, logs := newState(t), newDisk(t), &recorder{}
		defer d.heal()
		d.hangAt(vfs.OpCreate)
		k := s.keepWith(localcopy.KeeperConfig{
			Formats: localcopy.Stack(localcopy.FileFS(d.fs)), Logger: newLogger(logs), MaxPending: 3,
		})
		synctest.Wait()
		for id := uint64(1); id < 10; id++ {
			s.store(k, id)
			synctest.Wait()
		}
		require.Equal(t, 3, k.Stats()[0].Pending)
		k.Confirm(9)
		synctest.Wait()
		stats := k.Stats()[0]
		require.Equal(t, 3, stats.Stuck)
		require.Zero(t, stats.Pending)
		require.Equal(t, uint64(6), stats.Skipped)
		require.Equal(t, uint64(3), stats.Late)
		require.Equal(t, uint64(1), stats.Incidents)
		require.Equal(t, 1, logs.warnings())
		require.Equal(t, int64(3), d.hits.Load())
		d.heal()
		settle(t, k)
		s.store(k, 10)
		settle(t, k)
		require.Len(t, k.Copies(10), 1)
		require.False(t, k.Stats()[0].Failing)
	})
}

func TestHungDropsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newState(t), newDisk(t)
		defer d.heal()
		k := s.keep(localcopy.FileFS(d.fs))
		d.hangAt(vfs.OpRemove)
		for id := uint64(1); id < 100; id++ {
			s.store(k, id)
			synctest.Wait()
			k.Confirm(id)
		}
		stats := k.Stats()[0]
		require.NotZero(t, stats.Skipped)
		require.Less(t, stats.Begun, uint64(99))
	})
}

func TestTimeoutGivesUpAndWarnsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d, logs := newState(t), newDisk(t), &recorder{}
		defer d.heal()
		k := s.keepWith(localcopy.KeeperConfig{
			Formats: localcopy.Stack(localcopy.FileFS(d.fs)), Logger: newLogger(logs), Timeout: time.Minute,
		})
		settle(t, k)
		d.hangAt(vfs.OpWrite)
		m, snapshot, twin := s.checkpoint(1, 1)
		k.Store(m, snapshot)
		time.Sleep(time.Hour) // waiting for the primary is not the format's time
		require.Equal(t, 1, k.Stats()[0].Pending)
		k.PrimaryDone(1, twin)
		time.Sleep(time.Minute + time.Second)
		stats := k.Stats()[0]
		require.Equal(t, 0, stats.Pending)
		require.Equal(t, 1, stats.Stuck)
		require.Equal(t, uint64(1), stats.Failed)
		require.Equal(t, 1, logs.warnings())
	})
}

func TestHungLoggerDelaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newState(t), newDisk(t)
		release := make(chan struct{})
		defer close(release)
		d.fail(vfs.OpCreate, errDisk)
		k := s.keepWith(localcopy.KeeperConfig{
			Formats: localcopy.Stack(localcopy.FileFS(d.fs)), Logger: slog.New(hungHandler{&recorder{}, release}),
		})
		for id := uint64(1); id < 5; id++ {
			s.checkpointAtOnce(k, id)
			synctest.Wait()
		}
		require.Equal(t, uint64(4), k.Stats()[0].Failed)
	})
}

type hungHandler struct {
	*recorder
	release chan struct{}
}

func (h hungHandler) Handle(context.Context, slog.Record) error {
	<-h.release
	return nil
}

// broken is a format of somebody else's.
type broken struct{ localcopy.Format }

func (broken) Begin(context.Context, localcopy.Meta, *heapbackend.Snapshot) (localcopy.Writer, error) {
	panic("no such thing")
}
func (broken) Open(context.Context, localcopy.Owner) ([]localcopy.Copy, error) { panic("neither") }
func (broken) Claim(context.Context, string, []uuid.UUID) error                { panic("nor this") }

func TestPanickingFormatIsContained(t *testing.T) {
	s := newState(t)
	k := s.keep(broken{localcopy.Heap()}, localcopy.Heap())
	s.store(k, 1)
	require.Equal(t, []uint64{1}, held(t, k))
	require.Equal(t, uint64(2), k.Stats()[0].Failed)
	require.ErrorContains(t, localcopy.Stack(broken{localcopy.Heap()}).Claim(t.Context(), "orders", nil), "panicked")
}

func TestClaimAndFreeReturnWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newState(t), newDisk(t)
		defer d.heal()
		heap := localcopy.Heap()
		k := s.keep(heap, localcopy.FileFS(d.fs))
		s.store(k, 1)
		settle(t, k)
		f := localcopy.Stack(heap, localcopy.FileFS(d.fs))
		d.hangAt(vfs.OpStat)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, f.Claim(ctx, "orders", nil), context.DeadlineExceeded)
		require.Empty(t, s.found(heap), "the others were claimed")
		require.ErrorIs(t, f.Free(ctx, "orders", uuid.New()), context.DeadlineExceeded)
	})
}

// A Claim that hung for a while must not remove what the process began after it.
func TestLateClaimRemovesNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, old, d := newState(t), newState(t), newDisk(t)
		defer d.heal()
		k := old.keep(localcopy.FileFS(d.fs))
		old.store(k, 1)
		settle(t, k)
		f := localcopy.FileFS(d.fs)
		d.hangAt(vfs.OpReadDir)
		claimed := make(chan error, 1)
		go func() { claimed <- f.Claim(context.Background(), "orders", nil) }()
		synctest.Wait()
		m, snapshot, twin := s.checkpoint(1, 1)
		w, err := f.Begin(t.Context(), m, snapshot)
		require.NoError(t, err)
		for g := range stateRange.All() {
			require.NoError(t, w.WriteGroup(t.Context(), g))
		}
		synctest.Wait()
		d.heal()
		require.NoError(t, <-claimed)
		_, err = w.Seal(t.Context(), twin)
		require.NoError(t, err)
		require.Equal(t, []uint64{1}, s.found(f))
		require.Empty(t, old.found(f))
	})
}

func TestLoadReturnsWithItsContextWhenTheDiskHangs(t *testing.T) {
	for _, kind := range []vfs.Kind{vfs.OpStat, vfs.OpOpen, vfs.OpReadAt, vfs.OpFileStat, vfs.OpFileClose} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := newState(t), newDisk(t)
				defer d.heal()
				k := s.keep(localcopy.FileFS(d.fs))
				s.store(k, 1)
				settle(t, k)
				c := k.Copies(1)[0]
				b, _ := newBackend(t)
				d.hangAt(kind)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := c.Load(ctx, 0, b)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				start := time.Now()
				_, err = c.Load(t.Context(), 0, b)
				require.ErrorIs(t, err, localcopy.ErrStalled)
				require.Less(t, time.Since(start), time.Minute)
				atOnce(t, "Load from a disk known to hang", func() {
					_, err = c.Load(t.Context(), 1, b)
					require.ErrorIs(t, err, localcopy.ErrStalled)
				})
			})
		})
	}
}
