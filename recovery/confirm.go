package recovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/heapstate/heapstate/primary"
)

// This file is what is looked at a second time before a checkpoint is called damaged, because what follows from that
// cannot be taken back: an older checkpoint is restored, and the damaged one is deleted.

// readBlock reads one block of the primary copy. Bytes with a wrong checksum may have been changed on their way, and a
// read that ends early may be a connection that was cut: only what is so twice, and an object that is as short as that,
// is damage.
func (r *restorer) readBlock(object string, seg primary.Segment, c primary.Compression) ([]byte, error) {
	read := func() ([]byte, error) {
		return primary.ReadBlock(r.ctx, primary.ReaderOf(r.cfg.Store, object), seg, c)
	}
	block, err := read()
	if !errors.Is(err, primary.ErrCorrupt) {
		return block, err
	}
	r.cfg.Logger.Warn("recovery: block looks damaged, reading it again",
		"checkpoint", r.cfg.Plan.Checkpoint, "group", seg.Group, "error", err)
	block, err = read()
	if !errors.Is(err, primary.ErrCorrupt) || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return block, err
	}
	size, sizeErr := r.cfg.Store.Size(r.ctx, object)
	switch {
	case sizeErr != nil:
		return nil, fmt.Errorf("recovery: size of object %q, whose read ended early: %w", object, sizeErr)
	case size >= seg.Offset+seg.Length:
		return nil, fmt.Errorf("recovery: read of object %q ended early though it has %d bytes: %s",
			object, size, err.Error())
	}
	return nil, err
}

// vanished finds out what it means that an object of the checkpoint being restored is not there, by reading the commit
// log again. It returns err, which then is proof of damage, only when the log is still this process's and still counts
// the checkpoint.
func (r *run) vanished(ctx context.Context, m *primary.Manifest, err error) error {
	live, lookErr := r.coord.Reload(ctx)
	switch {
	case errors.Is(lookErr, primary.ErrFenced): // the objects were its successor's to delete
		return fmt.Errorf("recovery: checkpoints of job %q: %w", r.cfg.Name, lookErr)
	case lookErr != nil:
		return fmt.Errorf("recovery: checkpoint %d lacks an object, and whether it still counts is not known: %w (%s)",
			m.Checkpoint, lookErr, err.Error())
	case m == r.from:
		return err // its user's
	case !slices.ContainsFunc(live, func(other *primary.Manifest) bool { return keyOf(other) == keyOf(m) }):
		return fmt.Errorf("recovery: checkpoint %d lacks an object, and the commit log does not count it any more: %s",
			m.Checkpoint, err.Error())
	}
	return err
}
