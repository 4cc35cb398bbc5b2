package recovery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// Task is one attempt of one task of a job, as its task function sees it. It belongs to the goroutine that runs the
// function: Attach, Restore, Advance, Checkpoint, Offset, Applied and the backend are for that goroutine alone,
// everything else may be called from any. Its life is: heapbackend.For, register every state, Restore, then records
// and Advance until the source ends.
type Task struct {
	run      *run
	index    int
	attempts int
	attempt  uuid.UUID
	slot     *slot
	keeper   *localcopy.Keeper // the slot's, for this task
	returned bool
	groups   keygroups.Range
	manifest *primary.Manifest   // what to restore; nil when there is no checkpoint
	old      []primary.TaskState // the tasks of that checkpoint
	cause    error               // what made the start necessary
	failed   time.Time           // when
	unpin    func()              // says that it no longer reads the checkpoint; any goroutine, any number of times

	ctx    context.Context
	cancel context.CancelCauseFunc

	// signal is not 0 when Advance has to look closer: something is due, the attempt has ended, or it has not begun.
	signal atomic.Uint32
	dueC   chan struct{}

	// Owned by the task's goroutine.
	backend  heapbackend.AnyBackend
	restored bool
	advances bool     // it has called Advance
	start    position // where the attempt began
	position position // where it is
	unplaced error    // why there is none, for a task that calls Advance

	mu       sync.Mutex // guards what follows
	due      []dueCheckpoint
	captured uint64             // the newest checkpoint captured
	uploads  map[uint64]*upload // under way
	ended    error              // why the attempt is over; nil while it is current
	lost     error              // why Restore failed
}

// Index is the index of the task, from 0.
func (t *Task) Index() int { return t.index }

// Tasks is how many tasks the job has.
func (t *Task) Tasks() int { return t.run.cfg.Tasks }

// M is the job's max parallelism.
func (t *Task) M() int { return t.run.cfg.M }

// Range is the key groups the task owns, [First, End).
func (t *Task) Range() keygroups.Range { return t.groups }

// Attempt is the id of this run of the task.
func (t *Task) Attempt() uuid.UUID { return t.attempt }

// Allocation is the id of the slot it runs in.
func (t *Task) Allocation() uuid.UUID { return t.slot.allocation }

// Slot is the index of the slot it runs in.
func (t *Task) Slot() int { return t.slot.index }

// Attempts is how often the task has been started in this Run, this time included.
func (t *Task) Attempts() int { return t.attempts }

// BackendConfig is the configuration of the task's backend: with Attach, what heapbackend.For needs.
func (t *Task) BackendConfig() heapbackend.Config {
	c := &t.run.cfg
	return heapbackend.Config{
		M: c.M, Range: t.groups, Seed: c.Seed, Task: t.index, Tasks: c.Tasks,
		RefuseUnknown: c.RefuseUnknown, CheckValues: c.CheckValues,
	}
}

// Attach gives the task its backend; heapbackend.For calls it. The task closes it when the task function has returned.
// Errors: ErrAttached for a second one, ErrConfig for a backend of another M, range, seed or task.
func (t *Task) Attach(b heapbackend.AnyBackend) error {
	if t.backend != nil {
		return ErrAttached
	}
	have, want := b.Config(), t.BackendConfig()
	if have.M != want.M || have.Range != want.Range || have.Seed != want.Seed {
		return fmt.Errorf("%w: backend for key groups %s of %d, task %d owns %s of %d", ErrConfig, have.Range, have.M, t.index, want.Range, want.M)
	}
	if have.Tasks != 0 && (have.Task != want.Task || have.Tasks != want.Tasks) {
		return fmt.Errorf("%w: backend for task %d of %d, this is task %d of %d", ErrConfig, have.Task, have.Tasks, want.Task, want.Tasks)
	}
	t.backend = b
	return nil
}

