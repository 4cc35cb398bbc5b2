package heapbackend_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/heapstate/heapstate/heapbackend"
)

// cell is one thing that expires: a value, an element, an entry of a map. Values are told apart by their numbers.
type cell struct {
	mk    uint64
	v     int
	stamp heapbackend.Timestamp
	// maybe: it was expired during an earlier operation, which may have removed it. If the clock goes back it is there
	// or not.
	maybe bool
}

// shelf is what one state of a task holds, by key.
type shelf struct {
	cells map[uint64][]cell
	gone  map[int]heapbackend.Timestamp // by group, MinTimestamp where absent
	// born is by group what earlier stamps count as, MinTimestamp where the clock has shown no time yet, and absent
	// where there are none.
	born map[int]heapbackend.Timestamp
	seen heapbackend.Timestamp // the latest time known, MinTimestamp if none is
}

func newShelf() shelf {
	times := func() map[int]heapbackend.Timestamp { return map[int]heapbackend.Timestamp{} }
	s := shelf{map[uint64][]cell{}, times(), times(), heapbackend.MinTimestamp}
	for g := range testM {
		s.born[g] = heapbackend.MinTimestamp
	}
	return s
}

// agingTask is a backend whose states have a TTL, and what it must hold.
type agingTask struct {
	b       *heapbackend.Backend[uint64]
	values  *heapbackend.Value[uint64, int]
	bags    *heapbackend.Value[uint64, []int]
	lists   *heapbackend.List[uint64, int]
	maps    *heapbackend.Map[uint64, uint64, int]
	shelves [4]shelf // of the states above
}

type agingShot struct {
	handle *heapbackend.Snapshot
	from   *agingTask
	want   [4]shelf
	blocks map[int][]byte
}

// agingMachine runs operations on tasks whose clock the operations move.
type agingMachine struct {
	t       require.TestingT
	ttl     heapbackend.TTL
	verify  bool
	groups  map[uint64]int
	now     heapbackend.Timestamp
	serial  int
	tasks   []*agingTask
	shots   []*agingShot
	readers sync.WaitGroup
	mu      sync.Mutex // guards faults
	faults  []error
}

const agingKeys = 24

func TestAnyProgramWithTTLEqualsItsModel(t *testing.T) {
	for _, onRead := range []bool{false, true} {
		for _, expired := range []bool{false, true} {
			for _, cleanup := range []int{0, -1, 60} {
				t.Run(fmt.Sprintf("onread=%v/returnexpired=%v/cleanup=%d", onRead, expired, cleanup), func(t *testing.T) {
					ttl := heapbackend.TTL{After: 20 * time.Millisecond, OnRead: onRead, ReturnExpired: expired, Cleanup: cleanup}
					rapid.Check(t, func(t *rapid.T) {
						n := rapid.IntRange(1, 80).Draw(t, "length")
						ops := rapid.SliceOfN(rapid.Custom(genAgingOp), n, 2*n).Draw(t, "ops")
						agingProgram(t, ttl, rapid.Bool().Draw(t, "verify"), ops)
					})
				})
			}
		}
	}
}

func genAgingOp(t *rapid.T) op {
	n := rapid.IntRange(0, 99)
	name := rapid.SampledFrom(slices.Sorted(maps.Keys((&agingMachine{}).actions()))).Draw(t, "op")
	return op{name, n.Draw(t, "a"), n.Draw(t, "b"), n.Draw(t, "c")}
}

func agingProgram(t require.TestingT, ttl heapbackend.TTL, verify bool, ops []op) {
	m := &agingMachine{t: t, ttl: ttl, verify: verify, groups: map[uint64]int{}, now: 1000}
	m.ttl.Clock = func() heapbackend.Timestamp { return m.now }
	m.tasks = []*agingTask{m.fresh()}
	for k := range uint64(agingKeys) {
		m.groups[k] = m.tasks[0].b.Group(k)
	}
	defer m.readers.Wait()
	actions := m.actions()
	for i, o := range ops {
		require.Contains(t, actions, o.name)
		for _, tk := range m.tasks {
			m.age(tk)
		}
		actions[o.name](m.tasks[o.c%len(m.tasks)], o)
		for _, tk := range m.tasks {
			require.NoError(t, tk.b.Err(), "after operation %d: %v", i, o)
		}
	}
	for _, tk := range m.tasks {
		m.check(tk, op{})
	}
	m.readers.Wait()
	require.Empty(t, m.faults)
	for _, s := range m.shots {
		s.handle.Release()
	}
}

