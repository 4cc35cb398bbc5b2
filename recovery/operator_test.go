package recovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// opState is what one task holds as operator state.
type opState struct {
	split []string
	union []int
	rules map[string]int
}

// opWorld is a job whose tasks have operator state and no source: each does what it is told and takes part in checkpoints.
type opWorld struct {
	*world
	found []opState // by task: what the last restore gave; guarded by the world's mu
	seen  []int     // by task: how many restores that is since begin; likewise
}

func newOpWorld(t *testing.T, tasks int) *opWorld {
	w := &opWorld{world: newWorld(t, func(c *Config) { c.Tasks = tasks })}
	w.fresh()
	return w
}

// begin starts the job; a task that starts with nothing appends elements of its own.
func (w *opWorld) begin() {
	w.t.Helper()
	job, err := NewJob(w.cfg)
	require.NoError(w.t, err)
	done := make(chan error, 1)
	w.job, w.done = job, done
	w.note(func() {
		w.recoveries, w.checks, w.hook = nil, nil, nil
		w.found, w.seen = make([]opState, w.cfg.Tasks), make([]int, w.cfg.Tasks)
	})
	go func() { done <- job.Run(context.Background(), w.run) }()
}

func (w *opWorld) run(ctx context.Context, t *Task) error {
	b, err := heapbackend.For[uint64](t)
	if err != nil {
		return err
	}
	split, err1 := heapbackend.NewSplitList[string](b, "split")
	union, err2 := heapbackend.NewUnionList[int](b, "union")
	rules, err3 := heapbackend.NewBroadcast[string, int](b, "rules")
	keyed, err4 := heapbackend.NewValue[int](b, "keyed")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	report, err := t.Restore(ctx)
	if err != nil {
		return err
	}
	w.note(func() {
		w.found[t.Index()] = opState{slices.Collect(split.All()), slices.Collect(union.All()), maps.Collect(rules.All())}
		w.seen[t.Index()]++
	})
	if report.Checkpoint == 0 {
		for i := range t.Index() + 2 {
			err = errors.Join(err, split.Append(fmt.Sprint(t.Index(), ".", i)))
		}
		err = errors.Join(err, union.Append(t.Index()), rules.Put("rule", 1), keyed.Put(firstKey(w.world, t), 1))
	} else { // what a task has no use for
		err = union.Set(t.Index())
	}
	if err != nil {
		return err
	}
	for {
		if err := w.await(ctx, t, 1); !errors.Is(err, errTick) {
			return err
		}
		if err := t.Advance(ctx, 1); err != nil {
			return err
		}
	}
}

var errTick = errors.New("tick")

// await waits for a checkpoint, or for the hook to fail the task.
func (w *opWorld) await(ctx context.Context, t *Task, offset int64) error {
	for {
		w.mu.Lock()
		hook, moved := w.hook, w.moved
		w.mu.Unlock()
		if hook != nil {
			if err := hook(ctx, t, offset); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.DueC():
			return errTick
		case <-moved:
		}
	}
}

// firstKey is a key that is the task's.
func firstKey(w *world, t *Task) uint64 {
	for k := uint64(0); ; k++ {
		if t.Range().Contains(groupOf(w, k)) {
			return k
		}
	}
}

func groupOf(w *world, k uint64) int { return int(w.hash.Hash(k)>>48) * testM >> 16 }

// restoredAs waits until every task was restored n times since begin and compares what they got.
func (w *opWorld) restoredAs(n int, split [][]string, union []int) []RecoveryReport {
	w.t.Helper()
	rs := w.recovered(n * w.cfg.Tasks)[(n-1)*w.cfg.Tasks:]
	w.until("the tasks to look at what they got", func() bool { return slices.Min(w.seen) >= n })
	w.mu.Lock()
	defer w.mu.Unlock()
	for task := range w.cfg.Tasks {
		require.Equal(w.t, opState{split[task], union, map[string]int{"rule": 1}}, w.found[task], "task %d", task)
	}
	return rs
}

// operatorLetters are the letters of the blocks of operator state of one recovery, by the task that wrote them.
func operatorLetters(r RecoveryReport) string {
	_, operator := r.Report.parts()
	var b strings.Builder
	for _, g := range operator {
		b.WriteByte(g.Letter)
	}
	return b.String()
}

// lists are the elements that n tasks begin with.
func lists(n int) (out [][]string) {
	for task := range n {
		out = append(out, nil)
		for i := range task + 2 {
			out[task] = append(out[task], fmt.Sprint(task, ".", i))
		}
	}
	return out
}

