package heapbackend_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// spaced is a key in a namespace, several values of which are one.
type spaced = heapbackend.NamespacedKey[string, composite]

// spacedStates are the states of a task whose keys have namespaces. Only tasks with string keys have them: each type of key
// costs seconds of compilation, and namespaces do not depend on it.
type spacedStates struct {
	scope *heapbackend.Namespaces[string, composite]
	sums  *heapbackend.Reducing[spaced, int64]
	accs  *heapbackend.Aggregating[spaced, int, bag, bag]
	notes *heapbackend.List[spaced, []byte]
}

// bagAggregator changes bags in place.
func bagAggregator() heapbackend.Aggregator[int, bag, bag] {
	return heapbackend.Aggregator[int, bag, bag]{
		Create: func() bag { return bagOf(1) },
		Add:    change,
		Result: func(b bag) bag { return b },
		Merge:  mergeBags,
	}
}

// mergeBags keeps what it is given.
func mergeBags(into *bag, from bag) {
	into.Items = append(into.Items, from.Items...)
	into.Tags = from.Tags
	if from.Next != nil {
		into.Next = from.Next
	}
}

func newSpacedStates(t require.TestingT, backend any) (s spacedStates) {
	b, ok := backend.(*heapbackend.Backend[string])
	if !ok {
		return s
	}
	var err error
	s.scope, err = heapbackend.NamespacesOf[composite](b)
	require.NoError(t, err)
	s.sums, err = heapbackend.NewReducing(s.scope, "sums", func(a, b int64) int64 { return a + b })
	require.NoError(t, err)
	s.accs, err = heapbackend.NewAggregating(s.scope, "accs", bagAggregator())
	require.NoError(t, err)
	s.notes, err = heapbackend.NewList[[]byte](s.scope, "notes")
	require.NoError(t, err)
	return s
}

// spaceName is the canonical form of a namespace.
func spaceName(n composite) string {
	h, err := keygroups.NewHasher[composite](0)
	if err != nil {
		panic(err)
	}
	return string(h.Append(nil, n))
}

// inSpace returns key a % 10 in namespace b % 7, and its canonical form; and the task of list that holds it, nil if none does.
func (m *machine[K]) inSpace(list []*task[K], a, b int) (spaced, string, *task[K]) {
	key, c, tk := m.at(list, a%10)
	if tk == nil || tk.spaces.scope == nil {
		return spaced{}, "", nil
	}
	n := compositeKey(b % 7)
	full := c + "\x00" + spaceName(n)
	m.groups[full] = m.groups[c]
	return heapbackend.In(any(key).(string), n), full, tk
}

func (m *machine[K]) canonicalSpaced(k spaced) string {
	return m.canonical(any(k.Key).(K)) + "\x00" + spaceName(k.Namespace)
}

func (m *machine[K]) sum(o op) {
	key, c, tk := m.inSpace(m.tasks, o.a, o.b)
	if tk == nil {
		return
	}
	require.NoError(m.t, tk.spaces.sums.Add(key, int64(o.c)))
	tk.want.sums[c] += int64(o.c)
}

func (m *machine[K]) unsum(o op) {
	key, c, tk := m.inSpace(m.tasks, o.a, o.b)
	if tk == nil {
		return
	}
	require.NoError(m.t, tk.spaces.sums.Delete(key))
	delete(tk.want.sums, c)
}

func (m *machine[K]) aggregate(o op) { m.aggregateIn(m.tasks, o) }

func (m *machine[K]) aggregateIn(list []*task[K], o op) {
	key, c, tk := m.inSpace(list, o.a, o.b)
	if tk == nil {
		return
	}
	require.NoError(m.t, tk.spaces.accs.Add(key, o.c))
	want, ok := tk.want.accs[c]
	if !ok {
		want = bagOf(1)
	}
	change(&want, o.c)
	tk.want.accs[c] = want
}

// note adds c % 5 elements to list a in namespace b.
func (m *machine[K]) note(o op) {
	key, c, tk := m.inSpace(m.tasks, o.a, o.b)
	if tk == nil {
		return
	}
	for i := range o.c % 5 {
		require.NoError(m.t, tk.spaces.notes.Append(key, elementOf(o.c, i)))
		tk.want.notes[c] = append(tk.want.notes[c], elementOf(o.c, i))
	}
}