func (m *agingMachine) fresh() *agingTask {
	cfg := whole()
	cfg.CheckValues = m.verify
	b := backend[uint64](m.t, cfg)
	tk := &agingTask{
		b: b, values: valueOf(m.t, b, "values", heapbackend.Options[int]{TTL: &m.ttl}),
		bags:  valueOf(m.t, b, "bags", heapbackend.Options[[]int]{TTL: &m.ttl}),
		lists: listOf(m.t, b, "lists", heapbackend.Options[int]{TTL: &m.ttl}),
		maps:  mapOf[uint64](m.t, b, "maps", heapbackend.Options[int]{TTL: &m.ttl}),
	}
	for i := range tk.shelves {
		tk.shelves[i] = newShelf()
	}
	return tk
}

func (m *agingMachine) goneIn(s *shelf, k uint64) heapbackend.Timestamp {
	if g, ok := s.gone[m.groups[k]]; ok {
		return g
	}
	return heapbackend.MinTimestamp
}

// alive is the definition of TTL.
func (m *agingMachine) alive(s *shelf, k uint64, c cell) bool {
	if c.stamp <= m.goneIn(s, k) || m.now == heapbackend.MaxTimestamp {
		return false
	}
	return s.unborn(m.groups[k]) || s.counts(m.groups[k], c).Add(m.ttl.After) > m.now
}

func (s *shelf) unborn(group int) bool {
	born, ok := s.born[group]
	return ok && born == heapbackend.MinTimestamp
}

// counts returns the time that a stamp counts as.
func (s *shelf) counts(group int, c cell) heapbackend.Timestamp {
	if born, ok := s.born[group]; ok {
		return max(born, c.stamp)
	}
	return c.stamp
}

// see is what reading the clock does.
func (m *agingMachine) see(s *shelf) {
	if m.now == heapbackend.MinTimestamp || m.now == heapbackend.MaxTimestamp {
		return
	}
	s.seen = max(s.seen, m.now)
	for g := range s.born {
		if s.unborn(g) {
			s.born[g] = s.seen
		}
	}
}

// stamp is that of what is written now.
func (m *agingMachine) stamp(s *shelf, k uint64) heapbackend.Timestamp {
	m.see(s)
	return max(s.seen, m.goneIn(s, k)+1)
}

// age marks what an operation at this time may remove.
func (m *agingMachine) age(tk *agingTask) {
	for i := range tk.shelves {
		s := &tk.shelves[i]
		for k, cells := range s.cells {
			for j := range cells {
				cells[j].maybe = cells[j].maybe || !m.alive(s, k, cells[j])
			}
		}
	}
}

// observe compares what a key was seen to hold, in order, with the model, and lets the model learn what was removed.
// expired says whether what has expired may be seen too, unless it is gone for ever.
func (m *agingMachine) observe(s *shelf, k uint64, got []cell, expired bool) error {
	m.see(s)
	var kept []cell
	rest := got
	for _, c := range s.cells[k] {
		alive := m.alive(s, k, c)
		seen := len(rest) > 0 && rest[0].mk == c.mk && rest[0].v == c.v
		switch {
		case seen && (alive || expired && c.stamp > m.goneIn(s, k)):
			rest = rest[1:]
			if alive {
				c.maybe = false
			}
			kept = append(kept, c)
		case !alive:
			kept = append(kept, c)
		case !c.maybe:
			return fmt.Errorf("key %d at %d: %+v is missing from %+v", k, m.now, c, got)
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("key %d at %d: %+v should not be there; model %+v, gone %d", k, m.now, rest, s.cells[k], m.goneIn(s, k))
	}
	s.put(k, kept)
	return nil
}

func (s *shelf) put(k uint64, cells []cell) {
	if s.cells[k] = cells; len(cells) == 0 {
		delete(s.cells, k)
	}
}

// touch is what reading a key does to the model.
func (m *agingMachine) touch(s *shelf, k uint64) {
	for i := range s.cells[k] {
		if c := &s.cells[k][i]; m.ttl.OnRead && m.alive(s, k, *c) {
			c.stamp = max(c.stamp, m.stamp(s, k))
		}
	}
	if m.ttl.OnRead { // what has expired must not come back to life
		m.drop(s, k)
	}
}

// drop removes what has expired of a key.
func (m *agingMachine) drop(s *shelf, k uint64) {
	s.put(k, slices.DeleteFunc(slices.Clone(s.cells[k]), func(c cell) bool { return !m.alive(s, k, c) }))
}

// sorted orders the cells of maps, which have no order.
func sorted(cells []cell) []cell {
	return slices.SortedFunc(slices.Values(cells), func(a, b cell) int { return int(a.mk) - int(b.mk) })
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }
