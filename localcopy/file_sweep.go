package localcopy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/internal/vfs"
)

// What the file format removes, and why nobody needs it:
//   - a copy that was dropped: the caller says so;
//   - the copies and unfinished files of an allocation that was freed, or that no process claims (Claim, Free);
//   - the unfinished files in an allocation of ours that no writer of this process has under way (Claim);
//   - a copy that another one of the same owner and checkpoint replaced (Seal, Open);
//   - a copy whose bytes are wrong, read twice (Open). A read that fails says nothing about the bytes.
//
// Invariant: only regular files of this user go, in directories of this user, where every name on the path is one that
// the format gives; and directories that are empty then. Everything else is named in an error and stays.

// Claim implements Format.
func (f *fileFormat) Claim(ctx context.Context, job string, allocations []uuid.UUID) error {
	keep := map[string]bool{}
	f.mu.Lock()
	f.claims++
	claim := f.claims
	mine := jobDir(job) + "/"
	maps.DeleteFunc(f.used, func(home string, _ uint64) bool { return strings.HasPrefix(home, mine) })
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
	var faults faults
	for _, entry := range entries {
		home := jobDir(job) + "/" + entry.Name()
		switch {
		case !isAllocation(entry.Name()):
			faults.add(foreign(home))
		case keep[entry.Name()]:
			faults.add(sweep(ctx, fsys, job, home, func(name string) bool { return isTemp(name) && !f.underWay(name) }))
		case !f.usedSince(home, claim):
			faults.add(sweep(ctx, fsys, job, home, everything))
		}
		if err := ctx.Err(); err != nil {
			return errors.Join(faults.err(), err)
		}
	}
	return faults.err()
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
	err = sweep(ctx, fsys, job, home, everything)
	removeEmpty(fsys, jobDir(job)) // it was the last allocation, perhaps
	return err
}

func everything(string) bool { return true }

// sweep removes the files of an allocation that fit, and the directories that are empty then.
func sweep(ctx context.Context, fsys vfs.FS, job, home string, fits func(name string) bool) error {
	checkpoints, err := listDirs(fsys, jobDir(job), home)
	if err != nil {
		return err
	}
	var faults faults
	for _, entry := range checkpoints {
		if err := ctx.Err(); err != nil {
			return errors.Join(faults.err(), err)
		}
		dir := home + "/" + entry.Name()
		if _, ok := parseCheckpointDir(entry.Name()); !ok {
			faults.add(foreign(dir))
			continue
		}
		files, err := listDirs(fsys, dir)
		faults.add(err)
		for _, file := range files {
			name := dir + "/" + file.Name()
			if _, ok := parseFileName(file.Name()); !ok {
				faults.add(foreign(name))
			} else if fits(name) {
				faults.add(removeFile(fsys, name))
			}
		}
		removeEmpty(fsys, dir)
	}
	removeEmpty(fsys, home)
	return faults.err()
}

// foreign is the error of what is not the format's.
func foreign(name string) error { return fmt.Errorf("%w: %s", ErrForeign, name) }

// removeFile removes a regular file of this process's user. Anything else stays. The caller has looked at the
// directories.
func removeFile(fsys vfs.FS, name string) error {
	info, err := fsys.Stat(name)
	if err == nil && (!info.Mode().IsRegular() || !vfs.Owned(info)) {
		return foreign(name)
	}
	if err == nil {
		err = fsys.Remove(name)
	}
	if err != nil {
		return ignoreMissing(fmt.Errorf("localcopy: %w", err))
	}
	return nil
}

// removeEmpty removes a directory of this process's user if it is empty. Best effort: an empty one costs nothing.
func removeEmpty(fsys vfs.FS, dir string) {
	if checkDir(fsys, dir) == nil {
		_ = fsys.Remove(dir) // fails if something is in it
	}
}

// removeOlder removes what earlier writers sealed for the same owner and checkpoint as the file keep. Best effort: what
// stays is removed by the next Open.
func removeOlder(fsys vfs.FS, dir, keep, operator string, task int) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := dir + "/" + e.Name()
		if t, ok := parseCopyName(e.Name(), operator); ok && t == task && name != keep {
			_ = removeFile(fsys, name)
		}
	}
}

// checkDir returns nil if name is a directory of this process's user and no symbolic link.
func checkDir(fsys vfs.FS, name string) error {
	info, err := fsys.Stat(name)
	if err != nil {
		return fmt.Errorf("localcopy: %w", err)
	}
	if !info.IsDir() || !vfs.Owned(info) {
		return foreign(name)
	}
	return nil
}

// checkParents is checkDir of every directory that name lies in.
func checkParents(fsys vfs.FS, name string) error {
	for i := range name {
		if name[i] == '/' {
			if err := checkDir(fsys, name[:i]); err != nil {
				return err
			}
		}
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

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, vfs.ErrRootGone) {
		return nil
	}
	return err
}
