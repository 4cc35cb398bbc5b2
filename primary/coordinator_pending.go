package primary

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// pending is a checkpoint from its trigger to its end. The coordinator's mu
// guards it; err is fixed when done is closed.
type pending struct {
	Trigger
	began, deadline time.Time
	attempts        map[TaskID]uuid.UUID // who takes part
	acks            map[TaskID]*Ack
	phase           phase
	counted         bool // as a failure
	overtaken       bool // it was to be aborted while its manifest was being written: it is written now or never
	done            chan struct{}
	waiters         int // in Wait
	manifest        *Manifest
	err             error
}

type phase uint8

const (
	phaseCollecting phase = iota
	phaseQueued           // every task has acknowledged
	phaseWriting          // the committer is at it: the outcome is not ours to decide
	phaseEnded
)

// Trigger begins a checkpoint now, whatever the interval and the min pause say,
// and returns its id. A savepoint is self-contained, is never deleted by the
// coordinator, and begins even when MaxConcurrent checkpoints are pending. Errors:
// ErrNotRunning, ErrBusy, ErrFenced, ErrClosed, or that of ctx.
func (c *Coordinator) Trigger(ctx context.Context, savepoint bool) (checkpoint uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stopped != nil:
		return 0, c.stopped
	case !c.allRunLocked():
		return 0, fmt.Errorf("%w: %d of %d do", ErrNotRunning, len(c.attempts), len(c.plans))
	case !savepoint && len(c.pending) >= c.cfg.MaxConcurrent:
		return 0, fmt.Errorf("%w: %d", ErrBusy, len(c.pending))
	}
	return c.triggerLocked(savepoint, time.Now()), nil
}

func (c *Coordinator) triggerLocked(savepoint bool, now time.Time) uint64 {
	c.lastID++
	p := &pending{
		Trigger:  Trigger{Checkpoint: c.lastID, Savepoint: savepoint},
		began:    now,
		deadline: now.Add(c.cfg.Timeout),
		attempts: c.runningLocked(),
		acks:     make(map[TaskID]*Ack, len(c.plans)),
		done:     make(chan struct{}),
	}
	c.pending = append(c.pending, p)
	c.history.add(p)
	c.stats.Triggered++
	for _, t := range c.cfg.Tasks {
		task, attempt, trigger := t.TaskID, p.attempts[t.TaskID], p.Trigger
		trigger.Object = objectName(c.cfg.Job, trigger, task, attempt, c.epoch)
		c.outbox = append(c.outbox, func(to Transport) {
			if err := to.Trigger(task, attempt, trigger); err != nil {
				_ = c.Decline(task, attempt, trigger.Checkpoint, err)
			}
		})
	}
	c.wake.set()
	return p.Checkpoint
}

// Decline says that an attempt cannot take part in a checkpoint, which is aborted
// and counts as a failure. Errors: ErrUnknownTask, ErrFenced, ErrLate.
func (c *Coordinator) Decline(task TaskID, attempt uuid.UUID, checkpoint uint64, cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.memberLocked(task, attempt, checkpoint)
	if err != nil {
		return err
	}
	if p.phase != phaseCollecting {
		return fmt.Errorf("%w: %d is complete", ErrLate, checkpoint)
	}
	c.abortLocked(p, ErrDeclined, fmt.Errorf("task %v: %w", task, cause))
	return nil
}

// memberLocked finds the pending checkpoint an attempt speaks of.
func (c *Coordinator) memberLocked(task TaskID, attempt uuid.UUID, checkpoint uint64) (*pending, error) {
	if _, ok := c.plans[task]; !ok {
		return nil, fmt.Errorf("%w: %v", ErrUnknownTask, task)
	}
	if c.stopped != nil && errors.Is(c.stopped, ErrFenced) {
		return nil, c.stopped
	}
	if attempt == uuid.Nil || c.attempts[task] != attempt {
		return nil, fmt.Errorf("%w: attempt %v of task %v is not current", ErrFenced, attempt, task)
	}
	p := c.pendingLocked(checkpoint)
	if p == nil || p.attempts[task] != attempt {
		return nil, fmt.Errorf("%w: %d", ErrLate, checkpoint)
	}
	return p, nil
}

