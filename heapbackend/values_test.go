package heapbackend_test

import (
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// cloning has a Clone method, which leaves a mark.
type cloning struct {
	Items  []int
	Clones int
}

func (c cloning) Clone() cloning { return cloning{slices.Clone(c.Items), c.Clones + 1} }

// plain is copied by what is derived from its type.
type plain struct {
	Items  []int
	Clones int
}

// kept is one state whose value of key 1 is a slice of one number.
type kept struct {
	b      *heapbackend.Backend[uint64]
	name   string
	add    func(n int) // to the number, in place
	then   func(s *heapbackend.Snapshot) int
	now    func() int
	clones func() int
	raw    func() []int // what Get returns, for programs that break the rule
}

func cloneByOption(calls *int) heapbackend.Options[plain] {
	return heapbackend.Options[plain]{Clone: func(dst, src *plain) {
		*calls++
		*dst = plain{slices.Clone(src.Items), 0}
	}}
}

// newKept makes a Value or a Map of V.
func newKept[V any](t *testing.T, verify bool, asMap bool, make func([]int) V, items func(V) []int, clones func(V) int, o ...heapbackend.Options[V]) kept {
	cfg := whole()
	cfg.CheckValues = verify
	b := backend[uint64](t, cfg)
	add := func(n int) func(*V) {
		return func(v *V) {
			require.NotPanics(t, func() { items(*v)[0] += n })
		}
	}
	if asMap {
		s := mapOf[string](t, b, "baskets", o...)
		require.NoError(t, s.Put(1, "k", make([]int{0})))
		get := func() V { v, _ := s.Get(1, "k"); return v }
		return kept{b, "baskets", func(n int) { require.NoError(t, s.Update(1, "k", add(n))) }, func(snap *heapbackend.Snapshot) int {
			view, err := s.At(snap)
			require.NoError(t, err)
			v, _ := view.Get(1, "k")
			return items(v)[0]
		}, func() int { return items(get())[0] }, func() int { return clones(get()) }, func() []int { return items(get()) }}
	}
	s := valueOf(t, b, "baskets", o...)
	require.NoError(t, s.Put(1, make([]int{0})))
	get := func() V { v, _ := s.Get(1); return v }
	return kept{b, "baskets", func(n int) { require.NoError(t, s.Update(1, add(n))) }, func(snap *heapbackend.Snapshot) int {
		view, err := s.At(snap)
		require.NoError(t, err)
		v, _ := view.Get(1)
		return items(v)[0]
	}, func() int { return items(get())[0] }, func() int { return clones(get()) }, func() []int { return items(get()) }}
}

// keptKinds are all ways to copy a value, in both kinds of state that have values.
func keptKinds(t *testing.T, verify bool) map[string]kept {
	kinds := map[string]kept{}
	for kind, asMap := range map[string]bool{"value": false, "map": true} {
		calls := 0
		kinds[kind+"/Clone option"] = newKept(t, verify, asMap, func(x []int) plain { return plain{x, 0} },
			func(v plain) []int { return v.Items }, func(plain) int { return calls }, cloneByOption(&calls))
		kinds[kind+"/Clone method"] = newKept(t, verify, asMap, func(x []int) cloning { return cloning{x, 0} },
			func(v cloning) []int { return v.Items }, func(v cloning) int { return v.Clones })
		kinds[kind+"/derived"] = newKept(t, verify, asMap, func(x []int) plain { return plain{x, 0} },
			func(v plain) []int { return v.Items }, func(plain) int { return -1 })
	}
	return kinds
}

func TestAWriteAfterACaptureWorksOnACopyOfTheValue(t *testing.T) {
	for name, k := range keptKinds(t, false) {
		t.Run(name, func(t *testing.T) {
			clones := func(want int) {
				if n := k.clones(); n >= 0 {
					require.Equal(t, want, n)
				}
			}
			k.add(1)
			clones(1) // by Put: what it is given may be held by others
			k.add(1)
			k.add(-1)
			clones(1)
			first := capture(t, k.b)
			k.add(10)
			clones(2)
			k.add(100)
			clones(2) // it is copied once for a capture
			second := capture(t, k.b)
			k.add(1000)
			clones(3)
			require.Equal(t, []int{1, 111, 1111}, []int{k.then(first), k.then(second), k.now()})
			first.Release()
			second.Release()
			k.add(10000)
			k.add(1)
			clones(3) // nothing sees it any more
			require.Equal(t, 11112, k.now())
		})
	}
}

func TestCheckValuesNamesTheState(t *testing.T) {
	for name, k := range keptKinds(t, true) {
		t.Run(name, func(t *testing.T) {
			s := capture(t, k.b)
			k.add(1)
			blocksOf(t, s)
			k.add(-1)
			s.Release()
			s = capture(t, k.b)
			k.raw()[0] = 5
			requireFrozen(t, k.b, s, k.name)
		})
	}
	t.Run("list", func(t *testing.T) {
		cfg := whole()
		cfg.CheckValues = true
		b := backend[uint64](t, cfg)
		log := listOf[[]int](t, b, "log")
		require.NoError(t, log.Append(1, []int{1}))
		s := capture(t, b)
		blocksOf(t, s)
		for got := range log.Get(1) {
			got[0] = 2
		}
		requireFrozen(t, b, s, "log")
	})
}

// requireFrozen requires that reading the group of key 1 fails for that state.
func requireFrozen(t *testing.T, b *heapbackend.Backend[uint64], s *heapbackend.Snapshot, state string) {
	t.Helper()
	failed := 0
	for g := range testM {
		block, n, err := s.AppendGroup([]byte("before"), g)
		if err == nil {
			continue
		}
		failed++
		require.ErrorIs(t, err, heapbackend.ErrCheck)
		require.ErrorContains(t, err, state)
		require.Equal(t, "before", string(block))
		require.Zero(t, n)
		_, err = b.StageSnapshot(s, g)
		require.ErrorIs(t, err, heapbackend.ErrCheck)
	}
	require.Equal(t, 1, failed)
	require.NoError(t, b.Err())
}

func TestCheckValuesIsSilentAboutWhatIsRight(t *testing.T) {
	cfg := whole()
	cfg.CheckValues = true
	b := backend[uint64](t, cfg)
	v, l := valueOf[[]int](t, b, "v"), listOf[[]int](t, b, "l")
	for i := range uint64(100) {
		require.NoError(t, v.Put(i, []int{int(i)}))
		require.NoError(t, l.Append(i, []int{int(i)}))
	}
	s := capture(t, b)
	want := blocksOf(t, s)
	for i := range uint64(100) {
		require.NoError(t, v.Update(i, func(x *[]int) { (*x)[0]++ }))
		require.NoError(t, l.Append(i, []int{1}))
	}
	require.Equal(t, want, blocksOf(t, s))
	restore(t, backend[uint64](t, cfg), s, adopted)
}

func TestListElementsAndStringsAreShared(t *testing.T) {
	calls := 0
	b := backend[uint64](t, whole())
	l := listOf(t, b, "l", cloneByOption(&calls))
	v := valueOf[string](t, b, "v")
	require.NoError(t, l.Append(1, plain{Items: []int{1}}))
	require.NoError(t, v.Put(1, "x"))
	s := capture(t, b)
	require.NoError(t, l.Append(1, plain{Items: []int{2}}))
	require.NoError(t, v.Update(1, func(x *string) { *x += "y" }))
	require.Equal(t, 2, calls, "each element is copied when it is appended, and never again")
	view, err := l.At(s)
	require.NoError(t, err)
	require.Len(t, slices.Collect(view.Get(1)), 1)
	old, err := v.At(s)
	require.NoError(t, err)
	x, _ := old.Get(1)
	require.Equal(t, "x", x)
}

func TestAnInsertAfterACaptureDoesNotUnshareTheOthers(t *testing.T) {
	for n := range uint64(70) { // some of these fill a page to the last slot
		b := backend[uint64](t, heapbackend.Config{M: 1, Range: whole().Range.Intersect(part(0, 1).Range)})
		v := valueOf[[]int](t, b, "v")
		for k := range n {
			require.NoError(t, v.Put(k, []int{0}))
		}
		s := capture(t, b)
		require.NoError(t, v.Put(n, []int{0}))
		for k := range n {
			require.NoError(t, v.Update(k, func(x *[]int) { (*x)[0] = 1 }))
		}
		view, err := v.At(s)
		require.NoError(t, err)
		for k := range n {
			x, ok := view.Get(k)
			require.True(t, ok)
			require.Equal(t, []int{0}, x, "key %d of %d", k, n)
		}
	}
}

func TestADeleteAfterACaptureDoesNotUnshareTheOthers(t *testing.T) {
	b := backend[uint64](t, heapbackend.Config{M: 1, Range: whole().Range.Intersect(part(0, 1).Range)})
	v := valueOf[[]int](t, b, "v")
	const n = 200
	for k := range uint64(n) {
		require.NoError(t, v.Put(k, []int{0}))
	}
	s := capture(t, b)
	view, err := v.At(s)
	require.NoError(t, err)
	for k := range uint64(n) { // pages shrink, and merge with others that the snapshot sees
		require.NoError(t, v.Delete(k))
		for other := k + 1; other < n; other++ {
			require.NoError(t, v.Update(other, func(x *[]int) { (*x)[0]++ }))
		}
		for k := range uint64(n) {
			x, _ := view.Get(k)
			require.Equal(t, []int{0}, x, "key %d", k)
		}
	}
}

// A value that moves from one key to another, as merging windows do, is still shared with the snapshot that saw it.
func TestPutOfWhatGetReturnedLeavesSnapshotsAlone(t *testing.T) {
	b := backend[uint64](t, whole())
	v := valueOf[[]int](t, b, "v")
	m := mapOf[string, []int](t, b, "m")
	require.NoError(t, v.Put(1, []int{1, 2, 3}))
	require.NoError(t, m.Put(1, "a", []int{1, 2, 3}))
	s := capture(t, b)
	before := entriesOf(t, s)
	old, _ := v.Get(1)
	require.NoError(t, v.Put(2, old))
	require.NoError(t, v.Delete(1))
	require.NoError(t, v.Update(2, func(x *[]int) { (*x)[0] = 9 }))
	old, _ = m.Get(1, "a")
	require.NoError(t, m.Put(1, "b", old))
	require.NoError(t, m.Update(1, "b", func(x *[]int) { (*x)[0] = 9 }))
	require.Equal(t, before, entriesOf(t, s))
}

// The loops of a program do not end the interval by which pages are kept for the next checkpoint, and a closed backend
// keeps nothing but what its snapshots hold.
func TestLoopsLeaveRecycledPagesAlone(t *testing.T) {
	b := backend[uint64](t, whole())
	v := valueOf[[4]uint64](t, b, "v")
	const n = 20_000
	fill := func() {
		for k := range uint64(n) {
			require.NoError(t, v.Put(k, [4]uint64{k}))
		}
	}
	fill()
	var held *heapbackend.Snapshot
	round := func() uint64 {
		s := capture(t, b)
		if held != nil {
			held.Release()
		}
		held = s
		for range 3 {
			for range v.All() {
				break
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		fill()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	first := round()
	round()
	round()
	require.Less(t, round(), first/4, "pages of the snapshot released last are written again")
}
