package primary

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// inventory is what a listing of the store says.
type inventory struct {
	highest    uint64              // the greatest checkpoint id in any name
	objects    map[string]struct{} // names below the job's objects and savepoints
	slots      []uint64            // of the job's log
	top        uint64              // the greatest of them
	epoch      uint64              // the greatest epoch in the name of a checkpoint's object
	newest     string              // that name
	origin     bool                // it is there
	incomplete map[uint64]struct{} // savepoints that have objects and no manifest
}

// takeInventory lists the store and refuses it if another job's log is in it.
func takeInventory(ctx context.Context, cfg CoordinatorConfig) (*inventory, error) {
	prefix := ""
	if cfg.SharedStore {
		prefix = cfg.Job + "/"
	}
	inv := &inventory{objects: map[string]struct{}{}, incomplete: map[uint64]struct{}{}}
	for info, err := range cfg.Store.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("primary: list the store: %w", err)
		}
		if job, ok := jobOfLog(info.Name); ok && job != cfg.Job {
			return nil, &MismatchError{What: "job", Stored: strconv.Quote(job), Given: strconv.Quote(cfg.Job)}
		}
		inv.note(info.Name, parseName(cfg.Job, info.Name))
	}
	for id := range inv.incomplete {
		if _, ok := inv.objects[savepointManifestName(cfg.Job, id)]; ok {
			delete(inv.incomplete, id)
		}
	}
	return inv, nil
}

func (inv *inventory) note(name string, at stored) {
	inv.highest = max(inv.highest, at.checkpoint)
	switch at.area {
	case areaObject:
		if at.epoch > inv.epoch {
			inv.epoch, inv.newest = at.epoch, name
		}
		inv.objects[name] = struct{}{}
	case areaSavepoint:
		inv.incomplete[at.checkpoint] = struct{}{}
		inv.objects[name] = struct{}{}
	case areaManifest:
		inv.objects[name] = struct{}{}
	case areaLog:
		inv.slots = append(inv.slots, at.slot)
		inv.top = max(inv.top, at.slot)
	case areaOrigin:
		inv.origin = true
	}
}

// newerLost says that objects were written under a claim that is gone, unless it was
// just made.
func (cfg *CoordinatorConfig) newerLost(ctx context.Context, inv *inventory) error {
	top, err := commitlog.NewestSlot(ctx, logStore{cfg.Store}, cfg.Job)
	switch {
	case err != nil:
		return err
	case top >= inv.epoch:
		return fmt.Errorf("%w: slot %d", commitlog.ErrTaken, top)
	}
	return &LogLostError{Job: cfg.Job, Found: []string{inv.newest}, Newest: top}
}

// missing returns an object that a manifest names and the store has not, "" if it
// has all.
func (inv *inventory) missing(m *Manifest) string {
	for name := range objectsOf(m) {
		if _, ok := inv.objects[name]; !ok {
			return name
		}
	}
	return ""
}

// fit tells whether the job can go on from the checkpoints in the log, and takes
// over their seed if cfg gives none.
func (cfg *CoordinatorConfig) fit(live []entry) error {
	for _, e := range slices.Backward(live) {
		if m := e.manifest; m.M != cfg.M {
			return &MismatchError{What: "max parallelism", Stored: strconv.Itoa(m.M), Given: strconv.Itoa(cfg.M)}
		}
		if cfg.Seed == 0 {
			cfg.Seed = e.manifest.Seed
		}
		if e.manifest.Seed != cfg.Seed {
			stored := fmt.Sprintf("%#x", e.manifest.Seed)
			return &MismatchError{What: "seed", Stored: stored, Given: fmt.Sprintf("%#x", cfg.Seed)}
		}
	}
	for cfg.Seed == 0 {
		cfg.Seed = rand.Uint64()
	}
	if newest := retained(live); len(newest) > 0 {
		return cfg.fitOperators(newest[0].manifest)
	}
	return nil
}

// fitOperators refuses to leave an operator's state behind without a word: the next
// checkpoint would not have it, and the one that has it would be deleted.
func (cfg *CoordinatorConfig) fitOperators(m *Manifest) error {
	for i := range m.Operators {
		name := m.Operators[i].Name
		has := slices.ContainsFunc(cfg.Tasks, func(t TaskPlan) bool { return t.Operator == name })
		if !has && !slices.Contains(cfg.DropOperators, name) {
			given := "no task of it, nor its name in DropOperators"
			return &MismatchError{What: "operator", Stored: strconv.Quote(name), Given: given}
		}
	}
	return nil
}

// adopt takes over what the log counts.
func (c *Coordinator) adopt(inv *inventory, view *logView) {
	c.retained = retained(view.live)
	whole := true
	for _, e := range view.live {
		if e.manifest.Savepoint && c.unfinished(inv, e.manifest) {
			c.copies = append(c.copies, copyJob{entry: e})
			c.ledger.add(e.manifest)
			c.saved[e.manifest.Checkpoint] = struct{}{}
		}
		c.lastID = max(c.lastID, e.manifest.Checkpoint)
	}
	for _, e := range c.retained {
		c.ledger.add(e.manifest)
		c.lastSuccess = max(c.lastSuccess, e.manifest.Checkpoint)
		if gone := inv.missing(e.manifest); gone != "" {
			whole = false
			c.cfg.Logger.Error("checkpoint lacks an object",
				"job", c.cfg.Job, "checkpoint", e.manifest.Checkpoint, "object", gone)
		}
	}
	c.lastID = max(c.lastID, inv.highest)
	if view.Newest != nil {
		c.lastID = max(c.lastID, view.Newest.Highest)
	}
	c.skipped = view.skipped()
	c.adoptSlots(inv, view)
	c.planSweep(view, whole)
	for id := range inv.incomplete {
		if _, ok := c.saved[id]; !ok {
			c.cfg.Logger.Warn("savepoint without a manifest is left alone: put its manifest back, or delete it",
				"job", c.cfg.Job, "savepoint", savepointsPrefix(c.cfg.Job)+padded(id))
		}
	}
}

// adoptSlots takes over which slots there are and may be deleted.
func (c *Coordinator) adoptSlots(inv *inventory, view *logView) {
	// The second listing has what the first missed because it was just created.
	c.slots = slices.Concat(view.Slots, inv.slots)
	slices.Sort(c.slots)
	c.slots = slices.DeleteFunc(slices.Compact(c.slots), func(slot uint64) bool {
		return slot > view.Top() || slices.Contains(c.skipped, slot)
	})
}

// planSweep has deleted what earlier coordinators left and the newest record proves
// to be superfluous; and after the first checkpoint of ours, which makes all before
// it superfluous, the rest. Where something cannot be read or is missing, nothing is:
// what looks like an orphan may be what somebody needs for a repair.
func (c *Coordinator) planSweep(view *logView, whole bool) {
	if len(c.skipped) > 0 || !whole || view.Newest == nil {
		return
	}
	c.trash.now(sweep{all: true, epoch: view.Newest.Epoch, checkpoint: c.lastSuccess})
	c.trash.later(sweep{all: true})
}

// unfinished tells whether a committed savepoint still lacks its manifest. One
// that also lacks objects has been deleted by its owner.
func (c *Coordinator) unfinished(inv *inventory, m *Manifest) bool {
	if _, ok := inv.objects[savepointManifestName(c.cfg.Job, m.Checkpoint)]; ok {
		return false
	}
	return inv.missing(m) == ""
}
