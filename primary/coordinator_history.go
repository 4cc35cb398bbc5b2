package primary

import (
	"context"
	"fmt"
	"slices"
)

// Wait waits until a checkpoint or savepoint triggered here has ended. It returns
// its manifest, which must not be modified, or the *AbortError that ended it.
// Other errors: ErrUnknownCheckpoint, or that of ctx. The outcome of the last few
// hundred is remembered, but a manifest is whole only for who waits when the
// checkpoint ends, for retained checkpoints and for the newest savepoint; the
// manifest of an older one comes without its operators.
func (c *Coordinator) Wait(ctx context.Context, checkpoint uint64) (*Manifest, error) {
	c.mu.Lock()
	p := c.history.find(checkpoint)
	if p == nil {
		c.mu.Unlock()
		return nil, fmt.Errorf("%w: %d", ErrUnknownCheckpoint, checkpoint)
	}
	p.waiters++
	c.mu.Unlock()
	var err error
	select {
	case <-p.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.waiters--
	if err != nil {
		return nil, err
	}
	m, err := p.manifest, p.err
	c.trimLocked(p)
	return m, err
}

// history remembers the last checkpoints triggered, whatever became of them.
type history struct {
	ring      [historySize]*pending
	savepoint *pending // the newest one completed
}

const historySize = 256

func (h *history) add(p *pending) { h.ring[p.Checkpoint%historySize] = p }

func (h *history) find(checkpoint uint64) *pending {
	if p := h.ring[checkpoint%historySize]; p != nil && p.Checkpoint == checkpoint {
		return p
	}
	return nil
}

// trimHistoryLocked lets go of the manifests that are only remembered.
func (c *Coordinator) trimHistoryLocked() {
	for _, p := range c.history.ring {
		if p != nil {
			c.trimLocked(p)
		}
	}
}

// trimLocked leaves of p's manifest what takes little memory, unless somebody has
// a use for the rest.
func (c *Coordinator) trimLocked(p *pending) {
	if p.manifest == nil || p.manifest.Operators == nil || p.waiters > 0 || p == c.history.savepoint {
		return
	}
	if slices.ContainsFunc(c.retained, func(e entry) bool { return e.manifest == p.manifest }) {
		return
	}
	short := *p.manifest
	short.Operators = nil
	p.manifest = &short
}
