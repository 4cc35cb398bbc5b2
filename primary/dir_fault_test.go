package primary_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/primary"
)

// faulty is a store whose nth operation, counted from arm, goes wrong.
type faulty struct {
	*primary.Dir
	dir   string
	armed bool
	left  int // operations until the fault; negative after it
	fault error
	hit   vfs.Op
	seen  []vfs.Kind
}

func newFaulty(t *testing.T) *faulty {
	f := &faulty{dir: t.TempDir()}
	root, err := vfs.OpenRoot(f.dir)
	require.NoError(t, err)
	f.Dir, err = primary.OpenDirFS(vfs.Inject(root, f.hook))
	require.NoError(t, err)
	return f
}

func (f *faulty) hook(op vfs.Op) error {
	if !f.armed {
		return nil
	}
	f.seen = append(f.seen, op.Kind)
	f.left--
	if f.left != -1 {
		return nil
	}
	f.hit = op
	return f.fault
}

func (f *faulty) arm(n int, fault error) { f.armed, f.left, f.fault, f.seen = true, n, fault, nil }

// fired reports whether the fault was met, and disarms it.
func (f *faulty) fired() bool { f.armed = false; return f.left < 0 }

// TestDirEveryFaultOfACommit lets each operation of a commit go wrong in turn, in
// three ways. Then either the commit says that it is done and it is, or it fails
// and nothing is visible and nothing left, or it says that it does not know.
func TestDirEveryFaultOfACommit(t *testing.T) {
	for _, way := range []struct {
		name  string
		fault error
	}{
		{"fails", errBoom},
		{"happens and fails", vfs.Late{Err: errBoom}},
		{"is cut short", vfs.Short{N: 2, Err: errBoom}},
	} {
		t.Run(way.name, func(t *testing.T) {
			for _, first := range []bool{true, false} {
				n := 0
				for faultedCommit(t, n, first, way.fault) {
					n++
				}
				require.GreaterOrEqual(t, n, 9, "operations of a commit")
			}
		})
	}
}

// faultedCommit commits an object with the nth operation going wrong, as the
// store's first act or not, and returns false if it has fewer operations.
func faultedCommit(t *testing.T, n int, first bool, fault error) bool {
	f := newFaulty(t)
	want := []string{}
	if !first {
		require.NoError(t, put(t, f, "job/log/0", "old"))
		want = append(want, "job/log/0")
	}
	f.arm(n, fault)
	err := put(t, f, "job/log/1", "new")
	if !f.fired() {
		require.NoError(t, err)
		return false
	}
	where := fmt.Sprintf("operation %d, %v %s: %v", n, f.hit.Kind, f.hit.Name, err)
	switch _, sizeErr := f.Size(t.Context(), "job/log/1"); {
	case err == nil || errors.Is(err, primary.ErrUncertain):
		require.NoError(t, sizeErr, where)
		require.Equal(t, "new", get(t, f, "job/log/1"), where)
		want = append(want, "job/log/1")
	default:
		require.ErrorIs(t, err, errBoom, where)
		require.ErrorIs(t, sizeErr, primary.ErrNotExist, where)
	}
	if f.hit.Kind == vfs.OpSyncDir {
		require.ErrorIs(t, err, primary.ErrUncertain, where)
	}
	if k := f.hit.Kind; k == vfs.OpWrite || k == vfs.OpSync || k == vfs.OpFileClose {
		require.ErrorIs(t, err, errBoom, "an error that was swallowed: %s", where)
	}
	require.NoError(t, f.Close(), where)
	openDir(t, f.dir) // sweeps what could not be removed
	got := files(t, f.dir)
	slices.Sort(got)
	require.Equal(t, want, got, where)
	return true
}

// TestDirNothingLeftWithoutASweep is the same for single faults other than that
// of the removal itself, before any later open has swept.
func TestDirNothingLeftWithoutASweep(t *testing.T) {
	for n := 0; ; n++ {
		f := newFaulty(t)
		require.NoError(t, put(t, f, "other", ""))
		f.arm(n, errBoom)
		err := put(t, f, "job/log/1", "new")
		if !f.fired() {
			require.NoError(t, f.Close())
			return
		}
		if f.hit.Kind != vfs.OpRemove {
			want := []string{"other"}
			if errors.Is(err, primary.ErrUncertain) {
				want = []string{"job/log/1", "other"}
			}
			require.Equal(t, want, files(t, f.dir), "operation %d, %v", n, f.hit.Kind)
			if len(want) == 1 {
				require.NoDirExists(t, f.dir+"/job", "operation %d, %v", n, f.hit.Kind)
			}
		}
		require.NoError(t, f.Close())
	}
}

