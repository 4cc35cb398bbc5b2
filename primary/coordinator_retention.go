package primary

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// ledger counts how often each object is named by what is in use: retained
// checkpoints, savepoints without their manifest, acks of pending checkpoints, and
// held checkpoints. Invariant: a count is never 0; an object is deleted only when
// it has no count.
type ledger map[string]int

func (l ledger) addNames(names []string) {
	for _, name := range names {
		l[name]++
	}
}

// dropNames undoes one addNames; it returns the objects nothing names any more.
func (l ledger) dropNames(names []string) (unnamed []string) {
	for _, name := range names {
		l[name]--
		if l[name] == 0 {
			delete(l, name)
			unnamed = append(unnamed, name)
		}
	}
	return unnamed
}

func (l ledger) add(m *Manifest) { l.addNames(slices.Collect(objectsOf(m))) }

func (l ledger) drop(m *Manifest) (unnamed []string) {
	return l.dropNames(slices.Collect(objectsOf(m)))
}

// objectsOf yields the objects a manifest names, some perhaps twice.
func objectsOf(m *Manifest) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range m.Operators {
			for j := range m.Operators[i].Tasks {
				for _, name := range m.Operators[i].Tasks[j].Objects {
					if !yield(name) {
						return
					}
				}
			}
		}
	}
}

// held is a checkpoint that is no longer retained, but that a checkpoint already
// pending may still build on: its acks can name these objects until it ends.
type held struct {
	manifest *Manifest
	until    uint64 // the greatest id pending when it was dropped
}

// retainLocked makes e the newest retained checkpoint and drops the superfluous.
func (c *Coordinator) retainLocked(e entry) {
	c.retained = slices.Insert(c.retained, 0, e)
	keep := min(c.cfg.Retain, len(c.retained))
	until := uint64(0)
	for _, p := range c.pending {
		until = max(until, p.Checkpoint)
	}
	for _, dropped := range c.retained[keep:] {
		c.held = append(c.held, held{manifest: dropped.manifest, until: until})
	}
	c.retained = slices.Clone(c.retained[:keep])
}

// releaseHeldLocked lets go of what no pending checkpoint can build on any more.
func (c *Coordinator) releaseHeldLocked() {
	c.held = slices.DeleteFunc(c.held, func(h held) bool {
		if slices.ContainsFunc(c.pending, func(p *pending) bool { return p.Checkpoint <= h.until }) {
			return false
		}
		c.trash.names = append(c.trash.names, c.ledger.drop(h.manifest)...)
		return true
	})
}

// retireSlotsLocked throws away the slots of the log that our newest record, top,
// does not count.
func (c *Coordinator) retireSlotsLocked(top *record) {
	from := uint64(0)
	if len(c.slots) > 0 {
		from = c.slots[len(c.slots)-1]
	}
	for slot := max(from+1, c.epoch); slot <= top.slot; slot++ {
		c.slots = append(c.slots, slot)
	}
	c.slots = slices.DeleteFunc(c.slots, func(slot uint64) bool {
		if slot >= top.slot || slices.Contains(top.live, slot) {
			return false
		}
		c.trash.names = append(c.trash.names, slotName(c.cfg.Job, slot))
		return true
	})
	c.cleanWake.set()
}

// trash is what the cleaner has to do.
type trash struct {
	names    []string // to delete, each known to be named by nothing
	sweeps   []sweep
	resweeps []sweep  // once more after the next completion
	failed   []string // could not be deleted: tried again with the next work
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

// takeTrash empties the trash into the cleaner's hands.
func (c *Coordinator) takeTrash() (t trash, any bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.trash.names)+len(c.trash.sweeps) == 0 {
		return trash{}, false
	}
	t = trash{names: append(c.trash.failed, c.trash.names...), sweeps: c.trash.sweeps}
	c.trash.names, c.trash.failed, c.trash.sweeps = nil, nil, nil
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
	names := t.names
	for i, s := range t.sweeps {
		found, err := c.search(ctx, s)
		if err != nil {
			c.mu.Lock()
			c.trash.resweeps = append(c.trash.resweeps, t.sweeps[i])
			c.mu.Unlock()
			c.cfg.Logger.Warn("sweep failed", "job", c.cfg.Job, "cause", err)
			continue
		}
		names = append(names, found...)
	}
	c.deleteAll(ctx, names)
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

// search lists what a sweep is about and returns what is to be deleted.
func (c *Coordinator) search(ctx context.Context, s sweep) ([]string, error) {
	prefixes := []string{checkpointPrefix(c.cfg.Job, s.Trigger)}
	if s.all {
		prefixes = []string{objectsPrefix(c.cfg.Job), savepointsPrefix(c.cfg.Job)}
	}
	var found []string
	complete := map[uint64]struct{}{} // savepoints that have their manifest
	for _, prefix := range prefixes {
		for info, err := range c.cfg.Store.List(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			if at := parseName(c.cfg.Job, info.Name); at.area == areaManifest {
				complete[at.checkpoint] = struct{}{}
			}
			found = append(found, info.Name)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(found, func(name string) bool {
		at := parseName(c.cfg.Job, name)
		_, users := complete[at.checkpoint]
		return c.inUseLocked(name, at) || users && at.area == areaSavepoint
	}), nil
}

// inUseLocked tells whether a sweep must leave an object alone: it is not of a
// task, or something names it, or its checkpoint is pending, or a coordinator
// that replaced us may be using it.
func (c *Coordinator) inUseLocked(name string, at stored) bool {
	switch {
	case at.area != areaObject && at.area != areaSavepoint:
		return true
	case at.epoch > c.epoch || c.ledger[name] > 0:
		return true
	}
	if _, ok := c.saved[at.checkpoint]; ok && at.area == areaSavepoint {
		return true
	}
	p := c.pendingLocked(at.checkpoint)
	return p != nil && at.epoch == c.epoch
}