func (c *Coordinator) pendingLocked(checkpoint uint64) *pending {
	i := slices.IndexFunc(c.pending, func(p *pending) bool { return p.Checkpoint == checkpoint })
	if i < 0 {
		return nil
	}
	return c.pending[i]
}

// AbortAll aborts every pending checkpoint, as a restart of the job demands; it
// is no failure. One whose manifest is being written may still complete, but is not
// tried again: see Settle.
func (c *Coordinator) AbortAll(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abortAllLocked(ErrRestarted, cause)
}

func (c *Coordinator) abortAllLocked(reason, cause error) {
	for _, p := range slices.Clone(c.pending) {
		if p.phase == phaseWriting {
			p.overtaken = true
			continue
		}
		c.abortLocked(p, reason, cause)
	}
}

// abortLocked ends p without a commit. It must be certain that there was none.
func (c *Coordinator) abortLocked(p *pending, reason, cause error) {
	c.trash.throw(c.endLocked(p, &AbortError{Checkpoint: p.Checkpoint, Reason: reason, Cause: cause})...)
	c.trash.now(sweep{Trigger: p.Trigger})
	c.trash.later(sweep{Trigger: p.Trigger})
	c.releaseHeldLocked()
	c.cleanWake.set()
	if isFailure(reason) {
		c.countFailureLocked(p, p.err)
	}
}

// endLocked ends p with err and tells its tasks. It returns the objects that
// nothing names any more: to delete, if p is known not to be committed.
func (c *Coordinator) endLocked(p *pending, err error) (unnamed []string) {
	c.removeLocked(p)
	for _, a := range p.acks {
		unnamed = append(unnamed, c.ledger.dropNames(a.Objects)...)
	}
	p.acks, p.err = nil, err
	close(p.done)
	c.stats.Aborted++
	for _, t := range c.cfg.Tasks {
		task, attempt := t.TaskID, p.attempts[t.TaskID]
		c.outbox = append(c.outbox, func(to Transport) { to.Abort(task, attempt, p.Checkpoint, err) })
	}
	c.noteLocked(func() {
		c.cfg.Logger.Info("checkpoint aborted", "job", c.cfg.Job, "checkpoint", p.Checkpoint, "cause", err)
	})
	c.wake.set()
	return unnamed
}

// endUnknownLocked ends p without knowing whether it was committed, and for good.
// Nothing of it may be deleted: what its acks name keeps its count.
func (c *Coordinator) endUnknownLocked(p *pending, reason, cause error) {
	p.acks = nil
	c.endLocked(p, &AbortError{
		Checkpoint: p.Checkpoint, Reason: reason, Cause: fmt.Errorf("%w: %w", ErrUncertain, cause),
	})
}

// removeLocked takes p out of everything that makes it pending.
func (c *Coordinator) removeLocked(p *pending) {
	same := func(other *pending) bool { return other == p }
	c.pending = slices.DeleteFunc(c.pending, same)
	c.queue = slices.DeleteFunc(c.queue, same)
	c.decideLocked(p)
	p.phase = phaseEnded
}

// noteLocked has a line logged by Run, where no lock is held.
func (c *Coordinator) noteLocked(line func()) {
	c.outbox = append(c.outbox, func(Transport) { line() })
	c.wake.set()
}

func isFailure(reason error) bool {
	return reason == ErrExpired || reason == ErrDeclined || reason == ErrCommit
}

// countFailureLocked counts a checkpoint as failed: once, never a savepoint, and
// not when a newer one has completed or a restart overtook it.
func (c *Coordinator) countFailureLocked(p *pending, err error) {
	if p.counted || p.overtaken || p.Savepoint || p.Checkpoint < c.lastSuccess {
		return
	}
	p.counted = true
	c.failures++
	c.stats.Failed++
	if c.cfg.TolerableFailures >= 0 && c.failures > c.cfg.TolerableFailures && c.exceeded == nil {
		c.exceeded = &FailuresError{Failures: c.failures, Tolerable: c.cfg.TolerableFailures, Last: err}
		c.wake.set()
	}
}
