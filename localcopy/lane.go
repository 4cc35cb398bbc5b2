package localcopy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
)

// maxDrops bounds the copies of one format that wait to be dropped: with so many, removing hangs or fails, and no copy
// is begun.
const maxDrops = 64

// lane is one format of a keeper. Its fields are guarded by the keeper's mutex.
type lane struct {
	keeper *Keeper
	format Format
	opened chan struct{} // closed when the search at start has ended
	isOpen bool
	slow   bool         // the format hung, and has not answered since: Copies does not wait for it
	sealed []sealedCopy // newest last
	drops  jobs
	failed []Copy // could not be dropped; tried again when the next copy is begun
	slots  int    // copies under way, given up or not: their goroutines
	// freeing says that the allocation is given up, and not freed yet.
	freeing bool
	stats   FormatStats
}

// sealedCopy is a copy and its checkpoint. The copy's own Meta is another's code: it may panic or block, and is not
// called with the keeper's mutex held.
type sealedCopy struct {
	Copy
	checkpoint uint64
	bare       bool // found at start without groups: of no use, and kept only to be dropped
}

// searchAgain is the time from one search at start to the next while the format says that its disk hangs.
const searchAgain = 5 * time.Second

// open finds what the allocation holds already. It is a goroutine: it ends when the format returns.
func (l *lane) open() {
	k := l.keeper
	ctx, cancel := context.WithTimeoutCause(context.Background(), k.cfg.Timeout, errTimeout)
	defer cancel()
	found, err := l.find(ctx)
	for errors.Is(err, ErrStalled) && len(found) == 0 && l.pause(ctx, err) {
		found, err = l.find(ctx)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.doneLocked()
	for _, c := range found {
		switch {
		case k.disposed: // left for the next keeper, or freed with the rest
		case k.keepsLocked(c.checkpoint):
			l.sealed = append(l.sealed, c)
		default:
			l.discardLocked(c.Copy)
		}
	}
	l.isOpen, l.slow = true, errors.Is(err, ErrStalled)
	close(l.opened)
	if err != nil {
		l.failLocked(0, fmt.Errorf("open: %w", err))
	}
}

// pause waits before the format is searched again, and tells Copies not to wait for that. It returns false if there is
// nothing to search for any more.
func (l *lane) pause(ctx context.Context, why error) bool {
	k := l.keeper
	k.mu.Lock()
	if !l.slow {
		l.slow = true
		l.failLocked(0, fmt.Errorf("open: %w", why))
	}
	k.doneLocked()
	k.mu.Unlock()
	timer := time.NewTimer(searchAgain)
	defer timer.Stop()
	again := false
	select {
	case <-timer.C:
		again = true
	case <-k.ended:
	case <-ctx.Done():
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy++
	return again
}

// find asks the format. A copy that cannot say what it is is not one.
func (l *lane) find(ctx context.Context) (found []sealedCopy, err error) {
	var copies []Copy
	err = contain(func() (err error) {
		copies, err = l.format.Open(ctx, l.keeper.cfg.Owner)
		return err
	})
	for _, c := range copies {
		if c == nil {
			err = errors.Join(err, errNoCopy)
			continue
		}
		s := sealedCopy{Copy: c}
		if fault := contain(func() error {
			s.checkpoint, s.bare = c.Meta().Checkpoint, len(c.Groups()) == 0
			return nil
		}); fault != nil {
			err = errors.Join(err, fault)
			continue
		}
		found = append(found, s)
	}
	return found, err
}

// expectLocked returns until when a copy of a checkpoint may come that is not there yet: the zero time if none will.
func (l *lane) expectLocked(checkpoint uint64, now time.Time) time.Time {
	k := l.keeper
	if l.slow {
		return time.Time{}
	}
	if until := k.start.Add(k.cfg.LookupTimeout); !l.isOpen && now.Before(until) {
		return until
	}
	for _, p := range k.pending {
		if p.lane == l && p.meta.Checkpoint == checkpoint && now.Before(p.sealBy) {
			return p.sealBy
		}
	}
	return time.Time{}
}

// beginLocked starts a copy, unless too many are under way.
func (l *lane) beginLocked(m Meta, s *heapbackend.Snapshot) {
	k := l.keeper
	full := l.slots >= k.cfg.MaxPending || l.drops.len()+len(l.failed) >= maxDrops
	for _, c := range l.failed {
		l.discardLocked(c)
	}
	l.failed = nil
	if full {
		l.stats.Skipped++
		l.failLocked(m.Checkpoint, errBusy)
		return
	}
	own, err := s.Retain()
	if err != nil {
		l.failLocked(m.Checkpoint, fmt.Errorf("retain snapshot: %w", err))
		return
	}
	l.stats.Begun++
	l.slots++
	k.busy++
	p := newPending(l, m)
	k.pending = append(k.pending, p)
	go p.run(own)
}

// leftLocked says that the goroutine of a copy ends.
func (l *lane) leftLocked() {
	l.slots--
	l.freeLocked()
}

// freeLocked frees the allocation in the background if it is given up, once no writer is left that could add to it.
func (l *lane) freeLocked() {
	if !l.freeing || l.slots > 0 {
		return
	}
	l.freeing = false
	o := l.keeper.cfg.Owner
	l.drops.addLocked(l.keeper, func() {
		l.call("free", func(ctx context.Context) error { return l.format.Free(ctx, o.Job, o.Allocation) })
	})
}

// discardLocked drops a copy in the background.
func (l *lane) discardLocked(c Copy) {
	l.drops.addLocked(l.keeper, func() {
		dropped := l.call("drop", c.Drop)
		l.keeper.mu.Lock()
		defer l.keeper.mu.Unlock()
		if dropped {
			l.stats.Dropped++
		} else {
			l.failed = append(l.failed, c)
		}
	})
}

// call runs one operation of the format within the timeout, and counts a failure.
func (l *lane) call(what string, do func(context.Context) error) bool {
	ctx, cancel := context.WithTimeoutCause(context.Background(), l.keeper.cfg.Timeout, errTimeout)
	defer cancel()
	err := contain(func() error { return do(ctx) })
	if err == nil {
		return true
	}
	l.keeper.mu.Lock()
	defer l.keeper.mu.Unlock()
	l.failLocked(0, fmt.Errorf("%s: %w", what, err))
	return false
}

// failLocked counts a failure and logs it if it is the first since the format last worked, or if the copy was wrong.
func (l *lane) failLocked(checkpoint uint64, err error) {
	l.stats.Failed++
	first := !l.stats.Failing
	l.stats.Failing = true
	mismatch := errors.Is(err, ErrMismatch)
	if mismatch {
		l.stats.Mismatched++
	}
	if first {
		l.stats.Incidents++
	}
	if first || mismatch {
		l.logLocked(slog.LevelWarn, "local copies fail; the checkpoints go on", "checkpoint", checkpoint, "error", err)
	}
}

// workedLocked ends an incident, unless copies still cannot be removed.
func (l *lane) workedLocked() {
	if l.stats.Failing && len(l.failed) == 0 {
		l.stats.Failing = false
		l.logLocked(slog.LevelInfo, "local copies work again")
	}
}

func (l *lane) logLocked(level slog.Level, msg string, args ...any) {
	k := l.keeper
	if k.logs.len() >= maxDrops {
		return // the logger hangs
	}
	o := k.cfg.Owner
	args = append([]any{"job", o.Job, "operator", o.Operator, "task", o.Task, "format", l.stats.Format}, args...)
	k.logs.addLocked(k, func() { k.cfg.Logger.Log(context.Background(), level, msg, args...) })
}

// jobs runs functions one after the other, in order, on a goroutine that lives while there are any. Guarded by the
// keeper's mutex.
type jobs struct {
	queue   []func() // the first is running
	running bool
}

func (j *jobs) len() int { return len(j.queue) }

func (j *jobs) addLocked(k *Keeper, job func()) {
	j.queue = append(j.queue, job)
	if !j.running {
		j.running = true
		k.busy++
		go j.run(k)
	}
}

func (j *jobs) run(k *Keeper) {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.doneLocked()
	for len(j.queue) > 0 {
		job := j.queue[0]
		k.mu.Unlock()
		_ = contain(func() error { job(); return nil }) // a logger may panic; formats are contained already
		k.mu.Lock()
		j.queue = slices.Delete(j.queue, 0, 1)
	}
	j.running = false
}

// doneLocked says that a goroutine has nothing more to do.
func (k *Keeper) doneLocked() {
	k.busy--
	k.wakeLocked()
}

// FormatStats counts what became of the copies of one format. Counters only grow.
type FormatStats struct {
	// Format is the format's name.
	Format string
	// Begun copies were registered and their writing started.
	Begun uint64
	// Sealed copies became usable.
	Sealed uint64
	// Abandoned copies were given up before they were sealed, because nobody wanted them any more: aborted, replaced,
	// older than what was restored or confirmed, or disposed of.
	Abandoned uint64
	// Failed counts every failure: a copy that could not be begun, written or sealed, or not in time; a copy that could
	// not be dropped; an allocation that could not be searched or freed.
	Failed uint64
	// Late, Mismatched and Skipped are the failed ones of three kinds: not yet sealed when the next checkpoint was
	// confirmed; not what the primary is; not begun because too many were under way.
	Late, Mismatched, Skipped uint64
	// Incidents counts runs of failures with no copy sealed in between. Each is logged once.
	Incidents uint64
	// Discarded copies came after their abort, after a newer checkpoint, or after Dispose.
	Discarded uint64
	// Dropped sealed copies were removed, because a newer one took over or their checkpoint failed.
	Dropped uint64
	// Failing is true from the first failure of an incident to the next copy that is sealed.
	Failing bool
	// Pending is the copies being written, or waiting for their primary, now; Stuck the writers that were given up and
	// have not returned yet; Held the sealed copies known now.
	Pending, Stuck, Held int
}

// Stats returns the counters of every format, in order of preference.
func (k *Keeper) Stats() []FormatStats {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]FormatStats, len(k.lanes))
	for i, l := range k.lanes {
		all[i] = l.stats
		all[i].Held = len(l.sealed)
		for _, p := range k.pending {
			if p.lane == l {
				all[i].Pending++
			}
		}
		all[i].Stuck = l.slots - all[i].Pending
	}
	return all
}

// stopwatch bounds the stretches of work of one copy, but not the waiting in between.
type stopwatch struct {
	limit time.Duration
	timer *time.Timer
}

func startStopwatch(limit time.Duration, fire func()) *stopwatch {
	return &stopwatch{limit: limit, timer: time.AfterFunc(limit, fire)}
}

func (s *stopwatch) pause()  { s.timer.Stop() }
func (s *stopwatch) resume() { s.timer.Reset(s.limit) }
