package primary

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// commit is a checkpoint on its way into the log. It belongs to the committer.
type commit struct {
	p        *pending
	manifest *Manifest
	record   *commitlog.Record
	before   []commitlog.Ref // the live slots if it does not come about
	// open: the store was asked to append the record, and its slot was not looked at since.
	open bool
	// late: the call ended after its time, so that a request may still be on its way, whatever the store says.
	late bool
}

// copyJob is a savepoint that is committed and whose manifest is still to be
// copied beside its objects. p is nil for one found in the log at the start.
type copyJob struct {
	entry
	p *pending
}

var errUnfinished = errors.New("the savepoint is committed, its manifest is copied at the next start")

// How long the committer waits before it tries again what must succeed.
const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 10 * time.Second
)

// commitLoop is the goroutine that appends to the log. It ends with ctx.
func (c *Coordinator) commitLoop(ctx context.Context) {
	wait := retryFirst
	for ctx.Err() == nil {
		retry := c.commitStep(ctx)
		var again <-chan time.Time
		if retry {
			again = time.After(wait)
			wait = min(2*wait, retryMost)
		} else {
			wait = retryFirst
		}
		select {
		case <-ctx.Done():
		case <-again:
		case <-c.commitWake:
		}
	}
}

// commitStep does what there is to do. It returns true if something is left that
// must be tried again, whether or not anything happens in between.
func (c *Coordinator) commitStep(ctx context.Context) (retry bool) {
	for ctx.Err() == nil {
		if c.doubt != nil && !c.settleDoubt(ctx) {
			return true
		}
		unfinished := c.copyManifests(ctx)
		next, err := c.nextCommit()
		if next == nil {
			return c.copyAgain(ctx) || unfinished
		}
		if err != nil {
			c.conclude(ctx, next, commitlog.Refused, err)
			continue
		}
		next.open = true
		v, err := c.call(ctx, func(ctx context.Context) (commitlog.Verdict, error) {
			v, err := c.log.Append(ctx, next.record)
			next.late = ctx.Err() != nil
			return v, err
		})
		c.conclude(ctx, next, v, err)
	}
	return false
}

// nextCommit takes the next acknowledged checkpoint and makes its record.
func (c *Coordinator) nextCommit() (*commit, error) {
	c.mu.Lock()
	if c.stopped != nil || len(c.queue) == 0 {
		c.mu.Unlock()
		return nil, nil
	}
	p := c.queue[0]
	c.queue = c.queue[1:]
	p.phase = phaseWriting
	c.writing, c.decided = p, make(chan struct{})
	kind, keep := commitlog.Checkpoint, c.cfg.Retain-1
	if p.Savepoint {
		kind, keep = commitlog.Savepoint, c.cfg.Retain
	}
	next := &commit{p: p, record: c.log.Next(kind, c.lastID), before: c.liveLocked(len(c.retained))}
	next.record.Live, next.record.Skipped = c.liveLocked(keep), c.skipped
	m, err := c.manifestLocked(p, next.record.Slot, time.Now())
	c.mu.Unlock()
	if err != nil {
		return next, err
	}
	// What readers will see is what we keep, and nothing is committed that they
	// could not read.
	if next.record.Manifest, err = packManifest(m); err != nil {
		return next, err
	}
	if n := len(next.record.Manifest); n > maxFrame/2 {
		return next, fmt.Errorf("%w: manifest of %d bytes, limit %d", ErrInvalid, n, maxFrame/2)
	}
	next.manifest, err = decodeEntry(c.cfg.Job, next.record.Highest, next.entry())
	return next, err
}

// entry is what the commit puts into the log.
func (next *commit) entry() commitlog.Entry {
	r := next.record
	ref := commitlog.Ref{Slot: r.Slot, Holder: r.Slot}
	return commitlog.Entry{Ref: ref, Epoch: r.Epoch, Kind: r.Kind, Manifest: r.Manifest}
}

// liveLocked returns where the newest n retained checkpoints are and the
// savepoints still to be copied, ascending by slot.
func (c *Coordinator) liveLocked(n int) []commitlog.Ref {
	var live []commitlog.Ref
	for _, e := range c.retained[:min(n, len(c.retained))] {
		live = append(live, e.Ref)
	}
	for _, e := range c.copies {
		live = append(live, e.Ref)
	}
	slices.SortFunc(live, func(a, b commitlog.Ref) int { return cmp.Compare(a.Slot, b.Slot) })
	return live
}

