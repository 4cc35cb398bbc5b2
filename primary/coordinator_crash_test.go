package primary

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// What goes wrong at one call of the store.
const (
	failsOnce   = "fails once"
	diesBefore  = "dies before"
	diesAfter   = "dies after"
	liesUnknown = "says unknown" // commits only: it took place
	liesNothing = "says unknown, nothing happened"
)

// sabotage makes call number at go wrong. It returns whether that call came.
func sabotage(h *hookStore, kind string, at int) func() bool {
	var mu sync.Mutex // deletions come from several goroutines
	came := false
	strike := func(o op, when bool) error {
		mu.Lock()
		defer mu.Unlock()
		dead := kind == diesBefore || kind == diesAfter
		if came && o.n > at && dead {
			return errTest
		}
		if o.n != at || !when {
			return nil
		}
		came = true
		if strings.HasPrefix(kind, liesUnknown) && o.kind == "commit" {
			return fmt.Errorf("%w: %w", ErrUncertain, errTest)
		}
		return errTest
	}
	before := kind == failsOnce || kind == diesBefore || kind == liesNothing
	h.set(
		func(_ context.Context, o op) error { return strike(o, before) },
		func(_ context.Context, o op) error { return strike(o, !before) },
	)
	return func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.calls >= at
	}
}

// life is what a job does in the crash tests: checkpoints, full and incremental, a
// savepoint, an abort. It goes on whatever fails, and returns what it was told had
// completed.
func (r *rig) life() (checkpoints, savepoints []uint64) {
	part := func(task int, id uint64, savepoint bool, more ...string) {
		plan := r.cfg.Tasks[task]
		name := r.c.ObjectName(plan.TaskID, r.attempts[plan.TaskID], id, savepoint)
		if err := createObject(context.Background(), r.store, name, []byte("state")); err != nil {
			_ = r.c.Decline(plan.TaskID, r.attempts[plan.TaskID], id, err)
			return
		}
		_ = r.c.Ack(context.Background(), testAck(plan, r.attempts[plan.TaskID], id, append([]string{name}, more...)))
	}
	for step := range 7 {
		savepoint := step == 3
		var more []string
		if step == 2 || step == 4 {
			if m := r.c.Latest(); m != nil {
				more = m.Operators[0].Tasks[0].Objects[:1]
			}
		}
		id, err := r.c.Trigger(context.Background(), savepoint)
		if err != nil {
			continue
		}
		part(0, id, savepoint, more...)
		if step == 5 {
			r.c.AbortAll(errTest)
		} else {
			part(1, id, savepoint)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		_, err = r.c.Wait(ctx, id)
		cancel()
		synctest.Wait()
		switch {
		case err == nil && savepoint:
			savepoints = append(savepoints, id)
		case err == nil:
			checkpoints = append(checkpoints, id)
		}
	}
	return checkpoints, savepoints
}

func testAck(plan TaskPlan, attempt uuid.UUID, id uint64, objects []string) Ack {
	a := Ack{Task: plan.TaskID, Attempt: attempt, Checkpoint: id, Schema: []byte{0x90}, Objects: objects}
	group := GroupState{Group: plan.Range.First}
	for i := range objects {
		seg := SegmentRef{Object: i, Segment: Segment{Group: group.Group, Kind: Delta, Offset: 8, Length: 10, Raw: 10, Entries: 1}}
		if i == 0 {
			seg.Kind = Base
		}
		group.Segments = append(group.Segments, seg)
	}
	a.Groups = []GroupState{group}
	return a
}

// Every call of the store fails, or is the last before the process dies, in turn.
func TestCrashAtEveryCall(t *testing.T) {
	for _, kind := range []string{failsOnce, diesBefore, diesAfter, liesUnknown, liesNothing} {
		for _, retain := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s/retain=%d", kind, retain), func(t *testing.T) {
				at := 1
				for ; crash(t, kind, retain, at); at++ {
				}
				require.Greater(t, at, 60, "the life of a job has more calls")
			})
		}
	}
}

func crash(t *testing.T, kind string, retain, at int) (came bool) {
	synctest.Test(t, func(t *testing.T) {
		store := NewMemory()
		hooked := &hookStore{Store: store}
		config := func(cfg *CoordinatorConfig) {
			cfg.Retain, cfg.TolerableFailures, cfg.Timeout = retain, -1, time.Minute
		}
		reached := sabotage(hooked, kind, at)
		var checkpoints, savepoints []uint64
		r := newRig(t, hooked, config)
		if c, err := OpenCoordinator(t.Context(), r.cfg); err == nil {
			r.c = c
			r.startTasks()
			r.run()
			checkpoints, savepoints = r.life()
			r.cancel()
			<-r.ran
		}
		if came = reached(); !came {
			return
		}
		ids := requireIntact(t, store)
		if n := len(checkpoints); n > 0 {
			require.NotEmpty(t, ids, "%s at %d", kind, at)
			require.GreaterOrEqual(t, ids[0], checkpoints[n-1], "%s at %d: a completed checkpoint is lost", kind, at)
		}
		again := startRig(t, store, config)
		synctest.Wait()
		for _, id := range savepoints {
			_, err := LoadSavepoint(t.Context(), store, testJob, id)
			require.NoError(t, err, "%s at %d", kind, at)
		}
		require.Equal(t, ids, requireIntact(t, store), "%s at %d", kind, at)
		next := again.complete()
		if len(ids) > 0 {
			require.Greater(t, next.Checkpoint, ids[0])
		}
		synctest.Wait()
		requireIntact(t, store)
		requireClean(t, store)
		again.stop()
	})
	return came
}
