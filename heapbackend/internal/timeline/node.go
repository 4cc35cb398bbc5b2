package timeline

import (
	"unsafe"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
)

// Item is a timer.
type Item[K comparable] struct {
	At   int64
	Hash uint64 // of Key; the same for equal keys
	Key  K
}

// Kind is what all trees of one state share. It does not change.
type Kind[K comparable] struct {
	space *cow.Space
	order func(a, b K) int
	most  int // items of a node
}

const (
	mostItems  = 64
	leastItems = 8    // of a node of large items
	nodeBytes  = 2048 // about what a node of large items takes
	firstItems = 4    // room of the first node
)

// NewKind returns the kind of trees that follow the clock of space. order compares two keys of equal hashes; it is 0 for
// those that are one key.
func NewKind[K comparable](space *cow.Space, order func(a, b K) int) *Kind[K] {
	size := int(unsafe.Sizeof(Item[K]{}))
	return &Kind[K]{space: space, order: order, most: max(leastItems, min(mostItems, nodeBytes/size))}
}

// less reports whether a comes before b.
func (k *Kind[K]) less(a, b *Item[K]) bool {
	if a.At != b.At {
		return a.At < b.At
	}
	if a.Hash != b.Hash {
		return a.Hash < b.Hash
	}
	return a.Key != b.Key && k.order(a.Key, b.Key) < 0
}

// search returns the number of items, which are in order, that come before x. Times are random to a processor, so the
// search for them has no branch to guess; only where the time is there does it look at more.
func (k *Kind[K]) search(items []Item[K], x *Item[K]) int {
	low, n := 0, len(items)
	for n > 0 {
		half := (n + 1) / 2
		next := low
		if items[low+half-1].At < x.At {
			next = low + half
		}
		low = next
		n -= half
	}
	if low == len(items) || items[low].At > x.At || !k.less(&items[low], x) {
		return low
	}
	high := len(items)
	for low++; low < high; {
		if mid := int(uint(low+high) >> 1); k.less(&items[mid], x) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// node is a leaf, which has no kids and holds items, or an inner node.
//
// Invariants: an inner node has as many items as kids; items[i], for i > 0, comes before or is what is first below kids[i],
// and comes after all below kids[i-1]. A node below the root is not empty. A node is written only while no live view can
// see it.
type node[K comparable] struct {
	epoch uint64
	items []Item[K]
	kids  []*node[K]
}

// room is how many items a node makes room for when it must hold n.
func (k *Kind[K]) room(n int) int {
	size := firstItems
	for size < n {
		size *= 2
	}
	return min(size, k.most)
}

// copyOf returns a copy of n that may be written, with room for one item more.
func (k *Kind[K]) copyOf(n *node[K]) *node[K] {
	c := &node[K]{epoch: k.space.Epoch()}
	size := k.room(len(n.items) + 1)
	c.items = append(make([]Item[K], 0, size), n.items...)
	if n.kids != nil {
		c.kids = append(make([]*node[K], 0, size), n.kids...)
	}
	return c
}

// nodeOf returns a node with one item and, for an inner one, its kid.
func (k *Kind[K]) nodeOf(x *Item[K], kid *node[K], size int) *node[K] {
	n := &node[K]{epoch: k.space.Epoch(), items: append(make([]Item[K], 0, size), *x)}
	if kid != nil {
		n.kids = append(make([]*node[K], 0, size), kid)
	}
	return n
}

// put puts x, and the kid that belongs to it in an inner node, at index i of a node that is not full.
func (k *Kind[K]) put(n *node[K], i int, x *Item[K], kid *node[K]) {
	if len(n.items) == cap(n.items) {
		n.items = append(make([]Item[K], 0, k.room(len(n.items)+1)), n.items...)
	}
	n.items = n.items[:len(n.items)+1]
	copy(n.items[i+1:], n.items[i:])
	n.items[i] = *x
	if kid != nil {
		n.kids = append(n.kids, nil)
		copy(n.kids[i+1:], n.kids[i:])
		n.kids[i] = kid
	}
}

// splitAt returns where to split a full node that gets an item at index i: in the middle, but near the end if the item goes
// there, since more will follow, and what is left behind gets few.
func (k *Kind[K]) splitAt(i int) int {
	if late := k.most - k.most/8; i >= late {
		return late
	}
	return k.most / 2
}

// split moves the items of n from index h on into a new node, which it returns.
func (k *Kind[K]) split(n *node[K], h int) *node[K] {
	size := k.room(len(n.items) - h + 1)
	r := &node[K]{epoch: n.epoch, items: append(make([]Item[K], 0, size), n.items[h:]...)}
	clear(n.items[h:])
	n.items = n.items[:h]
	if n.kids != nil {
		r.kids = append(make([]*node[K], 0, size), n.kids[h:]...)
		clear(n.kids[h:])
		n.kids = n.kids[:h]
	}
	return r
}

// cut removes the item at index i, and its kid.
func (n *node[K]) cut(i int) {
	n.items = without(n.items, i)
	if n.kids != nil {
		n.kids = without(n.kids, i)
	}
}

// without returns s without the element at i, of which nothing stays behind. The first one goes by itself.
func without[T any](s []T, i int) []T {
	var none T
	if i == 0 {
		s[0] = none
		return s[1:]
	}
	copy(s[i:], s[i+1:])
	s[len(s)-1] = none
	return s[:len(s)-1]
}

// all yields the items from first to last; it reports whether it came to the end.
func (n *node[K]) all(yield func(*Item[K]) bool) bool {
	if n.kids == nil {
		for i := range n.items {
			if !yield(&n.items[i]) {
				return false
			}
		}
		return true
	}
	for _, kid := range n.kids {
		if !kid.all(yield) {
			return false
		}
	}
	return true
}
