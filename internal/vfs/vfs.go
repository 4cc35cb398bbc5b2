package vfs

import (
	"errors"
	"io"
	"io/fs"
)

var (
	// ErrNotRegular: the name is a symbolic link, a directory, a device or
	// anything else that is not a regular file.
	ErrNotRegular = errors.New("vfs: not a regular file")
	// ErrRootGone: the root directory is not there, so nobody knows what is in it.
	ErrRootGone = errors.New("vfs: the root directory is gone")
	// ErrLocked: another owner holds the lock.
	ErrLocked = errors.New("vfs: locked")
)

// FS is one directory tree. Names are relative to its root, slash-separated;
// "." is the root. A name that leads outside is an error.
type FS interface {
	// MkdirAll makes the directory and those above it that are missing.
	MkdirAll(name string, perm fs.FileMode) error
	// Create makes a new file for writing. It fails with fs.ErrExist if
	// anything has that name, a dangling symbolic link too.
	Create(name string, perm fs.FileMode) (File, error)
	// Open opens a regular file for reading; anything else is ErrNotRegular.
	Open(name string) (File, error)
	// Link gives the file old the second name new, atomically, and fails with
	// fs.ErrExist if anything has that name.
	Link(old, new string) error
	// Rename gives old the name new, replacing what had it.
	Rename(old, new string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// RemoveAll removes name and everything below it, following no links. A
	// name that does not exist is no error.
	RemoveAll(name string) error
	// ReadDir lists a directory, ascending by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	// Stat describes name itself, not what a symbolic link points to.
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes the names in a directory durable. Where the system has no
	// such operation (Windows) it does nothing.
	SyncDir(name string) error
	// Lock creates the file name if it is missing and locks it for this FS
	// against every other, in this process or another, until the returned File
	// is closed or the process ends. It does not wait: ErrLocked if it is held.
	// Where locks are not supported the error is errors.ErrUnsupported; the
	// file may then exist.
	Lock(name string) (File, error)
	// Close gives up the tree. Open files stay usable.
	Close() error
}

// File is an open file. One from Create is written, one from Open is read; the
// other operation is an error.
type File interface {
	io.Writer
	io.ReaderAt
	// Sync makes the bytes written so far durable. After an error it is unknown
	// which of them are; the file is then good only for removal.
	Sync() error
	// Stat describes the open file.
	Stat() (fs.FileInfo, error)
	// Close ends the file. Closing twice is an error.
	Close() error
}
