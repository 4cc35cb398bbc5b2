package localcopy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/primary"
)

// Why a copy was given up before it was sealed.
var (
	errSubsumed = errors.New("localcopy: a newer checkpoint was confirmed")
	errAborted  = errors.New("localcopy: the checkpoint was aborted")
	errRestored = errors.New("localcopy: the task was restored from another checkpoint")
	errReplaced = errors.New("localcopy: the checkpoint was stored again")
	errDisposed = errors.New("localcopy: the task has ended")
	errTimeout  = errors.New("localcopy: the format took too long")
	errNoCopy   = errors.New("localcopy: the format returned no copy")
	errBusy     = errors.New("localcopy: too many copies are under way")
)

// pending is one copy from Store until it is sealed or given up. Its goroutine, run, owns the Writer; everybody else
// only cancels it. So a format that hangs holds that goroutine and nothing else: in the books the copy is gone.
type pending struct {
	lane   *lane
	meta   Meta
	ctx    context.Context // ends when the copy is given up
	cancel context.CancelCauseFunc
	watch  *stopwatch
	twin   chan []primary.Segment // gets one value, when the primary is durable

	// Guarded by the keeper's mutex.
	sealBy time.Time // when Copies stops waiting; zero until the primary is durable
	gone   bool      // given up: no longer in keeper.pending
	parked bool      // waits for the primary, and does not count as busy
}

func newPending(l *lane, m Meta) *pending {
	p := &pending{lane: l, meta: m, twin: make(chan []primary.Segment, 1)}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	p.watch = startStopwatch(l.keeper.cfg.Timeout, p.expire)
	return p
}

// run is the goroutine of the copy. It ends when the format lets it.
func (p *pending) run(s *heapbackend.Snapshot) {
	var c Copy
	err := contain(func() (err error) {
		c, err = p.make(s)
		return err
	})
	p.watch.pause()
	p.lane.keeper.settle(p, c, err)
	p.cancel(nil)
}

// make writes the copy and seals it once the primary is durable.
func (p *pending) make(s *heapbackend.Snapshot) (c Copy, err error) {
	w, err := p.begin(s)
	if err != nil {
		return nil, err
	}
	defer func() {
		if c == nil {
			err = errors.Join(err, w.Abandon())
		}
	}()
	for group := range s.Blocks() { // also of the handle given back
		if err := p.err(); err != nil {
			return nil, err
		}
		if err := w.WriteGroup(p.ctx, group); err != nil {
			return nil, fmt.Errorf("write key group %d: %w", group, err)
		}
	}
	twin, err := p.await()
	if err != nil {
		return nil, err
	}
	if c, err = w.Seal(p.ctx, twin); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if c == nil {
		return nil, errNoCopy
	}
	return c, nil
}

// begin begins the copy once the search at start is over, and gives back the keeper's handle of the snapshot.
func (p *pending) begin(s *heapbackend.Snapshot) (Writer, error) {
	defer s.Release()
	select {
	case <-p.lane.opened:
	case <-p.ctx.Done():
		return nil, context.Cause(p.ctx)
	}
	w, err := p.lane.format.Begin(p.ctx, p.meta, s)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return w, nil
}

// await waits for the primary. That takes as long as it takes: it does not count as work of the format.
func (p *pending) await() ([]primary.Segment, error) {
	k := p.lane.keeper
	p.watch.pause()
	k.mu.Lock()
	if !p.gone && p.sealBy.IsZero() {
		p.parked = true
		k.doneLocked()
	}
	k.mu.Unlock()
	select {
	case twin := <-p.twin:
		p.watch.resume()
		return twin, nil
	case <-p.ctx.Done():
		return nil, context.Cause(p.ctx)
	}
}

// unparkLocked is called by whoever ends the wait, so that the copy counts as busy from that moment on.
func (p *pending) unparkLocked() {
	if p.parked {
		p.parked = false
		p.lane.keeper.busy++
	}
}

// err returns why the copy was given up, or nil.
func (p *pending) err() error { return context.Cause(p.ctx) }

// expire gives up a copy whose format takes too long.
func (p *pending) expire() {
	k := p.lane.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	if !p.gone {
		k.removeLocked(p, errTimeout)
		p.lane.failLocked(p.meta.Checkpoint, errTimeout)
	}
}

// settle books the end of a copy's goroutine.
func (k *Keeper) settle(p *pending, c Copy, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.doneLocked()
	defer p.lane.leftLocked()
	switch {
	case p.gone && c != nil:
		p.lane.discardLocked(c) // sealed, and given up at the same moment
	case p.gone: // counted when it was given up
	case err != nil:
		k.removeLocked(p, err)
		p.lane.failLocked(p.meta.Checkpoint, err)
	default:
		k.removeLocked(p, nil)
		p.lane.sealed = append(p.lane.sealed, sealedCopy{Copy: c, checkpoint: p.meta.Checkpoint})
		p.lane.slow = false
		p.lane.stats.Sealed++
		p.lane.workedLocked()
	}
}

// abandonLocked gives up a copy that is no longer wanted. One whose primary was durable before the next checkpoint was
// confirmed had its time, and was late.
func (k *Keeper) abandonLocked(p *pending, why error) {
	late := why == errSubsumed && !p.sealBy.IsZero()
	k.removeLocked(p, why)
	if late {
		p.lane.stats.Late++
		p.lane.failLocked(p.meta.Checkpoint, why)
		return
	}
	p.lane.stats.Abandoned++
}

// removeLocked takes a copy out of the books and ends its context.
func (k *Keeper) removeLocked(p *pending, why error) {
	p.gone = true
	p.unparkLocked()
	p.watch.pause()
	p.cancel(why)
	k.pending = slices.DeleteFunc(k.pending, func(other *pending) bool { return other == p })
	k.wakeLocked()
}
