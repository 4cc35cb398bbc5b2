package localcopy

import (
	"context"
	"fmt"
	"sync"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/vfs"
)

// fileFormat keeps primary objects in local files. See file_names.go for where.
type fileFormat struct {
	root *fileRoot

	mu sync.Mutex // guards the fields below; never held during I/O
	// claims counts the calls of Claim. used holds, by allocation directory, the count when this process last began or
	// claimed it: a Claim that hung for a while must not remove what came after it. A Claim forgets those of its job.
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
// sealed, so that no unfinished one is ever found. dir is made when it is first needed, and again if it is lost. At
// most one process at a time may use dir for the same job: Claim removes the copies that that process does not claim.
//
// Only regular files of this user with names as above are ever removed. Anything else that lies below dir stays, and
// Claim names it in its error. A copy that a power loss or anything else damaged is removed when Open finds it.
//
// A disk that does not answer within five seconds is taken for hung until it does: Open and Load return ErrStalled at
// once, and whoever restores takes another source.
func File(dir string) Format {
	return newFile(func() (vfs.FS, error) { return vfs.OpenRoot(dir) })
}

// FileFS is File on a tree that is open already. The caller closes it when the format is no longer in use.
func FileFS(fsys vfs.FS) Format {
	return newFile(func() (vfs.FS, error) { return fsys, nil })
}

func newFile(open func() (vfs.FS, error)) Format {
	root := &fileRoot{open: open, disk: newDisk()}
	return &fileFormat{root: root, used: map[string]uint64{}, temps: map[string]struct{}{}}
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

// underWay reports whether a writer of this process is on a temporary file.
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
