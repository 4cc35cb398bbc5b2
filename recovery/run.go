package recovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// run is one Run of a job: the supervisor and all it owns.
//
// One goroutine, the one that called Run, is the supervisor. It alone decides: everything that happens reaches it as
// an event, and it never waits for a task, a store or a disk in a way that could keep it from the next event for long.
// The goroutines of a run are two crews. That of the tasks: one for each attempt and one for each upload; they end
// with the context of their attempt, except for a task function that does not return. That of the supervisor: one each
// for the coordinator, for the callbacks, for old local copies, and for waiting for a commit; they end with back.
// close waits for both, with a limit.
type run struct {
	cfg     Config // complete: M and Seed are known
	fn      TaskFunc
	worker  string
	formats localcopy.Formats
	ranges  []keygroups.Range
	from    *primary.Manifest // where to start while the job has nothing newer; nil for nothing

	ctx     context.Context // of the tasks: ends with Run's
	cancel  context.CancelCauseFunc
	tasks   crew
	back    context.Context // of the rest: outlives the tasks
	backEnd context.CancelFunc
	staff   crew
	events  *mailbox[event]
	notes   *mailbox[func()]
	// notified is closed when no callback is called any more.
	notified chan struct{}
	style    style
	// stopping is not nil while a stop waits for its savepoint; closed when the savepoint failed.
	stopping atomic.Pointer[chan struct{}]
	coord    *primary.Coordinator

	mu       sync.Mutex // guards what follows
	slots    []*slot
	nextSlot int
	retired  []*localcopy.Keeper // of slots that are gone
	current  []*Task             // by index; nil while a task does not run
	open     map[uint64]*openCheckpoint
	uploads  map[*upload]struct{} // that have not returned
	deaf     bool                 // no callback may be called any more

	// What follows is the supervisor's own.
	state        []taskState
	leaving      map[*Task]struct{} // attempts that were ended and have not returned
	grace        time.Time          // when they are given up
	toStart      map[int]struct{}   // tasks to be started
	settling     int                // goroutines waiting for a commit under way
	notBefore    time.Time          // when they may be
	failures     []time.Time        // the newest
	failureCount int                // of all
	chooser      Chooser
	over         bool
	result       error
}

// taskState is what the supervisor knows of a task across its attempts.
type taskState struct {
	attempts   int
	allocation uuid.UUID // its last slot in this Run
	finished   bool
	cause      error // of the next start
	failed     time.Time
}

// event is something that happened.
type event struct {
	kind  eventKind
	task  *Task
	slot  int
	err   error
	reply chan<- error // answered, if not nil; holds one
}

type eventKind uint8

const (
	taskRestored eventKind = iota
	taskFinished           // the task function returned nil; the attempt goes on answering checkpoints
	taskDetached           // a finished task cannot answer one
	taskEnded
	coordinatorEnded
	commitSettled
	loseSlot
	stopNow
)

func (r *run) coordinator() *primary.Coordinator { return r.coord }

// openRun prepares a run: everything that can refuse it happens here, before any task is started.
func openRun(ctx context.Context, j *Job, fn TaskFunc) (*run, error) {
	r := &run{
		cfg: j.cfg, fn: fn, worker: cmp.Or(j.cfg.Worker, uuid.NewString()), formats: labelled(j.cfg.Local),
		events: newMailbox[event](), notes: newMailbox[func()](), notified: make(chan struct{}),
		open: map[uint64]*openCheckpoint{}, style: style{known: make(chan struct{})},
		uploads: map[*upload]struct{}{},
		leaving: map[*Task]struct{}{}, toStart: map[int]struct{}{},
		chooser: Chooser{StepBack: j.cfg.StepBack},
	}
	if err := r.resolve(ctx); err != nil {
		return nil, err
	}
	if err := r.openCoordinator(ctx); err != nil {
		return nil, err
	}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	r.back, r.backEnd = context.WithCancel(context.WithoutCancel(ctx))
	r.current = make([]*Task, r.cfg.Tasks)
	r.state = make([]taskState, r.cfg.Tasks)
	for i := range r.cfg.Tasks {
		r.toStart[i] = struct{}{}
	}
	r.openSlots()
	return r, nil
}

