package primary

import (
	"context"
	"slices"
)

// findings is what a sweep found.
type findings struct {
	names []string
	dirs  map[uint64]*savepointDir
}

// savepointDir is what a sweep found below one savepoint.
type savepointDir struct {
	complete bool                // it has its manifest
	epochs   map[uint64]struct{} // of its objects
	named    map[string]struct{} // by its manifest; nil if that was not read
}

// search returns what a sweep is to delete.
func (c *Coordinator) search(ctx context.Context, s sweep) ([]string, error) {
	prefixes := []string{checkpointPrefix(c.cfg.Job, s.Trigger)}
	if s.all {
		prefixes = []string{objectsPrefix(c.cfg.Job), savepointsPrefix(c.cfg.Job)}
	}
	f := findings{dirs: map[uint64]*savepointDir{}}
	for _, prefix := range prefixes {
		if err := c.look(ctx, prefix, &f); err != nil {
			return nil, err
		}
	}
	for id, dir := range f.dirs {
		c.identify(ctx, id, dir)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(f.names, func(name string) bool {
		at := parseName(c.cfg.Job, name)
		return !s.covers(at, c.epoch) || c.inUseLocked(name, at) ||
			at.area == areaSavepoint && f.dirs[at.checkpoint].keeps(name, at.epoch == c.epoch)
	}), nil
}

func (c *Coordinator) look(ctx context.Context, prefix string, f *findings) error {
	for info, err := range c.cfg.Store.List(ctx, prefix) {
		if err != nil {
			return err
		}
		at := parseName(c.cfg.Job, info.Name)
		if at.area == areaSavepoint || at.area == areaManifest {
			dir := f.dirs[at.checkpoint]
			if dir == nil {
				dir = &savepointDir{epochs: map[uint64]struct{}{}}
				f.dirs[at.checkpoint] = dir
			}
			dir.complete = dir.complete || at.area == areaManifest
			if at.area == areaSavepoint {
				dir.epochs[at.epoch] = struct{}{}
			}
		}
		f.names = append(f.names, info.Name)
	}
	return nil
}

// identify reads the manifest of a savepoint that has objects of several epochs:
// a coordinator that did not know it was replaced gave the same id, and what its
// tasks stored lies among what the manifest names.
func (c *Coordinator) identify(ctx context.Context, id uint64, dir *savepointDir) {
	if !dir.complete || len(dir.epochs) < 2 {
		return
	}
	m, err := LoadSavepoint(ctx, c.cfg.Store, c.cfg.Job, id)
	if err != nil {
		return // then everything stays
	}
	dir.named = map[string]struct{}{}
	for name := range objectsOf(m) {
		dir.named[name] = struct{}{}
	}
}

// keeps tells whether an object of a savepoint is the user's. Only its manifest says
// that one is not, or, while there is none, that it is ours: a savepoint of ours that
// had been committed would be known to be.
func (d *savepointDir) keeps(name string, ours bool) bool {
	if d.complete && d.named != nil {
		_, ok := d.named[name]
		return ok
	}
	return d.complete || !ours
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