// Position is what was last checkpointed as this task's position: nil when there is no checkpoint, or when the
// checkpoint was taken with another parallelism, so that no single position is this task's (see Positions). The caller
// must not change it.
func (t *Task) Position() []byte {
	for i := range t.old {
		if ts := &t.old[i]; ts.Task == t.index && ts.Range == t.groups {
			return ts.Position
		}
	}
	return nil
}

// Positions are the positions of all tasks of the checkpoint, by their index at that time, for a source that has to
// share them out anew; nil when there is no checkpoint. The caller must not change what is in it.
func (t *Task) Positions() [][]byte {
	var out [][]byte
	for i := range t.old {
		out = append(out, t.old[i].Position)
	}
	return out
}

// Offset is where to go on reading, for a task that uses Advance: the offset last given to Advance before the
// checkpoint, 0 when there is none, and after Advance what was given to it. When the parallelism was changed it is the
// lowest of the offsets of the tasks that had this task's key groups, and Applied says which records some of the key
// groups hold already.
//
// Positions given to Checkpoint are not offsets. A task restored from such a checkpoint has Position and Positions,
// its Offset is 0 and means nothing, and its first Advance ends the job with ErrPosition.
func (t *Task) Offset() int64 { return t.position.next }

// Applied reports whether the record at an offset is in the state of a key group already, or whether the key group is
// not the task's at all. A task that reads a log shared by all tasks, keeps the records of its own key groups and asks
// Applied for each of them stays exactly right when the parallelism changes. It costs two compares when the
// parallelism did not change.
func (t *Task) Applied(group int, offset int64) bool {
	if offset < t.start.next || !t.groups.Contains(group) {
		return true
	}
	return len(t.start.floors) > 0 && offset < t.start.of(group)
}

// Restore fills the backend from the checkpoint the job is at, and must be called once, after every state was
// registered and before the first record. Its report says where every key group came from; a job without a checkpoint
// reports all of them empty.
//
// Errors: ErrNoBackend, ErrRestored, [RestoreError], [MismatchError], those of the backend (a state whose type was
// changed), and ctx's. After an error the task function should return it; the job decides what happens next.
func (t *Task) Restore(ctx context.Context) (*Report, error) {
	switch {
	case t.backend == nil:
		return nil, ErrNoBackend
	case t.restored:
		return nil, ErrRestored
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.ctx, func() { cancel(context.Cause(t.ctx)) })()
	defer t.unpin()
	report, err := t.restore(ctx)
	if err != nil {
		if t.manifest != nil && errors.Is(err, primary.ErrNotExist) && ctx.Err() == nil {
			err = t.run.vanished(ctx, t.manifest, err)
		}
		t.mu.Lock()
		t.lost = err
		t.mu.Unlock()
		return nil, err
	}
	if err := t.keepRestored(); err != nil {
		return nil, err
	}
	t.restored = true
	t.run.taskRestored(t, report)
	return report, nil
}

// keepRestored tells the keeper which copies are still of use, unless the attempt has ended: the keeper may be
// another's now, which may have restored a newer checkpoint.
func (t *Task) keepRestored() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.ended != nil:
		return t.ended
	case t.manifest != nil && t.manifest.Job == t.run.cfg.Name && !t.manifest.Savepoint:
		t.keeper.Restored(t.manifest.Checkpoint)
	default:
		t.keeper.Restored(0)
	}
	return nil
}

// want is what the task restores.
func (t *Task) want() Want {
	c := &t.run.cfg
	w := Want{Job: c.Name, Operator: c.Operator, M: c.M, Seed: c.Seed, Range: t.groups, Task: t.index, Tasks: c.Tasks}
	if t.manifest != nil {
		w.Job = t.manifest.Job
	}
	return w
}

