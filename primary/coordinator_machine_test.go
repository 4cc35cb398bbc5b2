package primary

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// bubbled is a rapid test inside a bubble: its context and clean-up are the bubble's.
type bubbled struct {
	*rapid.T
	cleanups []func()
}

func (b *bubbled) Context() context.Context { return context.Background() }
func (b *bubbled) Cleanup(f func())         { b.cleanups = append(b.cleanups, f) }

// inBubble runs test in a bubble, and its panic, which is how rapid ends a test,
// outside of it.
func inBubble(t *testing.T, rt *rapid.T, test func(*bubbled)) {
	var failure any
	var stack []byte
	synctest.Test(t, func(*testing.T) {
		b := &bubbled{T: rt}
		defer func() {
			failure, stack = recover(), debug.Stack()
			for _, f := range slices.Backward(b.cleanups) {
				f()
			}
			time.Sleep(time.Hour) // what hangs is released, what runs ends
		}()
		test(b)
	})
	switch fmt.Sprintf("%T", failure) {
	case "<nil>":
	case "rapid.invalidData": // on a line of its own: rapid tells panics apart by where they are
		panic(failure)
	default:
		rt.Logf("%v\n%s", failure, stack)
		panic(failure)
	}
}

// machine is the model: it knows what must be there, whatever happened.
type machine struct {
	*bubbled
	store     *Memory
	hooked    *hookStore
	r         *rig
	zombies   []*rig
	completed uint64              // the newest checkpoint known to be complete
	saved     map[uint64]struct{} // savepoints known to be complete
	seen      map[string]struct{} // object names given out
	acked     map[uint64]map[int]bool
}

func (m *machine) open() {
	hooked := &hookStore{Store: m.store}
	m.hooked = hooked
	retain := rapid.IntRange(1, 3).Draw(m.T, "retain")
	concurrent := rapid.IntRange(1, 3).Draw(m.T, "concurrent")
	m.r = startRig(m, hooked, func(cfg *CoordinatorConfig) {
		cfg.Retain, cfg.MaxConcurrent, cfg.TolerableFailures = retain, concurrent, -1
		cfg.Timeout, cfg.Interval, cfg.MinPause = 10*time.Minute, 4*time.Minute, time.Minute
	})
	m.acked = map[uint64]map[int]bool{}
}

func (m *machine) pendingIDs(r *rig) []Trigger {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	var ts []Trigger
	for _, p := range r.c.pending {
		ts = append(ts, p.Trigger)
	}
	return ts
}

// take stores an object under a new name and acknowledges.
func (m *machine) take(r *rig, task int, trigger Trigger, more ...string) {
	plan := r.cfg.Tasks[task]
	name := r.c.ObjectName(plan.TaskID, r.attempts[plan.TaskID], trigger.Checkpoint, trigger.Savepoint)
	if _, twice := m.seen[name]; twice {
		return
	}
	m.seen[name] = struct{}{}
	if createObject(context.Background(), m.store, name, []byte("state")) != nil {
		m.Fatalf("name %s is used twice", name)
	}
	if rapid.IntRange(0, 9).Draw(m.T, "silent") > 0 {
		_ = r.c.Ack(context.Background(), testAck(plan, r.attempts[plan.TaskID], trigger.Checkpoint, append([]string{name}, more...)))
	}
}

