package heapbackend_test

import (
	"slices"
	"strconv"

	"github.com/stretchr/testify/require"
)

// mostLoans bounds how many values a program keeps of those it got.
const mostLoans = 20

// loan is a value that was got, and what it was then. It stays so until the key that it is of is updated in the task it
// is of.
type loan[K comparable] struct {
	of        *task[K]
	key       string
	got, want bag
}

// move puts bag a under key b and into map c.
func (m *machine[K]) move(o op) {
	got, want := m.bagAt(o.a)
	key, c, tk := m.at(m.tasks, o.b)
	require.NoError(m.t, tk.bags.Put(key, got))
	tk.want.bags[c] = want.copied()
	key, c, tk = m.at(m.tasks, o.c%10)
	mk := strconv.Itoa(o.b)
	require.NoError(m.t, tk.maps.Put(key, mk, got))
	if tk.want.maps[c] == nil {
		tk.want.maps[c] = map[string]bag{}
	}
	tk.want.maps[c][mk] = want.copied()
}

// lend stores parts of bag a in bag b and in an entry of map c, by updates.
func (m *machine[K]) lend(o op) {
	got, want := m.bagAt(o.a)
	store := func(b *bag, from bag) { b.Items, b.Next = from.Items, &bag{Next: from.Next, Tags: from.Tags} }
	key, c, tk := m.at(m.tasks, o.b)
	m.recall(tk, "bag "+c)
	require.NoError(m.t, tk.bags.Update(key, func(b *bag) { store(b, got) }))
	to := tk.want.bags[c]
	store(&to, want.copied())
	tk.want.bags[c] = to
	key, c, tk = m.at(m.tasks, o.c%10)
	mk := strconv.Itoa(o.b)
	m.recall(tk, "map "+c+mk)
	require.NoError(m.t, tk.maps.Update(key, mk, func(b *bag) { store(b, got) }))
	if tk.want.maps[c] == nil {
		tk.want.maps[c] = map[string]bag{}
	}
	to = tk.want.maps[c][mk]
	store(&to, want.copied())
	tk.want.maps[c][mk] = to
}

// bagAt returns bag a as it is got, and as it is to be.
func (m *machine[K]) bagAt(a int) (got, want bag) {
	key, c, tk := m.at(m.tasks, a)
	got, _ = tk.bags.Get(key)
	want = tk.want.bags[c]
	require.Equal(m.t, want, got)
	return got, want.copied()
}

// extend appends to everything that can be got of key a, from tasks, from ghosts and from snapshot b, and to what was
// got before the last updates.
func (m *machine[K]) extend(o op) {
	for _, tk := range append(slices.Clone(m.ghosts), m.tasks...) {
		key, _, mine := m.at([]*task[K]{tk}, o.a)
		if mine == nil {
			continue
		}
		got, _ := tk.bags.Get(key)
		extend(got, o.c)
		for _, got := range tk.maps.Entries(key) {
			extend(got, o.c)
		}
		for e := range tk.lists.Get(key) {
			_ = append(e, byte(o.c))
		}
	}
	for _, got := range m.stale {
		extend(got, o.c)
	}
	if len(m.shots) > 0 {
		s := m.shots[o.b%len(m.shots)]
		view, err := s.from.bags.At(s.handle)
		require.NoError(m.t, err)
		got, _ := view.Get(m.key(o.a))
		extend(got, o.c)
	}
}

// outgrow appends to what was got of bag a while that grows.
func (m *machine[K]) outgrow(o op) {
	for i := range 6 {
		got, _ := m.bagAt(o.a)
		m.change(op{a: o.a, b: o.b + i})
		extend(got, o.c)
		m.bagAt(o.a)
	}
}

func extend(b bag, v int) {
	_ = append(b.Items, v)
	if b.Next != nil {
		extend(*b.Next, v)
	}
}

// hold keeps bag a, or an entry of map a, for as long as nothing may change it.
func (m *machine[K]) hold(o op) {
	if len(m.loans) >= mostLoans {
		m.recallAll()
	}
	key, c, tk := m.at(m.tasks, o.a)
	if got, ok := tk.bags.Get(key); ok {
		m.loans = append(m.loans, loan[K]{tk, "bag " + c, got, tk.want.bags[c].copied()})
	}
	key, c, tk = m.at(m.tasks, o.a%10)
	for mk, got := range tk.maps.Entries(key) {
		m.loans = append(m.loans, loan[K]{tk, "map " + c + mk, got, tk.want.maps[c][mk].copied()})
	}
}

// recall compares what is held of a key of a task with what it was, before that is updated.
func (m *machine[K]) recall(tk *task[K], key string) {
	m.loans = slices.DeleteFunc(m.loans, func(l loan[K]) bool {
		mine := l.of == tk && l.key == key
		if mine {
			require.Equal(m.t, l.want, l.got, "a value that was got and kept")
			m.stale = append(m.stale, l.got)
		}
		return mine
	})
	m.stale = m.stale[max(0, len(m.stale)-mostLoans):]
}

func (m *machine[K]) recallAll() {
	for _, l := range m.loans {
		require.Equal(m.t, l.want, l.got, "a value that was got and kept")
	}
	m.loans = nil
}