// cut shares elements out in runs of the given lengths.
func cut(all [][]string, lengths ...int) (out [][]string) {
	flat := slices.Concat(all...)
	for _, n := range lengths {
		out = append(out, flat[:n])
		flat = flat[n:]
	}
	return out
}

func upTo(n int) (out []int) {
	for i := range n {
		out = append(out, i)
	}
	return out
}

func TestJobRestoresOperatorStateFromItsHeapCopies(t *testing.T) {
	w := newOpWorld(t, 2)
	w.begin()
	w.recovered(2)
	w.checkpoint()
	reads := w.store.objectReads.Load()
	w.failOnce(1, func() { panic("boom") })
	for _, r := range w.restoredAs(2, lists(2), upTo(2)) {
		require.Equal(t, "HH", operatorLetters(r))
		require.Contains(t, r.Report.Grid(), "operator state: H H\n")
		require.Contains(t, r.Report.String(), "16 key groups and operator state of 2 tasks: ")
	}
	require.Equal(t, reads, w.store.objectReads.Load(), "the store was read")
	w.checkpoint()
	w.failOnce(0, func() { panic("again") })
	w.restoredAs(3, lists(2), upTo(2))
}

// TestJobSharesOperatorStateOut changes the parallelism, or not, and restores from memory, from files and from the primary.
func TestJobSharesOperatorStateOut(t *testing.T) {
	for _, tt := range []struct {
		from, to int
		lengths  []int
	}{{2, 2, []int{2, 3}}, {2, 3, []int{2, 2, 1}}, {3, 2, []int{5, 4}}, {3, 1, []int{9}}} {
		for _, source := range []string{"heap", "file", "primary"} {
			t.Run(fmt.Sprintf("%d to %d %s", tt.from, tt.to, source), func(t *testing.T) {
				w := newOpWorld(t, tt.from)
				w.begin()
				w.recovered(tt.from)
				w.checkpoint()
				w.crash()
				switch source {
				case "file":
					w.fresh()
				case "primary":
					w.fresh()
					w.cfg.Worker = "another"
				}
				w.cfg.Tasks = tt.to
				w.begin()
				want := cut(lists(tt.from), tt.lengths...)
				for _, r := range w.restoredAs(1, want, upTo(tt.from)) {
					require.Equal(t, strings.Repeat(strings.ToUpper(source[:1]), tt.from), operatorLetters(r))
				}
				w.checkpoint()
				w.failOnce(0, func() { panic("boom") })
				w.restoredAs(2, want, upTo(tt.to))
			})
		}
	}
}

func TestJobOperatorStateGoesThroughASavepoint(t *testing.T) {
	w := newOpWorld(t, 2)
	w.begin()
	w.recovered(2)
	w.checkpoint()
	m, err := w.job.Stop(t.Context(), true)
	require.NoError(t, err)
	require.NotNil(t, m)
	require.NoError(t, w.end())
	from := m
	next := newOpWorld(t, 3)
	next.store, next.cfg.Primary = w.store, w.store
	next.cfg.From = from
	next.begin()
	for _, r := range next.restoredAs(1, cut(lists(2), 2, 2, 1), upTo(2)) {
		require.Equal(t, "PP", operatorLetters(r))
	}
}

// TestJobOneDamagedBlockOfOperatorStateComesFromThePrimary leaves everything else local.
func TestJobOneDamagedBlockOfOperatorStateComesFromThePrimary(t *testing.T) {
	w := newOpWorld(t, 2)
	w.begin()
	w.recovered(2)
	w.checkpoint()
	w.crash()
	for _, name := range localFiles(t, w.dir) {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		index, err := primary.ReadIndex(t.Context(), primary.ReaderAt("x", bytes.NewReader(b)), int64(len(b)))
		require.NoError(t, err)
		last := index.Segments[len(index.Segments)-1]
		require.Equal(t, testM+index.Header.Task, last.Group)
		if index.Header.Task == 1 {
			b[last.Offset+last.Length/2] ^= 1
			require.NoError(t, os.WriteFile(name, b, 0o600))
		}
	}
	w.fresh()
	w.begin()
	for _, r := range w.restoredAs(1, lists(2), upTo(2)) {
		require.Equal(t, "FP", operatorLetters(r))
		require.Equal(t, 1, r.Report.FellBack())
		keyed, operator := r.Report.parts()
		require.ErrorIs(t, &operator[1].Failed[0], primary.ErrCorrupt)
		for _, g := range keyed {
			require.Contains(t, "F.", string(g.Letter))
		}
	}
}

