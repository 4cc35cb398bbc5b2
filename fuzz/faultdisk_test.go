package fuzz

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/heapstate/heapstate/internal/vfs"
)

// unsynced is a tree on which making things durable costs nothing, and which knows what was made durable.
type unsynced struct {
	vfs.FS
	mu    sync.Mutex      // guards what follows
	bytes map[string]bool // files whose bytes were not synced
	names map[string]bool // files and directories whose names were not synced
}

func newUnsynced(fsys vfs.FS) *unsynced {
	return &unsynced{FS: fsys, bytes: map[string]bool{}, names: map[string]bool{}}
}

// switchOff makes of the tree below dir what is left of it when the machine loses its power: bytes that were not synced
// are lost. Names that were not synced are lost too if names says so; many file systems keep them.
func (u *unsynced) switchOff(dir string, names bool) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var errs []error
	for name := range u.bytes {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() { // no damage has taken its place
			errs = append(errs, os.Truncate(file, 0))
		}
	}
	for name := range u.names {
		if names {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, filepath.FromSlash(name))))
		}
	}
	return errors.Join(errs...)
}

// note changes what is known after an operation that returned err.
func (u *unsynced) note(err error, change func()) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil {
		change()
	}
	return err
}

func (u *unsynced) MkdirAll(name string, perm fs.FileMode) error {
	var made []string
	for dir := name; dir != "."; dir = path.Dir(dir) {
		if _, err := u.FS.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			made = append(made, dir)
		}
	}
	return u.note(u.FS.MkdirAll(name, perm), func() {
		for _, dir := range made {
			u.names[dir] = true
		}
	})
}

func (u *unsynced) Create(name string, perm fs.FileMode) (vfs.File, error) {
	f, err := u.FS.Create(name, perm)
	if u.note(err, func() { u.bytes[name], u.names[name] = true, true }) != nil {
		return nil, err
	}
	return &unsyncedFile{f, func() error { return u.note(nil, func() { delete(u.bytes, name) }) }}, nil
}

func (u *unsynced) Link(old, name string) error {
	return u.note(u.FS.Link(old, name), func() { u.give(old, name) })
}

func (u *unsynced) Rename(old, name string) error {
	return u.note(u.FS.Rename(old, name), func() {
		u.give(old, name)
		u.forget(old)
	})
}

// give notes that a file has another name.
func (u *unsynced) give(old, name string) {
	u.names[name] = true
	if u.bytes[old] {
		u.bytes[name] = true
	}
}

func (u *unsynced) forget(name string) {
	delete(u.bytes, name)
	delete(u.names, name)
}

func (u *unsynced) Remove(name string) error {
	return u.note(u.FS.Remove(name), func() { u.forget(name) })
}

func (u *unsynced) RemoveAll(name string) error {
	return u.note(u.FS.RemoveAll(name), func() {
		for _, known := range []map[string]bool{u.bytes, u.names} {
			for other := range known {
				if other == name || strings.HasPrefix(other, name+"/") {
					delete(known, other)
				}
			}
		}
	})
}

func (u *unsynced) SyncDir(name string) error {
	_, err := u.Stat(name)
	return u.note(err, func() {
		for other := range u.names {
			if path.Dir(other) == path.Clean(name) {
				delete(u.names, other)
			}
		}
	})
}

type unsyncedFile struct {
	vfs.File
	sync func() error
}

func (f *unsyncedFile) Sync() error { return f.sync() }
