package timeline

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
)

// key is large, so that a node holds the fewest items.
type key struct {
	id   int
	rest [30]uint64
}

type item = Item[key]

// shapes are how many times and hashes there are to choose from: few, so that items differ late or not at all.
var shapes = map[string]struct{ times, hashes, keys int }{
	"times":      {math.MaxInt, 1 << 30, 1 << 30},
	"few times":  {40, 1 << 30, 1 << 30},
	"one time":   {1, 1 << 30, 1 << 30},
	"one hash":   {20, 1, 60},
	"duplicates": {30, 4, 4},
}

func compare(a, b item) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Hash, b.Hash), cmp.Compare(a.Key.id, b.Key.id))
}

// model is an obviously right tree.
type model []item

func (m model) insert(x item) (model, bool) {
	i, found := slices.BinarySearchFunc(m, x, compare)
	if found {
		return m, false
	}
	return slices.Insert(m, i, x), true
}

func (m model) delete(x item) (model, bool) {
	i, found := slices.BinarySearchFunc(m, x, compare)
	if !found {
		return m, false
	}
	return slices.Delete(m, i, i+1), true
}

type capture struct {
	view   *cow.View
	frozen Frozen[key]
	want   model
}

type machine struct {
	space *cow.Space
	kind  *Kind[key]
	tree  *Tree[key]
	want  model
	shots []capture
	old   []*machine // that others were restored from, and that go on
}

func newMachine() *machine {
	m := &machine{space: cow.NewSpace()}
	m.kind = NewKind(m.space, func(a, b key) int { return cmp.Compare(a.id, b.id) })
	m.tree = NewTree(m.kind)
	return m
}

// tester is what the checks need of a *testing.T or a *rapid.T.
type tester interface {
	require.TestingT
	Fatalf(format string, args ...any)
}

func (m *machine) insert(t tester, x item) {
	var added bool
	m.want, added = m.want.insert(x)
	require.Equal(t, added, m.tree.Insert(&x))
}

func (m *machine) delete(t tester, x item) {
	var was bool
	m.want, was = m.want.delete(x)
	require.Equal(t, was, m.tree.Delete(&x))
}

func (m *machine) pop(t *rapid.T) {
	if len(m.want) > 0 {
		require.Equal(t, m.want[0], m.tree.Pop())
		m.want = slices.Delete(m.want, 0, 1)
	}
}

func (m *machine) check(t *rapid.T) {
	equal(t, &m.tree.Frozen, m.want)
	sound(t, m)
	for _, s := range m.shots {
		equal(t, &s.frozen, s.want)
	}
}

func equal(t tester, f *Frozen[key], want model) {
	require.Equal(t, len(want), f.Len())
	i := 0
	f.All(func(x *item) bool {
		if i >= len(want) || want[i] != *x {
			t.Fatalf("item %d of %d is %v", i, len(want), x)
		}
		i++
		return true
	})
	require.Equal(t, len(want), i)
	if len(want) == 0 {
		require.Nil(t, f.First())
		return
	}
	require.Equal(t, want[0], *f.First())
	for _, x := range []int{0, len(want) / 2, len(want) - 1} {
		require.True(t, f.Has(&want[x]))
	}
}

// sound checks the invariants of nodes.
func sound(t tester, m *machine) {
	if m.tree.root == nil {
		return
	}
	var walk func(n *node[key], low, high *item) int // and returns the height
	walk = func(n *node[key], low, high *item) (height int) {
		if len(n.items) == 0 || len(n.items) > m.kind.most || cap(n.items) > m.kind.most {
			t.Fatalf("a node of %d items with room for %d", len(n.items), cap(n.items))
		}
		for i := range n.items {
			x := &n.items[i]
			if i == 0 && n.kids != nil {
				continue
			}
			if low != nil && m.kind.less(x, low) || high != nil && !m.kind.less(x, high) {
				t.Fatalf("an item is out of its node's bounds")
			}
			low = x
		}
		if n.kids == nil {
			return 1
		}
		if len(n.kids) != len(n.items) {
			t.Fatalf("%d kids with %d items", len(n.kids), len(n.items))
		}
		for i, kid := range n.kids {
			low, high := &n.items[i], high
			if i == 0 {
				low = nil
			}
			if i+1 < len(n.items) {
				high = &n.items[i+1]
			}
			h := walk(kid, low, high)
			if height != 0 && height != h {
				t.Fatalf("leaves at different depths")
			}
			height = h
			if kid.epoch > n.epoch {
				t.Fatalf("a node was written after the one above it")
			}
		}
		return height + 1
	}
	walk(m.tree.root, nil, nil)
}