// operatorFixture is a fixture whose only state is operator state, and the backend it is of.
func operatorFixture(t *testing.T) (*fixture, *heapbackend.Backend[uint64], *heapbackend.OperatorList[string]) {
	f := newFixture(t)
	b, _ := f.backend(t)
	list, err := heapbackend.NewSplitList[string](b, "split")
	require.NoError(t, err)
	require.NoError(t, list.Append("a"))
	f.snapshot, err = b.Capture()
	require.NoError(t, err)
	t.Cleanup(f.snapshot.Release)
	f.manifest = f.write(t, 6)
	require.NoError(t, list.Append("b"))
	return f, b, list
}

func TestRestoreReplacesOperatorState(t *testing.T) {
	f, b, list := operatorFixture(t)
	_, err := Restore(t.Context(), f.config(t, b, nil, nil))
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, slices.Collect(list.All()))
	f.manifest.Operators[0].Tasks[0].Groups = nil
	cfg := f.config(t, b, nil, nil)
	require.Len(t, cfg.Plan.Groups, testM)
	_, err = Restore(t.Context(), cfg)
	require.NoError(t, err)
	require.Zero(t, list.Len(), "a checkpoint without operator state left what there was")
}

func TestRestoreNamesOperatorStateThatCannotBeRead(t *testing.T) {
	f, b, list := operatorFixture(t)
	f.store.set(func() { f.store.read = func(string, []byte, int64) error { return errors.New("unreadable") } })
	_, err := Restore(t.Context(), f.config(t, b, nil, nil))
	require.ErrorContains(t, err, "operator state of task 0 (object")
	require.Equal(t, 2, list.Len())
}

// opPlan is planManifest with operator state that both tasks left, under a schema with one split list.
func opPlan(t *testing.T) *primary.Manifest {
	b, err := heapbackend.New[uint64](heapbackend.Config{M: 16, Range: rng(0, 8), Task: 0, Tasks: 2})
	require.NoError(t, err)
	_, err = heapbackend.NewSplitList[string](b, "split")
	require.NoError(t, err)
	m := planManifest()
	for i := range m.Operators[1].Tasks {
		ts := &m.Operators[1].Tasks[i]
		ts.Schema = b.Schema()
		seg := primary.Segment{Group: 16 + i, Length: 10, Raw: 20, Digest: digest(16 + i), Entries: 1}
		ts.Groups = append(ts.Groups, primary.GroupState{Group: 16 + i, Segments: []primary.SegmentRef{{Segment: seg}}})
	}
	return m
}

func TestPlanTakesItsOwnOperatorStateOrAll(t *testing.T) {
	m := opPlan(t)
	local := planLocal(0)
	local.Meta.Schema = m.Operators[1].Tasks[0].Schema
	local.Groups = append(local.Groups, localcopy.GroupInfo{Group: 16, Digest: digest(16), Entries: 1, Bytes: 20})
	want := planWant()
	_, err := MakePlan(want, m, nil)
	require.ErrorIs(t, err, ErrConfig)
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	want.Tasks = 2
	p, err := MakePlan(want, m, []LocalSource{local})
	require.NoError(t, err)
	require.Len(t, p.Groups, 9)
	require.Equal(t, 16, p.Groups[8].Group)
	require.Equal(t, []Choice{{0, ReasonLocal, 20}, {Primary, ReasonTruth, 10}}, p.Groups[8].Sources)
	want.Tasks = 3
	p, err = MakePlan(want, m, []LocalSource{local})
	require.NoError(t, err)
	require.Len(t, p.Groups, 10)
	require.Equal(t, []Choice{{0, ReasonLocal, 20}, {Primary, ReasonTruth, 10}}, p.Groups[8].Sources)
	require.Equal(t, []Choice{{Primary, ReasonTruth, 10}}, p.Groups[9].Sources)
	require.Equal(t, 1, p.Groups[9].Task.Task)
	local.Groups[len(local.Groups)-1].Digest++
	p, err = MakePlan(want, m, []LocalSource{local})
	require.NoError(t, err)
	require.Equal(t, []Rejection{{0, ReasonDigest}}, p.Groups[8].Rejected)
	drop := &m.Operators[1].Tasks[0]
	drop.Groups = drop.Groups[:len(drop.Groups)-1]
	want.Tasks = 2
	p, err = MakePlan(want, m, []LocalSource{local})
	require.NoError(t, err)
	require.True(t, p.Groups[8].Empty, "its own is empty, and that is known")
	require.Equal(t, []Rejection{{0, ReasonEmpty}}, p.Groups[8].Rejected)
}
