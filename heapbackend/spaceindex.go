package heapbackend

import (
	"iter"
	"unsafe"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
)

// index is what a state keeps beside its tables to find keys by a part of them. It follows from the tables: it is not
// written, and made again when a group is decoded.
type index[K comparable] interface {
	// inserted and removed are told of a key that was not there before, and that is not any more. Owner only.
	inserted(group int, k K) error
	removed(group int, k K)
	// freeze returns the index as it is, a frozenIndex; it belongs to a capture.
	freeze() any
	// staging returns an index of one group for tables of a space of their own.
	staging(space *cow.Space, group int) index[K]
	// install makes a group what the index of a snapshot, or one that was staged, has for it; nil makes it empty.
	install(group int, from any)
}

// frozenIndex is the index of a state of a snapshot.
type frozenIndex interface {
	// only returns the same for one group alone.
	only(group int) any
}

// spaceIndex is the index of a state with namespaces: for each key the set of its namespaces.
type spaceIndex[K, N comparable] struct {
	core   *core
	keys   keyCodec[K]
	spaces keyCodec[N]
	space  *cow.Space
	pool   *cow.Pool[K, spaces[N]]
	sets   *cow.Pool[N, struct{}]
	tables []cow.Table[K, spaces[N]] // by group, from first
	first  int
	staged bool
	spare  []N // room for a loop over few namespaces; nil while one uses it
}

// spaces is a set of namespaces of one key, not empty. Most keys are in one window at a time: that one takes no table.
type spaces[N comparable] struct {
	first N
	more  inner[N, struct{}] // the others
}

func newSpaceIndex[K, N comparable](c *core, keys keyCodec[K], names keyCodec[N], groups, first int) *spaceIndex[K, N] {
	x := &spaceIndex[K, N]{core: c, keys: keys, spaces: names, first: first}
	x.init(c.space, groups)
	return x
}

func (x *spaceIndex[K, N]) init(space *cow.Space, groups int) {
	x.space = space
	keys, names := x.keys, x.spaces // copies: the pools, which sets go on to refer to, must not keep this index alive
	x.pool = cow.NewPool[K, spaces[N]](space, cow.PoolOptions[K]{Hash: keys.hash, Equal: keys.equal, Pointers: true})
	x.sets = cow.NewPool[N, struct{}](space, cow.PoolOptions[N]{Hash: names.hash, Equal: names.equal, Pointers: names.pointers})
	x.tables = make([]cow.Table[K, spaces[N]], groups)
	for i := range x.tables {
		x.tables[i] = *cow.NewTable(x.pool)
	}
}

func (x *spaceIndex[K, N]) get(k K) *spaces[N] {
	hash := x.keys.hash(k)
	i := x.core.groupOf(hash) - x.first
	if i < 0 || i >= len(x.tables) {
		return nil
	}
	return x.tables[i].Get(hash, k)
}

// list returns the namespaces of a key, nil if there are none, to be gone through once: a copy of few of them, else
// those there are, which the caller holds.
func (x *spaceIndex[K, N]) list(k K) (all iter.Seq[N], hold bool) {
	set := x.get(k)
	if set == nil {
		return nil, false
	}
	if of := *set; of.len() > loopBytes/max(1, int(unsafe.Sizeof(of.first))) {
		return of.each, true
	}
	names := x.spare
	x.spare = nil
	for n := range set.each {
		names = append(names, n)
	}
	return func(yield func(N) bool) {
		defer func() {
			clear(names) // which must not keep alive what they refer to
			x.spare = names[:0]
		}()
		for _, n := range names {
			if !yield(n) {
				return
			}
		}
	}, false
}

// len returns the number of namespaces.
func (s *spaces[N]) len() int {
	if s.more.at == nil {
		return 1
	}
	return 1 + s.more.table().Len()
}

func (x *spaceIndex[K, N]) inserted(group int, k NamespacedKey[K, N]) error {
	set, fresh, _, err := x.tables[group-x.first].Upsert(x.keys.hash(k.Key), k.Key)
	if err != nil {
		return err
	}
	if fresh {
		set.first = k.Namespace
		return nil
	}
	_, _, _, err = x.more(set).Upsert(x.spaces.hash(k.Namespace), k.Namespace)
	return err
}

// more returns the table of a set's other namespaces, ready to be written.
func (x *spaceIndex[K, N]) more(set *spaces[N]) *cow.Table[N, struct{}] {
	if !x.staged {
		return set.more.own(x.space, x.sets)
	}
	if set.more.at == nil {
		set.more.at = unsafe.Pointer(cow.NewTable(x.sets))
	}
	return set.more.table()
}

func (x *spaceIndex[K, N]) removed(group int, k NamespacedKey[K, N]) {
	t, hash := &x.tables[group-x.first], x.keys.hash(k.Key)
	set := t.Get(hash, k.Key)
	if set == nil {
		return
	}
	if set.more.at == nil {
		t.Delete(hash, k.Key)
		return
	}
	// Upsert of a key that is present takes no room; it fails only where a second goroutine writes.
	set, _, _, err := t.Upsert(hash, k.Key)
	if err != nil {
		return
	}
	gone := k.Namespace
	if x.spaces.same(set.first, gone) {
		for n := range set.more.keys {
			gone = n
			break
		}
		set.first = gone
	}
	more := x.more(set)
	more.Delete(x.spaces.hash(gone), gone)
	if more.Len() == 0 {
		set.more = inner[N, struct{}]{}
	}
}

// each yields the namespaces of a set that is not written meanwhile.
func (s *spaces[N]) each(yield func(N) bool) {
	if yield(s.first) && s.more.at != nil {
		s.more.keys(yield)
	}
}

func (x *spaceIndex[K, N]) freeze() any {
	f := &frozenSpaces[K, N]{index: x, tables: make([]cow.Frozen[K, spaces[N]], len(x.tables)), first: x.first}
	for i := range x.tables {
		f.tables[i] = x.tables[i].Freeze()
	}
	return f
}

func (x *spaceIndex[K, N]) staging(space *cow.Space, group int) index[NamespacedKey[K, N]] {
	s := &spaceIndex[K, N]{core: x.core, keys: x.keys, spaces: x.spaces, first: group, staged: true}
	s.init(space, 1)
	return s
}

func (x *spaceIndex[K, N]) install(group int, from any) {
	t := &x.tables[group-x.first]
	switch from := from.(type) {
	case *frozenSpaces[K, N]:
		t.Adopt(from.tables[group-from.first])
	case *spaceIndex[K, N]:
		t.Take(&from.tables[group-from.first])
	default:
		*t = *cow.NewTable(x.pool)
	}
}

// frozenSpaces is the index as it was at a capture.
type frozenSpaces[K, N comparable] struct {
	index  *spaceIndex[K, N] // nil in what only returned, which is installed and not read
	tables []cow.Frozen[K, spaces[N]]
	first  int
}

// only implements frozenIndex.
func (f *frozenSpaces[K, N]) only(group int) any {
	one := []cow.Frozen[K, spaces[N]]{f.tables[group-f.first]}
	return &frozenSpaces[K, N]{tables: one, first: group}
}

func (f *frozenSpaces[K, N]) get(k K) *spaces[N] {
	hash := f.index.keys.hash(k)
	i := f.index.core.groupOf(hash) - f.first
	if i < 0 || i >= len(f.tables) {
		return nil
	}
	return f.tables[i].Get(hash, k)
}
