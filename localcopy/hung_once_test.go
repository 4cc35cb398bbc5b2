package localcopy_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// A disk that hangs while copies are written delays the first restart, and no later one until it answers again.
func TestHungWritesDelayOneRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newState(t), newDisk(t)
		defer d.heal()
		k := s.keep(localcopy.FileFS(d.fs))
		settle(t, k)
		d.hangAt(vfs.OpCreate)
		for id := uint64(1); id < 6; id++ {
			s.store(k, id)
			copies, took := waitingFor(k, id)
			require.Empty(t, copies)
			if id == 1 {
				require.Equal(t, localcopy.DefaultLookupTimeout, took)
			} else {
				require.Zero(t, took, "restart %d", id)
			}
			k.Confirm(id)
		}
		d.heal()
		settle(t, k)
		s.store(k, 6)
		settle(t, k)
		d.hangAt(vfs.OpCreate)
		s.store(k, 7)
		time.AfterFunc(time.Second, d.heal)
		copies, took := waitingFor(k, 7)
		require.Len(t, copies, 1)
		require.Equal(t, time.Second, took, "a disk that has answered is waited for again")
	})
}

// A disk that hangs at the search of one keeper is not waited for by the next ones of the process. What lies there is
// found when it answers.
func TestHungSearchDelaysOneKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d, logs := newState(t), newDisk(t), &recorder{}
		defer d.heal()
		old := s.keep(localcopy.FileFS(d.fs))
		s.store(old, 1)
		settle(t, old)
		old.Dispose(false)
		f := localcopy.FileFS(d.fs)
		d.hangAt(vfs.OpStat)
		_, took := waitingFor(s.keep(f), 1)
		require.Equal(t, localcopy.DefaultLookupTimeout, took)
		var k *localcopy.Keeper
		for range 5 {
			k = s.keepWith(localcopy.KeeperConfig{Formats: localcopy.Stack(f), Logger: newLogger(logs)})
			synctest.Wait()
			_, took = waitingFor(k, 1)
			require.Zero(t, took)
			time.Sleep(time.Minute)
		}
		require.Equal(t, 5, logs.warnings(), "one a keeper, however often it looks")
		d.heal()
		time.Sleep(time.Minute)
		copies, took := waitingFor(k, 1)
		require.Zero(t, took)
		require.Len(t, copies, 1)
		requireValue(t, copies[0], 1)
	})
}

// slowFormat is somebody else's format, whose Seal answers when it is let.
type slowFormat struct {
	localcopy.Format
	release chan struct{}
}

type slowWriter struct {
	localcopy.Writer
	release chan struct{}
}

func (f slowFormat) Begin(ctx context.Context, m localcopy.Meta, s *heapbackend.Snapshot) (localcopy.Writer, error) {
	w, err := f.Format.Begin(ctx, m, s)
	return slowWriter{w, f.release}, err
}

func (w slowWriter) Seal(ctx context.Context, twin []primary.Segment) (localcopy.Copy, error) {
	<-w.release
	return w.Writer.Seal(ctx, twin)
}

func TestAnyFormatThatHangsIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newState(t)
		f := slowFormat{localcopy.Heap(), make(chan struct{})}
		k := s.keep(f)
		synctest.Wait()
		s.store(k, 1)
		_, took := waitingFor(k, 1)
		require.Equal(t, localcopy.DefaultLookupTimeout, took)
		s.store(k, 2)
		_, took = waitingFor(k, 2)
		require.Zero(t, took)
		close(f.release)
		settle(t, k)
		require.Len(t, k.Copies(2), 1)
	})
}

// A read that hangs is given up before a restore gives its source up, and the other copies on that disk with it.
func TestHungReadStopsAllLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newState(t), newDisk(t)
		defer d.heal()
		k := s.keep(localcopy.FileFS(d.fs))
		s.store(k, 1)
		s.store(k, 2)
		settle(t, k)
		first, second := k.Copies(1)[0], k.Copies(2)[0]
		b, _ := newBackend(t)
		d.hangAt(vfs.OpReadAt)
		start := time.Now()
		_, err := first.Load(t.Context(), 0, b)
		require.ErrorIs(t, err, localcopy.ErrStalled)
		require.Less(t, time.Since(start), 10*time.Second)
		atOnce(t, "Load of another copy", func() {
			_, err = second.Load(t.Context(), 0, b)
			require.ErrorIs(t, err, localcopy.ErrStalled)
		})
		d.heal()
		synctest.Wait()
		requireValue(t, first, 1)
		requireValue(t, second, 2)
	})
}
