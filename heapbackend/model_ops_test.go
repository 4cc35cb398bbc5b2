package heapbackend_test

import (
	"strconv"

	"github.com/stretchr/testify/require"
)

// mostShots bounds how many snapshots a program holds at once.
const mostShots = 6

func (m *machine[K]) actions() map[string]func(op) {
	return map[string]func(op){
		"put": m.put, "update": m.update, "delete": m.delete,
		"bag": m.bag, "change": m.change, "sweep": m.sweep, "drop": m.drop,
		"append": m.append, "set": m.set, "unlist": m.unlist,
		"mapput": m.mapPut, "mapchange": m.mapChange, "mapremove": m.mapRemove, "unmap": m.unmap,
		"sum": m.sum, "unsum": m.unsum, "aggregate": m.aggregate, "note": m.note, "denote": m.denote, "merge": m.merge,
		"move": m.move, "lend": m.lend, "extend": m.extend, "outgrow": m.outgrow, "hold": m.hold,
		"fill": m.fill, "drain": m.drain, "iterate": m.iterate, "entries": m.entries,
		"capture": m.capture, "release": m.release, "retain": m.retain, "read": m.background, "check": m.check,
		"rollback": m.rollback, "restart": m.restart, "rescale": m.rescale, "ghost": m.ghost,
	}
}

// put sets point a to b.
func (m *machine[K]) put(o op) {
	key, c, tk := m.at(m.tasks, o.a)
	require.NoError(m.t, tk.points.Put(key, pointOf(o.b)))
	tk.want.points[c] = pointOf(o.b)
}

func (m *machine[K]) update(o op) {
	key, c, tk := m.at(m.tasks, o.a)
	var saw point
	require.NoError(m.t, tk.points.Update(key, func(p *point) {
		saw = *p
		p.X += int64(o.b)
	}))
	want := tk.want.points[c]
	require.Equal(m.t, want, saw)
	want.X += int64(o.b)
	tk.want.points[c] = want
}

func (m *machine[K]) delete(o op) {
	key, c, tk := m.at(m.tasks, o.a)
	require.NoError(m.t, tk.points.Delete(key))
	delete(tk.want.points, c)
}

// bag sets bag a to b.
func (m *machine[K]) bag(o op) {
	key, c, tk := m.at(m.tasks, o.a)
	require.NoError(m.t, tk.bags.Put(key, bagOf(o.b)))
	tk.want.bags[c] = bagOf(o.b)
}

// change modifies bag a in place.
func (m *machine[K]) change(o op) { m.changeIn(m.tasks, o) }

func (m *machine[K]) changeIn(list []*task[K], o op) {
	key, c, tk := m.at(list, o.a)
	if tk == nil {
		return
	}
	m.recall(tk, "bag "+c)
	want := tk.want.bags[c]
	require.NoError(m.t, tk.bags.Update(key, func(b *bag) {
		require.Equal(m.t, want, *b)
		change(b, o.b)
	}))
	change(&want, o.b)
	tk.want.bags[c] = want
}

// sweep modifies bags 0 to a, and all of map b.
func (m *machine[K]) sweep(o op) {
	for i := range o.a {
		m.change(op{a: i, b: o.c})
		m.mapChange(op{a: o.b, b: i, c: o.c})
	}
}

func (m *machine[K]) drop(o op) {
	key, c, tk := m.at(m.tasks, o.a)
	require.NoError(m.t, tk.bags.Delete(key))
	delete(tk.want.bags, c)
}

// append adds b % 20 elements to list a.
func (m *machine[K]) append(o op) { m.appendIn(m.tasks, o) }

func (m *machine[K]) appendIn(list []*task[K], o op) {
	key, c, tk := m.at(list, o.a)
	if tk == nil {
		return
	}
	var elements [][]byte
	for i := range o.b % 20 {
		elements = append(elements, elementOf(o.c, i))
	}
	require.NoError(m.t, tk.lists.Append(key, elements...))
	if len(elements) > 0 {
		tk.want.lists[c] = append(tk.want.lists[c], elements...)
	}
}

// set replaces list a by b % 6 elements.
func (m *machine[K]) set(o op) {
	key, c, tk := m.at(m.tasks, o.a)
	var elements [][]byte
	for i := range o.b % 6 {
		elements = append(elements, elementOf(o.c, i))
	}
	require.NoError(m.t, tk.lists.Set(key, elements...))
	if tk.want.lists[c] = elements; len(elements) == 0 {
		delete(tk.want.lists, c)
	}
}

func (m *machine[K]) unlist(o op) {
	key, c, tk := m.at(m.tasks, o.a)
	require.NoError(m.t, tk.lists.Delete(key))
	delete(tk.want.lists, c)
}

// mapPut sets key b of map a % 10 to c; few maps, so that they grow.
func (m *machine[K]) mapPut(o op) {
	key, c, tk := m.at(m.tasks, o.a%10)
	mk := strconv.Itoa(o.b)
	require.NoError(m.t, tk.maps.Put(key, mk, bagOf(o.c)))
	if tk.want.maps[c] == nil {
		tk.want.maps[c] = map[string]bag{}
	}
	tk.want.maps[c][mk] = bagOf(o.c)
}

func (m *machine[K]) mapChange(o op) { m.mapChangeIn(m.tasks, o) }

func (m *machine[K]) mapChangeIn(list []*task[K], o op) {
	key, c, tk := m.at(list, o.a%10)
	if tk == nil {
		return
	}
	mk := strconv.Itoa(o.b)
	m.recall(tk, "map "+c+mk)
	want := tk.want.maps[c][mk]
	require.NoError(m.t, tk.maps.Update(key, mk, func(b *bag) {
		require.Equal(m.t, want, *b)
		change(b, o.c)
	}))
	change(&want, o.c)
	if tk.want.maps[c] == nil {
		tk.want.maps[c] = map[string]bag{}
	}
	tk.want.maps[c][mk] = want
}

