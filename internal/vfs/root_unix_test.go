//go:build unix

package vfs_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/internal/vfs"
)

// Opening a FIFO for reading waits for a writer: it must be refused before.
func TestOpenDoesNotWaitForAFIFO(t *testing.T) {
	fsys, dir := openRoot(t)
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	_, err := fsys.Open("fifo")
	require.ErrorIs(t, err, vfs.ErrNotRegular)
	_, err = fsys.Lock("fifo")
	require.ErrorIs(t, err, vfs.ErrNotRegular)
	_, err = fsys.ReadDir("fifo")
	require.Error(t, err)
}
