package primary_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/primary"
)

// files lists everything below dir but directories and the lock files of the
// stores that are open on it.
func files(t *testing.T, dir string) []string {
	list := []string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if !d.IsDir() && !strings.HasSuffix(rel, ".lock") {
			list = append(list, filepath.ToSlash(rel))
		}
		return err
	}))
	return list
}

func openDir(t *testing.T, dir string) *primary.Dir {
	d, err := primary.OpenDir(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func put(t *testing.T, s primary.Store, name, content string) error {
	w, err := s.Create(t.Context(), name)
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(content)); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit(t.Context())
}

func get(t *testing.T, s primary.Store, name string) string {
	size, err := s.Size(t.Context(), name)
	require.NoError(t, err)
	b := make([]byte, size)
	require.NoError(t, s.ReadAt(t.Context(), name, b, 0))
	return string(b)
}

func TestDirPersists(t *testing.T) {
	dir := t.TempDir()
	d, err := primary.OpenDir(dir)
	require.NoError(t, err)
	require.NoError(t, put(t, d, "job/log/1", "one"))
	require.NoError(t, d.Close())
	require.NoError(t, d.Close(), "again")
	require.Equal(t, []string{"job/log/1"}, files(t, dir))
	require.Equal(t, "one", get(t, openDir(t, dir), "job/log/1"))
	_, err = d.Create(t.Context(), "a")
	require.ErrorIs(t, err, primary.ErrClosed)
	_, err = d.Size(t.Context(), "job/log/1")
	require.ErrorIs(t, err, primary.ErrClosed)
	for _, err := range d.List(t.Context(), "") {
		require.ErrorIs(t, err, primary.ErrClosed)
	}
}

func TestDirModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes here")
	}
	dir := filepath.Join(t.TempDir(), "store")
	require.NoError(t, put(t, openDir(t, dir), "job/log/1", "one"))
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
		info, err := d.Info()
		require.NoError(t, err)
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		require.Equal(t, want, info.Mode().Perm(), path)
		return nil
	}))
}

func TestDirDeleteRemovesEmptyDirectories(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	require.NoError(t, put(t, d, "job/objects/1/a", ""))
	require.NoError(t, put(t, d, "job/objects/2/a", ""))
	require.NoError(t, d.Delete(t.Context(), "job/objects/1/a"))
	require.NoDirExists(t, filepath.Join(dir, "job/objects/1"))
	require.DirExists(t, filepath.Join(dir, "job/objects"))
	require.NoError(t, d.Delete(t.Context(), "job/objects/2/a"))
	require.NoDirExists(t, filepath.Join(dir, "job"))
	require.DirExists(t, dir)
}

func TestDirTakesNoLinksForObjects(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	require.NoError(t, put(t, d, "a", "x"))
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	_, err := d.Size(t.Context(), "link")
	require.ErrorIs(t, err, primary.ErrCorrupt)
	require.NotErrorIs(t, err, primary.ErrNotExist, "something is there")
	require.ErrorIs(t, d.ReadAt(t.Context(), "link", make([]byte, 1), 0), primary.ErrCorrupt)
	listed := map[string]int64{}
	for info, err := range d.List(t.Context(), "") {
		require.NoError(t, err)
		listed[info.Name] = info.Size
	}
	require.Equal(t, map[string]int64{"a": 1, "link": 0}, listed)
	require.ErrorIs(t, put(t, d, "link", "y"), primary.ErrExist)
	require.NoError(t, d.Delete(t.Context(), "link"))
	require.Equal(t, "x", get(t, d, "a"))
	require.FileExists(t, filepath.Join(dir, "link"), "it is not ours")
}

func TestDirGoesOnInADirectoryMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	d := openDir(t, dir)
	require.NoError(t, put(t, d, "job/a", "before"))
	require.NoError(t, os.RemoveAll(dir))
	for range 2 {
		_, err := d.Size(t.Context(), "job/b")
		require.Error(t, err)
		require.NotErrorIs(t, err, primary.ErrNotExist, "nobody knows")
		require.Error(t, put(t, d, "job/b", "nowhere"))
	}
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, put(t, d, "job/b", "anew"))
	require.Equal(t, "anew", get(t, d, "job/b"))
	_, err := d.Size(t.Context(), "job/a")
	require.ErrorIs(t, err, primary.ErrNotExist)
	require.FileExists(t, filepath.Join(dir, "job/b"))
}

