package primary

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// Coordinator makes the checkpoints of one job: it triggers them, collects the
// tasks' acknowledgements, commits or aborts, and deletes what is superfluous.
//
// At most one coordinator of a job can commit. The one that was opened last owns
// the job's commit log; all before it are fenced: their commits are refused, and
// they delete nothing that the new one uses.
//
// Every method may be called from any goroutine and none waits for the store,
// the transport or another caller, except Wait, Settle, Reload, Close and Run,
// which say so. All other work on the store is done by two goroutines that Run
// owns, one that commits and one that deletes; both end with Run.
type Coordinator struct {
	cfg   CoordinatorConfig
	plans map[TaskID]TaskPlan
	epoch uint64
	// log, doubt and uncopied belong to the committer.
	log      *commitlog.Log
	doubt    *commit
	uncopied []*commitlog.Record // of ours, their second copy could not be written

	wake, commitWake, cleanWake signal

	// mu guards everything below. It is never held during a call of the store,
	// the transport or the logger.
	mu       sync.Mutex
	stopped  error // why nothing more can happen here, nil as long as it can
	exceeded error // too many failures: ends Run once
	run      *run  // nil when Run is not at work

	attempts map[TaskID]uuid.UUID // current ones; a task that does not run is absent
	pending  []*pending           // ascending by id
	queue    []*pending           // fully acknowledged, waiting for the committer
	writing  *pending             // what the committer is at
	decided  chan struct{}        // closed when writing becomes nil
	cut      func()               // ends the committer's call of the store; nil before the first
	history  history
	outbox   []func(Transport)

	lastID         uint64 // the greatest id ever given
	lastSuccess    uint64
	lastCompletion time.Time
	nextDue        time.Time
	failures       int

	retained []entry   // completed checkpoints, newest first
	copies   []copyJob // savepoints whose manifest is not yet beside their objects
	held     []held
	// discarded are no longer retained, but until a newer record is in the log the
	// log still counts them: nothing of them is deleted before.
	discarded []entry
	ledger    ledger
	saved     map[uint64]struct{} // savepoints known to be committed: no sweep touches them
	slots     []uint64            // slots of the log known to be taken
	skipped   []uint64            // slots of the log that cannot be read: they stay
	trash     trash
	stats     CoordinatorStats
}

// signal wakes one goroutine; several sets before it wakes are one.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) set() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// openTries bounds how often an opening begins anew because another coordinator
// claimed the log at the same time.
const openTries = 100

