package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMakeRootSyncsTheParents(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a", "b", "c")
	var synced []string
	note := func(parent string) error {
		require.DirExists(t, dir, "all is made before")
		synced = append(synced, parent)
		return nil
	}
	require.NoError(t, makeRoot(dir+"/", note))
	require.Equal(t, []string{filepath.Join(base, "a", "b"), filepath.Join(base, "a"), base}, synced)

	synced = nil
	require.NoError(t, makeRoot(dir, note))
	require.Empty(t, synced, "nothing was made")

	t.Chdir(base)
	require.NoError(t, syncDir("."))
	failed := errors.New("test: injected")
	require.ErrorIs(t, makeRoot("relative", func(parent string) error {
		require.Equal(t, ".", parent)
		return failed
	}), failed)
	require.NoError(t, os.Remove("relative"))
}

// A tree that is closed while an operation finds its directory made anew stays closed.
func TestCloseWhileTheRootIsMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	fsys, err := OpenRoot(dir)
	require.NoError(t, err)
	r := fsys.(*rootFS)
	calls := 0
	err = r.do(func(*os.Root) error {
		calls++
		require.NoError(t, os.Remove(dir))
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, r.Close())
		return fs.ErrNotExist
	})
	require.ErrorIs(t, err, os.ErrClosed)
	require.Equal(t, 1, calls)
	_, err = r.Stat("x")
	require.ErrorIs(t, err, os.ErrClosed)
}
