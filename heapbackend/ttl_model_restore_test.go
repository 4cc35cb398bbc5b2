package heapbackend_test

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// agingView is what the loops over the four states yield.
type agingView [4]map[uint64][]cell

func newAgingView(m *agingMachine, tk *agingTask, lists iter.Seq2[uint64, iter.Seq[int]], maps iter.Seq2[uint64, iter.Seq2[uint64, int]]) agingView {
	return viewsOf(tk.values.All(), tk.bags.All(), lists, maps)
}

func viewsOf(values iter.Seq2[uint64, int], bags iter.Seq2[uint64, []int], lists iter.Seq2[uint64, iter.Seq[int]], maps iter.Seq2[uint64, iter.Seq2[uint64, int]]) (v agingView) {
	for i := range v {
		v[i] = map[uint64][]cell{}
	}
	for k, x := range values {
		v[0][k] = found(x, true)
	}
	for k, x := range bags {
		v[1][k] = found(first(x), true)
	}
	for k, seq := range lists {
		v[2][k] = listed(seq)
	}
	for k, seq := range maps {
		v[3][k] = mapped(seq)
	}
	return v
}

// learn compares a view taken now with the model of a task.
func (m *agingMachine) learn(tk *agingTask, got agingView) {
	for i := range tk.shelves {
		s := &tk.shelves[i]
		for k := range uint64(agingKeys) {
			if cells, ok := got[i][k]; ok {
				require.NotEmpty(m.t, cells, "what is empty is not yielded")
			}
			require.NoError(m.t, m.observe(s, k, got[i][k], false), "state %d", i)
		}
	}
}

func (m *agingMachine) check(tk *agingTask, _ op) {
	got := newAgingView(m, tk, tk.lists.All(), tk.maps.All())
	m.learn(tk, got)
	for i, keys := range []int{tk.values.Keys(), tk.bags.Keys(), tk.lists.Keys(), tk.maps.Keys()} {
		require.GreaterOrEqual(m.t, keys, len(got[i]))
	}
	for _, s := range m.shots {
		require.NoError(m.t, s.check())
	}
}

func viewAt(tk *agingTask, s *heapbackend.Snapshot) (v agingView, err error) {
	values, err1 := tk.values.At(s)
	bags, err2 := tk.bags.At(s)
	lists, err3 := tk.lists.At(s)
	maps, err4 := tk.maps.At(s)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			return v, err
		}
	}
	v = viewsOf(values.All(), bags.All(), lists.All(), maps.All())
	for i, n := range []int{values.Keys(), bags.Keys(), lists.Keys(), maps.Keys()} {
		if n != len(v[i]) {
			return v, fmt.Errorf("a view of state %d counts %d keys and yields %d", i, n, len(v[i]))
		}
	}
	for k := range uint64(agingKeys) {
		x, ok := values.Get(k)
		if !slices.Equal(found(x, ok), v[0][k]) || !slices.Equal(listed(lists.Get(k)), v[2][k]) || !slices.Equal(mapped(maps.Entries(k)), v[3][k]) {
			return v, fmt.Errorf("a view gives another content for key %d than it yields", k)
		}
		for mk := range uint64(12) {
			y, ok := maps.Get(k, mk)
			if has := slices.Contains(v[3][k], cell{mk: mk, v: y}); ok != has {
				return v, fmt.Errorf("a view gives another value than it yields")
			}
		}
	}
	return v, nil
}

// check reads all of a snapshot; any goroutine.
func (s *agingShot) check() error {
	got, err := viewAt(s.from, s.handle)
	if err != nil {
		return err
	}
	for i := range got {
		for k := range uint64(agingKeys) {
			var want []cell
			for _, c := range s.want[i].cells[k] {
				want = append(want, cell{mk: c.mk, v: c.v})
			}
			if !slices.Equal(want, got[i][k]) {
				return fmt.Errorf("a snapshot, state %d, key %d: got %v, want %v", i, k, got[i][k], want)
			}
		}
	}
	for g, want := range s.blocks {
		block, n, err := s.handle.AppendGroup(nil, g)
		if err != nil || !bytes.Equal(want, block) || n != s.handle.Entries(g) {
			return fmt.Errorf("group %d of a snapshot: %d entries, %w\n got %x\nwant %x", g, n, err, block, want)
		}
	}
	return nil
}

