//go:build unix

package vfs

import (
	"io/fs"
	"os"
	"syscall"
)

const (
	// canSyncDir: a directory can be opened and synced.
	canSyncDir = true
	// nonblock keeps an open from waiting for the other end of a FIFO that took
	// a regular file's place.
	nonblock = syscall.O_NONBLOCK
)

// Owned reports whether info, from Stat, describes something that belongs to the
// user this process runs as. Where files have no such owner it is true.
func Owned(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int64(st.Uid) == int64(os.Geteuid())
}
