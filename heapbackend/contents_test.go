package heapbackend_test

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// point is a value without pointers.
type point struct {
	X, Y int64
	On   bool
}

// bag is a value with every kind of reference.
type bag struct {
	Items []int
	Tags  map[string]int
	Next  *bag
}

func (b bag) copied() bag {
	b.Items = slices.Clone(b.Items)
	b.Tags = maps.Clone(b.Tags)
	if b.Next != nil {
		next := b.Next.copied()
		b.Next = &next
	}
	return b
}

func pointOf(v int) point { return point{int64(v), -int64(v), v%2 == 0} }

func bagOf(v int) bag {
	if v%4 == 0 {
		return bag{}
	}
	return bag{Items: []int{v}, Tags: map[string]int{strconv.Itoa(v % 5): v}, Next: &bag{Items: []int{}}}
}

// change writes through every reference of b.
func change(b *bag, v int) {
	for i := range b.Items {
		b.Items[i] += v
	}
	if len(b.Items) < 5 {
		b.Items = append(b.Items, v)
	}
	if b.Tags == nil {
		b.Tags = map[string]int{}
	}
	b.Tags[strconv.Itoa(v%5)] += v
	if b.Next == nil {
		b.Next = &bag{}
	} else if b.Next.Items = append(b.Next.Items, v); len(b.Next.Items) > 5 {
		b.Next = nil
	}
}

func elementOf(v, i int) []byte { return []byte(fmt.Sprintf("%d/%d", v, i)) }

// contents is what a task or a snapshot holds, by canonical key.
type contents struct {
	points map[string]point
	bags   map[string]bag
	lists  map[string][][]byte
	maps   map[string]map[string]bag
	// Of canonical keys in namespaces.
	sums  map[string]int64
	accs  map[string]bag
	notes map[string][][]byte
}

func newContents() contents {
	return contents{
		map[string]point{}, map[string]bag{}, map[string][][]byte{}, map[string]map[string]bag{},
		map[string]int64{}, map[string]bag{}, map[string][][]byte{},
	}
}

// copied returns a deep copy of the keys that keep accepts.
func (c contents) copied(keep func(key string) bool) contents {
	n := newContents()
	n.take(c, keep)
	return n
}

// take replaces the keys that of accepts by copies of those in from.
func (c contents) take(from contents, of func(key string) bool) {
	replace(c.points, from.points, of, func(p point) point { return p })
	replace(c.bags, from.bags, of, bag.copied)
	replace(c.lists, from.lists, of, copiedList)
	replace(c.sums, from.sums, of, func(n int64) int64 { return n })
	replace(c.accs, from.accs, of, bag.copied)
	replace(c.notes, from.notes, of, copiedList)
	replace(c.maps, from.maps, of, func(in map[string]bag) map[string]bag {
		out := map[string]bag{}
		replace(out, in, func(string) bool { return true }, bag.copied)
		return out
	})
}

func copiedList(l [][]byte) [][]byte {
	l = slices.Clone(l)
	for i := range l {
		l[i] = bytes.Clone(l[i])
	}
	return l
}

func replace[V any](to, from map[string]V, of func(string) bool, copied func(V) V) {
	maps.DeleteFunc(to, func(k string, _ V) bool { return of(k) })
	for k, v := range from {
		if of(k) {
			to[k] = copied(v)
		}
	}
}

// differ returns an error if two contents are not equal.
func (c contents) differ(want contents) error {
	for _, part := range []struct {
		state     string
		got, want any
	}{
		{"points", c.points, want.points}, {"bags", c.bags, want.bags},
		{"lists", c.lists, want.lists}, {"maps", c.maps, want.maps},
		{"sums", c.sums, want.sums}, {"accs", c.accs, want.accs}, {"notes", c.notes, want.notes},
	} {
		if !reflect.DeepEqual(part.got, part.want) {
			return fmt.Errorf("state %s\n got %v\nwant %v", part.state, part.got, part.want)
		}
	}
	return nil
}

// loops are the states of a task or a snapshot as loops.
type loops[K comparable] struct {
	points iter.Seq2[K, point]
	bags   iter.Seq2[K, bag]
	lists  iter.Seq2[K, iter.Seq[[]byte]]
	maps   iter.Seq2[K, iter.Seq2[string, bag]]
	sums   iter.Seq2[spaced, int64]
	accs   iter.Seq2[spaced, bag]
	notes  iter.Seq2[spaced, iter.Seq[[]byte]]
}

// read returns what the loops yield. The values are not copied.
func (m *machine[K]) read(l loops[K]) (c contents, err error) {
	c = newContents()
	gather(m.canonical, c.points, l.points, &err)
	gather(m.canonical, c.bags, l.bags, &err)
	if l.sums != nil {
		m.readSpaces(c, l, &err)
	}
	lists, inner := map[string]iter.Seq[[]byte]{}, map[string]iter.Seq2[string, bag]{}
	for k, list := range l.lists {
		c.lists[m.canonical(k)] = slices.Collect(list)
		lists[m.canonical(k)] = list
	}
	for k, entries := range l.maps {
		got := map[string]bag{}
		for mk, v := range entries {
			if _, twice := got[mk]; twice {
				err = fmt.Errorf("a map yields a key twice")
			}
			got[mk] = v
		}
		c.maps[m.canonical(k)] = got
		inner[m.canonical(k)] = entries
	}
	if len(lists) != len(c.lists) || len(inner) != len(c.maps) {
		err = fmt.Errorf("a key twice")
	}
	return c, err
}

