package flow

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heapstate/heapstate/keygroups"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// job is a coordinator and a supervisor in a few lines: it triggers checkpoints,
// collects each task's part and starts all tasks over from the newest complete one.
type job struct {
	tasks    int
	exchange *Exchange[int]
	limit    int // every source reads 0..limit-1

	mu      sync.Mutex
	due     uint64
	parts   map[uint64]map[int]part
	failAt  int // records the operator of task 0 processes, at least, before it panics; 0: never
	results []map[int]int
}

// part is one task's part in a checkpoint.
type part struct {
	next   int
	counts map[int]int
}

// testTask is one attempt of one task.
type testTask struct {
	job   *job
	index int
	dueC  chan struct{}
	next  int
	// counts is how often each value has come in; owned by the operator.
	counts map[int]int
	seen   int // records
}

func (t *testTask) Index() int            { return t.index }
func (t *testTask) DueC() <-chan struct{} { return t.dueC }

func (t *testTask) Due() (uint64, bool) {
	t.job.mu.Lock()
	defer t.job.mu.Unlock()
	return t.job.due, t.job.due > 0
}

func (t *testTask) Checkpoint(_ context.Context, id uint64, position []byte) error {
	t.job.mu.Lock()
	defer t.job.mu.Unlock()
	if t.job.parts[id] == nil {
		t.job.parts[id] = map[int]part{}
	}
	t.job.parts[id][t.index] = part{int(binary.LittleEndian.Uint64(position)), maps.Clone(t.counts)}
	return nil
}

func (t *testTask) Ready() <-chan struct{} { return nil }
func (t *testTask) Close() error           { return nil }
func (t *testTask) Position() []byte {
	return binary.LittleEndian.AppendUint64(nil, uint64(t.next))
}

func (t *testTask) Next(emit func(int) error) (bool, error) {
	for range 50 {
		if t.next == t.job.limit {
			return false, nil
		}
		if err := emit(t.next); err != nil {
			return false, err
		}
		t.next++
	}
	if t.index == 0 && t.next%500 == 0 { // a checkpoint somewhere in the middle of everything
		t.job.trigger()
	}
	return true, nil
}

func (j *job) trigger() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.due++
}

func (t *testTask) Process(records []int) error {
	for _, v := range records {
		if v%t.job.tasks != t.index {
			return fmt.Errorf("value %d is not task %d's", v, t.index)
		}
		t.counts[v]++
	}
	if t.index == 0 && t.job.failAt > 0 {
		t.seen += len(records)
		if t.seen >= t.job.failAt && t.job.newest() != nil {
			t.job.failAt = 0
			panic("injected")
		}
	}
	return nil
}

func (t *testTask) Finish(context.Context) error {
	t.job.mu.Lock()
	defer t.job.mu.Unlock()
	t.job.results[t.index] = t.counts
	return nil
}

func newJob(tasks, limit int) *job {
	return &job{tasks: tasks, limit: limit, exchange: NewExchange[int](tasks), parts: map[uint64]map[int]part{}, results: make([]map[int]int, tasks)}
}

// attempt runs all tasks once, from the newest complete checkpoint, and returns the first failure.
func (j *job) attempt(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	from := j.newest()
	var tasks sync.WaitGroup
	for i := range j.tasks {
		t := &testTask{job: j, index: i, dueC: make(chan struct{}), counts: map[int]int{}}
		if from != nil {
			t.next, t.counts = from[i].next, maps.Clone(from[i].counts)
		}
		tasks.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					cancel(fmt.Errorf("panic: %v", p))
				}
			}()
			err := j.exchange.Run(ctx, t, Instance[int]{Source: t, Operator: t, Route: func(v int) int { return v % j.tasks }})
			if err != nil {
				cancel(err)
			}
		})
	}
	tasks.Wait()
	return context.Cause(ctx)
}

func (j *job) newest() map[int]part {
	j.mu.Lock()
	defer j.mu.Unlock()
	for id := j.due; id > 0; id-- {
		if len(j.parts[id]) == j.tasks {
			return j.parts[id]
		}
	}
	return nil
}

// requireConsistent checks that the states of a checkpoint hold exactly the
// records before its positions.
func (j *job) requireConsistent(t *testing.T, id uint64) {
	want, got := map[int]int{}, map[int]int{}
	for i := range j.tasks {
		for v := range j.parts[id][i].next {
			want[v]++
		}
		maps.Copy(got, j.parts[id][i].counts)
	}
	require.Equal(t, want, got, "checkpoint %d", id)
}

func (j *job) requireResult(t *testing.T) {
	for i, counts := range j.results {
		for v := range j.limit {
			if v%j.tasks == i {
				require.Equal(t, j.tasks, counts[v], "value %d: every source has it once", v)
			}
		}
	}
}

