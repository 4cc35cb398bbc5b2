package primary

import (
	"context"
	"sync"
	"time"
)

// run is one call of Run.
type run struct {
	cancel context.CancelFunc
	drain  chan struct{} // closed: the cleaner ends when it has nothing to do
	wg     sync.WaitGroup
	ended  chan struct{} // closed when its goroutines have ended
}

// Run does all that a coordinator does by itself: periodic triggers, timeouts,
// messages, commits, deletions. It ends with ctx (the error is ctx.Err()), with
// Close (ErrClosed), when another coordinator took over (ErrFenced), or with a
// *FailuresError when more checkpoints failed in a row than are tolerated. After
// the end of ctx and after too many failures it can be called again: pending
// checkpoints and messages wait for that. ErrRunning: another call is at work.
//
// It waits for the goroutines it owns, at most twice ShutdownGrace: if a store does
// not return from a call for so long after the end, it leaves them behind, to end
// when the store lets them.
func (c *Coordinator) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := c.begin(ctx)
	if err != nil {
		return err
	}
	err = c.loop(ctx)
	if ctx.Err() != nil { // no time for more
		r.cancel()
	}
	cancel()
	close(r.drain)
	grace := time.AfterFunc(c.cfg.ShutdownGrace, r.cancel)
	defer grace.Stop()
	late := time.NewTimer(2 * c.cfg.ShutdownGrace)
	defer late.Stop()
	select {
	case <-r.ended:
	case <-late.C:
		c.cfg.Logger.Warn("store does not return", "job", c.cfg.Job)
	}
	return err
}

// begin starts the goroutines. The committer ends with ctx, the cleaner when it
// has been told to and has nothing left to do, or by the run's cancel.
func (c *Coordinator) begin(ctx context.Context) (*run, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run != nil {
		return nil, ErrRunning
	}
	if c.stopped != nil {
		return nil, c.stopped
	}
	workers, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &run{cancel: cancel, drain: make(chan struct{}), ended: make(chan struct{})}
	c.run = r
	if c.nextDue.IsZero() {
		c.nextDue = time.Now().Add(c.cfg.Interval)
	}
	commits, stop := context.WithCancel(workers)
	context.AfterFunc(ctx, stop)
	r.wg.Go(func() { c.commitLoop(commits) })
	r.wg.Go(func() { c.cleanLoop(workers, r.drain) })
	go func() { // ends with the two
		r.wg.Wait()
		cancel()
		c.mu.Lock()
		c.run = nil
		c.mu.Unlock()
		close(r.ended)
	}()
	return r, nil
}

// loop is Run's own goroutine: time and messages.
func (c *Coordinator) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.wake:
		case <-timer.C:
		}
		messages, next, err := c.tick(time.Now())
		for _, send := range messages {
			send(c.cfg.Transport)
		}
		if err != nil {
			return err
		}
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
}

// tick does what is due. It returns the messages to send, when to come again
// (zero: when woken), and why Run must end, if it must.
func (c *Coordinator) tick(now time.Time) (messages []func(Transport), next time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expireLocked(now)
	due := c.dueLocked()
	if !due.IsZero() && !now.Before(due) {
		c.triggerLocked(false, now)
		c.nextDue = c.nextDue.Add(c.cfg.Interval)
		if !c.nextDue.After(now) { // we are late: do not try to catch up
			c.nextDue = now.Add(c.cfg.Interval)
		}
		due = c.dueLocked()
	}
	next = due
	for _, p := range c.pending {
		if !p.counted && (next.IsZero() || p.deadline.Before(next)) {
			next = p.deadline
		}
	}
	messages, c.outbox = c.outbox, nil
	err = c.stopped
	if err == nil && c.exceeded != nil {
		err, c.exceeded, c.failures = c.exceeded, nil, 0
	}
	return messages, next, err
}

// dueLocked returns when the next periodic trigger is due, zero if nothing can be
// triggered before something else happens.
func (c *Coordinator) dueLocked() time.Time {
	if c.cfg.Interval == 0 || c.stopped != nil || !c.allRunLocked() || len(c.pending) >= c.cfg.MaxConcurrent {
		return time.Time{}
	}
	due := c.nextDue
	if paused := c.lastCompletion.Add(c.cfg.MinPause); !c.lastCompletion.IsZero() && paused.After(due) {
		due = paused
	}
	return due
}

// expireLocked ends the checkpoints whose time is over. One that is being
// written cannot be ended, but counts as failed.
func (c *Coordinator) expireLocked(now time.Time) {
	for i := 0; i < len(c.pending); {
		p := c.pending[i]
		switch {
		case now.Before(p.deadline):
		case p.phase == phaseWriting:
			c.countFailureLocked(p, &AbortError{Checkpoint: p.Checkpoint, Reason: ErrExpired, Cause: errSlow})
			p.counted = true
		default:
			c.abortLocked(p, ErrExpired, missingAcks(p, c.cfg.Tasks)) // takes p out of pending
			continue
		}
		i++
	}
}

// Close ends everything: pending checkpoints are aborted, Run returns, later calls
// get ErrClosed. It waits for Run, at most twice ShutdownGrace. What is left in
// the store is swept when the job's log is opened again. Close is idempotent and its
// error is always nil.
func (c *Coordinator) Close() error {
	c.mu.Lock()
	c.stopLocked(ErrClosed)
	r := c.run
	c.mu.Unlock()
	if r != nil {
		late := time.NewTimer(2 * c.cfg.ShutdownGrace)
		defer late.Stop()
		select {
		case <-r.ended:
		case <-late.C:
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) > 0 { // in doubt for ever
		p := c.pending[0]
		c.endUnknownLocked(p, ErrClosed, errSlow)
	}
	return nil
}