func (m *machine[K]) mapRemove(o op) {
	key, c, tk := m.at(m.tasks, o.a%10)
	require.NoError(m.t, tk.maps.Remove(key, strconv.Itoa(o.b)))
	if delete(tk.want.maps[c], strconv.Itoa(o.b)); len(tk.want.maps[c]) == 0 {
		delete(tk.want.maps, c)
	}
}

func (m *machine[K]) unmap(o op) {
	key, c, tk := m.at(m.tasks, o.a%10)
	require.NoError(m.t, tk.maps.Delete(key))
	delete(tk.want.maps, c)
}

// fill makes pages grow and split: b keys from 2*a of every kind.
func (m *machine[K]) fill(o op) {
	for i := 2 * o.a; i < 2*o.a+o.b; i++ {
		m.put(op{a: i, b: o.c})
		m.bag(op{a: i, b: o.c})
		m.mapPut(op{a: o.a, b: i, c: o.c})
	}
}

// drain makes them shrink and merge.
func (m *machine[K]) drain(o op) {
	for i := 2 * o.a; i < 2*o.a+o.b; i++ {
		m.delete(op{a: i})
		m.drop(op{a: i})
		m.mapRemove(op{a: o.a, b: i})
	}
}

// ghost writes to a task that others were restored from.
func (m *machine[K]) ghost(o op) {
	if n := len(m.ghosts); n > 0 {
		one := m.ghosts[o.c%n : o.c%n+1]
		m.changeIn(one, o)
		m.appendIn(one, o)
		m.mapChangeIn(one, o)
		m.aggregateIn(one, o)
	}
}

// iterate writes in the body of a loop over task a, which must yield what there was when it began.
func (m *machine[K]) iterate(o op) {
	tk := m.tasks[o.a%len(m.tasks)]
	want := tk.want.copied(func(string) bool { return true })
	i := o.b
	body := func() {
		i++
		m.change(op{a: i, b: o.c})
		m.delete(op{a: i * 3})
		m.put(op{a: i * 7, b: o.c})
		m.append(op{a: i, b: 1})
		m.mapChange(op{a: i, b: o.c, c: i})
	}
	got := newContents()
	for k, v := range tk.points.All() {
		body()
		got.points[m.canonical(k)] = v
	}
	require.Equal(m.t, want.points, got.points)
	want = tk.want.copied(func(string) bool { return true })
	for k, v := range tk.bags.All() {
		body()
		got.bags[m.canonical(k)] = v.copied()
	}
	require.Equal(m.t, want.bags, got.bags)
	want = tk.want.copied(func(string) bool { return true })
	for k, entries := range tk.maps.All() {
		body()
		inner := map[string]bag{}
		for mk, v := range entries {
			body()
			inner[mk] = v.copied()
		}
		got.maps[m.canonical(k)] = inner
	}
	require.Equal(m.t, want.maps, got.maps)
}

// entries writes in the body of loops over map a and list a.
func (m *machine[K]) entries(o op) {
	key, c, tk := m.at(m.tasks, o.a%10)
	want := tk.want.copied(func(k string) bool { return k == c })
	got := map[string]bag{}
	for mk, v := range tk.maps.Entries(key) {
		m.mapChange(op{a: o.a, b: o.b, c: o.c})
		m.mapRemove(op{a: o.a, b: len(got)})
		m.mapPut(op{a: o.a, b: len(got) * 3, c: o.c})
		got[mk] = v.copied()
	}
	require.Len(m.t, got, len(want.maps[c]))
	for mk, v := range want.maps[c] {
		require.Equal(m.t, v, got[mk])
	}
	n := 0
	for e := range tk.lists.Get(key) {
		m.append(op{a: o.a % 10, b: 2, c: o.c})
		require.Equal(m.t, want.lists[c][n], e)
		n++
	}
	require.Equal(m.t, len(want.lists[c]), n)
}

func (m *machine[K]) shoot(tk *task[K]) *shot[K] {
	s := capture(m.t, tk.b)
	return &shot[K]{s, tk, tk.want.copied(func(string) bool { return true }), blocksOf(m.t, s)}
}

func (m *machine[K]) capture(o op) {
	if len(m.shots) < mostShots {
		m.shots = append(m.shots, m.shoot(m.tasks[o.a%len(m.tasks)]))
	}
}

func (m *machine[K]) release(o op) {
	if n := len(m.shots); n > 0 {
		i := o.a % n
		m.shots[i].handle.Release()
		m.shots[i].handle.Release()
		m.shots = append(m.shots[:i:i], m.shots[i+1:]...)
	}
}

func (m *machine[K]) retain(o op) {
	if n := len(m.shots); n > 0 && n < mostShots {
		s := *m.shots[o.a%n]
		var err error
		s.handle, err = s.handle.Retain()
		require.NoError(m.t, err)
		m.shots = append(m.shots, &s)
	}
}

// background reads a snapshot on another goroutine, through a handle of its own.
func (m *machine[K]) background(o op) {
	if len(m.shots) == 0 {
		return
	}
	s := m.shots[o.a%len(m.shots)]
	handle, err := s.handle.Retain()
	require.NoError(m.t, err)
	m.readers.Go(func() {
		defer handle.Release()
		if err := m.checkShot(s, handle); err != nil {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.faults = append(m.faults, err)
		}
	})
}
