package recovery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testM    = 32
	testSeed = 42
	testKeys = 500
)

// world is one job over one log that every task reads whole, keeping the records of its own key groups. It knows what
// every key's state must be, and every attempt checks all of it after its restore.
type world struct {
	t     *testing.T
	store *faultStore
	dir   string
	cfg   Config
	hash  keygroups.Hasher[uint64]

	mu         sync.Mutex
	limit      int64 // tasks read up to here
	moved      chan struct{}
	at         map[int]int64 // by task
	recoveries []RecoveryReport
	checks     []CheckpointReport
	first      func(ctx context.Context, t *Task, offset int64) error // the hook a start begins with
	hook       func(ctx context.Context, t *Task, offset int64) error // before each record
	faults     []error
	lag        map[int]int64         // by task: how far it stays behind limit
	last       map[int]*atomic.Int64 // by task: what it last gave to Advance

	job  *Job
	done chan error
}

func newWorld(t *testing.T, change func(c *Config)) *world {
	w := &world{t: t, store: newFaultStore(), dir: filepath.Join(t.TempDir(), "local"), moved: make(chan struct{}), at: map[int]int64{}, last: map[int]*atomic.Int64{}}
	for i := range testM {
		w.last[i] = new(atomic.Int64)
	}
	h, err := keygroups.NewHasher[uint64](testSeed)
	require.NoError(t, err)
	w.hash = h
	w.cfg = Config{
		Name: "job", Tasks: 2, M: testM, Seed: testSeed, Primary: w.store, Worker: "w", Restart: Fixed{Attempts: 20},
		Local: localcopy.Stack(localcopy.Heap()), Grace: 5 * time.Second, TolerableFailures: 3,
	}
	if change != nil {
		change(&w.cfg)
	}
	w.cfg.OnRecovery = func(r RecoveryReport) { w.note(func() { w.recoveries = append(w.recoveries, r) }) }
	w.cfg.OnCheckpoint = func(r CheckpointReport) { w.note(func() { w.checks = append(w.checks, r) }) }
	t.Cleanup(w.stop)
	return w
}

func (w *world) note(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	close(w.moved)
	w.moved = make(chan struct{})
}

// until waits until a condition over the world's guarded fields holds.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	poll := time.NewTicker(5 * time.Millisecond) // for what is not in the world's fields: files, objects
	defer poll.Stop()
	for {
		w.mu.Lock()
		ok, moved, faults := holds(), w.moved, len(w.faults)
		w.mu.Unlock()
		if ok {
			return
		}
		require.Zero(w.t, faults, "a task found wrong state while waiting for %s", what)
		select {
		case <-moved:
		case <-poll.C:
		case <-limit.C:
			require.Fail(w.t, "waited too long", "for %s", what)
		}
	}
}

// start runs the job as a new process of the same worker would: with formats that know nothing of the last one.
func (w *world) start() {
	w.t.Helper()
	job, err := NewJob(w.cfg)
	require.NoError(w.t, err)
	done := make(chan error, 1)
	w.job, w.done = job, done
	w.note(func() { w.recoveries, w.checks, w.at, w.lag, w.hook = nil, nil, map[int]int64{}, nil, w.first })
	go func() { done <- job.Run(context.Background(), w.task) }()
}

// end waits for Run.
func (w *world) end() error {
	w.t.Helper()
	select {
	case err := <-w.done:
		w.done = nil
		w.requireNoFaults()
		return err
	case <-time.After(20 * time.Second):
		require.Fail(w.t, "Run does not return")
		return nil
	}
}

func (w *world) stop() {
	if w.done == nil {
		return
	}
	w.until("the job to be there", func() bool { return w.job.Slots() != nil || len(w.done) > 0 })
	_, _ = w.job.Stop(context.Background(), false)
	if err := w.end(); err != nil {
		w.t.Log("Run:", err)
	}
}

func (w *world) requireNoFaults() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NoError(w.t, errors.Join(w.faults...))
}

// key and delta are the record at an offset.
func key(offset int64) uint64  { return uint64(offset) * 2654435761 % testKeys }
func delta(offset int64) int64 { return offset%7 + 1 }

// readTo lets the tasks read up to an offset and waits until all have, in attempts that restored.
func (w *world) readTo(offset int64) {
	w.t.Helper()
	w.note(func() { w.limit = max(w.limit, offset) })
	w.until(fmt.Sprintf("tasks to read to %d", offset), func() bool {
		for i := range w.cfg.Tasks {
			if w.at[i] < offset-w.lag[i] {
				return false
			}
		}
		return true
	})
}

// skew lets every task stop at another offset, the later tasks earlier.
func (w *world) skew(tasks int) {
	w.t.Helper()
	w.note(func() {
		w.lag = map[int]int64{}
		for i := range tasks {
			w.lag[i] = 37 * int64(i)
		}
	})
	w.readTo(w.limit + 200)
}

// checkpoint takes a checkpoint and returns its id.
func (w *world) checkpoint() uint64 {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		m, err := w.job.Checkpoint(ctx)
		if errors.Is(err, primary.ErrNotRunning) && ctx.Err() == nil { // not every task is restored yet
			time.Sleep(time.Millisecond)
			continue
		}
		require.NoError(w.t, err)
		return m.Checkpoint
	}
}

