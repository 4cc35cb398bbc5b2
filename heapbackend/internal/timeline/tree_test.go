package timeline

import (
	"cmp"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
)

func small() (*cow.Space, *Tree[uint64]) {
	space := cow.NewSpace()
	return space, NewTree(NewKind[uint64](space, cmp.Compare[uint64]))
}

// nodes returns how many leaves there are and the room for items they have.
func nodes[K comparable](n *node[K]) (leaves, room int) {
	if n == nil {
		return 0, 0
	}
	if n.kids == nil {
		return 1, cap(n.items)
	}
	for _, kid := range n.kids {
		l, r := nodes(kid)
		leaves, room = leaves+l, room+r
	}
	return leaves, room
}

func TestAscendingTimesFillTheirNodes(t *testing.T) {
	_, tree := small()
	for i := range int64(100_000) {
		tree.Insert(&Item[uint64]{At: i})
	}
	_, room := nodes(tree.root)
	require.Less(t, room, 101_000)
}

func TestTimesInDisorderNearlyFillTheirNodes(t *testing.T) {
	_, tree := small()
	r := rand.New(rand.NewPCG(1, 2))
	const n = 100_000
	for i := range uint64(n) {
		tree.Insert(&Item[uint64]{At: int64(i) + r.Int64N(10), Key: i})
	}
	_, room := nodes(tree.root)
	require.Less(t, room, n*5/4)
}

func TestATreeThatShrinksGivesMemoryBack(t *testing.T) {
	_, tree := small()
	const n = 100_000
	at := func(i int) int64 { return int64(i) * 7919 % n }
	for i := range n {
		require.True(t, tree.Insert(&Item[uint64]{At: at(i)}))
	}
	for i := range n - n/100 {
		require.True(t, tree.Delete(&Item[uint64]{At: at(i)}))
	}
	require.Equal(t, n/100, tree.Len())
	_, room := nodes(tree.root)
	require.Less(t, room, 10*n/100)
}

// TestRunsThatEmptyAndFillAgain deletes runs of items and fills some of the gaps, so that first bounds are wrong when inner
// nodes join.
func TestRunsThatEmptyAndFillAgain(t *testing.T) {
	const seed, times = 1, 3000
	r := rand.New(rand.NewPCG(seed, seed))
	m := newMachine()
	for range 150 {
		start, n := r.IntN(times), r.IntN(times/2)
		for at := start; at < start+n; at++ {
			m.delete(t, item{At: int64(at)})
		}
		for range r.IntN(n + 1) {
			m.insert(t, item{At: int64(start + r.IntN(n))})
		}
		equal(t, &m.tree.Frozen, m.want)
		sound(t, m)
	}
}

func TestOnlyWhatAViewSeesIsCopied(t *testing.T) {
	space, tree := small()
	for i := range int64(10_000) {
		tree.Insert(&Item[uint64]{At: i})
	}
	root := tree.root
	view := space.View()
	frozen := tree.Freeze()
	require.False(t, tree.Insert(&Item[uint64]{At: 5}), "present")
	require.False(t, tree.Delete(&Item[uint64]{At: -5}), "absent")
	require.Same(t, root, tree.root, "a write that changes nothing copies nothing")
	require.True(t, tree.Delete(&Item[uint64]{At: 0}))
	require.NotSame(t, root, tree.root)
	require.Same(t, root, frozen.root)
	shared := 0
	for i := range root.kids {
		if root.kids[i] == tree.root.kids[i] {
			shared++
		}
	}
	require.Equal(t, len(root.kids)-1, shared)
	view.Release()
	root = tree.root
	kid := root.kids[1]
	require.True(t, tree.Delete(kid.first()))
	require.Same(t, kid, tree.root.kids[1], "nobody sees it any more")
}

func (n *node[K]) first() *Item[K] {
	for n.kids != nil {
		n = n.kids[0]
	}
	return &n.items[0]
}

func TestWhatIsRemovedIsNotHeld(t *testing.T) {
	n := &node[*int]{items: []Item[*int]{{At: 1, Key: new(int)}, {At: 2, Key: new(int)}, {At: 3, Key: new(int)}}}
	all := n.items
	n.cut(0)
	n.cut(1)
	require.Len(t, n.items, 1)
	require.Equal(t, int64(2), n.items[0].At)
	require.Nil(t, all[0].Key)
	require.Nil(t, all[2].Key)
}