// resolve finds out the max parallelism and the key group ranges.
func (r *run) resolve(ctx context.Context) (err error) {
	c := &r.cfg
	if c.From != nil {
		c.M, c.Seed = cmp.Or(c.M, c.From.M), cmp.Or(c.Seed, c.From.Seed)
	}
	if c.M == 0 {
		manifests, err := primary.LoadRetained(ctx, c.Primary, c.Name)
		if err != nil && len(manifests) == 0 {
			return fmt.Errorf("recovery: find the max parallelism of job %q: %w", c.Name, err)
		}
		if len(manifests) > 0 {
			c.M = manifests[0].M
		} else if c.M, err = keygroups.DefaultMax(c.Tasks); err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	if r.ranges, err = keygroups.Ranges(c.M, c.Tasks); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// openCoordinator takes the job's checkpoints over from whoever had them.
func (r *run) openCoordinator(ctx context.Context) error {
	c := &r.cfg
	coord, err := primary.OpenCoordinator(ctx, primary.CoordinatorConfig{
		Store: c.Primary, Job: c.Name, M: c.M, Seed: c.Seed, Tasks: plans(c.Operator, r.ranges),
		Interval: c.Every, Timeout: c.Timeout, MinPause: c.MinPause, MaxConcurrent: c.MaxConcurrent,
		TolerableFailures: c.TolerableFailures, Retain: c.Retain, SharedStore: c.SharedStore, SkipCorrupt: c.StepBack,
		DropOperators: c.DropOperators,
		ShutdownGrace: max(1, min(primary.DefaultShutdownGrace, c.Grace/4)),
		Transport:     transport{r}, Logger: c.Logger,
	})
	if err != nil {
		return fmt.Errorf("recovery: open the checkpoints of job %q: %w", c.Name, err)
	}
	r.coord, c.Seed = coord, coord.Seed()
	latest := coord.Latest()
	switch from := c.From; {
	case from == nil:
	case latest == nil || from.Job == c.Name && from.Sequence > latest.Sequence:
		r.from = from
		coord.Pin(from) // for the life of the run
	default:
		c.Logger.Warn("recovery: Config.From not used, the job has a newer checkpoint; going back needs a new job name", "job", c.Name, "savepoint", from.Checkpoint, "checkpoint", latest.Checkpoint)
	}
	return nil
}

// openSlots opens the slots and gives up the local copies that belong to none of them.
func (r *run) openSlots() {
	r.mu.Lock()
	defer r.mu.Unlock()
	var claimed []uuid.UUID
	for _, i := range slotsFor(r.cfg.Name, r.worker, r.cfg.Tasks, r.coord.Retained()) {
		claimed = append(claimed, r.addSlotLocked(i, min(i, r.cfg.Tasks-1)).allocation)
	}
	r.warnUnnamed()
	r.staff.start(func() {
		ctx, cancel := context.WithTimeout(r.back, localcopy.DefaultTimeout)
		defer cancel()
		if err := r.formats.Claim(ctx, r.cfg.Name, claimed); err != nil && r.back.Err() == nil {
			r.cfg.Logger.Warn("recovery: old local copies could not be removed", "job", r.cfg.Name, "error", err)
		}
	})
}

// supervise runs the tasks until the run is over.
func (r *run) supervise(ctx context.Context) error {
	r.startCoordinator()
	r.staff.start(func() {
		defer close(r.notified)
		r.notify()
	})
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !r.over || len(r.leaving) > 0 {
		r.startDue()
		var wake <-chan time.Time
		if at := r.nextWake(); !at.IsZero() {
			timer.Reset(time.Until(at))
			wake = timer.C
		}
		done := ctx.Done()
		if r.over {
			done = nil
		}
		select {
		case <-done:
			r.finish(context.Cause(ctx), context.Cause(ctx))
		case <-r.events.ready:
			events := r.events.take()
			if ctx.Err() != nil { // looked at after the take: what the tasks made of it is no failure
				r.finish(context.Cause(ctx), context.Cause(ctx))
			}
			for _, e := range events {
				r.handle(e)
			}
		case <-wake:
			r.giveUpLeaving()
		}
	}
	r.close()
	return r.result
}

// nextWake is when the supervisor has something to do without an event; the zero time means never.
func (r *run) nextWake() time.Time {
	switch {
	case len(r.leaving) > 0:
		return r.grace
	case len(r.toStart) > 0 && r.settling == 0 && !r.over:
		return r.notBefore
	}
	return time.Time{}
}

// startDue starts the tasks that are to be started, once nothing stands against it.
func (r *run) startDue() {
	if r.over || len(r.toStart) == 0 || len(r.leaving) > 0 || r.settling > 0 || time.Now().Before(r.notBefore) {
		return
	}
	tasks := slices.Sorted(func(yield func(int) bool) {
		for i := range r.toStart {
			if !yield(i) {
				return
			}
		}
	})
	m, err := r.pick()
	if err == nil {
		clear(r.toStart)
		err = r.startTasks(tasks, m)
	}
	if err != nil {
		r.finish(err, err)
	}
}

// pick is the checkpoint to restore: the newest that nothing is known against, nil when there never was one.
func (r *run) pick() (*primary.Manifest, error) {
	candidates := r.coord.Retained()
	if r.from != nil {
		at := slices.IndexFunc(candidates, func(m *primary.Manifest) bool {
			return r.from.Job == r.cfg.Name && m.Sequence < r.from.Sequence
		})
		if at < 0 {
			at = len(candidates)
		}
		candidates = slices.Insert(candidates, at, r.from)
	}
	return r.chooser.Choose(candidates)
}

// giveUpLeaving leaves behind the attempts that did not return in time.
func (r *run) giveUpLeaving() {
	if len(r.leaving) == 0 || time.Now().Before(r.grace) {
		return
	}
	for t := range r.leaving {
		r.cfg.Logger.Warn("recovery: task function did not return, leaving it behind", "job", r.cfg.Name, "task", t.index, "attempt", t.attempt)
	}
	clear(r.leaving)
}

// notify calls the callbacks, one after the other. It ends when the notes are closed with a nil, or with the run. A
// callback that panics or ends its goroutine is logged, and the next ones are called.
func (r *run) notify() {
	for range r.notes.ready {
		for _, do := range r.notes.take() {
			if do == nil || !r.calls() {
				return
			}
			if err := contained(do); err != nil {
				args := []any{"job", r.cfg.Name, "error", err}
				if p := new(PanicError); errors.As(err, &p) {
					args = append(args, "stack", string(p.Stack))
				}
				r.cfg.Logger.Error("recovery: a callback failed", args...)
			}
		}
	}
}

// calls reports whether another callback may be called.
func (r *run) calls() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.deaf
}

// close ends everything the run owns: first the tasks and their uploads, then the coordinator, which deletes what they
// left unfinished, then the local copies and the callbacks.
//
// It waits for that for no longer than twice Grace, whatever hangs: half of it for the uploads, half for the
// coordinator, and once Grace for the rest.
func (r *run) close() {
	r.cancel(cmp.Or(r.result, ErrStopped))
	uploads, cancel := context.WithTimeout(context.Background(), r.cfg.Grace/2)
	defer cancel()
	r.await(uploads, r.tasks.wait(), "tasks or uploads")
	_ = r.coord.Close() // always nil; takes twice its ShutdownGrace at most
	r.backEnd()
	limit, cancel := context.WithTimeout(context.Background(), r.cfg.Grace)
	defer cancel()
	r.closeKeepers(limit)
	r.notes.put(nil)
	r.await(limit, r.notified, "a callback")
	r.mu.Lock()
	r.deaf = true
	r.mu.Unlock()
	r.await(limit, r.staff.wait(), "the coordinator or local copies")
}

// closeKeepers lets local copies whose primary is durable be finished, for the next process, and then ends their
// keepers.
func (r *run) closeKeepers(limit context.Context) {
	free := r.cfg.Worker == "" // nobody will ask for them
	keepers := r.keepers()
	wait := func() {
		for _, k := range keepers {
			if err := k.Wait(limit); err != nil {
				r.cfg.Logger.Warn("recovery: local copies are still being written", "job", r.cfg.Name)
				return
			}
		}
	}
	if !free {
		wait()
	}
	for _, k := range keepers {
		k.Dispose(free)
	}
	r.mu.Lock()
	keepers = append(keepers, r.retired...)
	r.mu.Unlock()
	wait()
}

// await waits for the end of something, unless it takes too long.
func (r *run) await(limit context.Context, ended <-chan struct{}, what string) {
	select {
	case <-ended:
		return
	default: // what has ended has, even at the limit
	}
	select {
	case <-ended:
	case <-limit.Done():
		r.cfg.Logger.Warn("recovery: goroutines are left behind", "job", r.cfg.Name, "of", what)
	}
}