// OpenCoordinator claims the job's commit log and so fences every coordinator of
// the job before it. It returns with the retained checkpoints loaded; Run does
// the rest. It lists the log and the store once each, reads the newest record and
// those that hold what else is retained, and creates one record, twice: however
// often the job was started. The argument why no single file that is lost, damaged
// or put back can start the job empty or take it back is with the commit log
// (docs/decisions/0013).
//
// An older retained checkpoint whose record cannot be read is given up, with an
// error logged; nothing of it is deleted. What may hide the newest one is an error.
// A record that is read from its copy is logged as a warning.
//
// Errors: ErrInvalid with every fault of cfg; a *LogLostError when the store holds
// checkpoints of the job and no log, or an older one; a *MismatchError when it
// holds another job's, or this job's with another M, another seed, or an operator
// that cfg neither has nor drops; ErrCorrupt and ErrVersion for a log that cannot
// be read; ErrFenced when another coordinator claimed the log at the same time;
// else the store's. Nothing in the store is changed before the claim, which comes
// last.
func OpenCoordinator(ctx context.Context, cfg CoordinatorConfig) (*Coordinator, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		c, err := openCoordinator(ctx, cfg)
		if !errors.Is(err, commitlog.ErrTaken) || try == openTries {
			return c, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

func openCoordinator(ctx context.Context, cfg CoordinatorConfig) (*Coordinator, error) {
	// The log first: what is in it then has all its objects in the inventory.
	view, err := loadLog(ctx, cfg.Store, cfg.Job)
	if err != nil {
		return nil, err
	}
	inv, err := takeInventory(ctx, cfg)
	if err != nil {
		return nil, err
	}
	switch {
	case inv.epoch > max(view.Top(), inv.top):
		return nil, cfg.newerLost(ctx, inv)
	case inv.top > view.Top(): // the log has moved on since it was read
		return nil, fmt.Errorf("%w: slot %d", commitlog.ErrTaken, inv.top)
	}
	// A job of which a newer checkpoint may be lost does not start without a word, and never empty.
	if fault := view.newestFault(); fault != nil && (!cfg.SkipCorrupt || len(retained(view.live)) == 0) {
		return nil, fault
	}
	if err := cfg.fit(view.live); err != nil {
		return nil, err
	}
	c := newCoordinator(cfg)
	c.adopt(inv, view)
	if err := c.claim(ctx, view, inv); err != nil {
		return nil, err
	}
	c.logFaults(view)
	return c, nil
}

// logFaults says what is wrong with the log that was claimed. A record that is as good as whole is worth a line too:
// what took one of its two files may take the other.
func (c *Coordinator) logFaults(view *logView) {
	log := func(level slog.Level, msg string, fault commitlog.Fault) {
		c.cfg.Logger.Log(context.Background(), level, msg, "job", c.cfg.Job,
			"record", commitlog.RecordName(c.cfg.Job, fault.Holder),
			"copy", commitlog.CopyName(c.cfg.Job, fault.Holder), "cause", fault.Err)
	}
	for _, fault := range view.Faults {
		log(slog.LevelError, "commit log record skipped", fault)
	}
	for _, fault := range view.Copied {
		log(slog.LevelWarn, "commit log record read from its copy", fault)
	}
}

func newCoordinator(cfg CoordinatorConfig) *Coordinator {
	c := &Coordinator{
		cfg:        cfg,
		plans:      make(map[TaskID]TaskPlan, len(cfg.Tasks)),
		wake:       newSignal(),
		commitWake: newSignal(),
		cleanWake:  newSignal(),
		attempts:   make(map[TaskID]uuid.UUID, len(cfg.Tasks)),
		ledger:     ledger{},
		saved:      map[uint64]struct{}{},
	}
	for _, t := range cfg.Tasks {
		c.plans[t.TaskID] = t
	}
	return c
}

// claim creates the claim in the slot after the newest one. It holds all that is
// live, so that everything before it can go.
func (c *Coordinator) claim(ctx context.Context, view *logView, inv *inventory) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	id, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("primary: claim: %w", err)
	}
	c.log = commitlog.New(logStore{c.cfg.Store}, c.cfg.Job, id, view.Top())
	c.epoch = c.log.Epoch()
	// An id given by a predecessor that left no trace may come again; the epoch
	// in the names keeps even those apart.
	rec := c.log.Next(commitlog.Claim, c.lastID)
	rec.Skipped = c.skipped
	c.holdLocked(rec)
	v, err := c.log.Append(ctx, rec)
	if errors.Is(err, commitlog.ErrTaken) {
		return err
	}
	if errors.Is(err, ErrFenced) && (v == commitlog.Refused || c.passed(ctx)) {
		return fmt.Errorf("%w: %w", commitlog.ErrTaken, err)
	}
	if err != nil {
		return fmt.Errorf("primary: claim the commit log: %w", logError(c.cfg.Job, err))
	}
	c.copyRecord(ctx, rec)
	if !inv.origin {
		err := createObject(ctx, c.cfg.Store, commitlog.OriginName(c.cfg.Job), rec.Append(nil))
		if err != nil && !errors.Is(err, ErrExist) {
			c.cfg.Logger.Warn("origin of the commit log not written", "job", c.cfg.Job, "cause", err)
		}
	}
	// What the newest record before the claim needs stays until a checkpoint follows the claim, or another claim: a
	// start that fails, because a block cannot be read for instance, has deleted nothing that anybody was told of.
	begin := rec.Slot
	if view.Newest != nil {
		begin = view.Newest.Begin()
	}
	c.retireSlotsLocked(rec, begin)
	return nil
}

