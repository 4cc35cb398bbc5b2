package localcopy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/vfs"
)

// fileFormat keeps primary objects in local files. See file_names.go for where.
type fileFormat struct {
	root *fileRoot

	mu sync.Mutex // guards the fields below; never held during I/O
	// claims counts the calls of Claim. used holds, by allocation directory, the count when this process last began or
	// claimed it: a Claim that hung for a while must not remove what came after it.
	claims uint64
	used   map[string]uint64
	// temps holds the temporary files that writers of this process have under way.
	temps map[string]struct{}
}

// File returns a format that writes each copy, in the primary object's format, to a file below dir:
//
//	<dir>/<job>/<allocation>/chk-<checkpoint>/<operator>.<task>.<unique>.copy
//
// The copies outlive the process. Files are 0600, directories 0700, nothing is synced; a copy gets its name when it is
// sealed, so that no unfinished one is ever found. dir is made when it is first needed, and again if it is lost. At most
// one process at a time may use dir for the same job: Claim removes what that process does not claim.
func File(dir string) Format {
	return newFile(func() (vfs.FS, error) { return vfs.OpenRoot(dir) })
}

// FileFS is File on a tree that is open already. The caller closes it when the format is no longer in use.
func FileFS(fsys vfs.FS) Format {
	return newFile(func() (vfs.FS, error) { return fsys, nil })
}

func newFile(open func() (vfs.FS, error)) Format {
	return &fileFormat{root: &fileRoot{open: open, disk: newDisk()}, used: map[string]uint64{}, temps: map[string]struct{}{}}
}

// Name implements Format.
func (f *fileFormat) Name() string { return "file" }

// Letter implements Format.
func (f *fileFormat) Letter() byte { return 'F' }

// Begin implements Format. It does no I/O: a goroutine that the Writer owns makes the directory and writes the file.
func (f *fileFormat) Begin(ctx context.Context, m Meta, s *heapbackend.Snapshot) (Writer, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	own, err := s.Retain()
	if err != nil {
		return nil, fmt.Errorf("localcopy: retain snapshot: %w", err)
	}
	return startFileWriter(ctx, f, m, own), nil
}

// Open implements Format. It reads the index of each file, no block.
func (f *fileFormat) Open(ctx context.Context, o Owner) ([]Copy, error) {
	if err := f.root.disk.check(); err != nil {
		return nil, err
	}
	fsys, err := f.root.get(ctx)
	if err != nil {
		return nil, err
	}
	home := allocationDir(o.Job, o.Allocation)
	f.touch(home)
	checkpoints, err := listDirs(fsys, jobDir(o.Job), home)
	if err != nil {
		return nil, err
	}
	var found []Copy
	var errs []error
	for _, entry := range checkpoints {
		checkpoint, ok := parseCheckpointDir(entry.Name())
		if !ok {
			continue
		}
		copies, err := f.openCheckpoint(ctx, fsys, o, home+"/"+entry.Name(), checkpoint)
		found = append(found, copies...)
		errs = append(errs, err)
	}
	sortCopies(found)
	return found, errors.Join(errs...)
}

// openCheckpoint opens the copies of one checkpoint, of each task the newest.
func (f *fileFormat) openCheckpoint(ctx context.Context, fsys vfs.FS, o Owner, dir string, checkpoint uint64) ([]Copy, error) {
	entries, err := listDirs(fsys, dir)
	if err != nil {
		return nil, err
	}
	newest := map[int]*fileCopy{}
	var errs []error
	for _, entry := range entries {
		task, ok := parseCopyName(entry.Name(), o.Operator)
		if !ok {
			continue
		}
		meta := Meta{Owner: o, Checkpoint: checkpoint}
		meta.Task = task
		c, err := openFileCopy(ctx, f, fsys, dir+"/"+entry.Name(), meta)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if other := newest[task]; other == nil || !c.modified.Before(other.modified) {
			newest[task] = c
		}
	}
	var found []Copy
	for _, c := range newest {
		found = append(found, c)
	}
	return found, errors.Join(errs...)
}

