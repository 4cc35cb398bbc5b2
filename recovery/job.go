package recovery

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/heapstate/heapstate/primary"
)

// TaskFunc is what every task of a job runs. It attaches a backend to its task, registers the states, restores, and
// then processes records until its source ends (nil), its context ends (any error), or it fails (any error, or a
// panic).
//
// A task that returns nil keeps its slot and its state until all have, and takes part in checkpoints with its last
// position: the offset last given to Advance, or where it was restored if it had no record. Positions given to
// Checkpoint are the engine's, and only it knows what the last one is. So in a job whose tasks use Checkpoint there
// are no checkpoints any more once a task has returned: Job.Checkpoint then returns primary.ErrNotRunning, and a
// warning is logged. An engine that wants them lets its tasks go on answering barriers until all sources have ended.
type TaskFunc func(ctx context.Context, t *Task) error

// Job is one dataflow program: a number of tasks with keyed state, run in this process, checkpointed and recovered. Its
// methods may be called from any goroutine.
type Job struct {
	cfg Config

	mu   sync.Mutex // guards what follows
	busy bool       // Run is at work
	run  *run       // nil when there is nothing to talk to yet
}

// NewJob checks the configuration and returns a job that does not run yet. Nothing is read or written. The error
// matches ErrConfig and names every fault.
func NewJob(cfg Config) (*Job, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Job{cfg: cfg}, nil
}

// Run runs the tasks, each in a goroutine and a slot of its own, from the newest checkpoint (or Config.From), and
// restarts them as configured, until all of them have returned nil, the job is stopped, ctx ends, or a failure cannot
// be recovered from. It returns nil in the first two cases, the cause of ctx in the third.
//
// Before it returns it waits for what it started, at most three times Config.Grace whatever hangs: once for the tasks
// to return, once for their uploads and for what the coordinator is at in the store, and once for local copies whose
// primary is durable and for the callbacks. What has not ended by then is left behind, with a warning: a goroutine in a
// call of the store, of a disk or of the user's that does not return, which does nothing more when it does. No task of
// it can commit; only a commit that was under way in the store may still arrive there, and the next Run, which fences
// it, starts from it if it has. Opening the checkpoints is limited by ctx alone.
//
// A restart waits until it is known whether a checkpoint that was being committed is: for as long as the store takes to
// say so, with a warning after Grace, after twice as long again, and so on. A store that does not answer while state is
// restored is asked again as the restart strategy says; it is never a reason to restore anything else. A task function
// that returns nil although its backend refuses every operation (Backend.Err is not nil, or it recovered from a panic
// in one) has overlooked an error, and ends the job with it.
//
// Run may be called again afterwards, and then goes on from the newest checkpoint. Errors: ErrRunning; ErrConfig;
// primary.ErrMismatch when the store holds another job, M or seed, with nothing changed; primary.ErrFenced when another
// process has taken the job over; ErrGivenUp and [TaskError] when the restart strategy ends it; [RestoreError] when the
// checkpoint is damaged, and with Config.StepBack every one retained; and what the store returns while the checkpoints
// are opened.
func (j *Job) Run(ctx context.Context, fn TaskFunc) error {
	if fn == nil {
		return fmt.Errorf("%w: no task function", ErrConfig)
	}
	j.mu.Lock()
	busy := j.busy
	j.busy = true
	j.mu.Unlock()
	if busy {
		return ErrRunning
	}
	defer j.set(nil, false)
	r, err := openRun(ctx, j, fn)
	if err != nil {
		return err
	}
	j.set(r, true)
	return r.supervise(ctx)
}

func (j *Job) set(r *run, busy bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.run, j.busy = r, busy
}

// running is the run under way, or ErrNotRunning.
func (j *Job) running() (*run, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.run == nil {
		return nil, ErrNotRunning
	}
	return j.run, nil
}

