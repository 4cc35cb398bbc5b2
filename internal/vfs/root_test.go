package vfs_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/internal/vfs"
)

func openRoot(t *testing.T) (vfs.FS, string) {
	dir := filepath.Join(t.TempDir(), "made", "root")
	fsys, err := vfs.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, fsys.Close()) })
	return fsys, dir
}

func write(t *testing.T, fsys vfs.FS, name, content string) {
	f, err := fsys.Create(name, 0o600)
	require.NoError(t, err)
	_, err = f.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
}

func read(t *testing.T, fsys vfs.FS, name string) string {
	f, err := fsys.Open(name)
	require.NoError(t, err)
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return string(b)
}

func TestRootOperations(t *testing.T) {
	fsys, dir := openRoot(t)
	require.NoError(t, fsys.MkdirAll("a/b", 0o700))
	require.NoError(t, fsys.MkdirAll("a/b", 0o700), "again")
	write(t, fsys, "a/b/f", "one")
	require.Equal(t, "one", read(t, fsys, "a/b/f"))
	require.NoError(t, fsys.Link("a/b/f", "a/g"))
	write(t, fsys, "a/h", "two")
	require.ErrorIs(t, fsys.Link("a/h", "a/g"), fs.ErrExist)
	require.Equal(t, "one", read(t, fsys, "a/g"))
	require.NoError(t, fsys.Rename("a/h", "a/g"))
	require.Equal(t, "two", read(t, fsys, "a/g"))
	require.Equal(t, "one", read(t, fsys, "a/b/f"))
	for _, name := range []string{".", "a", "a/b"} {
		require.NoError(t, fsys.SyncDir(name))
	}
	entries, err := fsys.ReadDir("a")
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Equal(t, "b", entries[0].Name())
	require.Equal(t, "g", entries[1].Name())
	info, err := fsys.Stat("a/g")
	require.NoError(t, err)
	require.True(t, vfs.Owned(info))
	if runtime.GOOS != "windows" {
		require.Equal(t, fs.FileMode(0o600), info.Mode())
		info, err := os.Stat(dir)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
	}
	require.Error(t, fsys.Remove("a/b"), "not empty")
	require.NoError(t, fsys.Remove("a/g"))
	require.ErrorIs(t, fsys.Remove("a/g"), fs.ErrNotExist)
	require.NoError(t, fsys.RemoveAll("a"))
	require.NoError(t, fsys.RemoveAll("a"))
	entries, err = fsys.ReadDir(".")
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestCreateRefusesWhatIsThere(t *testing.T) {
	fsys, dir := openRoot(t)
	write(t, fsys, "file", "x")
	require.NoError(t, fsys.MkdirAll("dir", 0o700))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	require.NoError(t, os.Symlink("file", filepath.Join(dir, "link")))
	for _, name := range []string{"file", "dir", "dangling", "link"} {
		_, err := fsys.Create(name, 0o600)
		require.ErrorIs(t, err, fs.ErrExist, name)
	}
	_, err := fsys.Stat("nowhere")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Equal(t, "x", read(t, fsys, "file"))
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	fsys, dir := openRoot(t)
	write(t, fsys, "file", "x")
	require.NoError(t, fsys.MkdirAll("dir", 0o700))
	require.NoError(t, os.Symlink("file", filepath.Join(dir, "link")))
	for _, name := range []string{"dir", "link", "."} {
		_, err := fsys.Open(name)
		require.ErrorIs(t, err, vfs.ErrNotRegular, name)
	}
	_, err := fsys.Lock("link")
	require.ErrorIs(t, err, vfs.ErrNotRegular)
	_, err = fsys.Open("missing")
	require.ErrorIs(t, err, fs.ErrNotExist)
	info, err := fsys.Stat("link")
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&fs.ModeSymlink, "Stat describes the link")
}

func TestNothingEscapes(t *testing.T) {
	fsys, dir := openRoot(t)
	outside := filepath.Dir(dir)
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "out")))
	write(t, fsys, "in", "y")
	for _, name := range []string{"../secret", "out/secret", "/etc/passwd", "a/../../secret"} {
		_, err := fsys.Open(name)
		require.Error(t, err, name)
		_, err = fsys.Create(name+"2", 0o600)
		require.Error(t, err, name)
		require.Error(t, fsys.Link("in", name+"3"), name)
		require.Error(t, fsys.Remove(name), name)
		require.Error(t, fsys.MkdirAll(name+"4/x", 0o700), name)
	}
	_ = fsys.RemoveAll("out") // removes the link and not what it leads to
	b, err := os.ReadFile(filepath.Join(outside, "secret"))
	require.NoError(t, err)
	require.Equal(t, "x", string(b))
}

func TestLock(t *testing.T) {
	fsys, dir := openRoot(t)
	held, err := fsys.Lock("lock")
	if runtime.GOOS == "windows" {
		t.Skip("no locks here")
	}
	require.NoError(t, err)
	other, err := vfs.OpenRoot(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	for range 2 {
		_, err = other.Lock("lock")
		require.ErrorIs(t, err, vfs.ErrLocked)
	}
	require.NoError(t, held.Close())
	again, err := other.Lock("lock")
	require.NoError(t, err)
	require.NoError(t, again.Close())
}