// TestTwoDirsRace is the suite's race between stores that share nothing but the
// directory.
func TestTwoDirsRace(t *testing.T) {
	dir := t.TempDir()
	stores := []*primary.Dir{openDir(t, dir), openDir(t, dir), openDir(t, dir)}
	for round := range 30 {
		name := fmt.Sprintf("log/%d", round)
		var won atomic.Int64
		var wg sync.WaitGroup
		for _, s := range stores {
			wg.Go(func() {
				if put(t, s, name, name) == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		require.Equal(t, int64(1), won.Load(), name)
	}
}

func TestOpenSweepsWhatDeadWritersLeft(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no locks here: only age counts")
	}
	dir := t.TempDir()
	dead, err := primary.OpenDir(dir)
	require.NoError(t, err)
	w, err := dead.Create(t.Context(), "a")
	require.NoError(t, err)
	_, err = w.Write([]byte("half"))
	require.NoError(t, err)
	left := files(t, dir)
	require.Len(t, left, 1)

	other := openDir(t, dir)
	require.Equal(t, left, files(t, dir), "its writer lives")
	old := time.Now().Add(-2 * primary.StaleAfter)
	require.NoError(t, os.Chtimes(filepath.Join(dir, left[0]), old, old))
	openDir(t, dir)
	require.Equal(t, left, files(t, dir), "its writer lives, however old its file is")
	require.NoError(t, put(t, other, "b", ""))

	require.NoError(t, dead.Close()) // gives up the lock, as a death would, and leaves the file
	openDir(t, dir)
	require.Equal(t, []string{"b"}, files(t, dir))
	locks, err := filepath.Glob(filepath.Join(dir, "tmp~", "*.lock"))
	require.NoError(t, err)
	require.Len(t, locks, 1, "that of the store that is open and has written")
	require.Error(t, w.Commit(t.Context()), "of a writer whose file is gone")
	require.Equal(t, []string{"b"}, files(t, dir))
}

func TestOpenSweepsOtherHostsByAge(t *testing.T) {
	dir := t.TempDir()
	temp := filepath.Join(dir, "tmp~")
	require.NoError(t, os.Mkdir(temp, 0o700))
	now := time.Now()
	for name, age := range map[string]time.Duration{
		"elsewhere~1.1": 2 * primary.StaleAfter, "elsewhere~1.lock": 2 * primary.StaleAfter,
		"elsewhere~2.1": primary.StaleAfter / 2, "elsewhere~2.2": 2 * primary.StaleAfter, "elsewhere~2.lock": 40 * primary.StaleAfter,
		"elsewhere~3.lock": 40 * primary.StaleAfter,
		"unknown":          40 * primary.StaleAfter,
	} {
		path := filepath.Join(temp, name)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Chtimes(path, now.Add(-age), now.Add(-age)))
	}
	openDir(t, dir)
	var got []string
	entries, err := os.ReadDir(temp)
	require.NoError(t, err)
	for _, e := range entries {
		got = append(got, e.Name())
	}
	require.Equal(t, []string{"elsewhere~1.lock", "elsewhere~2.1", "elsewhere~2.lock", "unknown"}, got)
}

// TestOpenWithoutLocks is about a file system where only age tells.
func TestOpenWithoutLocks(t *testing.T) {
	dir := t.TempDir()
	open := func() *primary.Dir {
		root, err := vfs.OpenRoot(dir)
		require.NoError(t, err)
		d, err := primary.OpenDirFS(vfs.Inject(root, func(op vfs.Op) error {
			if op.Kind == vfs.OpLock {
				return errors.ErrUnsupported
			}
			return nil
		}))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		return d
	}
	d := open()
	w, err := d.Create(t.Context(), "a")
	require.NoError(t, err)
	open()
	require.NoError(t, w.Commit(t.Context()), "swept while alive")
	require.Equal(t, []string{"a"}, files(t, dir))
}

func TestDirSurvivesTheLossOfItsTempDirectory(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	require.NoError(t, put(t, d, "job/log/1", "one"))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "tmp~")))
	require.NoError(t, put(t, d, "job/log/2", "two"))
	require.Equal(t, "two", get(t, d, "job/log/2"))
	locks, err := filepath.Glob(filepath.Join(dir, "tmp~", "*.lock"))
	require.NoError(t, err)
	require.Len(t, locks, 1)
}
