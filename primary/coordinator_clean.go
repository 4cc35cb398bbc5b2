package primary

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// trash is what the cleaner has to do.
type trash struct {
	names    []string // to delete, each known to be named by nothing
	slots    []uint64 // of the log, to delete one after the other: they ascend
	sweeps   []sweep
	resweeps []sweep  // once more after the next completion
	failed   []string // could not be deleted: tried again with the next work
	stuck    []uint64 // slots: the first could not be deleted, the rest wait for it
}

// sweep looks for objects that nothing names: those of one checkpoint that was
// aborted, or all that earlier coordinators left.
type sweep struct {
	Trigger
	all bool
	// ours leaves alone what other coordinators left.
	ours bool
	// epoch and checkpoint are those of the newest record at the start: unless epoch
	// is 0, only what an earlier coordinator wrote, or what is of an earlier
	// checkpoint, is known to be superfluous.
	epoch, checkpoint uint64
}

// covers reports whether the sweep of the coordinator of that epoch may delete what
// is of no use.
func (s sweep) covers(at stored, epoch uint64) bool {
	if s.ours && at.epoch != epoch {
		return false
	}
	return s.epoch == 0 || at.epoch < s.epoch || at.checkpoint < s.checkpoint
}

// Bounds of what is remembered while nothing completes, or nothing can be deleted,
// or the store does not answer: what is forgotten is found by a sweep, after the
// next completion or at the next start.
const (
	maxSweeps = 64
	maxFailed = 4096
	maxNames  = 1 << 17 // more than four checkpoints of as many tasks as there can be
)

// throw adds names to delete.
func (t *trash) throw(names ...string) {
	if t.names = append(t.names, names...); len(t.names) > maxNames {
		t.names = slices.Clone(t.names[len(t.names)-maxNames/2:])
		t.later(sweep{all: true, ours: true})
	}
}

// now schedules a sweep.
func (t *trash) now(s sweep) { t.sweeps = addSweep(t.sweeps, s) }

// later schedules a sweep for after the next completion.
func (t *trash) later(s sweep) { t.resweeps = addSweep(t.resweeps, s) }

// addSweep adds a sweep; where there are too many of one checkpoint each, one of all
// that is ours takes their place.
func addSweep(sweeps []sweep, s sweep) []sweep {
	if slices.Contains(sweeps, s) {
		return sweeps
	}
	if sweeps = append(sweeps, s); len(sweeps) <= maxSweeps {
		return sweeps
	}
	sweeps = slices.DeleteFunc(sweeps, func(s sweep) bool { return !s.all })
	return addSweep(sweeps, sweep{all: true, ours: true})
}

// again schedules the second sweep of checkpoints aborted earlier: by the time a
// newer one is complete, no task is still writing for them.
func (t *trash) again() {
	for _, s := range t.resweeps {
		t.now(s)
	}
	t.resweeps = nil
}

// takeTrash empties the trash into the cleaner's hands.
func (c *Coordinator) takeTrash() (t trash, any bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.trash.names)+len(c.trash.slots)+len(c.trash.sweeps) == 0 {
		return trash{}, false
	}
	t = trash{
		names:  append(c.trash.failed, c.trash.names...),
		slots:  append(c.trash.stuck, c.trash.slots...),
		sweeps: c.trash.sweeps,
	}
	c.trash.names, c.trash.failed, c.trash.slots, c.trash.stuck, c.trash.sweeps = nil, nil, nil, nil, nil
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
			c.trash.later(t.sweeps[i])
			c.mu.Unlock()
			c.cfg.Logger.Warn("sweep failed", "job", c.cfg.Job, "cause", err)
			continue
		}
		names = append(names, found...)
	}
	if batch, ok := c.cfg.Store.(BatchDeleter); ok {
		c.cleanBatch(ctx, batch, t.slots, names)
		return
	}
	c.deleteSlots(ctx, t.slots, func(rows []string) error { return c.deleteEach(ctx, rows) })
	c.deleteAll(ctx, names)
}

// deleteSlots deletes slots of the log in order, each record with its copy. None
// goes while one before it is there: see commitlog.
func (c *Coordinator) deleteSlots(ctx context.Context, slots []uint64, del func(names []string) error) {
	var cause error
	left := slots
	for cause == nil && len(left) > 0 {
		cause = del([]string{commitlog.CopyName(c.cfg.Job, left[0]), commitlog.RecordName(c.cfg.Job, left[0])})
		if cause == nil {
			left = left[1:]
		}
	}
	c.mu.Lock()
	c.stats.Deleted += uint64(len(slots) - len(left))
	if cause != nil {
		c.stats.DeleteErrors++
	}
	c.trash.stuck = slices.Concat(left, c.trash.stuck)
	c.mu.Unlock()
	if cause != nil && ctx.Err() == nil {
		c.cfg.Logger.Warn("deletion of log records failed", "job", c.cfg.Job, "records", len(left), "cause", cause)
	}
}

// deleteEach deletes names one after the other, until one fails.
func (c *Coordinator) deleteEach(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := c.delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// batchSize is how many objects one request deletes.
const batchSize = 1000

// cleanBatch deletes slots of the log and objects with as few requests as can be:
// the first slot goes with the objects. What a request was about that the store
// refused is deleted one by one: an object that cannot be deleted holds up nothing else.
func (c *Coordinator) cleanBatch(ctx context.Context, store BatchDeleter, slots []uint64, names []string) {
	left := slices.DeleteFunc(names, func(name string) bool { return c.named(name) })
	var refused []string
	request := func(rows []string) error {
		n := min(len(left), batchSize-len(rows))
		some := left[:n]
		left = left[n:]
		ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
		defer cancel()
		err := store.DeleteAll(ctx, slices.Concat(rows, some))
		switch {
		case err == nil:
			c.deletedAll(ctx, n, nil, nil)
		case ctx.Err() != nil: // it does not answer: the next pass tries again
			c.deletedAll(ctx, 0, slices.Concat(some, left), err)
			left = nil
		default:
			refused = append(refused, some...)
		}
		return err
	}
	c.deleteSlots(ctx, slots, func(rows []string) error {
		alone := len(left) == 0
		err := request(rows)
		if err == nil || alone || ctx.Err() != nil {
			return err
		}
		return c.deleteEach(ctx, rows)
	})
	for len(left) > 0 {
		_ = request(nil) // noted
	}
	c.deleteAll(ctx, refused)
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
	c.deletedAll(ctx, int(deleted.Load()), failed, cause)
}

// deletedAll notes what became of objects that were to be deleted.
func (c *Coordinator) deletedAll(ctx context.Context, deleted int, failed []string, cause error) {
	c.mu.Lock()
	c.stats.Deleted += uint64(deleted)
	c.stats.DeleteErrors += uint64(len(failed))
	c.trash.failed = append(c.trash.failed, failed...)
	c.trash.failed = c.trash.failed[max(0, len(c.trash.failed)-maxFailed):]
	c.mu.Unlock()
	if len(failed) > 0 && ctx.Err() == nil {
		c.cfg.Logger.Warn("deletion failed", "job", c.cfg.Job, "objects", len(failed), "cause", cause)
	}
}

func (c *Coordinator) delete(ctx context.Context, name string) error {
	if c.named(name) {
		return errors.New("primary: object is in use")
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	return c.cfg.Store.Delete(ctx, name)
}

// named reports whether something in use names an object.
func (c *Coordinator) named(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ledger[name] > 0
}