// settleDoubt tries to find out about a commit of which the store did not say
// whether it took place.
func (c *Coordinator) settleDoubt(ctx context.Context) bool {
	next := c.doubt
	c.doubt = nil
	v, err := c.call(ctx, func(ctx context.Context) (commitlog.Verdict, error) {
		return c.log.Settle(ctx, next.record, next.before)
	})
	next.open = v == commitlog.Doubt
	if v == commitlog.Refused && err == nil {
		err = errors.New("the store did not confirm it, and it is not there")
	}
	c.conclude(ctx, next, v, err)
	return c.doubt == nil
}

// conclude ends a commit, or leaves it in doubt.
func (c *Coordinator) conclude(ctx context.Context, next *commit, v commitlog.Verdict, err error) {
	p, fenced := next.p, errors.Is(err, ErrFenced)
	c.copyRecords(ctx, next, v)
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.phase == phaseEnded { // Close did not wait for us
		return
	}
	switch {
	case v == commitlog.Committed:
		c.completeLocked(next)
	case v == commitlog.Refused && fenced:
		c.abortLocked(p, ErrFenced, err)
	case fenced:
		c.endUnknownLocked(p, ErrFenced, err)
	case v == commitlog.Refused && next.open && c.stopped == nil && (p.overtaken || next.late && ctx.Err() == nil):
		// What follows relies on it, a restart or the deletion of the objects: make sure that it stays so.
		c.doubtLocked(next, err)
	case v == commitlog.Refused && p.overtaken && c.stopped == nil: // its attempts are over: no other try
		c.abortLocked(p, ErrCommit, err)
	case v == commitlog.Refused && ctx.Err() != nil && c.stopped == nil: // Run ends: the next one may try again
		p.phase = phaseQueued
		c.queue = slices.Insert(c.queue, 0, p)
		c.decideLocked(p)
	case v == commitlog.Refused && c.stopped != nil:
		c.abortLocked(p, ErrClosed, err)
	case v == commitlog.Refused:
		c.abortLocked(p, ErrCommit, err)
	default:
		c.doubtLocked(next, err)
	}
	c.retireLocked()
	if fenced {
		c.stopLocked(err)
		return
	}
	c.dropDiscardedLocked(c.log.Newest())
}

// copyRecords writes the second copies of what a commit put into the log, before anybody relies on it and
// before anything older goes: of the record, and of the empty one that settled it.
func (c *Coordinator) copyRecords(ctx context.Context, next *commit, v commitlog.Verdict) {
	var records []*commitlog.Record
	if v == commitlog.Committed {
		records = append(records, next.record)
	}
	if top := c.log.Newest(); top.Kind == commitlog.Claim && top.Slot >= next.record.Slot {
		records = append(records, top)
	}
	for _, rec := range records {
		_, _ = c.call(ctx, func(ctx context.Context) (commitlog.Verdict, error) {
			c.copyRecord(ctx, rec)
			return v, nil
		})
	}
}

// copyAgain tries once more to write second copies that could not be written. It
// returns true if one is left.
func (c *Coordinator) copyAgain(ctx context.Context) bool {
	top := c.log.Newest()
	c.mu.Lock()
	stopped := c.stopped != nil
	c.mu.Unlock()
	c.uncopied = slices.DeleteFunc(c.uncopied, func(rec *commitlog.Record) bool {
		if stopped || rec.Slot != top.Slot && !top.Needs(rec.Slot) {
			return true
		}
		ctx, cancel := context.WithTimeout(ctx, min(c.cfg.Timeout, retryMost)) // a commit may be waiting
		defer cancel()
		return c.log.Copy(ctx, rec) == nil
	})
	return len(c.uncopied) > 0
}

// doubtLocked leaves a commit to be settled.
func (c *Coordinator) doubtLocked(next *commit, cause error) {
	c.doubt = next
	c.noteLocked(func() {
		c.cfg.Logger.Warn("commit of checkpoint in doubt",
			"job", c.cfg.Job, "checkpoint", next.p.Checkpoint, "cause", cause)
	})
}

// decideLocked ends the writing of p, if it was being written.
func (c *Coordinator) decideLocked(p *pending) {
	if c.writing == p && p != nil {
		c.writing = nil
		close(c.decided)
	}
}

