package primary

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// trash is what the cleaner has to do.
type trash struct {
	names    []string // to delete, each known to be named by nothing
	slots    []string // of the log, to delete one after the other: they ascend
	sweeps   []sweep
	resweeps []sweep  // once more after the next completion
	failed   []string // could not be deleted: tried again with the next work
	stuck    []string // slots: the first could not be deleted, the rest wait for it
}

// sweep looks for objects that nothing names: those of one checkpoint that was
// aborted, or, at the start, all that earlier coordinators left.
type sweep struct {
	Trigger
	all bool
}

// again schedules the second sweep of checkpoints aborted earlier: by the time a
// newer one is complete, no task is still writing for them.
func (t *trash) again() {
	t.sweeps = append(t.sweeps, t.resweeps...)
	t.resweeps = nil
}

// keepSweeps is how many sweeps are remembered.
const keepSweeps = 1024

// later schedules a sweep for after the next completion. Of too many, which a store
// that is away for days makes, the oldest is left to the next start.
func (t *trash) later(s sweep) {
	if slices.Contains(t.resweeps, s) {
		return
	}
	if len(t.resweeps) >= keepSweeps {
		if i := slices.IndexFunc(t.resweeps, func(old sweep) bool { return !old.all }); i >= 0 {
			t.resweeps = slices.Delete(t.resweeps, i, i+1)
		}
	}
	t.resweeps = append(t.resweeps, s)
}

// takeTrash empties the trash into the cleaner's hands.
func (c *Coordinator) takeTrash() (t trash, any bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.trash.names)+len(c.trash.slots)+len(c.trash.sweeps) == 0 {
		return trash{}, false
	}
	t = trash{
		names:  append(c.trash.failed, c.trash.names...),
		slots:  append(c.trash.stuck, c.trash.slots...),
		sweeps: c.trash.sweeps,
	}
	c.trash.names, c.trash.failed, c.trash.slots, c.trash.stuck, c.trash.sweeps = nil, nil, nil, nil, nil
	return t, true
}

// cleanLoop is the goroutine that deletes. It ends with ctx, or when drain is
// closed and nothing is left to do.
func (c *Coordinator) cleanLoop(ctx context.Context, drain <-chan struct{}) {
	for ctx.Err() == nil {
		if t, any := c.takeTrash(); any {
			c.clean(ctx, t)
			continue
		}
		select {
		case <-ctx.Done():
		case <-c.cleanWake:
		case <-drain:
			return
		}
	}
}

func (c *Coordinator) clean(ctx context.Context, t trash) {
	c.deleteSlots(ctx, t.slots)
	names := t.names
	for i, s := range t.sweeps {
		found, err := c.search(ctx, s)
		if err != nil {
			c.mu.Lock()
			c.trash.later(t.sweeps[i])
			c.mu.Unlock()
			c.cfg.Logger.Warn("sweep failed", "job", c.cfg.Job, "cause", err)
			continue
		}
		names = append(names, found...)
	}
	c.deleteAll(ctx, names)
}

// deleteSlots deletes slots of the log in order. None goes while one before it is
// there: see commitLog.
func (c *Coordinator) deleteSlots(ctx context.Context, slots []string) {
	var cause error
	left := slots
	for cause == nil && len(left) > 0 {
		if cause = c.delete(ctx, left[0]); cause == nil {
			left = left[1:]
		}
	}
	c.mu.Lock()
	c.stats.Deleted += uint64(len(slots) - len(left))
	if cause != nil {
		c.stats.DeleteErrors++
	}
	c.trash.stuck = slices.Concat(left, c.trash.stuck)
	c.mu.Unlock()
	if cause != nil && ctx.Err() == nil {
		c.cfg.Logger.Warn("deletion of log records failed", "job", c.cfg.Job, "records", len(left), "cause", cause)
	}
}

// deleteParallelism is how many deletions are under way at once.
const deleteParallelism = 8

// deleteAll deletes names, several at a time, and keeps those it cannot.
func (c *Coordinator) deleteAll(ctx context.Context, names []string) {
	var wg sync.WaitGroup
	var next, deleted atomic.Int64
	var mu sync.Mutex // guards failed and cause
	var failed []string
	var cause error
	for range min(deleteParallelism, len(names)) {
		wg.Go(func() { // ends when the names, or ctx, are used up
			for i := next.Add(1) - 1; i < int64(len(names)); i = next.Add(1) - 1 {
				err := c.delete(ctx, names[i])
				if err == nil {
					deleted.Add(1)
					continue
				}
				mu.Lock()
				failed, cause = append(failed, names[i]), err
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	c.mu.Lock()
	c.stats.Deleted += uint64(deleted.Load())
	c.stats.DeleteErrors += uint64(len(failed))
	c.trash.failed = append(c.trash.failed, failed...)
	c.mu.Unlock()
	if len(failed) > 0 && ctx.Err() == nil {
		c.cfg.Logger.Warn("deletion failed", "job", c.cfg.Job, "objects", len(failed), "cause", cause)
	}
}

func (c *Coordinator) delete(ctx context.Context, name string) error {
	c.mu.Lock()
	named := c.ledger[name] > 0
	c.mu.Unlock()
	if named {
		return errors.New("primary: object is in use")
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	return c.cfg.Store.Delete(ctx, name)
}
