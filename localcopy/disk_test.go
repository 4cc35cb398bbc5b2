package localcopy_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/localcopy"
)

// kinds are the operations of a file system; the file format does not use all of them.
var kinds = []vfs.Kind{
	vfs.OpMkdirAll, vfs.OpCreate, vfs.OpOpen, vfs.OpLink, vfs.OpRename, vfs.OpRemove, vfs.OpRemoveAll, vfs.OpReadDir,
	vfs.OpStat, vfs.OpSyncDir, vfs.OpLock, vfs.OpClose, vfs.OpWrite, vfs.OpReadAt, vfs.OpSync, vfs.OpFileStat, vfs.OpFileClose,
}

// disk is a directory whose operations of one kind can be made to fail, or to hang until it is healed.
type disk struct {
	fs   vfs.FS
	mu   sync.Mutex
	kind vfs.Kind
	err  error         // what the operation returns; nil with hang set
	hang chan struct{} // closed when the disk is healed
	hits atomic.Int64
}

func newDisk(t *testing.T) *disk {
	root, err := vfs.OpenRoot(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	d := &disk{}
	d.fs = vfs.Inject(root, func(op vfs.Op) error {
		d.mu.Lock()
		kind, err, hang := d.kind, d.err, d.hang
		d.mu.Unlock()
		if op.Kind != kind || err == nil && hang == nil {
			return nil
		}
		d.hits.Add(1)
		if hang != nil {
			<-hang
		}
		return err
	})
	return d
}

func (d *disk) fail(kind vfs.Kind, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kind, d.err = kind, err
}

func (d *disk) hangAt(kind vfs.Kind) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kind, d.hang = kind, make(chan struct{})
}

func (d *disk) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hang != nil {
		close(d.hang)
	}
	d.err, d.hang = nil, nil
}

// atOnce checks that do neither waits nor hangs: no time passes in the bubble.
func atOnce(t *testing.T, what string, do func()) {
	t.Helper()
	start := time.Now()
	do()
	require.Zero(t, time.Since(start), "%s must return at once", what)
}

// checkpointAtOnce runs a whole checkpoint past the keeper, which must not take any time.
func (s *state) checkpointAtOnce(k *localcopy.Keeper, id uint64) {
	m, snapshot, twin := s.checkpoint(id, int64(id))
	atOnce(s.t, "Store", func() { k.Store(m, snapshot) })
	atOnce(s.t, "PrimaryDone", func() { k.PrimaryDone(id, twin) })
	atOnce(s.t, "Confirm", func() { k.Confirm(id) })
	atOnce(s.t, "Abort", func() { k.Abort(id + 1000) })
}

var errDisk = errors.New("the disk is broken")

// However the local disk fails, at whatever operation, the checkpoint goes on and the heap copy is kept. Once the disk
// works again there are file copies again, and nothing of the failed ones is left.
func TestFailingDiskDelaysAndFailsNothing(t *testing.T) {
	for _, kind := range kinds {
		faults := map[string]error{"error": errDisk, "late": vfs.Late{Err: errDisk}}
		switch kind {
		case vfs.OpWrite, vfs.OpReadAt:
			faults["short"], faults["full"] = vfs.Short{N: 3}, syscall.ENOSPC
		case vfs.OpMkdirAll, vfs.OpCreate, vfs.OpRename, vfs.OpRemove, vfs.OpRemoveAll:
			faults["read-only"] = syscall.EROFS
		}
		for name, fault := range faults {
			t.Run(fmt.Sprintf("%v/%s", kind, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testFault(t, func(d *disk) { d.fail(kind, fault) }) })
			})
		}
	}
}

func TestHungDiskDelaysAndFailsNothing(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testFault(t, func(d *disk) { d.hangAt(kind) }) })
		})
	}
}

func testFault(t *testing.T, spoil func(*disk)) {
	s, d, logs := newState(t), newDisk(t), &recorder{}
	defer d.heal() // before the keeper is waited for
	spoil(d)
	k := s.keepWith(localcopy.KeeperConfig{
		Formats: localcopy.Stack(localcopy.Heap(), localcopy.FileFS(d.fs)), Logger: newLogger(logs), Timeout: time.Minute,
	})
	for id := uint64(1); id < 8; id++ {
		s.checkpointAtOnce(k, id)
		atOnce(t, "Copies", func() { requireValue(t, k.Copies(id)[0], int64(id)) })
		time.Sleep(10 * time.Second) // the interval of the checkpoints; long enough for what does not hang
	}
	atOnce(t, "Restored", func() { k.Restored(7) })
	file := k.Stats()[1]
	if failed := file.Sealed < 7; failed {
		require.NotZero(t, file.Failed)
		require.NotZero(t, file.Incidents)
	}
	require.LessOrEqual(t, uint64(logs.warnings()), file.Incidents, "one warning an incident")
	require.LessOrEqual(t, file.Stuck, localcopy.DefaultMaxPending)

	d.heal()
	settle(t, k)
	for id := uint64(8); id < 10; id++ {
		s.checkpointAtOnce(k, id)
		settle(t, k)
	}
	copies := k.Copies(9)
	require.Len(t, copies, 2)
	requireValue(t, copies[1], 9)
	require.Zero(t, k.Stats()[1].Stuck)
	require.Equal(t, []uint64{9}, s.found(localcopy.FileFS(d.fs)), "of the others nothing is left")
	atOnce(t, "Dispose", func() { k.Dispose(true) })
	settle(t, k)
	require.Empty(t, s.found(localcopy.FileFS(d.fs)))
}

func TestHungDiskAtEveryCallOfTheKeeper(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := newState(t), newDisk(t)
				defer d.heal()
				k := s.keep(localcopy.FileFS(d.fs))
				s.store(k, 1)
				settle(t, k)
				d.hangAt(kind)
				m, snapshot, twin := s.checkpoint(2, 2)
				atOnce(t, "Store", func() { k.Store(m, snapshot) })
				synctest.Wait()
				atOnce(t, "Store again", func() { k.Store(m, snapshot) })
				synctest.Wait()
				atOnce(t, "PrimaryDone", func() { k.PrimaryDone(2, twin) })
				synctest.Wait()
				atOnce(t, "Confirm", func() { k.Confirm(2) })
				synctest.Wait()
				atOnce(t, "Abort", func() { k.Abort(2) })
				synctest.Wait()
				atOnce(t, "Restored", func() { k.Restored(1) })
				synctest.Wait()
				atOnce(t, "Stats", func() { k.Stats() })
				atOnce(t, "NewKeeper", func() { s.keep(localcopy.FileFS(d.fs)) })
				atOnce(t, "Dispose", func() { k.Dispose(true) })
			})
		})
	}
}