// Claim implements Format.
func (f *fileFormat) Claim(ctx context.Context, job string, allocations []uuid.UUID) error {
	keep := map[string]bool{}
	f.mu.Lock()
	f.claims++
	claim := f.claims
	for _, a := range allocations {
		keep[a.String()] = true
		f.used[allocationDir(job, a)] = claim
	}
	f.mu.Unlock()
	fsys, err := f.root.get(ctx)
	if err != nil {
		return err
	}
	entries, err := listDirs(fsys, jobDir(job))
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		name := jobDir(job) + "/" + entry.Name()
		switch {
		case keep[entry.Name()]:
			errs = append(errs, f.sweep(fsys, job, name))
		case !f.usedSince(name, claim):
			errs = append(errs, removeOwned(fsys, name))
		}
	}
	return errors.Join(errs...)
}

// sweep removes the temporary files that dead processes left in an allocation of ours.
func (f *fileFormat) sweep(fsys vfs.FS, job, home string) error {
	checkpoints, err := listDirs(fsys, jobDir(job), home)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range checkpoints {
		dir := home + "/" + entry.Name()
		if _, ok := parseCheckpointDir(entry.Name()); !ok {
			errs = append(errs, removeOwned(fsys, dir))
			continue
		}
		files, err := listDirs(fsys, dir)
		errs = append(errs, err)
		for _, file := range files {
			if name := dir + "/" + file.Name(); strings.HasSuffix(name, tempSuffix) && !f.underWay(name) {
				errs = append(errs, removeOwned(fsys, name))
			}
		}
		_ = fsys.Remove(dir) // only if it is empty now
	}
	return errors.Join(errs...)
}

// Free implements Format.
func (f *fileFormat) Free(ctx context.Context, job string, allocation uuid.UUID) error {
	fsys, err := f.root.get(ctx)
	if err != nil {
		return err
	}
	home := allocationDir(job, allocation)
	f.mu.Lock()
	delete(f.used, home)
	f.mu.Unlock()
	if err := checkDir(fsys, jobDir(job)); err != nil {
		return ignoreMissing(err)
	}
	err = removeOwned(fsys, home)
	_ = fsys.Remove(jobDir(job)) // only if it was the last allocation
	return err
}

// touch notes that this process uses an allocation's directory from now on.
func (f *fileFormat) touch(home string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used[home] = f.claims
}

// usedSince reports whether the process took up a directory after the given Claim began.
func (f *fileFormat) usedSince(home string, claim uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	last, ok := f.used[home]
	return ok && last >= claim
}

func (f *fileFormat) underWay(temp string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.temps[temp]
	return ok
}

func (f *fileFormat) setUnderWay(temp string, under bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if under {
		f.temps[temp] = struct{}{}
	} else {
		delete(f.temps, temp)
	}
}

// checkDir returns nil if name is a directory of this process's user and no symbolic link.
func checkDir(fsys vfs.FS, name string) error {
	info, err := fsys.Stat(name)
	if err != nil {
		return fmt.Errorf("localcopy: %w", err)
	}
	if !info.IsDir() || !vfs.Owned(info) {
		return fmt.Errorf("%w: %s", ErrForeign, name)
	}
	return nil
}

// listDirs checks each directory in turn and lists the last. A missing one has no entries.
func listDirs(fsys vfs.FS, dirs ...string) ([]fs.DirEntry, error) {
	for _, dir := range dirs {
		if err := checkDir(fsys, dir); err != nil {
			return nil, ignoreMissing(err)
		}
	}
	entries, err := fsys.ReadDir(dirs[len(dirs)-1])
	if err != nil {
		return nil, ignoreMissing(fmt.Errorf("localcopy: %w", err))
	}
	return entries, nil
}

// removeOwned removes a file or a tree. A symbolic link goes, never what it points to; what another user owns stays.
func removeOwned(fsys vfs.FS, name string) error {
	info, err := fsys.Stat(name)
	if err == nil && !vfs.Owned(info) {
		return fmt.Errorf("%w: %s", ErrForeign, name)
	}
	if err == nil {
		err = fsys.RemoveAll(name)
	}
	if err != nil {
		return ignoreMissing(fmt.Errorf("localcopy: %w", err))
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeOlder removes what earlier writers sealed for the same owner and checkpoint as the file keep. Best effort: of
// several, Open takes the newest.
func removeOlder(fsys vfs.FS, dir, keep, operator string, task int) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return
	}
	isOlder := func(e fs.DirEntry) bool {
		t, ok := parseCopyName(e.Name(), operator)
		return ok && t == task && dir+"/"+e.Name() != keep
	}
	for _, e := range slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !isOlder(e) }) {
		_ = fsys.Remove(dir + "/" + e.Name())
	}
}