// completeLocked takes over a committed checkpoint.
func (c *Coordinator) completeLocked(next *commit) {
	p, m, now := next.p, next.manifest, time.Now()
	c.removeLocked(p)
	c.ledger.add(m)
	for _, a := range p.acks {
		c.ledger.dropNames(a.Objects) // m names them all
	}
	p.acks = nil
	c.lastCompletion = now
	c.trash.again()
	if p.Checkpoint > c.lastSuccess {
		c.lastSuccess, c.failures = p.Checkpoint, 0
	}
	c.stats.completed(p, m, now)
	done := entry{Entry: next.entry(), manifest: m}
	done.Manifest = nil // m says it all
	if p.Savepoint {
		c.copies = append(c.copies, copyJob{entry: done, p: p})
		c.saved[p.Checkpoint] = struct{}{}
	} else {
		c.finishLocked(p, m)
		c.subsumeLocked(p.Checkpoint)
		c.retainLocked(done, next.record)
	}
	c.releaseHeldLocked()
	c.trimHistoryLocked()
	c.cleanWake.set()
	c.wake.set()
}

// finishLocked lets p's waiters go.
func (c *Coordinator) finishLocked(p *pending, m *Manifest) {
	p.manifest = m
	close(p.done)
	c.noteLocked(func() {
		c.cfg.Logger.Debug("checkpoint complete", "job", c.cfg.Job, "checkpoint", p.Checkpoint, "savepoint", p.Savepoint)
	})
	if p.Savepoint {
		c.history.savepoint = p
		return
	}
	for _, t := range c.cfg.Tasks {
		task, attempt := t.TaskID, p.attempts[t.TaskID]
		c.outbox = append(c.outbox, func(to Transport) { to.Confirm(task, attempt, p.Checkpoint) })
	}
}

// subsumeLocked aborts the checkpoints before one that completed. Savepoints are
// not in its way: they are the user's, and complete in their own time.
func (c *Coordinator) subsumeLocked(checkpoint uint64) {
	for _, p := range slices.Clone(c.pending) {
		if p.Checkpoint < checkpoint && !p.Savepoint {
			c.abortLocked(p, ErrSubsumed, nil)
		}
	}
}

// copyManifests puts the manifests of committed savepoints beside their objects.
// It returns true if one is left.
func (c *Coordinator) copyManifests(ctx context.Context) bool {
	c.mu.Lock()
	jobs := slices.Clone(c.copies)
	if c.stopped != nil {
		jobs = nil
	}
	c.mu.Unlock()
	left := false
	for _, job := range jobs {
		_, err := c.call(ctx, func(ctx context.Context) (commitlog.Verdict, error) {
			return 0, c.copyManifest(ctx, job.manifest)
		})
		c.mu.Lock()
		switch {
		case c.stopped != nil: // its waiters have been told, and the next start copies it
		case err == nil:
			c.copiedLocked(job)
		default:
			left = true
			c.noteLocked(func() {
				c.cfg.Logger.Warn("savepoint lacks its manifest", "job", c.cfg.Job, "checkpoint", job.manifest.Checkpoint, "cause", err)
			})
		}
		c.mu.Unlock()
	}
	return left
}

func (c *Coordinator) copyManifest(ctx context.Context, m *Manifest) error {
	name := savepointManifestName(c.cfg.Job, m.Checkpoint)
	err := createObject(ctx, c.cfg.Store, name, m.Append(nil))
	if errors.Is(err, ErrExist) {
		_, err = LoadSavepoint(ctx, c.cfg.Store, c.cfg.Job, m.Checkpoint)
	}
	return err
}

func (c *Coordinator) copiedLocked(job copyJob) {
	c.copies = slices.DeleteFunc(c.copies, func(other copyJob) bool { return other.Slot == job.Slot })
	c.ledger.drop(job.manifest) // from now on the manifest beside them keeps them
	if job.p != nil {
		c.finishLocked(job.p, job.manifest)
	}
}

// stopLocked makes every later call answer with err.
func (c *Coordinator) stopLocked(err error) {
	if c.stopped != nil {
		return
	}
	reason := ErrClosed
	if errors.Is(err, ErrFenced) {
		reason = ErrFenced
	}
	c.stopped = fmt.Errorf("primary: coordinator of job %q: %w", c.cfg.Job, err)
	c.abortAllLocked(reason, nil)
	for _, job := range c.copies { // whoever opens the log next copies them
		if job.p != nil {
			job.p.err = &AbortError{Checkpoint: job.p.Checkpoint, Reason: reason, Cause: errUnfinished}
			close(job.p.done)
		}
	}
	c.copies = nil
	c.wake.set()
	c.commitWake.set()
}