// recovered waits until n recoveries have been reported since start, and returns them.
func (w *world) recovered(n int) []RecoveryReport {
	w.t.Helper()
	w.until(fmt.Sprintf("%d recoveries", n), func() bool { return len(w.recoveries) >= n })
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Len(w.t, w.recoveries, n)
	return slices.Clone(w.recoveries)
}

// task is the task function.
func (w *world) task(ctx context.Context, t *Task) error {
	w.note(func() { w.at[t.Index()] = -1 })
	b, err := heapbackend.For[uint64](t)
	if err != nil {
		return err
	}
	sums, err := heapbackend.NewValue[int64](b, "sums")
	if err != nil {
		return err
	}
	if _, err := t.Restore(ctx); err != nil {
		return err
	}
	if err := w.check(t, sums.All()); err != nil {
		w.note(func() { w.faults = append(w.faults, err) })
		w.t.Log(err)
		return Permanent(err)
	}
	for o := t.Offset(); ; o++ {
		if err := w.await(ctx, t, o); errors.Is(err, errDone) {
			return nil
		} else if err != nil {
			return err
		}
		if k := key(o); !t.Applied(keygroups.Of(w.hash.Hash(k), testM), o) {
			if err := sums.Update(k, func(n *int64) { *n += delta(o) }); err != nil {
				return err
			}
		}
		w.last[t.Index()].Store(o + 1)
		if err := t.Advance(ctx, o+1); err != nil {
			return err
		}
	}
}

// errDone is what a hook returns to end a task well.
var errDone = errors.New("done")

// await waits until the record at an offset may be read, taking part in checkpoints meanwhile.
func (w *world) await(ctx context.Context, t *Task, offset int64) error {
	for {
		w.mu.Lock()
		limit, moved, hook := w.limit-w.lag[t.Index()], w.moved, w.hook
		w.mu.Unlock()
		if hook != nil {
			if err := hook(ctx, t, offset); err != nil {
				return err
			}
		}
		if offset < limit {
			return nil
		}
		w.mu.Lock()
		reached := w.at[t.Index()] == offset
		w.mu.Unlock()
		if !reached {
			w.note(func() { w.at[t.Index()] = offset })
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.DueC():
			if err := t.Advance(ctx, offset); err != nil {
				return err
			}
		case <-moved:
		}
	}
}

// check compares the whole state of an attempt with what the log says.
func (w *world) check(t *Task, have iter.Seq2[uint64, int64]) error {
	want := map[uint64]int64{}
	w.mu.Lock()
	limit := w.limit
	w.mu.Unlock()
	for o := range min(limit, 1<<20) {
		if g := keygroups.Of(w.hash.Hash(key(o)), testM); t.Range().Contains(g) && t.Applied(g, o) {
			want[key(o)] += delta(o)
		}
	}
	got := map[uint64]int64{}
	for k, v := range have {
		if g := keygroups.Of(w.hash.Hash(k), testM); !t.Range().Contains(g) {
			return fmt.Errorf("task %d: key %d of key group %d is outside %s", t.Index(), k, g, t.Range())
		}
		got[k] = v
	}
	if !maps.Equal(want, got) {
		for _, k := range slices.Sorted(maps.Keys(want)) {
			if got[k] != want[k] {
				return fmt.Errorf("task %d attempt %d at %d: state differs: %d keys, want %d; key %d is %d, want %d",
					t.Index(), t.Attempts(), t.Offset(), len(got), len(want), k, got[k], want[k])
			}
		}
		return fmt.Errorf("task %d attempt %d at %d: %d keys, want %d", t.Index(), t.Attempts(), t.Offset(), len(got), len(want))
	}
	return nil
}

// letters is the grid of a recovery without its frame.
func letters(r RecoveryReport) string {
	var b strings.Builder
	for _, g := range r.Report.Groups {
		b.WriteByte(g.Letter)
	}
	return b.String()
}

// all joins the letters of all recoveries.
func all(rs []RecoveryReport) string {
	var b strings.Builder
	for _, r := range rs {
		b.WriteString(letters(r))
	}
	return b.String()
}

// failOnce makes one task panic once, at the next record or poll.
func (w *world) failOnce(task int, fail func()) {
	var once sync.Once
	w.note(func() {
		w.hook = func(_ context.Context, t *Task, _ int64) error {
			if t.Index() == task {
				once.Do(fail)
			}
			return nil
		}
	})
}

// again does what every recovery test ends with: write, checkpoint, fail, recover, and check everything.
func (w *world) again() {
	w.t.Helper()
	w.mu.Lock()
	limit, n := w.limit, len(w.recoveries)
	w.mu.Unlock()
	w.readTo(limit + 300)
	w.checkpoint()
	w.readTo(limit + 350)
	w.failOnce(0, func() { panic("again") })
	w.recovered(n + w.restarted())
	w.readTo(limit + 400)
	w.requireNoFaults()
}

// restarted is how many tasks one failure restarts.
func (w *world) restarted() int {
	if w.cfg.Region == RestartOne {
		return 1
	}
	return w.cfg.Tasks
}
