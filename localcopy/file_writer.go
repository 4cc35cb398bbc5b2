package localcopy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/primary"
)

// createAttempts bounds how often a temporary file is tried to be made.
const createAttempts = 8

// fileWriter implements Writer. Its goroutine writes the object to a temporary file, taking each group as soon as
// WriteGroup has let it through the gate; it ends when the object is complete, at an error, or when its context ends.
type fileWriter struct {
	format     *fileFormat
	meta       Meta
	gate       *gate
	temp, name string
	cancel     context.CancelCauseFunc
	renamed    bool // Rename was called
	sealed     bool
	abandoned  bool

	done chan struct{} // closed when the goroutine has ended; the fields below are set before
	fsys *tree
	idx  *primary.Index
	err  error
}

// startFileWriter takes over the handle s.
func startFileWriter(ctx context.Context, f *fileFormat, m Meta, s *heapbackend.Snapshot) *fileWriter {
	stem := copyStem(&m, uuid.New())
	w := &fileWriter{
		format: f, meta: m, gate: newGate(&m, s),
		temp: stem + tempSuffix, name: stem + copySuffix, done: make(chan struct{}),
	}
	f.touch(allocationDir(m.Job, m.Allocation))
	f.setUnderWay(w.temp, true)
	ctx, w.cancel = context.WithCancelCause(ctx)
	go w.run(ctx)
	return w
}

// run is the goroutine. The gate lets go of the snapshot as soon as ctx ends, even while the disk hangs.
func (w *fileWriter) run(ctx context.Context) {
	defer close(w.done)
	stop := context.AfterFunc(ctx, func() { w.gate.close(context.Cause(ctx)) })
	defer stop()
	defer w.gate.close(errUnsealed)
	// Not given up with ctx: who waits for the goroutine waits for what it began, and nothing is made after that.
	w.fsys, w.err = w.format.root.get(context.WithoutCancel(ctx))
	if w.err == nil {
		w.err = context.Cause(ctx)
	}
	if w.err != nil {
		w.format.setUnderWay(w.temp, false)
		return
	}
	w.err = w.write(ctx)
	if w.err == nil {
		w.err = context.Cause(ctx)
	}
	if w.err != nil {
		w.cleanUp()
	}
}

func (w *fileWriter) write(ctx context.Context) error {
	file, err := w.create(ctx)
	if err != nil {
		return fmt.Errorf("localcopy: %w", err)
	}
	header := primary.Header{
		Job: w.meta.Job, Operator: w.meta.Operator, Task: w.meta.Task, Attempt: w.meta.Attempt,
		Checkpoint: w.meta.Checkpoint, M: w.meta.M, Range: w.meta.Range, Seed: w.meta.Seed, Schema: w.meta.Schema,
		Compression: primary.S2,
	}
	// One group at a time: the primary is being encoded at the same time, and comes first.
	buffered := bufio.NewWriterSize(file, 64<<10)
	w.idx, err = primary.WriteObject(ctx, buffered, header, w.gate, primary.WriteOptions{Parallelism: 1})
	if err == nil {
		err = buffered.Flush()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("localcopy: write %s: %w", w.temp, err)
	}
	return nil
}

// create makes the directories and the temporary file. A directory that got empty may be removed at any moment by the
// end of another copy, and the root may have been removed by anybody, so it tries again.
func (w *fileWriter) create(ctx context.Context) (file vfs.File, err error) {
	for attempt := range createAttempts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		file, err = w.createIn()
		gone := errors.Is(err, vfs.ErrRootGone)
		if !gone && !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
		if gone || attempt == createAttempts/2 {
			w.format.root.forget(w.fsys)
			again, err := w.format.root.get(context.WithoutCancel(ctx))
			if err != nil {
				return nil, err
			}
			w.fsys = again
		}
	}
	return nil, err
}

// createIn never makes a directory below one it has not looked at: a symbolic link would lead elsewhere.
func (w *fileWriter) createIn() (vfs.File, error) {
	for _, dir := range []string{jobDir(w.meta.Job), allocationDir(w.meta.Job, w.meta.Allocation), checkpointDir(&w.meta)} {
		err := checkDir(w.fsys, dir)
		if errors.Is(err, fs.ErrNotExist) {
			if err = w.fsys.MkdirAll(dir, 0o700); err == nil {
				err = checkDir(w.fsys, dir)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return w.fsys.Create(w.temp, 0o600)
}

// WriteGroup implements Writer: it opens the gate for the group and returns.
func (w *fileWriter) WriteGroup(ctx context.Context, group int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.sealed || w.abandoned {
		return fmt.Errorf("%w: already sealed or abandoned", ErrWriter)
	}
	select {
	case <-w.done:
		return w.failure()
	default:
		return w.gate.admit(group)
	}
}

// Seal implements Writer.
func (w *fileWriter) Seal(ctx context.Context, twin []primary.Segment) (Copy, error) {
	if w.sealed || w.abandoned {
		return nil, fmt.Errorf("%w: already sealed or abandoned", ErrWriter)
	}
	w.gate.finish()
	select {
	case <-w.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if w.err != nil {
		return nil, w.failure()
	}
	if err := Match(w.written(), twin); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.renamed = true // perhaps, even if it fails
	if err := w.fsys.Rename(w.temp, w.name); err != nil {
		return nil, fmt.Errorf("localcopy: %w", err)
	}
	w.sealed = true
	w.cancel(errUnsealed) // nothing is left to cancel; frees the context
	w.format.setUnderWay(w.temp, false)
	removeOlder(w.fsys, checkpointDir(&w.meta), w.name, w.meta.Operator, w.meta.Task)
	return newFileCopy(w.format, w.meta, w.name, w.idx), nil
}

// written returns every group that was handed to WriteGroup, with the empty ones.
func (w *fileWriter) written() []GroupInfo {
	var own []GroupInfo
	for group := range w.gate.admitted() {
		info := GroupInfo{Group: group}
		if s := segmentsOf(w.idx.Segments, group); len(s) == 1 {
			info = infoOf(s[0])
		}
		own = append(own, info)
	}
	return own
}

// Abandon implements Writer. It waits for the write under way.
func (w *fileWriter) Abandon() error {
	if w.sealed || w.abandoned {
		return nil
	}
	w.abandoned = true
	w.cancel(errUnsealed)
	<-w.done
	if w.err != nil { // the goroutine has cleaned up
		return nil
	}
	return w.cleanUp()
}

// cleanUp removes the temporary file, and the checkpoint's directory if it became empty.
func (w *fileWriter) cleanUp() error {
	defer w.format.setUnderWay(w.temp, false)
	err := ignoreMissing(w.fsys.Remove(w.temp))
	if w.renamed {
		err = errors.Join(err, ignoreMissing(w.fsys.Remove(w.name)))
	}
	removeEmpty(w.fsys, checkpointDir(&w.meta))
	if err != nil {
		return fmt.Errorf("localcopy: %w", err)
	}
	return nil
}

func (w *fileWriter) failure() error {
	if w.err == nil {
		return errUnsealed
	}
	return w.err
}
