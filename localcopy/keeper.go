package localcopy

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/primary"
)

// Defaults of KeeperConfig.
const (
	DefaultTimeout       = 10 * time.Minute
	DefaultLookupTimeout = 5 * time.Second
	DefaultMaxPending    = 4
)

// KeeperConfig configures a Keeper.
type KeeperConfig struct {
	// Formats are the kinds of copies to keep, the most preferred first. None is a keeper that keeps nothing.
	Formats Formats
	// Owner is the task and the allocation whose copies are kept.
	Owner Owner
	// Logger hears of failures; nil is silence. It is called from a goroutine of the keeper.
	Logger *slog.Logger
	// Timeout bounds how long a format may take to write a copy, to seal it, to drop it, and to find copies at start,
	// each on its own; the wait for the primary does not count. What takes longer is given up. 0 is DefaultTimeout.
	Timeout time.Duration
	// LookupTimeout bounds how long Copies waits: for the search at start, counted from NewKeeper, and for a copy
	// being sealed, counted from PrimaryDone. A format that let it run out is not waited for again until it has sealed
	// a copy or ended the search. 0 is DefaultLookupTimeout.
	LookupTimeout time.Duration
	// MaxPending is how many copies of one format may be under way at once, those that hang on a dead disk included.
	// While there are so many, further ones are not begun. It should exceed the number of concurrent checkpoints.
	// 0 is DefaultMaxPending.
	MaxPending int
}

// maxAborted bounds the ids remembered because their abort came before their copy.
const maxAborted = 1024

// Keeper is the life of the local copies of one task in one allocation, over all its attempts. All methods are safe for
// concurrent use. No method but Copies and Wait waits for anything but a mutex held for O(copies) steps.
type Keeper struct {
	cfg   KeeperConfig
	start time.Time
	lanes []*lane       // one a format, in order of preference
	ended chan struct{} // closed by the first Dispose

	mu      sync.Mutex    // guards the fields below and those of the lanes and the pending
	changed chan struct{} // closed and replaced at every change that Copies or Wait may wait for
	pending []*pending    // in order of Store. Invariant: none of them is gone
	busy    int           // goroutines doing something other than waiting for the primary
	logs    jobs

	// stored holds the ids not below floor that Store took. Invariant: only confirming one of them drops anything.
	stored map[uint64]struct{}
	// aborted holds the ids whose copy must not be stored any more.
	aborted map[uint64]struct{}
	// floor is the newest id confirmed or restored: nothing older is stored.
	floor    uint64
	restored bool // Restored was called: of what is found at start, only floor is kept
	disposed bool
}

