//go:build !unix

package vfs

import "io/fs"

const (
	canSyncDir = false
	nonblock   = 0
)

// Owned reports whether info, from Stat, describes something that belongs to the
// user this process runs as. Where files have no such owner it is true.
func Owned(fs.FileInfo) bool { return true }