func (m *agingMachine) capture(tk *agingTask, _ op) {
	if len(m.shots) >= mostShots {
		return
	}
	s := &agingShot{handle: capture(m.t, tk.b), from: tk}
	horizon := m.now.Add(-m.ttl.After)
	if m.now == heapbackend.MaxTimestamp {
		horizon = m.now
	}
	if m.serial%2000 == 0 { // counted by the view or by the bytes first
		s.blocks = blocksOf(m.t, s.handle)
	}
	got, err := viewAt(tk, s.handle)
	require.NoError(m.t, err)
	m.learn(tk, got)
	s.blocks = blocksOf(m.t, s.handle)
	for i := range tk.shelves {
		from := &tk.shelves[i]
		s.want[i] = shelf{map[uint64][]cell{}, map[int]heapbackend.Timestamp{}, maps.Clone(from.born), from.seen}
		for k, cells := range from.cells {
			s.want[i].put(k, slices.DeleteFunc(slices.Clone(cells), func(c cell) bool { return !m.alive(from, k, c) }))
		}
		for g := range testM {
			s.want[i].gone[g] = heapbackend.MinTimestamp
			born, ok := from.born[g]
			if m.now == heapbackend.MaxTimestamp || !ok || !from.unborn(g) && born <= horizon {
				s.want[i].gone[g] = horizon
			}
			if old, ok := from.gone[g]; ok {
				s.want[i].gone[g] = max(old, s.want[i].gone[g])
			}
		}
	}
	m.shots = append(m.shots, s)
}

func (m *agingMachine) release(_ *agingTask, o op) {
	if n := len(m.shots); n > 0 {
		m.shots[o.a%n].handle.Release()
		m.shots = slices.Delete(slices.Clone(m.shots), o.a%n, o.a%n+1)
	}
}

// restore takes groups of a snapshot over, adopted, decoded or emptied as the operation says.
func (m *agingMachine) restore(tk *agingTask, s *agingShot, o op) {
	var staged []*heapbackend.Staged
	for i := range tk.shelves {
		tk.shelves[i].seen = heapbackend.MinTimestamp
	}
	for g := range testM {
		how := (g*7 + o.b) % 5
		var x *heapbackend.Staged
		var err error
		switch how {
		case 0, 1:
			x, err = decoded(tk.b, s.handle, g)
		case 2, 3:
			x, err = adopted(tk.b, s.handle, g)
		default:
			x, err = tk.b.StageEmpty(g)
		}
		require.NoError(m.t, err)
		require.True(m.t, how == 4 || x.Entries() == s.handle.Entries(g))
		staged = append(staged, x)
		for i := range tk.shelves {
			m.restoreGroup(&tk.shelves[i], &s.want[i], g, how)
		}
	}
	require.NoError(m.t, tk.b.Install(staged))
}

// restoreGroup makes one group of a shelf what that of another is.
func (m *agingMachine) restoreGroup(to, from *shelf, g, how int) {
	delete(to.gone, g)
	delete(to.born, g)
	empty := true
	for k := range uint64(agingKeys) {
		if m.groups[k] != g {
			continue
		}
		to.put(k, nil)
		if how == 4 || len(from.cells[k]) == 0 {
			continue
		}
		empty = false
		cells := slices.Clone(from.cells[k])
		for i := range cells {
			if how < 2 { // decoded: what it counts as is its stamp, and all there is to know
				cells[i].stamp = from.counts(g, cells[i])
				if cells[i].stamp == heapbackend.MinTimestamp+1 {
					to.born[g] = heapbackend.MinTimestamp
				} else {
					to.seen = max(to.seen, cells[i].stamp)
				}
			}
		}
		to.put(k, cells)
	}
	switch {
	case empty:
		to.born[g] = heapbackend.MinTimestamp
	case how >= 2:
		to.gone[g], to.seen = from.gone[g], max(to.seen, from.seen)
		if born, ok := from.born[g]; ok {
			to.born[g] = born
		}
	}
}

func (m *agingMachine) rollback(tk *agingTask, o op) {
	if n := len(m.shots); n > 0 {
		m.restore(tk, m.shots[o.a%n], o)
	}
}

// restart adds a task restored from a snapshot; the one it was of goes on, and so do two others at the most.
func (m *agingMachine) restart(_ *agingTask, o op) {
	if n := len(m.shots); n > 0 {
		tk := m.fresh()
		m.restore(tk, m.shots[o.a%n], o)
		m.tasks = append(m.tasks, tk)
		if len(m.tasks) > 3 {
			require.NoError(m.t, m.tasks[0].b.Close())
			m.tasks = m.tasks[1:]
		}
	}
}

// read reads a snapshot on another goroutine.
func (m *agingMachine) read(_ *agingTask, o op) {
	if len(m.shots) == 0 {
		return
	}
	s := *m.shots[o.a%len(m.shots)]
	var err error
	s.handle, err = s.handle.Retain()
	require.NoError(m.t, err)
	m.readers.Go(func() {
		defer s.handle.Release()
		if err := s.check(); err != nil {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.faults = append(m.faults, err)
		}
	})
}
