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
	"sync"
)

// OpenRoot opens the directory dir, making it (0700) if it is missing, as a tree
// nothing escapes from: neither ".." nor a symbolic link leads outside. What it
// makes is durable when it returns.
//
// If the directory is removed and made anew, by whatever, the tree is the new one
// from then on. While it is gone every operation fails with ErrRootGone, and not
// with fs.ErrNotExist: what cannot be seen is not known to be missing.
func OpenRoot(dir string) (FS, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = makeRoot(dir, syncDir)
	}
	if err != nil {
		return nil, fmt.Errorf("vfs: open root: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("vfs: open root: %w", err)
	}
	return &rootFS{dir: dir, root: root}, nil
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

// rootFS is an FS over os.Root.
type rootFS struct {
	dir string

	mu     sync.RWMutex // guards root and closed
	root   *os.Root     // one that was replaced is closed by its finalizer: others may be using it
	closed bool
}

// do runs an operation, once more if the root turns out to have been made anew.
func (r *rootFS) do(op func(root *os.Root) error) error {
	r.mu.RLock()
	root := r.root
	r.mu.RUnlock()
	err := op(root)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch now, lookErr := r.look(root); {
	case lookErr != nil:
		return fmt.Errorf("%w: %v", lookErr, err)
	case now != root:
		return op(now)
	}
	return err
}

// look returns the root that the directory leads to now.
func (r *rootFS) look(root *os.Root) (*os.Root, error) {
	named, err := os.Stat(r.dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRootGone, err)
	}
	if open, err := root.Stat("."); err == nil && os.SameFile(named, open) {
		return root, nil
	}
	now, err := os.OpenRoot(r.dir) // before the lock: a hung disk must not hold Close
	if err != nil {
		return nil, fmt.Errorf("%w: open it anew: %v", ErrRootGone, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed: // while this operation was under way
		return nil, errors.Join(os.ErrClosed, now.Close())
	case r.root != root: // another has looked
		return r.root, now.Close()
	}
	r.root = now
	return now, nil
}

// open is do for what returns a file.
func (r *rootFS) open(op func(root *os.Root) (*os.File, error)) (f *os.File, err error) {
	err = r.do(func(root *os.Root) (err error) {
		f, err = op(root)
		return err
	})
	return f, err
}

func (r *rootFS) MkdirAll(name string, perm fs.FileMode) error {
	return r.do(func(root *os.Root) error { return root.MkdirAll(name, perm) })
}

func (r *rootFS) Create(name string, perm fs.FileMode) (File, error) {
	f, err := r.open(func(root *os.Root) (*os.File, error) {
		return root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Open looks at the name before opening it, because opening a FIFO or a device
// can block or do things, and at the open file after, because the name may have
// been given to another file in between.
func (r *rootFS) Open(name string) (File, error) {
	before, err := r.Stat(name)
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
	f, err := r.open(func(root *os.Root) (*os.File, error) { return root.OpenFile(name, flag, 0) })
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

func (r *rootFS) Link(old, new string) error {
	return r.do(func(root *os.Root) error { return root.Link(old, new) })
}

func (r *rootFS) Rename(old, new string) error {
	return r.do(func(root *os.Root) error { return root.Rename(old, new) })
}

func (r *rootFS) Remove(name string) error {
	return r.do(func(root *os.Root) error { return root.Remove(name) })
}

func (r *rootFS) RemoveAll(name string) error {
	return r.do(func(root *os.Root) error { return root.RemoveAll(name) })
}

// ReadDir opens name without blocking: a FIFO may have taken the directory's place
// since the caller looked at it.
func (r *rootFS) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = r.do(func(root *os.Root) error {
		f, err := root.OpenFile(path.Clean(name), os.O_RDONLY|nonblock, 0)
		if err != nil {
			return err
		}
		entries, err = f.ReadDir(-1)
		return errors.Join(err, f.Close())
	})
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

func (r *rootFS) Stat(name string) (info fs.FileInfo, err error) {
	err = r.do(func(root *os.Root) (err error) {
		info, err = root.Lstat(name)
		return err
	})
	return info, err
}

func (r *rootFS) SyncDir(name string) error {
	if !canSyncDir {
		return nil
	}
	f, err := r.open(func(root *os.Root) (*os.File, error) { return root.OpenFile(name, os.O_RDONLY|nonblock, 0) })
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Lock follows the rule that the holder of a lock file may remove it: a lock is
// good only if the name still leads to the file that was locked.
func (r *rootFS) Lock(name string) (File, error) {
	f, err := r.open(func(root *os.Root) (*os.File, error) {
		return root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	})
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
	before, err := r.Stat(name)
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
	named, err := r.Stat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(locked, named) {
		return ErrLocked
	}
	return err
}

func (r *rootFS) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.root.Close()
}
