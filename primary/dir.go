package primary

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/heapstate/heapstate/internal/vfs"
)

// Dir is a [Store] in a directory: an object is a file of the same name below
// it. It is safe for several goroutines and for several processes on one file
// system, network file systems included, as long as that has atomic hard links
// and fsync.
//
// An object is written to a file of its own under tmp~ (no object has such a
// name), fsynced, and given its name by a hard link, which fails if the name is
// taken: that is the atomic create-if-absent. Then the directories above it are
// fsynced. Files are 0600 and directories 0700.
//
// Symbolic links, pipes and whatever else is neither file nor directory are no
// objects, but they have a name that no object can take: they are listed, reading
// one is ErrCorrupt, and none is ever followed, opened or deleted.
//
// If dir is removed and made anew while a Dir is open, it goes on in the new one.
// While dir is gone every method fails, and not with ErrNotExist.
//
// What a process that died has left under tmp~ is removed by the next OpenDir:
// at once if it ran on this host and its lock is gone, else once nothing was
// written to it for [StaleAfter].
//
// A hung disk holds the call that met it: a context is looked at between
// operations, it cannot interrupt one.
type Dir struct {
	fs     vfs.FS
	temp   *tempDir
	closed atomic.Bool
}

var (
	_ Store        = (*Dir)(nil)
	_ BatchDeleter = (*Dir)(nil)
)

// OpenDir opens the directory dir as a store, making it if it is missing, and
// removes what dead writers have left there. A store that is only read is not
// written to otherwise.
func OpenDir(dir string) (*Dir, error) {
	fsys, err := vfs.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("primary: open directory store: %w", err)
	}
	d, err := OpenDirFS(fsys)
	if err != nil {
		return nil, errors.Join(err, fsys.Close())
	}
	return d, nil
}

// OpenDirFS is OpenDir over a file system. It owns fsys from here on, unless it
// returns an error.
func OpenDirFS(fsys vfs.FS) (*Dir, error) {
	if _, err := fsys.ReadDir("."); err != nil {
		return nil, fmt.Errorf("primary: open directory store: %w", err)
	}
	d := &Dir{fs: fsys, temp: newTempDir(fsys)}
	d.temp.sweep()
	return d, nil
}

// Close gives the directory up. Writers must have ended before. It is idempotent.
func (d *Dir) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	return errors.Join(d.temp.close(), d.fs.Close())
}

// begin is how every method starts.
func (d *Dir) begin(ctx context.Context, name string) error {
	if d.closed.Load() {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return CheckName(name)
}

// Create is part of Store.
func (d *Dir) Create(ctx context.Context, name string) (Writer, error) {
	if err := d.begin(ctx, name); err != nil {
		return nil, err
	}
	temp, file, err := d.temp.create()
	if err != nil {
		return nil, fmt.Errorf("primary: create %s: %w", name, err)
	}
	return &dirWriter{dir: d, name: name, temp: temp, file: file}, nil
}

// ReadAt is part of Store.
func (d *Dir) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	if err := d.begin(ctx, name); err != nil {
		return err
	}
	f, err := d.fs.Open(name)
	if err != nil {
		return d.fault("read", name, err)
	}
	// Nothing was written, so that a failing Close loses nothing.
	defer func() { _ = f.Close() }()
	return d.fault("read", name, readFull(ctx, f, p, off))
}

// Size is part of Store.
func (d *Dir) Size(ctx context.Context, name string) (int64, error) {
	if err := d.begin(ctx, name); err != nil {
		return 0, err
	}
	info, err := d.stat(name)
	if err != nil {
		return 0, d.fault("size", name, err)
	}
	return info.Size(), nil
}

// stat describes an object; what is no regular file is not there.
func (d *Dir) stat(name string) (fs.FileInfo, error) {
	info, err := d.fs.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = vfs.ErrNotRegular
	}
	return info, err
}

// Delete is part of Store. Directories that become empty go too.
func (d *Dir) Delete(ctx context.Context, name string) error {
	if err := d.begin(ctx, name); err != nil {
		return err
	}
	_, err := d.stat(name)
	if err == nil {
		err = d.fs.Remove(name)
	}
	if missing(err) {
		return nil
	}
	if err != nil {
		return d.fault("delete", name, err)
	}
	d.prune(path.Dir(name))
	return nil
}

// DeleteAll is part of BatchDeleter.
func (d *Dir) DeleteAll(ctx context.Context, names []string) error { return deleteAll(ctx, d, names) }

// deleteAll deletes one object after the other.
func deleteAll(ctx context.Context, store Store, names []string) error {
	for _, name := range names {
		if err := store.Delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// prune removes dir and those above it as long as they are empty. A writer that
// loses its directory to this makes it again.
func (d *Dir) prune(dir string) {
	for dir != "." && d.fs.Remove(dir) == nil {
		dir = path.Dir(dir)
	}
}

// fault makes an error of the file system one of the store.
func (d *Dir) fault(op, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, vfs.ErrNotRegular) && !d.isDir(name):
		reason := "a link, a pipe or a device is in the object's place"
		return &CorruptError{Object: name, Group: NoGroup, Reason: reason, Err: err}
	case missing(err):
		return fmt.Errorf("%w: %s", ErrNotExist, name)
	}
	return fmt.Errorf("primary: %s %s: %w", op, name, err)
}

func (d *Dir) isDir(name string) bool {
	info, err := d.fs.Stat(name)
	return err == nil && info.IsDir()
}

// missing reports whether err says that there is no such object: nothing of that
// name, something that is not a file, or a file where a directory would be.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, vfs.ErrNotRegular) || errors.Is(err, syscall.ENOTDIR)
}

// List is part of Store. It reads one directory at a time.
func (d *Dir) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		err := CheckPrefix(prefix)
		if d.closed.Load() {
			err = ErrClosed
		}
		if err == nil {
			dir, last := splitPrefix(prefix)
			_, err = d.walk(ctx, path.Clean("./"+dir), last, func(i Info) bool { return yield(i, nil) })
		}
		if err != nil {
			yield(Info{}, err)
		}
	}
}

// walk yields the objects below dir whose next element begins with prefix. It
// returns false when the caller has had enough.
func (d *Dir) walk(ctx context.Context, dir, prefix string, yield func(Info) bool) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	entries, err := d.fs.ReadDir(dir)
	if missing(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("primary: list %s: %w", dir, err)
	}
	for _, e := range listed(entries, prefix) {
		more, err := true, error(nil)
		if name := path.Join(dir, e.Name()); e.IsDir() {
			more, err = d.walk(ctx, name, "", yield)
		} else {
			more, err = d.visit(name, yield)
		}
		if !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

// visit yields one object, unless it has gone, or what is in its place.
func (d *Dir) visit(name string, yield func(Info) bool) (bool, error) {
	info, err := d.stat(name)
	if errors.Is(err, vfs.ErrNotRegular) {
		return yield(Info{Name: name}), nil
	}
	if missing(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("primary: list %s: %w", name, err)
	}
	return yield(Info{Name: name, Size: info.Size()}), nil
}

// listed returns the entries that are part of an object's name and begin with
// prefix, in the order of whole names: a directory stands where its name and a
// slash stand, so that "a-b" and "a.b" come before "a/b".
func listed(entries []os.DirEntry, prefix string) []os.DirEntry {
	key := func(e os.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool {
		return !strings.HasPrefix(e.Name(), prefix) || CheckName(e.Name()) != nil
	})
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(key(a), key(b)) })
	return entries
}
