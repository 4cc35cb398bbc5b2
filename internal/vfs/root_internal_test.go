package vfs

import (
	"errors"
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
