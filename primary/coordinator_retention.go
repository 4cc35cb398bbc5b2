package primary

import (
	"iter"
	"slices"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
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

// Discard says that a retained checkpoint is of no use, because its state cannot
// be read: from now on it is not in Latest and Retained, does not count against
// Retain, and the next commit takes it out of the log; only then are objects
// deleted that nothing else names. Until that commit a coordinator that is opened
// anew finds it retained. It does nothing for an id that is not retained, and for
// the only retained checkpoint: a job that has completed one never goes on as if
// it had none. It writes nothing itself and does not block.
func (c *Coordinator) Discard(checkpoint uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.retained, func(e entry) bool { return e.manifest.Checkpoint == checkpoint })
	if i < 0 || len(c.retained) == 1 {
		return
	}
	c.discarded = append(c.discarded, c.retained[i])
	c.retained = slices.Concat(c.retained[:i], c.retained[i+1:])
	c.noteLocked(func() {
		c.cfg.Logger.Warn("checkpoint discarded", "job", c.cfg.Job, "checkpoint", checkpoint)
	})
}

// dropDiscardedLocked lets go of the discarded checkpoints that our newest record,
// top, does not count.
func (c *Coordinator) dropDiscardedLocked(top *commitlog.Record) {
	until := c.greatestPendingLocked()
	c.discarded = slices.DeleteFunc(c.discarded, func(e entry) bool {
		if e.Slot >= top.Slot || top.Lives(e.Slot) {
			return false
		}
		c.held = append(c.held, held{manifest: e.manifest, until: until})
		return true
	})
	c.releaseHeldLocked()
}

func (c *Coordinator) greatestPendingLocked() uint64 {
	id := uint64(0)
	for _, p := range c.pending {
		id = max(id, p.Checkpoint)
	}
	return id
}

// retainLocked makes e the newest retained checkpoint and drops those its record
// does not count: the superfluous.
func (c *Coordinator) retainLocked(e entry, record *commitlog.Record) {
	until := c.greatestPendingLocked()
	keep := []entry{e}
	for _, old := range c.retained {
		if record.Lives(old.Slot) {
			keep = append(keep, old)
		} else {
			c.held = append(c.held, held{manifest: old.manifest, until: until})
		}
	}
	c.retained = keep
}

// releaseHeldLocked lets go of what no pending checkpoint can build on any more.
func (c *Coordinator) releaseHeldLocked() {
	c.held = slices.DeleteFunc(c.held, func(h held) bool {
		if slices.ContainsFunc(c.pending, func(p *pending) bool { return p.Checkpoint <= h.until }) {
			return false
		}
		c.trash.throw(c.ledger.drop(h.manifest)...)
		return true
	})
}

// retireSlotsLocked throws away the slots of the log below begin, which is that of
// what our newest record, top, needs, or before it. Dead ones between the live stay
// until those go: what is deleted is always the beginning of the log, so that no hole
// ever follows a slot that is there. See commitlog.
func (c *Coordinator) retireSlotsLocked(top *commitlog.Record, begin uint64) {
	from := uint64(0)
	if len(c.slots) > 0 {
		from = c.slots[len(c.slots)-1]
	}
	for slot := max(from+1, c.epoch); slot <= top.Slot; slot++ {
		c.slots = append(c.slots, slot)
	}
	for ; len(c.slots) > 0 && c.slots[0] < begin; c.slots = c.slots[1:] {
		c.trash.slots = append(c.trash.slots, c.slots[0])
	}
	c.cleanWake.set()
}

// retireLocked throws away what our newest record does not need, once it is a commit.
func (c *Coordinator) retireLocked() {
	if top := c.log.Newest(); top.Slot > c.epoch {
		c.retireSlotsLocked(top, top.Begin())
	}
}
