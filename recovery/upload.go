package recovery

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// upload writes the primary copy of one captured checkpoint of one task.
//
// Its goroutine belongs to the run. It is stopped by cancel: when the attempt ends, when the checkpoint is aborted, and when
// the run ends. The snapshot handle is the upload's own: it is released when the upload ends or is cancelled, whichever is
// first, so that a store that does not notice keeps a goroutine and one block of each worker, and no state.
type upload struct {
	task     *Task
	due      dueCheckpoint
	snapshot *heapbackend.Snapshot
	position []byte
	paused   time.Duration
	ctx      context.Context
	cancel   context.CancelCauseFunc
}

// maxStuck is how many cancelled uploads of a task may hang in the store before the task declines checkpoints.
const maxStuck = 4

// errStuck is why a checkpoint is declined while the store hangs.
var errStuck = errors.New("recovery: earlier uploads of the task hang in the store")

// capture takes the snapshot, hands it to the local copies and starts the upload. On the task's goroutine.
func (t *Task) capture(d dueCheckpoint, position []byte) error {
	if n := t.run.stuck(t.index); n >= maxStuck {
		t.run.decline(t, d.id, fmt.Errorf("%w: %d", errStuck, n))
		return nil
	}
	start := time.Now()
	snapshot, err := t.backend.Capture()
	paused := time.Since(start)
	if err != nil {
		err = fmt.Errorf("recovery: capture checkpoint %d: %w", d.id, err)
		t.run.decline(t, d.id, err)
		return err
	}
	u := &upload{task: t, due: d, snapshot: snapshot, position: position, paused: paused}
	u.ctx, u.cancel = context.WithCancelCause(t.ctx)
	t.mu.Lock()
	if t.ended != nil { // a zombie woke up in between
		defer t.mu.Unlock()
		u.cancel(t.ended)
		snapshot.Release()
		return t.ended
	}
	t.uploads[d.id] = u
	// Invariant: the local copy is registered before the checkpoint can be acknowledged, and never by an attempt that is over.
	t.keeper.Store(u.meta(), snapshot)
	t.mu.Unlock()
	t.run.mu.Lock()
	t.run.uploads[u] = struct{}{}
	t.run.mu.Unlock()
	t.run.tasks.start(u.run)
	return nil
}

func (u *upload) meta() localcopy.Meta {
	t, c := u.task, &u.task.run.cfg
	return localcopy.Meta{
		Owner:   localcopy.Owner{Job: c.Name, Operator: c.Operator, Task: t.index, Allocation: t.slot.allocation},
		Attempt: t.attempt, Checkpoint: u.due.id, M: c.M, Seed: c.Seed, Range: t.groups,
		Schema: u.snapshot.Schema(), Savepoint: u.due.savepoint,
	}
}

// run is the upload's goroutine.
func (u *upload) run() {
	defer u.finish()
	defer context.AfterFunc(u.ctx, u.snapshot.Release)() // a read under way completes
	start := time.Now()
	index, err := u.write()
	if err == nil {
		u.task.keeper.PrimaryDone(u.due.id, index.Segments)
		u.task.run.uploaded(u, index, time.Since(start))
		err = u.ack(index)
	}
	if err == nil {
		return
	}
	u.task.keeper.Abort(u.due.id)
	u.task.run.decline(u.task, u.due.id, err)
}

// finish gives back what the upload holds.
func (u *upload) finish() {
	u.snapshot.Release()
	u.cancel(nil)
	u.task.mu.Lock()
	delete(u.task.uploads, u.due.id)
	u.task.mu.Unlock()
	u.task.run.mu.Lock()
	delete(u.task.run.uploads, u)
	u.task.run.mu.Unlock()
}

// stuck counts the uploads of a task, of all its attempts, that were cancelled and have not returned.
func (r *run) stuck(task int) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for u := range r.uploads {
		if u.task.index == task && u.ctx.Err() != nil {
			n++
		}
	}
	return n
}

// write makes the primary object durable. On an error there is no object.
func (u *upload) write() (index *primary.Index, err error) {
	t, c := u.task, &u.task.run.cfg
	defer func() {
		if v := recover(); v != nil { // an encoder of the user's
			index, err = nil, &PanicError{Value: v, Stack: debug.Stack()}
		}
		if err != nil && u.ctx.Err() != nil {
			err = errors.Join(context.Cause(u.ctx), err)
		}
	}()
	w, err := c.Primary.Create(u.ctx, u.due.object)
	if err != nil {
		return nil, fmt.Errorf("recovery: create %q: %w", u.due.object, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Abort())
		}
	}()
	header := primary.Header{
		Job: c.Name, Operator: c.Operator, Task: t.index, Attempt: t.attempt, Checkpoint: u.due.id,
		M: c.M, Range: t.groups, Seed: c.Seed, Schema: u.snapshot.Schema(), Compression: c.Compression,
	}
	index, err = primary.WriteObject(u.ctx, w, header, u.snapshot, primary.WriteOptions{Parallelism: c.Parallelism})
	if err != nil {
		return nil, fmt.Errorf("recovery: write %q: %w", u.due.object, err)
	}
	if err = w.Commit(u.ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("recovery: commit %q: %w", u.due.object, err), u.remove(err))
	}
	return index, nil
}

// remove deletes an object of which it is not known whether it is there. Its name is this attempt's alone.
func (u *upload) remove(cause error) error {
	if errors.Is(cause, primary.ErrExist) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), u.task.run.cfg.Grace)
	defer cancel()
	return u.task.run.cfg.Primary.Delete(ctx, u.due.object)
}

// ack hands the object to the coordinator, which from then on owns it: a late or fenced one is deleted there. So it is called
// even if the attempt has ended meanwhile.
func (u *upload) ack(index *primary.Index) error {
	t := u.task
	groups := make([]primary.GroupState, len(index.Segments))
	refs := make([]primary.SegmentRef, len(index.Segments))
	for i, s := range index.Segments {
		refs[i] = primary.SegmentRef{Object: 0, Segment: s}
		groups[i] = primary.GroupState{Group: s.Group, Segments: refs[i : i+1 : i+1]}
	}
	return t.run.coordinator().Ack(context.WithoutCancel(u.ctx), primary.Ack{
		Task: t.run.taskID(t.index), Attempt: t.attempt, Allocation: t.slot.allocation, Checkpoint: u.due.id,
		Schema: index.Header.Schema, Compression: index.Header.Compression,
		Objects: []string{u.due.object}, Groups: groups, Position: u.position,
	})
}
