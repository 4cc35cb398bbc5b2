package queries

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

const (
	groups = 16
	seed   = 5
)

// fleet is all tasks of a query, without what is around them in a job.
type fleet struct {
	t       testing.TB
	query   query.Query[event.Event]
	hasher  keygroups.Hasher[uint64]
	tasks   []task
	upserts map[string]string
}

type task struct {
	backend  *heapbackend.Backend[uint64]
	clock    *query.Clock
	operator query.Operator[event.Event]
}

// open returns a fleet without state, whose upserts go to a map.
func open(t testing.TB, q query.Query[event.Event], tasks int, upserts map[string]string) *fleet {
	hasher, err := keygroups.NewHasher[uint64](seed)
	require.NoError(t, err)
	f := &fleet{t: t, query: q, hasher: hasher, tasks: make([]task, tasks), upserts: upserts}
	for i := range f.tasks {
		r, err := keygroups.RangeOf(groups, tasks, i)
		require.NoError(t, err)
		b, err := heapbackend.New[uint64](heapbackend.Config{M: groups, Range: r, Task: i, Tasks: tasks, Seed: seed, CheckValues: true})
		require.NoError(t, err)
		clock := query.NewClock()
		o, err := q.Open(b, clock)
		require.NoError(t, err)
		f.tasks[i] = task{b, clock, o}
	}
	return f
}

func (f *fleet) emit(key, value string) { f.upserts[key] = value }

// process gives an event to the task of its key.
func (f *fleet) process(e *event.Event) {
	key, ok := f.query.Key(e)
	if !ok {
		return
	}
	i, err := keygroups.TaskOf(groups, len(f.tasks), keygroups.Of(f.hasher.Hash(key), groups))
	require.NoError(f.t, err)
	require.NoError(f.t, f.tasks[i].operator.Process(e, f.emit))
}

// advance tells all tasks what time it is.
func (f *fleet) advance(watermark, processing int64) {
	for _, task := range f.tasks {
		task.clock.Move(watermark, processing)
		require.NoError(f.t, task.operator.Advance(task.clock.Watermark(), task.clock.Processing(), f.emit))
	}
}

// feed gives the first n events to the tasks, and tells them now and then what time it is: as late as what is still to
// come allows.
func (f *fleet) feed(rng *rand.Rand, events []event.Event, n int) {
	watermarks, processings := make([]int64, len(events)+1), make([]int64, len(events)+1)
	watermarks[len(events)], processings[len(events)] = math.MaxInt64, math.MaxInt64
	for i, e := range slices.Backward(events) {
		watermarks[i], processings[i] = min(e.At, watermarks[i+1]), min(e.ArrivedAt, processings[i+1])
	}
	f.advance(watermarks[0], processings[0])
	for i := range n {
		f.process(&events[i])
		if i+1 == n || rng.IntN(8) == 0 {
			f.advance(watermarks[i+1], processings[i+1])
		}
	}
}

func (f *fleet) capture() (all []*heapbackend.Snapshot) {
	for _, task := range f.tasks {
		s, err := task.backend.Capture()
		require.NoError(f.t, err)
		all = append(all, s)
	}
	return all
}

// entries is how many there are, in all states.
func (f *fleet) entries() (n uint64) {
	for _, s := range f.capture() {
		for g := range s.Range().All() {
			n += s.Entries(g)
		}
		s.Release()
	}
	return n
}

// restored returns a fleet with the state of snapshots, read from bytes or taken over.
func (f *fleet) restored(snapshots []*heapbackend.Snapshot, tasks int, bytes bool) *fleet {
	next := open(f.t, f.query, tasks, f.upserts)
	for _, task := range next.tasks {
		var staged []*heapbackend.Staged
		for _, s := range snapshots {
			for g := range s.Range().Intersect(task.backend.Config().Range).All() {
				one, err := stage(task.backend, s, g, bytes)
				require.NoError(f.t, err)
				staged = append(staged, one)
			}
		}
		require.NoError(f.t, task.backend.Install(staged))
	}
	return next
}

func stage(b *backend, s *heapbackend.Snapshot, group int, bytes bool) (*heapbackend.Staged, error) {
	if !bytes {
		return b.StageSnapshot(s, group)
	}
	block, _, err := s.AppendGroup(nil, group)
	if err != nil {
		return nil, err
	}
	return b.StageBlock(s.Schema(), group, block)
}

// plan is on how many tasks a query runs, one part of the input after the other, and how the state comes from one to
// the next.
type plan struct {
	tasks []int
	bytes bool
}

func (p plan) String() string { return fmt.Sprintf("tasks=%v bytes=%v", p.tasks, p.bytes) }

// run runs a query over all events, in no particular order. Before each but the first part of the plan
// there is a failure: what was done since the checkpoint is done again, in another order.
func run(t testing.TB, q query.Query[event.Event], events []event.Event, p plan, rng *rand.Rand) *fleet {
	f := open(t, q, p.tasks[0], map[string]string{})
	for i := range p.tasks {
		rest := len(p.tasks) - i
		n := len(events) / rest
		events = skewed(rng, events)
		f.feed(rng, events, n)
		events = events[n:]
		if rest == 1 {
			break
		}
		snapshots := f.capture()
		f.feed(rng, skewed(rng, events), n/2)
		f = f.restored(snapshots, p.tasks[i+1], p.bytes)
		for _, s := range snapshots {
			s.Release()
		}
	}
	return f
}

// skewed returns the events in the order in which sources that are not equally fast may read them.
func skewed(rng *rand.Rand, events []event.Event) []event.Event {
	const sources = 4
	var parts [sources][]event.Event
	for _, e := range events {
		parts[e.Index%sources] = append(parts[e.Index%sources], e)
	}
	out := make([]event.Event, 0, len(events))
	for len(out) < len(events) {
		s := rng.IntN(sources)
		n := min(rng.IntN(30), len(parts[s]))
		out = append(out, parts[s][:n]...)
		parts[s] = parts[s][n:]
	}
	return out
}
