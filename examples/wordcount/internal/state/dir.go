package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/heapstate/heapstate/primary"
)

// What keeps a run from using a directory; test with errors.Is.
var (
	// ErrForeign: the directory is not one of this program.
	ErrForeign = errors.New("is not a directory of wordcount")
	// ErrInUse: another run is using the directory.
	ErrInUse = errors.New("is in use by another run")
	// ErrMismatch: the checkpoints in the directory are not those of this run.
	ErrMismatch = errors.New("does not fit")
)

const markerVersion = 1

// marker is the content of the marker file.
type marker struct {
	Job     string `json:"job"`
	Version int    `json:"version"`
}

// Dir is a directory that is ours, locked.
type Dir struct {
	Layout
	lockFile *os.File
	made     bool // the directory was made by this Open
	marked   bool // and so was the marker
}

// Check reports whether Open would take the directory, as far as that can be told without touching it.
func Check(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	l := Layout{path}
	b, err := os.ReadFile(l.marker())
	if errors.Is(err, fs.ErrNotExist) {
		for _, e := range entries {
			if name := filepath.Join(path, e.Name()); name != l.lock() && !strings.HasPrefix(name, l.marker()) {
				return fmt.Errorf("%s %w: it has no %s and is not empty", path, ErrForeign, filepath.Base(l.marker()))
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	var m marker
	switch err := json.Unmarshal(b, &m); {
	case err != nil:
		return fmt.Errorf("%s %w: %s cannot be read: %w", path, ErrForeign, filepath.Base(l.marker()), err)
	case m.Job != Job:
		return fmt.Errorf("%s %w: it holds the checkpoints of job %q", path, ErrForeign, m.Job)
	case m.Version != markerVersion:
		return fmt.Errorf("%s %w: version %d, this program reads %d", path, ErrForeign, m.Version, markerVersion)
	}
	return nil
}

// Open makes the directory if it is missing, locks it and marks it as ours. The
// lock of a run that was just killed may take a moment to go: Open waits
// that long.
//
// Errors: ErrForeign, ErrInUse, and those of the file system.
func Open(ctx context.Context, path string) (_ *Dir, err error) {
	if err := Check(path); err != nil {
		return nil, err
	}
	d := &Dir{Layout: Layout{path}}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		d.made = true
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	if d.lockFile, err = lock(ctx, d.lock()); err != nil {
		return nil, err
	}
	if err := d.mark(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// mark writes the marker if there is none.
func (d *Dir) mark() error {
	if _, err := os.Lstat(d.marker()); err == nil {
		return nil
	}
	b, err := json.Marshal(marker{Job, markerVersion})
	if err != nil {
		return err
	}
	d.marked = true
	temp := d.marker() + ".tmp"
	if err := os.WriteFile(temp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, d.marker())
}

// Newest returns the newest checkpoint in the directory, nil if there is none. It only reads.
//
// Errors: ErrForeign when there are checkpoints of another job, ErrMismatch when
// they have another max parallelism, and those of primary.
func (d *Dir) Newest(ctx context.Context, groups int) (_ *primary.Manifest, err error) {
	if _, err := os.Lstat(d.Primary()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	store, err := primary.OpenDir(d.Primary())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for info, err := range store.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		if job, _, _ := strings.Cut(info.Name, "/"); job != Job {
			return nil, fmt.Errorf("%s %w: it holds the checkpoints of job %q", d.Dir, ErrForeign, job)
		}
	}
	manifests, err := primary.LoadRetained(ctx, store, Job)
	if err != nil {
		return nil, err
	}
	if len(manifests) == 0 {
		return nil, nil
	}
	if m := manifests[0].M; m != groups {
		return nil, fmt.Errorf("%s %w: its checkpoint has %d key groups, this run has %d, and the number can never change", d.Dir, ErrMismatch, m, groups)
	}
	return manifests[0], nil
}

// Positions are the source positions in a checkpoint, nil if it is nil.
func Positions(m *primary.Manifest) [][]byte {
	if m == nil {
		return nil
	}
	var positions [][]byte
	for _, o := range m.Operators {
		for _, t := range o.Tasks {
			positions = append(positions, t.Position)
		}
	}
	return positions
}

// Close unlocks the directory.
func (d *Dir) Close() error { return d.lockFile.Close() }

// Discard takes back what Open did, and closes the directory. What was there before
// stays.
func (d *Dir) Discard() (err error) {
	if d.marked {
		err = errors.Join(os.Remove(d.marker()), os.Remove(d.lock()))
	}
	err = errors.Join(err, d.Close())
	if d.made {
		err = errors.Join(err, os.Remove(d.Dir))
	}
	return err
}

// Remove closes the directory and removes it.
func (d *Dir) Remove() error { return errors.Join(d.Close(), os.RemoveAll(d.Dir)) }

// lockPatience is how long a lock may take to go after its holder was killed.
const lockPatience = 2 * time.Second

// lock opens and locks the file.
func lock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		err := tryLock(f)
		if err == nil {
			return f, nil
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%s %w", filepath.Dir(path), ErrInUse), f.Close())
		}
	}
}
