package primary

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// This file is what a job that restarts asks of its coordinator, after AbortAll: Settle waits until nothing of the
// attempts before can commit any more, Hasten shortens that, Pin keeps what is restored, and Reload tells what it
// means that something of it is gone.

// Settle waits until no manifest is being written: until every checkpoint that was acknowledged by all tasks, and
// that AbortAll came too late for, is either complete or never will be. Only then is Latest what a restart restores
// from: whoever restores before may see a newer checkpoint complete that its tasks know nothing of. It waits for the
// store, and for Run if a commit was left in doubt; its error is that of ctx.
func (c *Coordinator) Settle(ctx context.Context) error {
	for {
		c.mu.Lock()
		writing, decided := c.writing != nil, c.decided
		c.mu.Unlock()
		if !writing {
			return nil
		}
		select {
		case <-decided:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Hasten ends the context of the call of the store that Settle waits for, so that a call that hangs costs a restart
// less than Timeout. What became of the commit is then found out by reading its slot, and a slot that is still free is
// filled with a record that commits nothing, so that the checkpoint can never arrive. It does
// nothing when no manifest is being written, and does not block.
func (c *Coordinator) Hasten() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing == nil || c.cut == nil {
		return
	}
	c.writing.overtaken = true
	c.cut()
}

// call calls the store on the committer's behalf, for no longer than Timeout, or until Hasten.
func (c *Coordinator) call(
	ctx context.Context, f func(context.Context) (commitlog.Verdict, error),
) (commitlog.Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	c.mu.Lock()
	c.cut = cancel
	c.mu.Unlock()
	return f(ctx)
}

// Pin keeps the objects of a manifest from being deleted by this coordinator, whatever it retains meanwhile, until
// release is called: for as long as a restore reads them. What nothing else names by then is deleted then. The manifest
// must not be modified before. release may be called more than once, from any goroutine. The cost is O(objects).
func (c *Coordinator) Pin(m *Manifest) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ledger.add(m)
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, name := range c.ledger.drop(m) {
			if parseName(c.cfg.Job, name).area == areaObject { // savepoints are their user's
				c.trash.throw(name)
			}
		}
		c.cleanWake.set()
	})
}

// errNoRecord: this coordinator's own claim is not in the log.
var errNoRecord = errors.New("its commit log is empty, though this coordinator claimed it")

// Reload reads the commit log again and returns the manifests of the checkpoints that it retains, newest first. It is
// for a restore that found an object missing: either another coordinator has replaced this one and deleted what it no
// longer needs, which is ErrFenced, from then on the answer of every method; or the log still counts the
// checkpoint, which then is damaged. Other errors, those of ReadLog, say nothing about either. It waits for the
// store, for no longer than Timeout. The manifests are the caller's.
func (c *Coordinator) Reload(ctx context.Context) ([]*Manifest, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	entries, err := ReadLog(ctx, c.cfg.Store, c.cfg.Job)
	var live []*Manifest
	for _, e := range entries {
		if e.Epoch > c.epoch {
			return nil, c.replaced(e.Epoch)
		}
		if e.Live && !e.Manifest.Savepoint {
			live = append(live, e.Manifest)
		}
	}
	if err == nil && len(entries) == 0 {
		err = errNoRecord
	}
	if err != nil {
		return nil, fmt.Errorf("primary: read the log of job %q again: %w", c.cfg.Job, err)
	}
	return live, nil
}

// replaced stops this coordinator because another has claimed the log.
func (c *Coordinator) replaced(epoch uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopLocked(fmt.Errorf("%w: the commit log was claimed at slot %d", ErrFenced, epoch))
	if !errors.Is(c.stopped, ErrFenced) { // closed before
		return fmt.Errorf("%w: %w", ErrFenced, c.stopped)
	}
	return c.stopped
}
