package localcopy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/primary"
)

// heapFormat keeps the snapshots themselves.
type heapFormat struct {
	mu     sync.Mutex // guards copies
	copies map[heapKey]*heapCopy
}

type heapKey struct {
	owner      Owner
	checkpoint uint64
}

// Heap returns a format that retains the snapshot itself: nothing is encoded or copied, loading a group adopts its
// pages, and the copy stays intact for the next failure. It costs the memory of the pages written since. The copies live
// in the returned Format and die with the process; tasks that are to find each other's copies share one Format.
//
// Its copies hold what the primary was written from, so Seal compares entries and takes the digests of the twin.
func Heap() Format { return &heapFormat{copies: map[heapKey]*heapCopy{}} }

// Name implements Format.
func (f *heapFormat) Name() string { return "heap" }

// Letter implements Format.
func (f *heapFormat) Letter() byte { return 'H' }

// Begin implements Format. O(1).
func (f *heapFormat) Begin(ctx context.Context, m Meta, s *heapbackend.Snapshot) (Writer, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	own, err := s.Retain()
	if err != nil {
		return nil, fmt.Errorf("localcopy: retain snapshot: %w", err)
	}
	w := &heapWriter{format: f, meta: m, order: newOrder(&m), snapshot: own}
	w.mu.Lock() // the watch may fire at once
	defer w.mu.Unlock()
	w.stop = context.AfterFunc(ctx, func() { _ = w.Abandon() })
	return w, nil
}

// Open implements Format.
func (f *heapFormat) Open(ctx context.Context, o Owner) ([]Copy, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []Copy
	for key, c := range f.copies {
		if key.owner.Job == o.Job && key.owner.Operator == o.Operator && key.owner.Allocation == o.Allocation {
			found = append(found, c)
		}
	}
	sortCopies(found)
	return found, nil
}

// Claim implements Format.
func (f *heapFormat) Claim(_ context.Context, job string, allocations []uuid.UUID) error {
	f.remove(func(o Owner) bool { return o.Job == job && !slices.Contains(allocations, o.Allocation) })
	return nil
}

// Free implements Format.
func (f *heapFormat) Free(_ context.Context, job string, allocation uuid.UUID) error {
	f.remove(func(o Owner) bool { return o.Job == job && o.Allocation == allocation })
	return nil
}

// remove drops every copy whose owner fits.
func (f *heapFormat) remove(fits func(Owner) bool) {
	f.mu.Lock()
	var gone []*heapCopy
	for key, c := range f.copies {
		if fits(key.owner) {
			delete(f.copies, key)
			gone = append(gone, c)
		}
	}
	f.mu.Unlock()
	for _, c := range gone {
		c.release()
	}
}

// put makes c visible, and drops the older copy of the same owner and checkpoint.
func (f *heapFormat) put(c *heapCopy) {
	key := heapKey{c.meta.Owner, c.meta.Checkpoint}
	f.mu.Lock()
	older := f.copies[key]
	f.copies[key] = c
	f.mu.Unlock()
	if older != nil {
		older.release()
	}
}

// heapWriter implements Writer.
type heapWriter struct {
	format *heapFormat
	meta   Meta
	order  *order
	stop   func() bool // ends the watch on the context of Begin

	mu       sync.Mutex            // guards snapshot and stop: the end of the context may come at any time
	snapshot *heapbackend.Snapshot // nil after Seal and Abandon
}

// WriteGroup implements Writer. O(1).
func (w *heapWriter) WriteGroup(ctx context.Context, group int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.snapshot == nil {
		return fmt.Errorf("%w: already sealed or abandoned", ErrWriter)
	}
	return w.order.add(group)
}

// Seal implements Writer. O(groups).
func (w *heapWriter) Seal(ctx context.Context, twin []primary.Segment) (Copy, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.snapshot == nil {
		return nil, fmt.Errorf("%w: already sealed or abandoned", ErrWriter)
	}
	own := make([]GroupInfo, 0, len(twin))
	for group := range w.order.groups() {
		info := GroupInfo{Group: group, Entries: w.snapshot.Entries(group)}
		if segments := segmentsOf(twin, group); len(segments) == 1 {
			info.Digest, info.Bytes = segments[0].Digest, segments[0].Raw
		}
		own = append(own, info)
	}
	if err := Match(own, twin); err != nil {
		return nil, err
	}
	own = slices.DeleteFunc(own, GroupInfo.empty)
	c := &heapCopy{format: w.format, meta: w.meta, groups: own, snapshot: w.snapshot}
	w.snapshot = nil
	w.stop()
	w.format.put(c)
	return c, nil
}

// Abandon implements Writer.
func (w *heapWriter) Abandon() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.snapshot != nil {
		w.stop()
		w.snapshot.Release()
		w.snapshot = nil
	}
	return nil
}

// heapCopy implements Copy.
type heapCopy struct {
	format *heapFormat
	meta   Meta
	groups []GroupInfo

	mu       sync.RWMutex          // guards snapshot; held for reading while a group is staged
	snapshot *heapbackend.Snapshot // nil once dropped
}

// Meta implements Copy.
func (c *heapCopy) Meta() Meta { return c.meta }

// Groups implements Copy.
func (c *heapCopy) Groups() []GroupInfo { return c.groups }

// Load implements Copy: the group's tables are adopted, O(states).
func (c *heapCopy) Load(ctx context.Context, group int, into heapbackend.AnyBackend) (*heapbackend.Staged, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, ok := findGroup(c.groups, group); !ok {
		return nil, fmt.Errorf("%w: heap copy of checkpoint %d, group %d", ErrNoGroup, c.meta.Checkpoint, group)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.snapshot == nil {
		return nil, fmt.Errorf("%w: heap copy of checkpoint %d", ErrDropped, c.meta.Checkpoint)
	}
	staged, err := into.StageSnapshot(c.snapshot, group)
	if err != nil {
		return nil, fmt.Errorf("localcopy: heap copy of checkpoint %d, group %d: %w", c.meta.Checkpoint, group, err)
	}
	return staged, nil
}

// Drop implements Copy.
func (c *heapCopy) Drop(context.Context) error {
	key := heapKey{c.meta.Owner, c.meta.Checkpoint}
	c.format.mu.Lock()
	if c.format.copies[key] == c {
		delete(c.format.copies, key)
	}
	c.format.mu.Unlock()
	c.release()
	return nil
}

func (c *heapCopy) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.snapshot != nil {
		c.snapshot.Release()
		c.snapshot = nil
	}
}

// sortCopies puts copies in ascending order of checkpoint, then task.
func sortCopies(copies []Copy) {
	slices.SortFunc(copies, func(a, b Copy) int {
		am, bm := a.Meta(), b.Meta()
		return cmp.Or(cmp.Compare(am.Checkpoint, bm.Checkpoint), cmp.Compare(am.Task, bm.Task))
	})
}