func (m *machine) act() {
	task := rapid.IntRange(0, 1).Draw(m.T, "task")
	plan := m.r.cfg.Tasks[task]
	pending := m.pendingIDs(m.r)
	switch what := rapid.SampledFrom([]string{
		"trigger", "trigger", "savepoint", "ack", "ack", "ack", "ack", "ack all", "ack all", "incremental", "decline", "time", "time",
		"restart task", "abort all", "crash", "replace", "zombie", "store fails", "store unknown", "finish",
	}).Draw(m.T, "action"); what {
	case "trigger", "savepoint":
		_, _ = m.r.c.Trigger(context.Background(), what == "savepoint")
	case "ack", "ack all", "incremental":
		if len(pending) == 0 {
			return
		}
		trigger := rapid.SampledFrom(pending).Draw(m.T, "checkpoint")
		var more []string
		if latest := m.r.c.Retained(); what == "incremental" && len(latest) > 0 && !trigger.Savepoint {
			base := rapid.SampledFrom(latest).Draw(m.T, "base")
			more = base.Operators[0].Tasks[task].Objects
		}
		m.take(m.r, task, trigger, more...)
		if what == "ack all" {
			m.take(m.r, 1-task, trigger)
		}
	case "decline":
		if len(pending) > 0 {
			_ = m.r.c.Decline(plan.TaskID, m.r.attempts[plan.TaskID], pending[0].Checkpoint, errTest)
		}
	case "time":
		time.Sleep(time.Duration(rapid.IntRange(1, 400).Draw(m.T, "seconds")) * time.Second)
	case "restart task":
		m.r.startTask(task)
	case "abort all":
		m.r.c.AbortAll(errTest)
	case "crash":
		m.hooked.set(func(context.Context, op) error { return errTest }, nil)
		m.r.cancel()
		<-m.r.ran
		m.open()
	case "replace":
		m.zombies = append(m.zombies, m.r)
		m.open()
	case "zombie":
		if len(m.zombies) > 0 {
			z := m.zombies[rapid.IntRange(0, len(m.zombies)-1).Draw(m.T, "which")]
			for _, trigger := range m.pendingIDs(z) {
				m.take(z, 0, trigger)
				m.take(z, 1, trigger)
			}
		}
	case "store fails", "store unknown":
		var calls atomic.Int64 // deletions come from several goroutines
		most := int64(rapid.IntRange(1, 6).Draw(m.T, "calls"))
		fail := func(_ context.Context, o op) error {
			if calls.Add(1) > most {
				return nil
			}
			if what == "store unknown" && o.kind == "commit" {
				return fmt.Errorf("%w: %w", ErrUncertain, errTest)
			}
			return errTest
		}
		if rapid.Bool().Draw(m.T, "after") {
			m.hooked.set(nil, fail)
		} else {
			m.hooked.set(fail, nil)
		}
	case "finish":
		m.hooked.set(nil, nil)
	}
}

// check looks at the store as a reader would, at this moment.
func (m *machine) check() {
	synctest.Wait()
	ids := requireIntact(m, m.store)
	require.True(m, slices.IsSortedFunc(ids, func(a, b uint64) int { return int(b) - int(a) }), "ids increase: %v", ids)
	checkpoints := 0
	m.r.c.mu.Lock()
	for _, p := range m.r.c.history.ring {
		if p == nil || p.phase != phaseEnded || p.manifest == nil {
			continue
		}
		if p.Savepoint {
			m.saved[p.Checkpoint] = struct{}{}
		} else {
			m.completed = max(m.completed, p.Checkpoint)
		}
	}
	for _, p := range m.r.c.pending {
		if !p.Savepoint {
			checkpoints++
		}
	}
	m.r.c.mu.Unlock()
	require.LessOrEqual(m, checkpoints, m.r.cfg.MaxConcurrent)
	if m.completed > 0 {
		require.NotEmpty(m, ids)
		require.GreaterOrEqual(m, ids[0], m.completed, "a completed checkpoint is lost")
	}
	for _, id := range slices.Collect(maps.Keys(m.saved)) {
		_, err := LoadSavepoint(context.Background(), m.store, testJob, id)
		require.NoError(m, err)
	}
}

// Whatever happens, in whatever order: what is retained is there, nothing that was
// completed is lost, ids increase, no name is used twice, no more are pending than
// may be, and after the next start nothing is left that nothing names.
func TestCoordinatorMachine(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		inBubble(t, rt, func(b *bubbled) {
			m := &machine{bubbled: b, store: NewMemory(), saved: map[uint64]struct{}{}, seen: map[string]struct{}{}}
			m.open()
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				m.act()
				m.check()
			}
			for _, r := range append(m.zombies, m.r) {
				r.cancel()
				<-r.ran
			}
			m.open()
			id, err := m.r.c.Trigger(context.Background(), false)
			require.NoError(m, err)
			m.r.ackAll(id, false)
			require.NoError(m, m.r.outcome(id))
			m.check()
			requireClean(m, m.store)
			m.r.cancel()
			<-m.r.ran
		})
	})
}
