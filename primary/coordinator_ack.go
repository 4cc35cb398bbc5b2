package primary

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Ack says that an attempt has stored its part of a checkpoint durably. The
// coordinator keeps the slices; the caller must not change them afterwards.
type Ack struct {
	// Task and Attempt are who speaks; Allocation is the slot the attempt runs in.
	Task                TaskID
	Attempt, Allocation uuid.UUID
	// Checkpoint is the id of the checkpoint.
	Checkpoint uint64
	// Schema, Compression, Objects, Position and Groups become the task's part
	// of the manifest: see TaskState. Objects are the task's own object of this
	// checkpoint, under the name given with the trigger, and objects of retained
	// checkpoints that segments refer to. In a savepoint only the former.
	Schema      []byte
	Compression Compression
	Objects     []string
	Position    []byte
	Groups      []GroupState
}

// Ack takes an attempt's part of a checkpoint. When it is the last one missing,
// the manifest is written, in the background: see Wait. Repeating an ack is no
// error. It does not wait for anything; ctx is only checked.
//
// Errors, after each of which the object that the attempt wrote for this
// checkpoint is deleted: ErrFenced when the attempt, or this coordinator, is no
// longer current; ErrLate when the checkpoint is not pending; ErrInvalid or
// ErrUnknownObject when the ack cannot be part of a manifest, which declines the
// checkpoint. ErrUnknownTask and the error of ctx delete nothing.
func (c *Coordinator) Ack(ctx context.Context, a Ack) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	plan, ok := c.plans[a.Task]
	if !ok {
		return fmt.Errorf("%w: %v", ErrUnknownTask, a.Task)
	}
	fault := c.checkAck(plan, &a)
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.memberLocked(a.Task, a.Attempt, a.Checkpoint)
	if err != nil {
		if c.repeatedLocked(&a) {
			return nil
		}
		c.discardLocked(&a)
		return err
	}
	if fault == nil {
		fault = c.checkObjectsLocked(p, &a)
	}
	if earlier := p.acks[a.Task]; earlier != nil {
		if slices.Equal(earlier.Objects, a.Objects) {
			return nil
		}
		return fmt.Errorf("%w: %d is acknowledged with other objects", ErrLate, a.Checkpoint)
	}
	if fault != nil {
		c.discardLocked(&a)
		c.abortLocked(p, ErrDeclined, fault)
		return fault
	}
	c.acceptLocked(p, &a)
	return nil
}

func (c *Coordinator) acceptLocked(p *pending, a *Ack) {
	p.acks[a.Task] = a
	c.ledger.addNames(a.Objects)
	if len(p.acks) < len(p.attempts) {
		return
	}
	p.phase = phaseQueued
	c.queue = append(c.queue, p)
	c.commitWake.set()
}

// repeatedLocked tells whether the ack is part of a checkpoint that completed.
func (c *Coordinator) repeatedLocked(a *Ack) bool {
	p := c.history.find(a.Checkpoint)
	return p != nil && p.phase == phaseEnded && p.err == nil && p.attempts[a.Task] == a.Attempt
}

// discardLocked has the attempt's own object of a checkpoint deleted. What lies in
// the savepoints may be the user's by now: there only a sweep decides.
func (c *Coordinator) discardLocked(a *Ack) {
	c.stats.Discarded++
	own := objectName(c.cfg.Job, Trigger{Checkpoint: a.Checkpoint}, a.Task, a.Attempt, c.epoch)
	names := []string{own}
	for _, name := range a.Objects {
		at := parseName(c.cfg.Job, name)
		switch {
		case name == own || at.checkpoint != a.Checkpoint || at.epoch > c.epoch:
		case at.area == areaSavepoint:
			c.trash.now(sweep{Trigger: Trigger{Checkpoint: a.Checkpoint, Savepoint: true}})
		case at.area == areaObject && writtenBy(name, a):
			names = append(names, name) // triggered by an earlier coordinator
		}
	}
	for _, name := range names {
		if c.ledger[name] == 0 {
			c.trash.throw(name)
		}
	}
	c.cleanWake.set()
}

// writtenBy tells whether the ack's attempt is in the name.
func writtenBy(name string, a *Ack) bool {
	return strings.Contains(name, "/"+a.Task.Operator+"-"+strconv.Itoa(a.Task.Task)+"-"+a.Attempt.String()+"-")
}

// checkAck tries whether the ack can be part of a manifest, by making one that
// holds nothing else.
func (c *Coordinator) checkAck(plan TaskPlan, a *Ack) error {
	m := c.newManifest(Trigger{Checkpoint: a.Checkpoint}, 1, time.Time{})
	m.Operators = []Operator{{Name: plan.Operator, Tasks: []TaskState{a.state(plan)}}}
	if err := m.Check(); err != nil {
		return fmt.Errorf("ack of task %v for checkpoint %d: %w", a.Task, a.Checkpoint, err)
	}
	return nil
}

// checkObjectsLocked tells whether the task may name these objects: its own of
// this checkpoint, and, except in a savepoint, those that something holds. All
// others may be deleted at any moment.
func (c *Coordinator) checkObjectsLocked(p *pending, a *Ack) error {
	own := objectName(c.cfg.Job, p.Trigger, a.Task, a.Attempt, c.epoch)
	for _, name := range a.Objects {
		switch {
		case name == own:
		case p.Savepoint:
			return fmt.Errorf("%w: savepoint %d must be self-contained: %s", ErrUnknownObject, p.Checkpoint, name)
		case c.ledger[name] == 0 || !strings.HasPrefix(name, objectsPrefix(c.cfg.Job)):
			return fmt.Errorf("%w: %s, in checkpoint %d of task %v", ErrUnknownObject, name, p.Checkpoint, a.Task)
		}
	}
	return nil
}

func (a *Ack) state(plan TaskPlan) TaskState {
	return TaskState{
		Task: plan.Task, Range: plan.Range, Attempt: a.Attempt, Allocation: a.Allocation,
		Schema: a.Schema, Compression: a.Compression, Objects: a.Objects, Position: a.Position, Groups: a.Groups,
	}
}

// newManifest makes a manifest without operators.
func (c *Coordinator) newManifest(t Trigger, slot uint64, now time.Time) *Manifest {
	return &Manifest{
		Job: c.cfg.Job, Sequence: slot, Checkpoint: t.Checkpoint, Savepoint: t.Savepoint,
		Created: now.UTC(), M: c.cfg.M, Seed: c.cfg.Seed,
	}
}

// manifestLocked makes the manifest of a checkpoint that every task acknowledged.
func (c *Coordinator) manifestLocked(p *pending, slot uint64, now time.Time) (*Manifest, error) {
	m := c.newManifest(p.Trigger, slot, now)
	for _, plan := range c.cfg.Tasks { // sorted as a manifest wants it
		a := p.acks[plan.TaskID]
		if a == nil {
			return nil, errors.New("primary: an ack is missing")
		}
		if n := len(m.Operators); n == 0 || m.Operators[n-1].Name != plan.Operator {
			m.Operators = append(m.Operators, Operator{Name: plan.Operator})
		}
		last := &m.Operators[len(m.Operators)-1]
		last.Tasks = append(last.Tasks, a.state(plan))
	}
	return m, nil
}
