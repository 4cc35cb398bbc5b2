package localcopy

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/primary"
)

// fileCopy implements Copy: one sealed file.
type fileCopy struct {
	format      *fileFormat
	meta        Meta
	name        string
	modified    time.Time // of a copy that Open found
	compression primary.Compression
	segments    []primary.Segment // ascending, one base segment a group
	groups      []GroupInfo       // the same, for callers
	dropped     atomic.Bool
}

func newFileCopy(f *fileFormat, m Meta, name string, idx *primary.Index) *fileCopy {
	c := &fileCopy{format: f, meta: m, name: name, compression: idx.Header.Compression, segments: idx.Segments}
	c.groups = make([]GroupInfo, len(c.segments))
	for i, s := range c.segments {
		c.groups[i] = infoOf(s)
	}
	return c
}

// openFileCopy reads the index of a sealed file and checks that it is the copy its path says: want holds the owner and
// the checkpoint.
func openFileCopy(ctx context.Context, f *fileFormat, fsys vfs.FS, name string, want Meta) (*fileCopy, error) {
	file, size, modified, err := openOwned(fsys, name)
	if err != nil {
		return nil, err
	}
	idx, err := primary.ReadIndex(ctx, primary.ReaderAt(name, file), size)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("localcopy: %s: %w", name, err)
	}
	h := &idx.Header
	got := Meta{
		Owner:   Owner{Job: h.Job, Operator: h.Operator, Task: h.Task, Allocation: want.Allocation},
		Attempt: h.Attempt, Checkpoint: h.Checkpoint, M: h.M, Seed: h.Seed, Range: h.Range, Schema: h.Schema,
	}
	if got.Owner != want.Owner || got.Checkpoint != want.Checkpoint {
		return nil, fmt.Errorf("%w: %s: holds another task or checkpoint", primary.ErrCorrupt, name)
	}
	for i, s := range idx.Segments {
		if s.Kind != primary.Base || i > 0 && s.Group == idx.Segments[i-1].Group {
			return nil, fmt.Errorf("%w: %s: key group %d is not one base segment", primary.ErrCorrupt, name, s.Group)
		}
	}
	c := newFileCopy(f, got, name, idx)
	c.modified = modified
	return c, nil
}

// Meta implements Copy.
func (c *fileCopy) Meta() Meta { return c.meta }

// Groups implements Copy.
func (c *fileCopy) Groups() []GroupInfo { return c.groups }

// Load implements Copy. Checksum, length and digest of the block are verified before it is decoded.
func (c *fileCopy) Load(ctx context.Context, group int, into heapbackend.AnyBackend) (*heapbackend.Staged, error) {
	i, ok := findGroup(c.groups, group)
	if !ok {
		return nil, fmt.Errorf("%w: %s, key group %d", ErrNoGroup, c.name, group)
	}
	block, err := c.read(ctx, c.segments[i])
	if err != nil {
		return nil, fmt.Errorf("localcopy: %s, key group %d: %w", c.name, group, err)
	}
	staged, err := into.StageBlock(c.meta.Schema, group, block)
	if err != nil {
		return nil, fmt.Errorf("localcopy: %s, key group %d: %w", c.name, group, err)
	}
	return staged, nil
}

// read reads a block on a goroutine of its own, so that neither the end of ctx nor a hung disk keeps the caller; the
// goroutine ends when the disk answers. None is started while the disk is known to hang.
func (c *fileCopy) read(ctx context.Context, seg primary.Segment) ([]byte, error) {
	if c.dropped.Load() {
		return nil, ErrDropped
	}
	if err := c.format.root.disk.check(); err != nil {
		return nil, err
	}
	type result struct {
		block []byte
		err   error
	}
	done := make(chan result, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		block, err := c.readNow(ctx, seg)
		done <- result{block, err}
	}()
	look := time.NewTicker(stallTick)
	defer look.Stop()
	for {
		select {
		case r := <-done:
			return r.block, r.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-look.C:
			if err := c.format.root.disk.check(); err != nil {
				return nil, err
			}
		}
	}
}

func (c *fileCopy) readNow(ctx context.Context, seg primary.Segment) ([]byte, error) {
	fsys, err := c.format.root.get(ctx)
	if err != nil {
		return nil, err
	}
	file, _, _, err := openOwned(fsys, c.name)
	if err != nil {
		return nil, err
	}
	block, err := primary.ReadBlock(ctx, primary.ReaderAt(c.name, file), seg, c.compression)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	_ = file.Close() // the block is whole: how a reader closes does not matter
	return block, nil
}

// Drop implements Copy.
func (c *fileCopy) Drop(ctx context.Context) error {
	c.dropped.Store(true)
	fsys, err := c.format.root.get(ctx)
	if err != nil {
		return err
	}
	err = checkParents(fsys, c.name)
	if err == nil {
		err = removeFile(fsys, c.name)
	}
	if errors.Is(err, ErrForeign) {
		return nil // the copy is gone already, and what took its place is not ours
	}
	removeEmpty(fsys, checkpointDir(&c.meta))
	return ignoreMissing(err)
}

// openOwned opens a regular file of this process's user, below directories of this process's user.
func openOwned(fsys vfs.FS, name string) (file vfs.File, size int64, modified time.Time, err error) {
	if err := checkParents(fsys, name); err != nil {
		return nil, 0, modified, err
	}
	file, err = fsys.Open(name)
	if errors.Is(err, vfs.ErrNotRegular) {
		return nil, 0, modified, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	if err != nil {
		return nil, 0, modified, fmt.Errorf("localcopy: %w", err)
	}
	info, err := file.Stat()
	if err == nil && !vfs.Owned(info) {
		err = fmt.Errorf("%w: %s", ErrForeign, name)
	}
	if err != nil {
		return nil, 0, modified, errors.Join(err, file.Close())
	}
	return file, info.Size(), info.ModTime(), nil
}
