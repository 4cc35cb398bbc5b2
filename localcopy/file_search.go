package localcopy

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/primary"
)

// searchBytes bounds what the copies that one Open finds may keep in memory: their schemas and indexes. One of the
// greatest possible size fits.
const searchBytes = 64 << 20

// segmentBytes is about what one key group of a copy takes in memory.
const segmentBytes = 128

// maxBare bounds the copies without groups that one Open returns: the rest waits for the next one.
const maxBare = 1024

// errCrowded is what a copy gets that is not looked at any more.
var errCrowded = errors.New("localcopy: too many copies to look at")

// fileSearch is one Open of the file format.
type fileSearch struct {
	format *fileFormat
	fsys   vfs.FS
	owner  Owner
	found  []Copy
	spent  int // bytes that found keeps in memory
	bare   int // copies in found that could not be read
	faults faults
}

// checkpoint adds the copies of one checkpoint. Of those of one task only the newest is one: the others are what Seal
// would have removed, had it not been interrupted.
func (s *fileSearch) checkpoint(ctx context.Context, dir string, checkpoint uint64) error {
	entries, err := listDirs(s.fsys, dir)
	s.faults.add(err)
	newest := map[int]*fileCopy{}
	for _, entry := range entries {
		task, ok := parseCopyName(entry.Name(), s.owner.Operator)
		if !ok {
			continue
		}
		want := Meta{Owner: s.owner, Checkpoint: checkpoint}
		want.Task = task
		c := s.open(ctx, dir+"/"+entry.Name(), want)
		if err := ctx.Err(); err != nil {
			return err
		}
		if c == nil {
			continue
		}
		other := newest[task]
		if other != nil && other.modified.After(c.modified) {
			other, c = c, other
		}
		newest[task] = c
		if other != nil {
			s.faults.add(removeFile(s.fsys, other.name))
		}
	}
	for _, c := range newest {
		s.found = append(s.found, c)
	}
	return nil
}

// open opens one copy, nil if it is none. A damaged one is removed. One that cannot be read for another reason stays:
// it is found without groups, so that it goes when its checkpoint does.
func (s *fileSearch) open(ctx context.Context, name string, want Meta) *fileCopy {
	c, err := s.read(ctx, name, want)
	if isDamage(err) {
		c, err = s.read(ctx, name, want)
	}
	switch {
	case err == nil:
		return c
	case ctx.Err() != nil: // the caller says so
		return nil
	case isDamage(err):
		gone := removeFile(s.fsys, name)
		if gone == nil {
			removeEmpty(s.fsys, path.Dir(name))
			s.faults.add(fmt.Errorf("localcopy: damaged copy removed: %w", err))
			return nil
		}
		err = errors.Join(err, gone)
	}
	s.faults.add(ignoreMissing(err))
	if ignoreMissing(err) != nil && !errors.Is(err, ErrForeign) && s.bare < maxBare {
		s.bare++
		s.found = append(s.found, &fileCopy{format: s.format, meta: want, name: name})
	}
	return nil
}

func (s *fileSearch) read(ctx context.Context, name string, want Meta) (*fileCopy, error) {
	if s.spent > searchBytes {
		return nil, fmt.Errorf("%w: %s", errCrowded, name)
	}
	c, err := openFileCopy(ctx, s.format, s.fsys, name, want)
	if err == nil {
		s.spent += len(c.meta.Schema) + segmentBytes*len(c.segments)
	}
	return c, err
}

// isDamage reports that the bytes of a file are wrong, and not only that they could not be read.
func isDamage(err error) bool {
	return errors.Is(err, primary.ErrCorrupt) && !errors.Is(err, ErrForeign)
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
	s := fileSearch{format: f, fsys: fsys, owner: o}
	for _, entry := range slices.Backward(checkpoints) { // the newest first: it is the one that is wanted
		checkpoint, ok := parseCheckpointDir(entry.Name())
		if !ok {
			continue
		}
		if err := s.checkpoint(ctx, home+"/"+entry.Name(), checkpoint); err != nil {
			s.faults.add(err)
			break
		}
	}
	sortCopies(s.found)
	return s.found, s.faults.err()
}