// holdLocked puts all that is live into a claim, if it is not so much that nobody
// would read it. The coordinator has what the manifests say and keeps no bytes.
func (c *Coordinator) holdLocked(claim *commitlog.Record) {
	total := 0
	hold := func(e *entry) {
		if total += len(e.Manifest); total <= maxFrame/2 {
			e.Holder = claim.Slot
			claim.Held = append(claim.Held, e.Entry)
		}
		claim.Live = append(claim.Live, e.Ref)
		e.Manifest = nil
	}
	for i := range c.retained {
		hold(&c.retained[i])
	}
	for i := range c.copies {
		hold(&c.copies[i].entry)
	}
	slices.SortFunc(claim.Live, func(a, b commitlog.Ref) int { return cmp.Compare(a.Slot, b.Slot) })
	slices.SortFunc(claim.Held, func(a, b commitlog.Entry) int { return cmp.Compare(a.Slot, b.Slot) })
}

// copyRecord writes the second copy of a committed record. Without it the record
// counts nevertheless, and it is tried again.
func (c *Coordinator) copyRecord(ctx context.Context, rec *commitlog.Record) {
	if err := c.log.Copy(ctx, rec); err != nil {
		c.uncopied = append(c.uncopied, rec)
		c.cfg.Logger.Warn("log record has no second copy", "job", c.cfg.Job, "slot", rec.Slot, "cause", err)
	}
}

// passed tells whether a claim was fenced by nobody: the predecessor went on
// committing, and what we claimed was a slot it had already retired.
func (c *Coordinator) passed(ctx context.Context) bool {
	store := logStore{c.cfg.Store}
	newest, err := commitlog.NewestSlot(ctx, store, c.cfg.Job)
	if err != nil {
		return false
	}
	top, err := commitlog.ReadRecord(ctx, store, c.cfg.Job, newest)
	return err == nil && top.Epoch < c.epoch
}

// Seed returns the seed of the job's key hash: that of the configuration, of the
// newest manifest, or a random one made at the start. It is never 0.
func (c *Coordinator) Seed() uint64 { return c.cfg.Seed }

// Epoch returns the number of this coordinator: greater than that of every one of
// the same job before it.
func (c *Coordinator) Epoch() uint64 { return c.epoch }

// ObjectName returns the name under which an attempt stores its state for a
// checkpoint triggered by this coordinator: the Object of the Trigger.
func (c *Coordinator) ObjectName(task TaskID, attempt uuid.UUID, checkpoint uint64, savepoint bool) string {
	return objectName(c.cfg.Job, Trigger{Checkpoint: checkpoint, Savepoint: savepoint}, task, attempt, c.epoch)
}

// Latest returns the manifest of the newest completed checkpoint, nil if there is
// none. Savepoints do not count. The manifest must not be modified. To restore
// after a failure call AbortAll and Settle first, for a commit may be under way, and
// Pin what is restored.
func (c *Coordinator) Latest() *Manifest {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.retained) == 0 {
		return nil
	}
	return c.retained[0].manifest
}

// Retained returns the manifests of the retained checkpoints, newest first. The
// slice is the caller's, the manifests must not be modified.
func (c *Coordinator) Retained() []*Manifest {
	c.mu.Lock()
	defer c.mu.Unlock()
	return manifests(c.retained)
}

// SetAttempt says which attempt of a task runs; uuid.Nil: none. From then on every
// other attempt of the task is fenced. A change aborts all pending checkpoints,
// except one whose manifest is being written: all its tasks were current when
// they acknowledged and when the write began. No checkpoint begins before every
// task runs; the first periodic one begins an interval after that.
// Error: ErrUnknownTask.
func (c *Coordinator) SetAttempt(task TaskID, attempt uuid.UUID) error {
	if _, ok := c.plans[task]; !ok {
		return fmt.Errorf("%w: %v", ErrUnknownTask, task)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempts[task] == attempt {
		return nil
	}
	if attempt == uuid.Nil {
		delete(c.attempts, task)
	} else {
		c.attempts[task] = attempt
	}
	c.abortAllLocked(ErrRestarted, fmt.Errorf("task %v began another attempt or stopped", task))
	if c.allRunLocked() {
		c.nextDue = time.Now().Add(c.cfg.Interval)
	}
	c.wake.set()
	return nil
}

func (c *Coordinator) allRunLocked() bool { return len(c.attempts) == len(c.plans) }

// runningLocked returns the current attempts, a copy.
func (c *Coordinator) runningLocked() map[TaskID]uuid.UUID { return maps.Clone(c.attempts) }
