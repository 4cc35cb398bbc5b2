package localcopy

import (
	"errors"
	"iter"

	"sync"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// errUnsealed is what ends a copy that nobody wants any more.
var errUnsealed = errors.New("localcopy: abandoned before it was sealed")

// gate is a snapshot as a primary.BlockSource whose groups become available as they are admitted, in ascending order. It
// owns a handle of the snapshot and releases it when it is closed, which a hung disk does not delay: a group being
// appended at that moment completes.
type gate struct {
	bounds   keygroups.Range
	snapshot *heapbackend.Snapshot

	mu       sync.Mutex // guards the fields below
	moved    *sync.Cond // the order grew or is complete, or the gate was closed
	order    *order
	complete bool // no further group will come
	closed   error
}

func newGate(m *Meta, s *heapbackend.Snapshot) *gate {
	g := &gate{bounds: m.Range, order: newOrder(m), snapshot: s}
	g.moved = sync.NewCond(&g.mu)
	return g
}

// Range implements primary.Source.
func (g *gate) Range() keygroups.Range { return g.bounds }

// Blocks implements primary.BlockSource.
func (g *gate) Blocks() iter.Seq[int] { return g.snapshot.Blocks() }

// AppendGroup implements primary.Source. It waits until the group was admitted or passed over; one that was passed
// over is empty.
func (g *gate) AppendGroup(dst []byte, group int) ([]byte, uint64, error) {
	wanted, err := g.wait(group)
	if err != nil || !wanted {
		return dst, 0, err
	}
	return g.snapshot.AppendGroup(dst, group)
}

func (g *gate) wait(group int) (wanted bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.closed == nil && !g.complete && g.order.next <= group {
		g.moved.Wait()
	}
	return g.order.has(group), g.closed
}

// admit lets a group through, or returns ErrWriter.
func (g *gate) admit(group int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.moved.Broadcast()
	return g.order.add(group)
}

// finish says that no further group will come.
func (g *gate) finish() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.complete = true
	g.moved.Broadcast()
}

// close lets go of the snapshot; whoever waits for a group gets err, that of the first call.
func (g *gate) close(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil {
		g.closed = err
		g.moved.Broadcast()
		g.snapshot.Release()
	}
}

// admitted yields the groups that were let through, ascending. Only after finish.
func (g *gate) admitted() iter.Seq[int] { return g.order.groups() }