// denote removes all namespaces of key a from b on, of every state.
func (m *machine[K]) denote(o op) {
	for n := o.b % 7; n < 7; n++ {
		key, c, tk := m.inSpace(m.tasks, o.a, n)
		if tk == nil {
			return
		}
		require.NoError(m.t, tk.spaces.notes.Delete(key))
		require.NoError(m.t, tk.spaces.accs.Delete(key))
		delete(tk.want.notes, c)
		delete(tk.want.accs, c)
	}
}

// merge moves what key a holds in three namespaces from b to the first of them or another, twice named and itself among them.
func (m *machine[K]) merge(o op) {
	key, into, tk := m.inSpace(m.tasks, o.a, o.c)
	if tk == nil {
		return
	}
	var from []composite
	for i := range 3 {
		k, c, _ := m.inSpace(m.tasks, o.a, o.b+i)
		from = append(from, k.Namespace)
		if c == into {
			continue
		}
		if v, ok := tk.want.sums[c]; ok {
			tk.want.sums[into] += v
			delete(tk.want.sums, c)
		}
		if v, ok := tk.want.accs[c]; ok {
			want, has := tk.want.accs[into]
			if !has {
				want = bagOf(1)
			}
			mergeBags(&want, v)
			tk.want.accs[into] = want
			delete(tk.want.accs, c)
		}
		if v, ok := tk.want.notes[c]; ok {
			tk.want.notes[into] = append(tk.want.notes[into], v...)
			delete(tk.want.notes, c)
		}
	}
	from = append(from, from[0], key.Namespace)
	s := tk.spaces
	require.NoError(m.t, s.scope.Merge(s.sums, key.Key, key.Namespace, from...))
	require.NoError(m.t, s.scope.Merge(s.accs, key.Key, key.Namespace, from...))
	require.NoError(m.t, s.scope.Merge(s.notes, key.Key, key.Namespace, from...))
}

// checkSpaces compares the namespaces that the states of a task list for its keys with those the model has.
func (m *machine[K]) checkSpaces(tk *task[K]) {
	s := tk.spaces
	if s.scope == nil {
		return
	}
	for i := range 100 {
		k, c, mine := m.at([]*task[K]{tk}, i)
		if mine == nil {
			continue
		}
		key := any(k).(string)
		require.Equal(m.t, spacesIn(tk.want.sums, c), spacesOf(s, s.sums, key))
		require.Equal(m.t, spacesIn(tk.want.accs, c), spacesOf(s, s.accs, key))
		require.Equal(m.t, spacesIn(tk.want.notes, c), spacesOf(s, s.notes, key))
	}
	keys := []int{len(tk.want.sums), len(tk.want.accs), len(tk.want.notes)}
	require.Equal(m.t, keys, []int{s.sums.Keys(), s.accs.Keys(), s.notes.Keys()})
}

// viewedSpaces is checkSpaces for views of a snapshot. Any goroutine.
func (m *machine[K]) viewedSpaces(s *shot[K], sums, accs, notes heapbackend.State[spaced]) error {
	for i := range 10 {
		k := m.key(i)
		key, c := any(k).(string), m.canonical(k)
		for _, one := range []struct{ want, got []string }{
			{spacesIn(s.want.sums, c), spacesOf(s.from.spaces, sums, key)},
			{spacesIn(s.want.accs, c), spacesOf(s.from.spaces, accs, key)},
			{spacesIn(s.want.notes, c), spacesOf(s.from.spaces, notes, key)},
		} {
			if !slices.Equal(one.want, one.got) {
				return fmt.Errorf("namespaces of key %d in a snapshot\n got %q\nwant %q", i, one.got, one.want)
			}
		}
	}
	return nil
}

func spacesOf(in spacedStates, s heapbackend.State[spaced], key string) (names []string) {
	for n := range in.scope.Of(s, key) {
		names = append(names, spaceName(n))
	}
	slices.Sort(names)
	return names
}

func spacesIn[V any](want map[string]V, key string) (names []string) {
	for c := range want {
		if name, ok := strings.CutPrefix(c, key+"\x00"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
