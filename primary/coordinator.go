package primary

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
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
	// log and doubt belong to the committer.
	log   *commitLog
	doubt *commit

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

// errTaken: another coordinator took the slot we wanted to claim.
var errTaken = errors.New("primary: slot was taken")

// OpenCoordinator claims the job's commit log and so fences every coordinator of
// the job before it. It returns with the retained checkpoints loaded; Run does
// the rest. It lists the store once, reads the records of the log, and creates one
// small object. A record that counts for nothing any more and cannot be read stops
// nothing, but keeps orphans from being swept until it is deleted or repaired: it
// may be a checkpoint that was skipped before.
//
// Errors: ErrInvalid with every fault of cfg; a *MismatchError when the store
// holds another job's checkpoints, or this job's with another M or seed; ErrCorrupt
// and ErrVersion for a log that cannot be read; ErrFenced when another coordinator
// claimed the log at the same time; else the store's. Nothing in the store is
// changed before the claim, which comes last.
func OpenCoordinator(ctx context.Context, cfg CoordinatorConfig) (*Coordinator, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	for {
		c, err := openCoordinator(ctx, cfg)
		if !errors.Is(err, errTaken) {
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
	// A job of which a checkpoint may be lost never starts empty.
	if len(view.faults) > 0 && (!cfg.SkipCorrupt || len(retained(view.live)) == 0) {
		return nil, errors.Join(view.faults...)
	}
	if err := view.probe(ctx, cfg.Store, cfg.Job); err != nil {
		return nil, err
	}
	if err := cfg.fit(view.live); err != nil {
		return nil, err
	}
	c := newCoordinator(cfg)
	c.adopt(inv, view)
	if err := c.claim(ctx, view); err != nil {
		return nil, err
	}
	for _, fault := range view.faults {
		cfg.Logger.Error("commit log record skipped", "job", cfg.Job, "cause", fault)
	}
	return c, nil
}

// inventory is what a listing of the store says.
type inventory struct {
	highest    uint64              // the greatest checkpoint id in any name
	savepoints map[string]struct{} // names below the job's savepoints
	slots      []uint64            // of the job's log
}

// takeInventory lists the store and refuses it if another job's log is in it.
func takeInventory(ctx context.Context, cfg CoordinatorConfig) (*inventory, error) {
	prefix := ""
	if cfg.SharedStore {
		prefix = cfg.Job + "/"
	}
	inv := &inventory{savepoints: map[string]struct{}{}}
	for info, err := range cfg.Store.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("primary: list the store: %w", err)
		}
		if job, ok := jobOfSlot(info.Name); ok && job != cfg.Job {
			return nil, &MismatchError{What: "job", Stored: strconv.Quote(job), Given: strconv.Quote(cfg.Job)}
		}
		found := parseName(cfg.Job, info.Name)
		inv.highest = max(inv.highest, found.checkpoint)
		switch found.area {
		case areaSavepoint, areaManifest:
			inv.savepoints[info.Name] = struct{}{}
		case areaLog:
			inv.slots = append(inv.slots, found.slot)
		}
	}
	return inv, nil
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
			return &MismatchError{What: "seed", Stored: fmt.Sprintf("%#x", e.manifest.Seed), Given: fmt.Sprintf("%#x", cfg.Seed)}
		}
	}
	for cfg.Seed == 0 {
		cfg.Seed = rand.Uint64()
	}
	return nil
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

// adopt takes over what the log counts.
func (c *Coordinator) adopt(inv *inventory, view *logView) {
	c.retained = retained(view.live)
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
	}
	c.lastID = max(c.lastID, inv.highest)
	if view.newest != nil {
		c.lastID = max(c.lastID, view.newest.highest)
	}
	// The second listing has what the first missed because it was just created.
	c.slots = slices.Concat(view.slots, inv.slots)
	slices.Sort(c.slots)
	c.slots = slices.DeleteFunc(slices.Compact(c.slots), func(slot uint64) bool {
		return slot > view.top() || slices.Contains(view.broken, slot)
	})
	if len(view.broken) == 0 {
		c.trash.sweeps = append(c.trash.sweeps, sweep{all: true})
	}
}

// unfinished tells whether a committed savepoint still lacks its manifest. One
// that also lacks objects has been deleted by its owner.
func (c *Coordinator) unfinished(inv *inventory, m *Manifest) bool {
	if _, ok := inv.savepoints[savepointManifestName(c.cfg.Job, m.Checkpoint)]; ok {
		return false
	}
	for name := range objectsOf(m) {
		if _, ok := inv.savepoints[name]; !ok {
			return false
		}
	}
	return true
}

// claim creates the claim in the slot after the newest one.
func (c *Coordinator) claim(ctx context.Context, view *logView) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	id, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("primary: claim: %w", err)
	}
	c.epoch = view.top() + 1
	c.log = &commitLog{store: c.cfg.Store, job: c.cfg.Job, claim: id, epoch: c.epoch, last: view.top()}
	// An id given by a predecessor that left no trace may come again; the epoch
	// in the names keeps even those apart.
	rec := c.log.next(recordClaim, c.lastID, c.liveSlotsLocked(len(c.retained)))
	v, err := c.log.append(ctx, rec)
	if errors.Is(err, errTaken) {
		return err
	}
	if errors.Is(err, ErrFenced) && (v == verdictRefused || c.passed(ctx)) {
		return fmt.Errorf("%w: %w", errTaken, err)
	}
	if err != nil {
		return fmt.Errorf("primary: claim the commit log: %w", err)
	}
	c.retireSlotsLocked(rec)
	return nil
}

// passed tells whether a claim was fenced by nobody: the predecessor went on
// committing, and what we claimed was a slot it had already retired.
func (c *Coordinator) passed(ctx context.Context) bool {
	newest, err := newestSlot(ctx, c.cfg.Store, c.cfg.Job)
	if err != nil {
		return false
	}
	top, err := readRecord(ctx, c.cfg.Store, c.cfg.Job, newest)
	return err == nil && top.epoch < c.epoch
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