func (m *machine) capture() {
	if len(m.shots) < 4 {
		m.shots = append(m.shots, capture{m.space.View(), m.tree.Freeze(), slices.Clone(m.want)})
	}
}

// restored returns a machine that adopted one of m's captures.
func (m *machine) restored(t *rapid.T, i int) *machine {
	s := m.shots[i]
	r := newMachine()
	for range i {
		r.space.View().Release() // its clock is its own
	}
	require.True(t, r.space.Adopt(s.view))
	r.tree.Adopt(s.frozen)
	r.want = slices.Clone(s.want)
	r.old = append(slices.Clone(m.old), m)
	return r
}

// taken returns a machine that took m's items over from a space where they were filled.
func (m *machine) taken(t *rapid.T) *machine {
	r, filled := newMachine(), newMachine()
	for _, x := range m.want {
		filled.insert(t, x)
	}
	r.space.View()
	r.tree.Take(filled.tree)
	if r.tree.root != nil {
		require.Equal(t, r.space.Epoch(), r.tree.root.epoch, "the view before does not see it")
	}
	r.want, r.old = filled.want, append(slices.Clone(m.old), m)
	sound(t, r)
	return r
}

func TestAnyProgramEqualsASortedSlice(t *testing.T) {
	for name, s := range shapes {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				m := newMachine()
				x := rapid.Custom(func(t *rapid.T) item {
					return item{
						At:   int64(rapid.IntRange(0, s.times-1).Draw(t, "time")),
						Hash: uint64(rapid.IntRange(0, s.hashes-1).Draw(t, "hash")),
						Key:  key{id: rapid.IntRange(0, s.keys-1).Draw(t, "key")},
					}
				})
				all := []*machine{m}
				any := func(t *rapid.T) *machine { return rapid.SampledFrom(all).Draw(t, "machine") }
				t.Repeat(map[string]func(*rapid.T){
					"": func(t *rapid.T) {
						for _, m := range all {
							m.check(t)
						}
					},
					"insert": func(t *rapid.T) { any(t).insert(t, x.Draw(t, "item")) },
					"fill": func(t *rapid.T) {
						m := any(t)
						for _, x := range rapid.SliceOfN(x, 1, 100).Draw(t, "items") {
							m.insert(t, x)
						}
					},
					"ascend": func(t *rapid.T) {
						m, x := any(t), x.Draw(t, "item")
						for range rapid.IntRange(1, 100).Draw(t, "n") {
							x.At++
							m.insert(t, x)
						}
					},
					"delete": func(t *rapid.T) { any(t).delete(t, x.Draw(t, "item")) },
					"drain": func(t *rapid.T) {
						m := any(t)
						for range rapid.IntRange(0, len(m.want)).Draw(t, "n") {
							m.delete(t, m.want[rapid.IntRange(0, len(m.want)-1).Draw(t, "at")])
						}
					},
					"pop": func(t *rapid.T) {
						m := any(t)
						for range rapid.IntRange(1, 60).Draw(t, "n") {
							m.pop(t)
						}
					},
					"capture": func(t *rapid.T) { any(t).capture() },
					"release": func(t *rapid.T) {
						if m := any(t); len(m.shots) > 0 {
							i := rapid.IntRange(0, len(m.shots)-1).Draw(t, "shot")
							m.shots[i].view.Release()
							m.shots = slices.Delete(m.shots, i, i+1)
						}
					},
					"restore": func(t *rapid.T) {
						if m := any(t); len(m.shots) > 0 && len(all) < 4 {
							all = append(all, m.restored(t, rapid.IntRange(0, len(m.shots)-1).Draw(t, "shot")))
						}
					},
					"take": func(t *rapid.T) {
						if len(all) < 4 {
							all = append(all, any(t).taken(t))
						}
					},
				})
			})
		})
	}
}
