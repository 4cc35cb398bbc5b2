package primary

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/heapstate/heapstate/internal/vfs"
)

// linkTries bounds how often a commit makes its directory again after a Delete
// beside it has removed that as empty.
const linkTries = 16

// dirWriter writes one object of a Dir. It is ended by the first of Commit and
// Abort.
type dirWriter struct {
	dir  *Dir
	name string
	temp string
	file vfs.File // nil once ended
	err  error    // the first error of Write
}

func (w *dirWriter) Write(p []byte) (int, error) {
	if w.file == nil {
		return 0, fmt.Errorf("primary: write %s: %w", w.name, ErrClosed)
	}
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.file.Write(p)
	if err == nil && n != len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("primary: write %s: %w", w.name, err)
	}
	return n, w.err
}

// Commit is part of Writer. It is: fsync the file, link it, fsync the directories
// from the object's up to the root. Only the last can leave the outcome unknown.
func (w *dirWriter) Commit(ctx context.Context) error {
	if w.file == nil {
		return fmt.Errorf("primary: commit %s: %w", w.name, ErrClosed)
	}
	err := w.err
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	// After a failed fsync nobody knows what the disk has: the file goes.
	err = w.file.Sync()
	err = errors.Join(err, w.file.Close())
	w.file = nil
	if err == nil {
		err = w.publish()
	}
	// A file that cannot be removed is swept by a later OpenDir; the object is
	// what it is.
	_ = w.dir.fs.Remove(w.temp)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrExist):
		return err
	}
	return fmt.Errorf("primary: commit %s: %w", w.name, err)
}

// publish gives the file its name and makes that durable.
func (w *dirWriter) publish() error {
	parent := path.Dir(w.name)
	if err := w.link(parent); err != nil {
		if !errors.Is(err, ErrUncertain) {
			w.dir.prune(parent)
		}
		return err
	}
	for dir := parent; ; dir = path.Dir(dir) {
		if err := w.dir.fs.SyncDir(dir); err != nil {
			return fmt.Errorf("%w: %w", ErrUncertain, err)
		}
		if dir == "." {
			return nil
		}
	}
}

func (w *dirWriter) link(parent string) (err error) {
	for range linkTries {
		if err = w.dir.fs.MkdirAll(parent, 0o700); err != nil {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
				continue // one of them was removed as it was made
			}
			return err
		}
		if err = w.dir.fs.Link(w.temp, w.name); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err == nil {
		return nil
	}
	return w.linked(err)
}

// linked finds out what became of a link that returned err. A network file
// system can make the link, lose its answer, try again and report that the name
// is taken; then the name leads to our own file.
func (w *dirWriter) linked(err error) error {
	named, nameErr := w.dir.fs.Stat(w.name)
	if missing(nameErr) {
		return err
	}
	own, ownErr := w.dir.fs.Stat(w.temp)
	switch {
	case nameErr != nil || ownErr != nil:
		return fmt.Errorf("%w: %w", ErrUncertain, errors.Join(err, nameErr, ownErr))
	case os.SameFile(named, own):
		return nil
	case named.IsDir(): // and so no object
		return &CorruptError{Object: w.name, Group: NoGroup, Reason: "a directory is in the object's place", Err: err}
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: %s", ErrExist, w.name)
	}
	return err
}

// Abort is part of Writer.
func (w *dirWriter) Abort() error {
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	if err = errors.Join(err, w.dir.fs.Remove(w.temp)); err != nil {
		return fmt.Errorf("primary: abort %s: %w", w.name, err)
	}
	return nil
}
