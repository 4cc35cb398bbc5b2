package recovery

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// A local source that hangs costs a restore its limit once, however many key groups it holds.
func TestRestoreFindsAHungSourceOnce(t *testing.T) {
	for _, parallelism := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			b, v := f.backend(t)
			release := make(chan struct{})
			defer close(release)
			source, c := f.copy('X', func(context.Context, int) error { <-release; return nil })
			cfg := f.config(t, b, []LocalSource{source}, []localcopy.Copy{c})
			cfg.Parallelism = parallelism
			start := time.Now()
			r, err := Restore(t.Context(), cfg)
			require.NoError(t, err)
			f.requireRestored(t, v)
			require.LessOrEqual(t, time.Since(start), 3*DefaultLocalTimeout)
			for _, g := range r.Groups {
				require.Equal(t, "primary", g.Source)
				require.ErrorIs(t, g.Failed[0].Err, errHung)
			}
		})
	}
}

// findingFormat is a format whose search finds the given copies.
type findingFormat struct {
	localcopy.Format
	found []localcopy.Copy
}

func (f findingFormat) Open(context.Context, localcopy.Owner) ([]localcopy.Copy, error) {
	return f.found, nil
}

// What a copy says of its sizes counts for a placement only if the checkpoint says the same.
func TestPlacementWeighsWhatTheCheckpointConfirms(t *testing.T) {
	f := newFixture(t)
	tasks := f.manifest.Operators[0].Tasks
	source, c := f.copy('X', sound)
	right := source.Groups[1]
	c.(*fakeCopy).groups = []localcopy.GroupInfo{source.Groups[0], right, source.Groups[2]}
	c.(*fakeCopy).groups[0].Bytes = 1 << 60
	c.(*fakeCopy).groups[2].Digest++
	k := localcopy.NewKeeper(localcopy.KeeperConfig{
		Formats: localcopy.Stack(findingFormat{localcopy.Heap(), []localcopy.Copy{c}}),
		Owner:   localcopy.Owner{Job: "j", Operator: "o"},
	})
	offered := make([]Slot, 1)
	weigh([]*localcopy.Keeper{k}, offered, f.manifest.Checkpoint, tasks)
	require.Equal(t, []GroupBytes{{right.Group, right.Bytes}}, offered[0].Held)
	k.Dispose(false)
	require.NoError(t, k.Wait(t.Context()))
}

// Without a Worker nobody finds the files of a Run again, and an operator should know.
func TestJobSaysThatFilesWithoutAWorkerAreOfNoUse(t *testing.T) {
	for _, tt := range []struct {
		worker string
		local  localcopy.Formats
		lines  int
	}{
		{"", localcopy.Stack(localcopy.Heap(), localcopy.File(t.TempDir())), 1},
		{"w", localcopy.Stack(localcopy.Heap(), localcopy.File(t.TempDir())), 0},
		{"", localcopy.Stack(localcopy.Heap()), 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			cfg := Config{Name: "j", Tasks: 1, M: 8, Primary: primary.NewMemory(), Local: tt.local, Worker: tt.worker,
				Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
			job, done := begin(t, cfg, idle(attach))
			synctest.Wait()
			_, err := job.Stop(context.Background(), false)
			require.NoError(t, err)
			require.NoError(t, <-done)
			require.Equal(t, tt.lines, strings.Count(log.String(), "Config.Worker"), log.String())
		})
	}
}

// A local disk that hangs delays one start of the tasks, and no later restart.
func TestJobWithAHungLocalDiskRestartsAtOnce(t *testing.T) {
	for name, at := range map[string]time.Duration{"from the start": 0, "later": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took := restartsWithAHungDisk(t, at, 6)
				slow := slices.DeleteFunc(slices.Clone(took), func(d time.Duration) bool { return d < time.Second })
				require.Len(t, took, 7)
				require.LessOrEqual(t, len(slow), 1, "%v", took)
				require.LessOrEqual(t, slices.Max(took), localcopy.DefaultLookupTimeout)
			})
		})
	}
}

// restartsWithAHungDisk runs a job whose local disk hangs from a time on, and fails its task n times. It returns how
// long each start took.
func restartsWithAHungDisk(t *testing.T, at time.Duration, n int) []time.Duration {
	root, err := vfs.OpenRoot(t.TempDir())
	require.NoError(t, err)
	defer func() { require.NoError(t, root.Close()) }()
	healed, begun := make(chan struct{}), time.Now()
	fsys := vfs.Inject(root, func(vfs.Op) error {
		if time.Since(begun) >= at {
			<-healed
		}
		return nil
	})
	var fail atomic.Bool
	var mu sync.Mutex // guards since and took
	since, took := begun, []time.Duration(nil)
	locked := func(do func()) {
		mu.Lock()
		defer mu.Unlock()
		do()
	}
	cfg := Config{
		Name: "j", Tasks: 1, M: 8, Primary: primary.NewMemory(), Every: time.Second, Worker: "w",
		Local: localcopy.Stack(localcopy.FileFS(fsys)), Restart: Fixed{Attempts: 10},
		OnRecovery: func(RecoveryReport) { locked(func() { took = append(took, time.Since(since)) }) },
	}
	job, done := begin(t, cfg, ticking(func(context.Context, *Task) {
		if fail.CompareAndSwap(true, false) {
			locked(func() { since = time.Now() })
			panic("again")
		}
	}))
	for range n {
		time.Sleep(20 * time.Second)
		fail.Store(true)
	}
	time.Sleep(20 * time.Second)
	close(healed)
	_, err = job.Stop(context.Background(), false)
	require.NoError(t, err)
	require.NoError(t, <-done)
	return took
}
