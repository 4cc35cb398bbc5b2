package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// OpenRoot opens the directory dir, making it (0700) if it is missing, as a tree
// nothing escapes from: neither ".." nor a symbolic link leads outside. What it
// makes is durable when it returns.
func OpenRoot(dir string) (FS, error) {
	if err := makeRoot(dir, syncDir); err != nil {
		return nil, fmt.Errorf("vfs: open root: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("vfs: open root: %w", err)
	}
	return &rootFS{root: root}, nil
}

// makeRoot makes dir and what is missing above it, and syncs every directory that
// got an entry.
func makeRoot(dir string, sync func(dir string) error) error {
	var parents []string // of what is missing, the innermost first
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break // MkdirAll tells what else is wrong
		}
		parents = append(parents, filepath.Dir(at))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, parent := range parents {
		if err := sync(parent); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(dir string) error {
	if !canSyncDir {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// rootFS is an FS over os.Root. It has no state of its own.
type rootFS struct{ root *os.Root }

func (r *rootFS) MkdirAll(name string, perm fs.FileMode) error { return r.root.MkdirAll(name, perm) }

func (r *rootFS) Create(name string, perm fs.FileMode) (File, error) {
	f, err := r.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Open looks at the name before opening it, because opening a FIFO or a device
// can block or do things, and at the open file after, because the name may have
// been given to another file in between.
func (r *rootFS) Open(name string) (File, error) {
	before, err := r.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	return r.openSame(name, os.O_RDONLY|nonblock, before)
}

// openSame opens name and makes sure that it is the file described by before.
func (r *rootFS) openSame(name string, flag int, before fs.FileInfo) (File, error) {
	f, err := r.root.OpenFile(name, flag, 0)
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (r *rootFS) Link(old, new string) error   { return r.root.Link(old, new) }
func (r *rootFS) Rename(old, new string) error { return r.root.Rename(old, new) }
func (r *rootFS) Remove(name string) error     { return r.root.Remove(name) }
func (r *rootFS) RemoveAll(name string) error  { return r.root.RemoveAll(name) }

// ReadDir opens name without blocking: a FIFO may have taken the directory's place
// since the caller looked at it.
func (r *rootFS) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := r.root.OpenFile(path.Clean(name), os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(-1)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

func (r *rootFS) Stat(name string) (fs.FileInfo, error) { return r.root.Lstat(name) }

func (r *rootFS) SyncDir(name string) error {
	if !canSyncDir {
		return nil
	}
	f, err := r.root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Lock follows the rule that the holder of a lock file may remove it: a lock is
// good only if the name still leads to the file that was locked.
func (r *rootFS) Lock(name string) (File, error) {
	f, err := r.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		f, err = r.openExistingLock(name)
	}
	if err != nil {
		return nil, err
	}
	if err := r.lockFile(f, name); err != nil {
		return nil, errors.Join(&fs.PathError{Op: "lock", Path: name, Err: err}, f.Close())
	}
	return f, nil
}

func (r *rootFS) openExistingLock(name string) (*os.File, error) {
	before, err := r.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrNotRegular}
	}
	f, err := r.openSame(name, os.O_RDWR|nonblock, before)
	if err != nil {
		return nil, err
	}
	return f.(*os.File), nil
}

func (r *rootFS) lockFile(f *os.File, name string) error {
	if err := flock(f); err != nil {
		return err
	}
	locked, err := f.Stat()
	if err != nil {
		return err
	}
	named, err := r.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(locked, named) {
		return ErrLocked
	}
	return err
}

func (r *rootFS) Close() error { return r.root.Close() }