func (t *Task) restore(ctx context.Context) (*Report, error) {
	c := &t.run.cfg
	want := t.want()
	if p, err := positionFor(t.groups, t.old); err != nil {
		t.unplaced = fmt.Errorf("%w: checkpoint %d: %w", ErrPosition, t.manifest.Checkpoint, err)
	} else {
		t.start, t.position = p, p.clone()
	}
	sources, copies := t.run.localSources(ctx, t)
	plan, err := MakePlan(want, t.manifest, sources)
	if err != nil {
		return nil, err
	}
	return Restore(ctx, RestoreConfig{
		Backend: t.backend, Plan: plan, Locals: copies, Store: c.Primary, Parallelism: c.Parallelism,
		MemoryBytes: c.MemoryBytes, LocalTimeout: c.LocalTimeout, Logger: c.Logger,
	})
}

// Due returns the oldest checkpoint the task has been asked for and has not captured. For engines that send barriers:
// a source task that sees one due captures it with Checkpoint and sends a barrier with its id along; the others
// capture when the barrier has arrived on all their inputs.
func (t *Task) Due() (id uint64, ok bool) {
	if t.signal.Load() == 0 {
		return 0, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.due) == 0 {
		return 0, false
	}
	return t.due[0].id, true
}

// DueC returns a channel that receives when a checkpoint becomes due, for tasks that wait for records in a select. A
// token may be stale: ask Due.
func (t *Task) DueC() <-chan struct{} { return t.dueC }

// Advance says that the state holds every record below offset, and nothing else: offset is that of the next record.
// Call it after each record, between records. When a checkpoint is due it is captured here, in microseconds, with
// offset as the position, and written in the background; when none is due Advance is an atomic load.
//
// It returns an error when the attempt is over, and the task function has to return: ctx's cause, ErrZombie,
// ErrStopped. A stop with a savepoint ends the task here, right after the capture, so that no record is processed that
// a start from the savepoint would process again. Other errors: ErrNoBackend, ErrNotRestored, ErrPosition, and those
// of Backend.Capture.
func (t *Task) Advance(ctx context.Context, offset int64) error {
	t.position.next = offset
	if t.signal.Load() == 0 {
		return nil
	}
	return t.advanceDue(ctx)
}

// advanceDue captures what is due and keeps signal in step with it.
func (t *Task) advanceDue(ctx context.Context) error {
	if err := t.ready(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if t.unplaced != nil {
		return t.unplaced
	}
	t.advances = true
	t.run.style.set(&t.run.style.advances)
	t.position.advance(t.position.next)
	held := false
	for {
		d, ok := t.takeDue(0)
		if !ok {
			return nil
		}
		if err := t.capture(d, t.position.append(nil)); err != nil {
			return err
		}
		if held = held || d.savepoint; !held {
			continue
		}
		if err := t.hold(ctx); err != nil {
			return err
		}
	}
}

// Checkpoint captures the state for the checkpoint id, with the engine's own position, and returns at once; the copies
// are written in the background. For engines that align barriers; others call Advance. position is opaque and kept as
// it is.
//
// A checkpoint that is over, or already captured, is no error: its barrier came late. One that this task has not been
// told of yet is captured: its barrier was faster. Errors: as for Advance.
func (t *Task) Checkpoint(ctx context.Context, id uint64, position []byte) error {
	if err := t.ready(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t.run.style.set(&t.run.style.barriers)
	d, ok := t.takeDue(id)
	if !ok {
		return nil
	}
	return t.capture(d, append([]byte(nil), position...))
}

// ready reports why nothing may be captured.
func (t *Task) ready() error {
	t.mu.Lock()
	ended := t.ended
	t.mu.Unlock()
	switch {
	case ended != nil:
		return ended
	case t.ctx.Err() != nil:
		return context.Cause(t.ctx)
	case t.backend == nil:
		return ErrNoBackend
	case !t.restored:
		return ErrNotRestored
	}
	return nil
}

// restoreFailure is why Restore failed, or nil.
func (t *Task) restoreFailure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}