// NewKeeper returns a keeper and starts to look for the copies its allocation holds already. It does not wait for that.
// The goroutines of a keeper end by themselves once they have nothing to do; Dispose and then Wait see to the rest.
func NewKeeper(cfg KeeperConfig) *Keeper {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Timeout = orDefault(cfg.Timeout, DefaultTimeout)
	cfg.LookupTimeout = orDefault(cfg.LookupTimeout, DefaultLookupTimeout)
	cfg.MaxPending = orDefault(cfg.MaxPending, DefaultMaxPending)
	k := &Keeper{
		cfg: cfg, start: time.Now(), changed: make(chan struct{}), ended: make(chan struct{}),
		stored: map[uint64]struct{}{}, aborted: map[uint64]struct{}{},
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, f := range cfg.Formats {
		l := &lane{keeper: k, format: f, opened: make(chan struct{}), stats: FormatStats{Format: f.Name()}}
		k.lanes = append(k.lanes, l)
		k.busy++
		go l.open()
	}
	return k
}

func orDefault[T time.Duration | int](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// Store registers the copies of a checkpoint and begins to write them in the background, on handles of their own: s
// stays the caller's. It must come before the checkpoint is acknowledged. m.Owner is set to the keeper's. A savepoint,
// an id that was aborted, one older than the last confirmed or restored, and anything after Dispose is discarded.
// Storing an id again replaces the copies of the first time.
func (k *Keeper) Store(m Meta, s *heapbackend.Snapshot) {
	if m.Savepoint {
		return
	}
	m.Owner = k.cfg.Owner
	id := m.Checkpoint
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, aborted := k.aborted[id]; aborted || k.disposed || id < k.floor {
		for _, l := range k.lanes {
			l.stats.Discarded++
		}
		return
	}
	k.dropLocked(errReplaced, func(other uint64) bool { return other == id })
	k.stored[id] = struct{}{}
	for _, l := range k.lanes {
		l.beginLocked(m, s)
	}
}

// PrimaryDone says that the primary copy of a checkpoint is durable and what it consists of, in ascending order of
// group: the copies may now be sealed. It must come before the checkpoint is acknowledged. twin is not kept.
func (k *Keeper) PrimaryDone(checkpoint uint64, twin []primary.Segment) {
	twin = slices.Clone(twin)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.pending {
		if p.meta.Checkpoint == checkpoint && p.sealBy.IsZero() {
			p.sealBy = time.Now().Add(k.cfg.LookupTimeout)
			p.unparkLocked()
			p.twin <- twin // holds one, and gets one
		}
	}
}

// Confirm says that a checkpoint is complete: copies of older ones are dropped. An id that was never stored, such as
// that of a savepoint, drops nothing.
func (k *Keeper) Confirm(checkpoint uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.stored[checkpoint]; !ok {
		return
	}
	k.floor = max(k.floor, checkpoint)
	older := func(id uint64) bool { return id < checkpoint }
	k.dropLocked(errSubsumed, older)
	forget(k.stored, older)
	forget(k.aborted, older)
}

// Abort says that a checkpoint will never complete: its copies are dropped, and no other. If the copy comes later, it
// is discarded.
func (k *Keeper) Abort(checkpoint uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	this := func(id uint64) bool { return id == checkpoint }
	k.dropLocked(errAborted, this)
	forget(k.stored, this)
	if checkpoint < k.floor {
		return // refused anyway
	}
	if k.aborted[checkpoint] = struct{}{}; len(k.aborted) > maxAborted {
		oldest := checkpoint
		for id := range k.aborted {
			oldest = min(oldest, id)
		}
		delete(k.aborted, oldest)
	}
}

// Restored says that the task was restored from a checkpoint, by whatever source: only its copies are kept, and ids
// count from there again.
func (k *Keeper) Restored(checkpoint uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	others := func(id uint64) bool { return id != checkpoint }
	k.dropLocked(errRestored, others)
	forget(k.stored, others)
	clear(k.aborted)
	k.floor, k.restored = checkpoint, true
}

// Dispose ends the keeper: copies under way are given up, later ones discarded. Sealed ones stay for the next keeper of
// the allocation, unless free says that the allocation is given up; then all its copies are removed, in the background.
// Calling it again with free still frees.
func (k *Keeper) Dispose(free bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range slices.Clone(k.pending) {
		k.abandonLocked(p, errDisposed)
	}
	if !k.disposed {
		k.disposed = true
		close(k.ended)
	}
	for _, l := range k.lanes {
		l.sealed = nil
		l.freeing = l.freeing || free
		l.freeLocked()
	}
	k.wakeLocked()
}

// Copies returns the sealed copies of a checkpoint in order of preference: those of this process and those found at
// start. It waits for what is about to be there, for at most KeeperConfig.LookupTimeout: in order of preference, until
// the first format that has a copy. A format that hangs costs that once, not at every call. The slice is the caller's.
func (k *Keeper) Copies(checkpoint uint64) []Copy {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		l, until := k.lookupLocked(checkpoint, time.Now())
		wait := time.Until(until)
		if l == nil || wait <= 0 {
			break
		}
		changed := k.changed
		k.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
		k.mu.Lock()
		if !time.Now().Before(until) && l.expectLocked(checkpoint, until.Add(-1)).Equal(until) {
			l.slow = true // its time is over, and it has not answered
		}
	}
	var found []Copy
	for _, l := range k.lanes {
		for _, c := range l.sealed {
			if c.checkpoint == checkpoint && !c.bare {
				found = append(found, c.Copy)
			}
		}
	}
	return found
}

// lookupLocked returns the format whose copy of a checkpoint is worth to wait for, and until when; nil if there is
// none.
func (k *Keeper) lookupLocked(checkpoint uint64, now time.Time) (*lane, time.Time) {
	for _, l := range k.lanes {
		if until := l.expectLocked(checkpoint, now); now.Before(until) {
			return l, until
		}
		if slices.ContainsFunc(l.sealed, func(c sealedCopy) bool { return c.checkpoint == checkpoint && !c.bare }) {
			break
		}
	}
	return nil, time.Time{}
}

// Wait returns when nothing is under way: every copy is sealed, dropped, or waits for its primary. If ctx ends first,
// it returns the context's error.
func (k *Keeper) Wait(ctx context.Context) error {
	for {
		k.mu.Lock()
		idle, changed := k.busy == 0, k.changed
		k.mu.Unlock()
		if idle {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wakeLocked wakes Copies and Wait.
func (k *Keeper) wakeLocked() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// dropLocked drops the copies of every id that fits, sealed or not.
func (k *Keeper) dropLocked(why error, fits func(id uint64) bool) {
	for _, p := range slices.Clone(k.pending) {
		if fits(p.meta.Checkpoint) {
			k.abandonLocked(p, why)
		}
	}
	for _, l := range k.lanes {
		l.sealed = slices.DeleteFunc(l.sealed, func(c sealedCopy) bool {
			gone := fits(c.checkpoint)
			if gone {
				l.discardLocked(c.Copy)
			}
			return gone
		})
	}
}

// forget removes the ids that fit.
func forget(ids map[uint64]struct{}, fits func(id uint64) bool) {
	for id := range ids {
		if fits(id) {
			delete(ids, id)
		}
	}
}

// keepsLocked reports whether a copy found at start is still of use.
func (k *Keeper) keepsLocked(id uint64) bool {
	_, stored := k.stored[id]
	_, aborted := k.aborted[id]
	return !stored && !aborted && id >= k.floor && (!k.restored || id == k.floor)
}