func TestEveryCheckpointHoldsExactlyTheRecordsBeforeItsPositions(t *testing.T) {
	for _, tasks := range []int{1, 2, 3, 7} {
		t.Run(fmt.Sprint("tasks=", tasks), func(t *testing.T) {
			j := newJob(tasks, 10000)
			require.NoError(t, j.attempt(t.Context()))
			j.requireResult(t)
			complete := 0
			for id := range j.parts {
				if len(j.parts[id]) == tasks {
					j.requireConsistent(t, id)
					complete++
				}
			}
			require.Positive(t, complete)
		})
	}
}

func TestARestartFromACheckpointCountsEveryRecordOnce(t *testing.T) {
	j := newJob(3, 60000)
	j.failAt = 20000
	require.ErrorContains(t, j.attempt(t.Context()), "panic: injected")
	require.NotNil(t, j.newest(), "a checkpoint before the failure")
	require.NoError(t, j.attempt(t.Context()))
	j.requireResult(t)
}

func TestEmptySourcesHaveTheirPartInCheckpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(2, 0)
		hold := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var tasks sync.WaitGroup
		for i := range 2 {
			tt := &testTask{job: j, index: i, dueC: make(chan struct{}), counts: map[int]int{}}
			in := Instance[int]{Source: tt, Operator: tt, Route: func(int) int { return 0 }}
			if i == 0 {
				in.Source = heldSource{tt, hold}
			}
			tasks.Go(func() {
				if err := j.exchange.Run(ctx, tt, in); err != nil {
					t.Error(err)
				}
			})
			if i == 1 {
				synctest.Wait() // source 1 has ended, source 0 waits
				j.trigger()
				tt.dueC <- struct{}{}
			}
		}
		synctest.Wait()
		require.Len(t, j.parts[1], 2, "one source waits, the other has ended; both took part")
		close(hold)
		tasks.Wait()
	})
}

// heldSource has nothing to read until hold is closed, and then ends.
type heldSource struct {
	*testTask
	hold chan struct{}
}

func (s heldSource) Ready() <-chan struct{} {
	select {
	case <-s.hold:
		return nil
	default:
		return s.hold
	}
}

func TestASourcesErrorAndPanicEndTheTask(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, next := range map[string]func() error{
		"error": func() error { return broken },
		"panic": func() error { panic(broken) },
	} {
		t.Run(name, func(t *testing.T) {
			j := newJob(1, 10)
			tt := &testTask{job: j, counts: map[int]int{}}
			err := j.exchange.Run(t.Context(), tt, Instance[int]{Source: failingSource{tt, next}, Operator: tt})
			require.ErrorContains(t, err, "disk on fire")
		})
	}
}

type failingSource struct {
	*testTask
	fail func() error
}

func (s failingSource) Next(func(int) error) (bool, error) { return false, s.fail() }

func TestATaskThatStartsOverAloneIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(2, 0)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		alone, stop := context.WithCancel(ctx)
		hold := make(chan struct{})
		run := func(ctx context.Context, i int) error {
			tt := &testTask{job: j, index: i, counts: map[int]int{}}
			return j.exchange.Run(ctx, tt, Instance[int]{Source: heldSource{tt, hold}, Operator: tt, Route: func(int) int { return 0 }})
		}
		var tasks sync.WaitGroup
		tasks.Go(func() { _ = run(ctx, 1) })
		tasks.Go(func() { _ = run(alone, 0) })
		synctest.Wait()
		stop()
		synctest.Wait()
		require.ErrorIs(t, run(ctx, 0), ErrRestartScope)
		cancel()
		tasks.Wait()

		// Once all have been told to stop, all may come again, even beside one that hangs.
		close(hold)
		for i := range 2 {
			tasks.Go(func() {
				if err := run(t.Context(), i); err != nil {
					t.Error(err)
				}
			})
		}
		tasks.Wait()
	})
}

func TestARecordGoesToTheTaskThatOwnsItsKeyGroup(t *testing.T) {
	const m, tasks, seed = 128, 3, 42
	route, err := ByKey(func(s string) string { return s }, m, tasks, seed)
	require.NoError(t, err)
	hasher, err := keygroups.NewHasher[string](seed)
	require.NoError(t, err)
	for i := range 1000 {
		key := fmt.Sprint("key", i)
		r, err := keygroups.RangeOf(m, tasks, route(key))
		require.NoError(t, err)
		require.True(t, r.Contains(keygroups.Of(hasher.Hash(key), m)))
	}
	_, err = ByKey(func(s string) string { return s }, 4, 5, seed)
	require.ErrorIs(t, err, keygroups.ErrParallelism)
}
