package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// This file is what the supervisor does about each event. Everything in it runs on the supervisor's goroutine.

// errFinished is the cause of the contexts of tasks when all of them have finished.
var errFinished = errors.New("recovery: all tasks have finished")

// coordinatorRetry is how often a coordinator that hangs in the store is tried to be run again.
const coordinatorRetry = 100 * time.Millisecond

func (r *run) handle(e event) {
	switch e.kind {
	case taskRestored:
		if r.isCurrent(e.task) && !r.over {
			r.setAttempt(e.task.index, e.task.attempt)
		}
	case taskFinished:
		r.taskFinished(e.task)
	case taskDetached:
		if r.isCurrent(e.task) && !r.over {
			r.setAttempt(e.task.index, uuid.Nil)
		}
	case taskEnded:
		r.taskEnded(e.task, e.err)
	case coordinatorEnded:
		r.coordinatorEnded(e.err)
	case commitSettled:
		r.settling--
	case loseSlot:
		err := ErrNotRunning
		if !r.over {
			err = r.loseSlot(e.slot)
		}
		e.reply <- err
	case stopNow:
		if !r.over {
			r.finish(nil, ErrStopped)
		}
	}
}

// setAttempt tells the coordinator which attempt is current. It changes what is pending only.
func (r *run) setAttempt(task int, attempt uuid.UUID) {
	if err := r.coord.SetAttempt(r.taskID(task), attempt); err != nil {
		r.finish(err, err)
	}
}

func (r *run) isCurrent(t *Task) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current[t.index] == t
}

func (r *run) taskFinished(t *Task) {
	if !r.isCurrent(t) || r.over {
		return
	}
	r.state[t.index].finished = true
	for i := range r.state {
		if !r.state[i].finished {
			return
		}
	}
	r.finish(nil, errFinished)
}

func (r *run) taskEnded(t *Task, err error) {
	if _, left := r.leaving[t]; left {
		delete(r.leaving, t)
		return
	}
	if r.isCurrent(t) && !r.over {
		r.failed(t, err)
	}
}

// coordinatorEnded restarts the tasks when too many checkpoints failed, as Flink does, and ends the job when it was
// taken over.
func (r *run) coordinatorEnded(err error) {
	switch {
	case r.over:
	case errors.Is(err, primary.ErrFailures):
		r.restart(nil, err)
		r.startCoordinator()
	default:
		err = fmt.Errorf("recovery: checkpoints of job %q: %w", r.cfg.Name, err)
		r.finish(err, err)
	}
}

// startCoordinator runs the coordinator.
func (r *run) startCoordinator() {
	r.staff.start(func() {
		err := r.coord.Run(r.back)
		for errors.Is(err, primary.ErrRunning) { // the one before hangs in the store
			select {
			case <-r.back.Done():
				return
			case <-time.After(coordinatorRetry):
			}
			err = r.coord.Run(r.back)
		}
		r.events.put(event{kind: coordinatorEnded, err: err})
	})
}

// failed handles the failure of a current attempt, which need not have returned.
func (r *run) failed(t *Task, err error) {
	te := &TaskError{Task: t.index, Attempts: t.attempts, Err: err}
	args := []any{"job", r.cfg.Name, "task", t.index, "attempt", t.attempt, "attempts", t.attempts, "error", err}
	if p := new(PanicError); errors.As(err, &p) {
		args = append(args, "stack", string(p.Stack))
	}
	r.cfg.Logger.Warn("recovery: task failed", args...)
	r.restart(t, te)
}

// restart ends what the failure ends and decides whether and when it starts again. t is the attempt that failed, nil
// when it was no single one.
func (r *run) restart(t *Task, cause error) {
	now := time.Now()
	r.coord.AbortAll(cause)
	for i := range r.state {
		r.mu.Lock()
		other := r.current[i]
		r.mu.Unlock()
		hit := t == nil || other == t
		if other == nil || !hit && r.cfg.Region == RestartOne {
			continue
		}
		if hit {
			r.endAttempt(other, cause)
		} else {
			r.endAttempt(other, fmt.Errorf("%w: %w", ErrRestarting, cause))
		}
		if other != t { // t has returned, or its slot is lost and nobody waits for it
			r.leaving[other] = struct{}{}
			r.grace = now.Add(r.cfg.Grace)
		}
		r.state[i].cause, r.state[i].failed, r.state[i].finished = cause, now, false
		r.toStart[i] = struct{}{}
	}
	r.settle()
	delay, err := r.decide(t, cause, now)
	if err != nil {
		r.finish(err, err)
		return
	}
	if at := now.Add(delay); at.After(r.notBefore) {
		r.notBefore = at
	}
}

// endAttempt makes an attempt a past one, for everybody.
func (r *run) endAttempt(t *Task, cause error) {
	r.setAttempt(t.index, uuid.Nil)
	r.mu.Lock()
	if r.current[t.index] == t {
		r.current[t.index] = nil
	}
	if t.slot.task == t.index {
		t.slot.task = -1
	}
	r.mu.Unlock()
	t.end(cause)
}

