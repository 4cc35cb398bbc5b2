package heapbackend_test

import (
	"iter"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

func (m *agingMachine) actions() map[string]func(*agingTask, op) {
	return map[string]func(*agingTask, op){
		"put": m.put, "update": m.update, "get": m.get, "delete": m.delete, "fill": m.fill,
		"bag": m.bag, "bagchange": m.bagChange, "bagget": m.bagGet,
		"append": m.append, "append2": m.append, "set": m.set, "list": m.list, "len": m.length,
		"mapput": m.mapPut, "mapput2": m.mapPut, "mapget": m.mapGet, "mapchange": m.mapChange, "mapremove": m.mapRemove, "entries": m.entries,
		"tick": m.tick, "tick2": m.tick, "back": m.back, "extreme": m.extreme,
		"listpart": m.listPart, "entriespart": m.entriesPart,
		"capture": m.capture, "release": m.release, "restart": m.restart, "rollback": m.rollback, "read": m.read, "check": m.check,
	}
}

func (m *agingMachine) tick(_ *agingTask, o op) { m.now = m.now.Add(ms(o.a % 30)) }
func (m *agingMachine) back(_ *agingTask, o op) {
	if o.b%2 == 0 {
		m.now = m.now.Add(-ms(o.a % 60))
	}
}

// extreme moves the clock to an end of time, or back from it.
func (m *agingMachine) extreme(_ *agingTask, o op) {
	m.now = []heapbackend.Timestamp{1000, heapbackend.MaxTimestamp, heapbackend.MinTimestamp, heapbackend.MinTimestamp + 10,
		heapbackend.MaxTimestamp - 10, 1000, 1010, 1050}[o.a%8]
}

func (m *agingMachine) next() int { m.serial += 1000; return m.serial }

func keyOf(o op) uint64 { return uint64(o.a % agingKeys) }

// only makes one cell what a key holds.
func (m *agingMachine) only(s *shelf, k uint64, v int) {
	s.put(k, []cell{{v: v, stamp: m.stamp(s, k)}})
}

func (m *agingMachine) put(tk *agingTask, o op) {
	v := m.next()
	require.NoError(m.t, tk.values.Put(keyOf(o), v))
	m.only(&tk.shelves[0], keyOf(o), v)
}

func (m *agingMachine) fill(tk *agingTask, o op) {
	for i := range o.b % agingKeys {
		m.put(tk, op{a: i})
		m.mapPut(tk, op{a: o.a, b: i})
	}
}

// found is what a key with one value was seen to hold.
func found(v int, ok bool) []cell {
	if !ok {
		return nil
	}
	return []cell{{v: v}}
}

func (m *agingMachine) update(tk *agingTask, o op) {
	s, k, saw := &tk.shelves[0], keyOf(o), 0
	require.NoError(m.t, tk.values.Update(k, func(v *int) { saw = *v; *v++ }))
	require.NoError(m.t, m.observe(s, k, found(saw, saw != 0), false))
	m.only(s, k, saw+1)
}

func (m *agingMachine) get(tk *agingTask, o op) {
	s, k := &tk.shelves[0], keyOf(o)
	v, ok := tk.values.Get(k)
	require.NoError(m.t, m.observe(s, k, found(v, ok), m.ttl.ReturnExpired))
	m.touch(s, k)
	m.drop(s, k)
}

func (m *agingMachine) delete(tk *agingTask, o op) {
	require.NoError(m.t, tk.values.Delete(keyOf(o)))
	require.NoError(m.t, tk.maps.Delete(keyOf(o)))
	tk.shelves[0].put(keyOf(o), nil)
	tk.shelves[3].put(keyOf(o), nil)
}

func (m *agingMachine) bag(tk *agingTask, o op) {
	v := m.next()
	require.NoError(m.t, tk.bags.Put(keyOf(o), []int{v}))
	m.only(&tk.shelves[1], keyOf(o), v)
}

// bagChange writes through the slice, which a snapshot may share.
func (m *agingMachine) bagChange(tk *agingTask, o op) {
	s, k, saw := &tk.shelves[1], keyOf(o), 0
	require.NoError(m.t, tk.bags.Update(k, func(v *[]int) {
		if len(*v) == 0 {
			*v = []int{0}
		}
		saw = (*v)[0]
		(*v)[0]++
	}))
	require.NoError(m.t, m.observe(s, k, found(saw, saw != 0), false))
	m.only(s, k, saw+1)
}

func (m *agingMachine) bagGet(tk *agingTask, o op) {
	s, k := &tk.shelves[1], keyOf(o)
	v, ok := tk.bags.Get(k)
	require.NoError(m.t, m.observe(s, k, found(first(v), ok), m.ttl.ReturnExpired))
	m.touch(s, k)
	m.drop(s, k)
}

func (m *agingMachine) append(tk *agingTask, o op) {
	s, k := &tk.shelves[2], keyOf(o)%4
	for range o.b % 9 {
		v := m.next()
		require.NoError(m.t, tk.lists.Append(k, v))
		s.cells[k] = append(s.cells[k], cell{v: v, stamp: m.stamp(s, k)})
	}
}

func (m *agingMachine) set(tk *agingTask, o op) {
	s, k := &tk.shelves[2], keyOf(o)%4
	var cells []cell
	var vs []int
	for range o.b % 3 {
		vs = append(vs, m.next())
		cells = append(cells, cell{v: m.serial, stamp: m.stamp(s, k)})
	}
	require.NoError(m.t, tk.lists.Set(k, vs...))
	s.put(k, cells)
}

func first(v []int) int {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

func listed(seq iter.Seq[int]) (got []cell) {
	for v := range seq {
		got = append(got, cell{v: v})
	}
	return got
}

func mapped(seq iter.Seq2[uint64, int]) (got []cell) {
	for mk, v := range seq {
		got = append(got, cell{mk: mk, v: v})
	}
	return sorted(got)
}

func (m *agingMachine) list(tk *agingTask, o op) {
	s, k := &tk.shelves[2], keyOf(o)%4
	require.NoError(m.t, m.observe(s, k, listed(tk.lists.Get(k)), m.ttl.ReturnExpired))
	m.touch(s, k)
}

// length is exact: as many as a snapshot has.
func (m *agingMachine) length(tk *agingTask, o op) {
	n, size := tk.lists.Len(keyOf(o)%4), tk.maps.Len(keyOf(o)%4)
	got := newAgingView(m, tk, tk.lists.All(), tk.maps.All())
	for i := range tk.shelves {
		m.see(&tk.shelves[i])
	}
	require.Equal(m.t, []int{len(got[2][keyOf(o)%4]), len(got[3][keyOf(o)%4])}, []int{n, size})
}

func (m *agingMachine) mapPut(tk *agingTask, o op) {
	s, k, mk, v := &tk.shelves[3], keyOf(o)%4, uint64(o.b%12), m.next()
	require.NoError(m.t, tk.maps.Put(k, mk, v))
	m.place(s, k, cell{mk: mk, v: v, stamp: m.stamp(s, k)})
}

// place puts an entry into the map of k.
func (m *agingMachine) place(s *shelf, k uint64, c cell) {
	cells := slices.DeleteFunc(slices.Clone(s.cells[k]), func(old cell) bool { return old.mk == c.mk })
	s.put(k, sorted(append(cells, c)))
}

// one splits the map of k into the entry mk and the others, for f, which sees the entry alone.
func (m *agingMachine) one(s *shelf, k, mk uint64, f func()) {
	all := s.cells[k]
	other := func(c cell) bool { return c.mk != mk }
	s.put(k, slices.DeleteFunc(slices.Clone(all), other))
	f()
	s.put(k, sorted(append(slices.Clone(s.cells[k]), slices.DeleteFunc(slices.Clone(all), func(c cell) bool { return !other(c) })...)))
}

func (m *agingMachine) mapGet(tk *agingTask, o op) {
	s, k, mk := &tk.shelves[3], keyOf(o)%4, uint64(o.b%12)
	v, ok := tk.maps.Get(k, mk)
	got := found(v, ok)
	for i := range got {
		got[i].mk = mk
	}
	m.one(s, k, mk, func() {
		require.NoError(m.t, m.observe(s, k, got, m.ttl.ReturnExpired))
		m.touch(s, k)
		m.drop(s, k)
	})
}

func (m *agingMachine) mapChange(tk *agingTask, o op) {
	s, k, mk, saw := &tk.shelves[3], keyOf(o)%4, uint64(o.b%12), 0
	require.NoError(m.t, tk.maps.Update(k, mk, func(v *int) { saw = *v; *v++ }))
	got := found(saw, saw != 0)
	for i := range got {
		got[i].mk = mk
	}
	m.one(s, k, mk, func() { require.NoError(m.t, m.observe(s, k, got, false)) })
	m.place(s, k, cell{mk: mk, v: saw + 1, stamp: m.stamp(s, k)})
}

func (m *agingMachine) mapRemove(tk *agingTask, o op) {
	s, k, mk := &tk.shelves[3], keyOf(o)%4, uint64(o.b%12)
	require.NoError(m.t, tk.maps.Remove(k, mk))
	tk.maps.Get(k, mk) // what is not there is removed without a look at the clock
	m.see(s)
	m.one(s, k, mk, func() { s.put(k, nil) })
}

// listPart leaves a loop over a list early, some time after it was asked for.
func (m *agingMachine) listPart(tk *agingTask, o op) {
	s, k, most := &tk.shelves[2], keyOf(o)%4, o.b%7
	seq := tk.lists.Get(k)
	m.see(s)
	var got []cell
	if most > 0 {
		for v := range seq {
			if got = append(got, cell{v: v}); len(got) == most {
				break
			}
		}
	}
	m.observePart(s, k, got, m.ttl.ReturnExpired)
}

func (m *agingMachine) entriesPart(tk *agingTask, o op) {
	s, k, most := &tk.shelves[3], keyOf(o)%4, 1+o.b%7
	m.see(s)
	var got []cell
	for mk, v := range tk.maps.Entries(k) {
		if got = append(got, cell{mk: mk, v: v}); len(got) == most {
			break
		}
	}
	m.observePart(s, k, sorted(got), false)
}

// observePart is observe and touch for the part of a key's content that was yielded.
func (m *agingMachine) observePart(s *shelf, k uint64, got []cell, expired bool) {
	for i := range s.cells[k] {
		c := &s.cells[k][i]
		if len(got) == 0 || got[0].mk != c.mk || got[0].v != c.v {
			continue
		}
		got = got[1:]
		alive := m.alive(s, k, *c)
		require.True(m.t, alive || expired && c.stamp > m.goneIn(s, k), "key %d at %d: %+v", k, m.now, *c)
		if c.maybe = c.maybe && !alive; alive && m.ttl.OnRead {
			c.stamp = max(c.stamp, m.stamp(s, k))
		}
	}
	require.Empty(m.t, got, "of key %d at %d in %+v", k, m.now, s.cells[k])
}

func (m *agingMachine) entries(tk *agingTask, o op) {
	s, k := &tk.shelves[3], keyOf(o)%4
	require.NoError(m.t, m.observe(s, k, mapped(tk.maps.Entries(k)), false))
	for i := range s.cells[k] {
		if c := &s.cells[k][i]; m.ttl.OnRead && m.alive(s, k, *c) {
			c.stamp = max(c.stamp, m.stamp(s, k))
		}
	}
}