// Checkpoint takes a checkpoint now and waits for it. Errors: ErrNotRunning, [primary.AbortError],
// primary.ErrNotRunning while some task is not restored, primary.ErrBusy, or ctx's.
func (j *Job) Checkpoint(ctx context.Context) (*primary.Manifest, error) {
	r, err := j.running()
	if err != nil {
		return nil, err
	}
	return r.checkpoint(ctx, false)
}

// Savepoint takes a savepoint and waits for it: a checkpoint that holds everything it needs and is never deleted. The
// manifest is what Config.From starts from; primary.LoadSavepoint reads it again. When ctx ends first the savepoint
// goes on, and Config.OnCheckpoint says how it ended. Errors: as Checkpoint.
func (j *Job) Savepoint(ctx context.Context) (*primary.Manifest, error) {
	r, err := j.running()
	if err != nil {
		return nil, err
	}
	return r.checkpoint(ctx, true)
}

// Stop ends the job: the context of every task ends with ErrStopped, and Run returns nil. With savepoint set it first
// takes a savepoint, which it returns; from their captures on, tasks that use Advance process no further record. When
// the savepoint fails the job goes on, and Stop returns why. Without it, Stop returns the newest checkpoint, nil if
// there is none.
//
// Stop returns when the tasks have been told; Run returns when they have ended. Errors: as Checkpoint.
func (j *Job) Stop(ctx context.Context, savepoint bool) (*primary.Manifest, error) {
	r, err := j.running()
	if err != nil {
		return nil, err
	}
	if !savepoint {
		r.events.put(event{kind: stopNow})
		return r.coordinator().Latest(), nil
	}
	release := make(chan struct{})
	if !r.stopping.CompareAndSwap(nil, &release) {
		return nil, fmt.Errorf("%w: another stop is under way", primary.ErrBusy)
	}
	m, err := r.checkpoint(ctx, true)
	if err != nil {
		r.stopping.Store(nil)
		close(release)
		return nil, err
	}
	r.events.put(event{kind: stopNow})
	return m, nil
}

// LoseSlot takes a slot away as if its machine were gone: the task in it fails at once with ErrSlotLost and moves to
// another slot, and the slot's local copies are removed. It returns when that is decided. Errors: ErrNotRunning,
// ErrConfig for a slot there is not, or ctx's.
func (j *Job) LoseSlot(ctx context.Context, slot int) error {
	r, err := j.running()
	if err != nil {
		return err
	}
	reply := make(chan error, 1)
	r.events.put(event{kind: loseSlot, slot: slot, reply: reply})
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-r.ctx.Done():
		return ErrNotRunning
	}
}

// Slots describes the slots of a running job, by index; nil when it does not run.
func (j *Job) Slots() []SlotInfo {
	r, err := j.running()
	if err != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []SlotInfo
	for _, s := range r.slots {
		out = append(out, SlotInfo{Index: s.index, Allocation: s.allocation, Task: s.task})
	}
	slices.SortFunc(out, func(a, b SlotInfo) int { return a.Index - b.Index })
	return out
}

// Latest is the newest completed checkpoint of a running job, nil when there is none or the job does not run. The
// manifest must not be changed.
func (j *Job) Latest() *primary.Manifest {
	r, err := j.running()
	if err != nil {
		return nil
	}
	return r.coordinator().Latest()
}

// checkpoint triggers a checkpoint or a savepoint and waits for it.
func (r *run) checkpoint(ctx context.Context, savepoint bool) (*primary.Manifest, error) {
	id, err := r.coordinator().Trigger(ctx, savepoint)
	if err != nil {
		return nil, err
	}
	m, err := r.coordinator().Wait(ctx, id)
	switch {
	case !savepoint: // its end is told to the tasks
	case err == nil:
		r.endCheckpoint(id, nil)
	case ctx.Err() != nil: // it goes on without its caller
		r.staff.start(func() {
			if _, err := r.coordinator().Wait(r.back, id); err == nil {
				r.endCheckpoint(id, nil)
			}
		})
	}
	return m, err
}