// settle holds the next start until a commit that is under way is decided, for as long as that takes: were an older
// checkpoint restored meanwhile, the newer one could still complete, and what its tasks did after it would be undone
// although others, a sink of two phases, were told to keep it. A store that does not answer is cut short after Grace,
// and then after longer and longer times.
func (r *run) settle() {
	r.settling++
	r.staff.start(func() { // ends with the commit, or with back
		for wait := r.cfg.Grace; ; wait *= 2 {
			ctx, cancel := context.WithTimeout(r.back, wait)
			err := r.coord.Settle(ctx)
			cancel()
			if err == nil || r.back.Err() != nil {
				break
			}
			r.cfg.Logger.Warn("recovery: restart waits for the store, which has not said whether a checkpoint was committed",
				"job", r.cfg.Name)
			r.coord.Hasten()
		}
		r.events.put(event{kind: commitSettled})
	})
}

// decide returns the delay before the restart, or the error that ends the job.
func (r *run) decide(t *Task, cause error, now time.Time) (delay time.Duration, err error) {
	if t != nil {
		if lost := t.restoreFailure(); lost != nil {
			if done, err := r.stepBack(t, lost); done {
				return 0, err
			}
		}
	}
	if isPermanent(cause) {
		return 0, cause
	}
	r.failureCount++
	r.failures = trimFailures(r.cfg.Restart, append(r.failures, now))
	ok := false
	if err := contained(func() { delay, ok = r.cfg.Restart.Next(r.failures) }); err != nil {
		return 0, fmt.Errorf("%w because the restart strategy failed: %w; what it was asked about: %w",
			ErrGivenUp, err, cause)
	}
	if !ok {
		return 0, fmt.Errorf("%w after %d failures: %w", ErrGivenUp, r.failureCount, cause)
	}
	return max(delay, 0), nil
}

// stepBack decides what a restore that failed means for its checkpoint. done says that it is decided; a nil error then
// means that an older one is tried at once. It is not when nothing is known against the checkpoint: the restart
// strategy says when to look again.
func (r *run) stepBack(t *Task, lost error) (done bool, err error) {
	if errors.Is(lost, primary.ErrFenced) {
		return true, lost
	}
	verdict := r.chooser.Failed(t.manifest, lost)
	if verdict == Blameless {
		return false, nil
	}
	older, err := r.pick()
	if err != nil {
		return true, err
	}
	if older == nil { // never: a job that had a checkpoint does not start empty
		return true, lost
	}
	if verdict == Damaged && t.manifest.Job == r.cfg.Name {
		r.coord.Discard(t.manifest.Checkpoint) // or it would push a readable one out of those retained
	}
	r.cfg.Logger.Error("recovery: checkpoint unreadable, stepping back", "job", r.cfg.Name,
		"checkpoint", t.manifest.Checkpoint, "to", older.Checkpoint, "error", lost)
	return true, nil
}

// isPermanent reports whether starting again cannot help.
func isPermanent(err error) bool {
	if p := (permanentError{}); errors.As(err, &p) {
		return true
	}
	return slices.ContainsFunc(permanent, func(kind error) bool { return errors.Is(err, kind) })
}

// permanent are errors of the program, not of its surroundings.
var permanent = []error{
	ErrConfig, ErrMismatch, ErrNoBackend, ErrAttached, ErrNotRestored, ErrRestored, ErrPosition, keygroups.ErrKeyType,
	heapbackend.ErrConfig, heapbackend.ErrSchema, heapbackend.ErrStateType, heapbackend.ErrStateName, heapbackend.ErrStateExists,
	heapbackend.ErrUnknownState, heapbackend.ErrMismatch, heapbackend.ErrCheck,
}

// finish ends the run: result is what Run returns, cause what the tasks are told.
func (r *run) finish(result, cause error) {
	if r.over {
		return
	}
	r.over, r.result = true, result
	r.coord.AbortAll(cause)
	r.grace = time.Now().Add(r.cfg.Grace)
	for i := range r.state {
		r.mu.Lock()
		t := r.current[i]
		r.mu.Unlock()
		if t == nil {
			continue
		}
		_ = r.coord.SetAttempt(r.taskID(i), uuid.Nil)
		t.end(cause)
		r.leaving[t] = struct{}{}
	}
}

// taskRestored notes that an attempt is ready for checkpoints. On the task's goroutine.
func (r *run) taskRestored(t *Task, report *Report) {
	r.events.put(event{kind: taskRestored, task: t})
	r.cfg.Logger.Info("recovery: task restored", "job", r.cfg.Name, "task", t.index, "attempt", t.attempt, "slot", t.slot.index, "report", report.String())
	if r.cfg.OnRecovery == nil {
		return
	}
	out := RecoveryReport{
		Task: t.index, Attempts: t.attempts, Attempt: t.attempt, Slot: t.slot.index, Allocation: t.slot.allocation,
		Returned: t.returned, Cause: t.cause, Failed: t.failed, Restored: time.Now(), Report: report,
	}
	r.notes.put(func() { r.cfg.OnRecovery(out) })
}