func (m *machine[K]) readSpaces(c contents, l loops[K], err *error) {
	gather(m.canonicalSpaced, c.sums, l.sums, err)
	gather(m.canonicalSpaced, c.accs, l.accs, err)
	notes := map[string]iter.Seq[[]byte]{}
	gather(m.canonicalSpaced, notes, l.notes, err)
	for k, list := range notes {
		c.notes[k] = slices.Collect(list)
	}
}

func (m *machine[K]) canonical(k K) string { return string(m.hasher.Append(nil, k)) }

func gather[K comparable, V any](name func(K) string, into map[string]V, from iter.Seq2[K, V], err *error) {
	for k, v := range from {
		if _, twice := into[name(k)]; twice {
			*err = fmt.Errorf("a key twice")
		}
		into[name(k)] = v
	}
}

// check compares everything there is with the model.
func (m *machine[K]) check(op) {
	for _, tk := range append(slices.Clone(m.ghosts), m.tasks...) {
		m.checkTask(tk)
	}
	for _, s := range m.shots {
		require.NoError(m.t, m.checkShot(s, s.handle))
	}
}

func (m *machine[K]) checkTask(tk *task[K]) {
	l := loops[K]{points: tk.points.All(), bags: tk.bags.All(), lists: tk.lists.All(), maps: tk.maps.All()}
	if tk.spaces.scope != nil {
		l.sums, l.accs, l.notes = tk.spaces.sums.All(), tk.spaces.accs.All(), tk.spaces.notes.All()
	}
	got, err := m.read(l)
	require.NoError(m.t, err)
	require.NoError(m.t, got.differ(tk.want), "a live backend")
	keys := []int{len(got.points), len(got.bags), len(got.lists), len(got.maps)}
	require.Equal(m.t, keys, []int{tk.points.Keys(), tk.bags.Keys(), tk.lists.Keys(), tk.maps.Keys()})
	m.checkSpaces(tk)
	for i := range 100 {
		key, c, mine := m.at([]*task[K]{tk}, i)
		if mine == nil {
			continue
		}
		p, ok := tk.points.Get(key)
		want, has := tk.want.points[c]
		require.Equal(m.t, has, ok)
		require.Equal(m.t, want, p)
		require.Equal(m.t, tk.want.lists[c], slices.Collect(tk.lists.Get(key)))
		require.Equal(m.t, len(tk.want.lists[c]), tk.lists.Len(key))
		require.Equal(m.t, len(tk.want.maps[c]), tk.maps.Len(key))
		for mk, want := range tk.want.maps[c] {
			got, ok := tk.maps.Get(key, mk)
			require.True(m.t, ok)
			require.Equal(m.t, want, got)
		}
	}
}

// checkShot reads all of a snapshot, through views and as bytes. It may run on any goroutine.
func (m *machine[K]) checkShot(s *shot[K], handle *heapbackend.Snapshot) error {
	got, err := m.viewed(s, handle)
	if err != nil {
		return err
	}
	if err := got.differ(s.want); err != nil {
		return fmt.Errorf("a snapshot: %w", err)
	}
	for g, want := range s.blocks {
		block, _, err := handle.AppendGroup(nil, g)
		if err != nil {
			return err
		}
		if !bytes.Equal(want, block) {
			return fmt.Errorf("group %d of a snapshot\n got %x\nwant %x", g, block, want)
		}
	}
	return nil
}

func (m *machine[K]) viewed(s *shot[K], handle *heapbackend.Snapshot) (c contents, err error) {
	points, err := s.from.points.At(handle)
	if err != nil {
		return c, err
	}
	bags, err := s.from.bags.At(handle)
	if err != nil {
		return c, err
	}
	lists, err := s.from.lists.At(handle)
	if err != nil {
		return c, err
	}
	maps, err := s.from.maps.At(handle)
	if err != nil {
		return c, err
	}
	l := loops[K]{points: points.All(), bags: bags.All(), lists: lists.All(), maps: maps.All()}
	if s.from.spaces.scope != nil {
		err = m.viewSpaces(s, handle, &l)
	}
	if err != nil {
		return c, err
	}
	return m.read(l)
}

func (m *machine[K]) viewSpaces(s *shot[K], handle *heapbackend.Snapshot, l *loops[K]) error {
	spaces := s.from.spaces
	sums, err := spaces.sums.At(handle)
	if err != nil {
		return err
	}
	accs, err := spaces.accs.At(handle)
	if err != nil {
		return err
	}
	notes, err := spaces.notes.At(handle)
	if err != nil {
		return err
	}
	l.sums, l.accs, l.notes = sums.All(), accs.All(), notes.All()
	return m.viewedSpaces(s, sums, accs, notes)
}