// TestDirCommitSyncs keeps the order that makes a commit durable: bytes, then the
// name, then every directory up to the root.
func TestDirCommitSyncs(t *testing.T) {
	f := newFaulty(t)
	require.NoError(t, put(t, f, "other", ""))
	f.arm(1<<30, nil)
	require.NoError(t, put(t, f, "job/log/1", "new"))
	require.Equal(t, []vfs.Kind{
		vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpFileClose, vfs.OpMkdirAll, vfs.OpLink,
		vfs.OpSyncDir, vfs.OpSyncDir, vfs.OpSyncDir, vfs.OpRemove,
	}, f.seen)
	f.armed = false
	require.NoError(t, f.Close())
}

// TestDirFaultsOfReading lets each operation of the reading methods fail: the
// error is that of the disk, never "not there" and never a wrong result.
func TestDirFaultsOfReading(t *testing.T) {
	for name, do := range map[string]func(*faulty) error{
		"read": func(f *faulty) error { return f.ReadAt(t.Context(), "job/a", make([]byte, 3), 0) },
		"size": func(f *faulty) error { _, err := f.Size(t.Context(), "job/a"); return err },
		"list": func(f *faulty) (err error) {
			for _, e := range f.List(t.Context(), "") {
				err = errors.Join(err, e)
			}
			return err
		},
		"delete": func(f *faulty) error { return f.Delete(t.Context(), "job/a") },
	} {
		t.Run(name, func(t *testing.T) {
			for n := 0; ; n++ {
				f := newFaulty(t)
				require.NoError(t, put(t, f, "job/a", "abc"))
				f.arm(n, errBoom)
				err := do(f)
				if !f.fired() {
					require.NoError(t, err)
					require.NotZero(t, n)
					require.NoError(t, f.Close())
					return
				}
				// Closing a file that was read, and tidying up directories, lose nothing.
				if f.hit.Kind != vfs.OpFileClose && f.hit.Name != "job" {
					require.ErrorIs(t, err, errBoom, "%v %s", f.hit.Kind, f.hit.Name)
					require.NotErrorIs(t, err, primary.ErrNotExist)
				}
				if name != "delete" {
					require.Equal(t, "abc", get(t, f, "job/a"))
				}
				require.NoError(t, f.Close())
			}
		})
	}
}

// TestOpenSurvivesAFailingSweep lets each operation of opening a store fail:
// only the first, which asks whether there is a directory at all, matters.
func TestOpenSurvivesAFailingSweep(t *testing.T) {
	for n := 0; ; n++ {
		dir := t.TempDir()
		dead := openDir(t, dir)
		_, err := dead.Create(t.Context(), "a")
		require.NoError(t, err)
		require.NoError(t, dead.Close())
		root, err := vfs.OpenRoot(dir)
		require.NoError(t, err)
		ops, open := 0, false
		d, err := primary.OpenDirFS(vfs.Inject(root, func(vfs.Op) error {
			if ops++; !open && ops == n+1 {
				return errBoom
			}
			return nil
		}))
		if n == 0 {
			require.ErrorIs(t, err, errBoom)
			require.NoError(t, root.Close())
			continue
		}
		require.NoError(t, err)
		done := ops <= n
		open = true
		require.NoError(t, put(t, d, "b", ""))
		require.NoError(t, d.Close())
		openDir(t, dir)
		require.Equal(t, []string{"b"}, files(t, dir), "sweep that failed at operation %d", n)
		if done {
			require.Greater(t, n, 3)
			return
		}
	}
}

// TestDirHangHoldsNobodyElse hangs the fsync of one object: others commit.
func TestDirHangHoldsNobodyElse(t *testing.T) {
	for _, kind := range []vfs.Kind{vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpLink} {
		synctest.Test(t, func(t *testing.T) {
			root, err := vfs.OpenRoot(t.TempDir())
			require.NoError(t, err)
			hang := make(chan struct{})
			var armed atomic.Bool
			d, err := primary.OpenDirFS(vfs.Inject(root, func(op vfs.Op) error {
				if op.Kind == kind && armed.Swap(false) {
					<-hang
				}
				return nil
			}))
			require.NoError(t, err)
			require.NoError(t, put(t, d, "first", ""))
			armed.Store(true)
			done := make(chan error, 1)
			go func() { done <- put(t, d, "hung", "x") }()
			synctest.Wait()
			require.NoError(t, put(t, d, "other", "y"), "beside a hung %v", kind)
			_, err = d.Size(t.Context(), "hung")
			require.ErrorIs(t, err, primary.ErrNotExist)
			close(hang)
			require.NoError(t, <-done)
			require.Equal(t, "x", get(t, d, "hung"))
			require.NoError(t, d.Close())
		})
	}
}
