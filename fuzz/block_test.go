package fuzz

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// blockConfig is that of every backend that blocks are staged into: one group, so that every key belongs to it, or
// some.
func blockConfig(groups byte) heapbackend.Config {
	m := groupCounts[int(groups)%len(groupCounts)]
	return heapbackend.Config{M: m, Range: keygroups.Range{End: m}, Seed: jobSeed}
}

// FuzzGroupBlock stages any bytes as the block of a key group, under any schema. What is accepted and installed is read
// back, captured, and comes back the same from its own bytes; what is not is a typed error.
func FuzzGroupBlock(f *testing.F) {
	for groups := range byte(2) {
		for _, mask := range []int{hasAll, hasTotals, hasBaskets, hasLists, hasMaps, 0} {
			schema, block := someBlock(f, groups, mask)
			f.Add(schema, block, groups, byte(hasAll), byte(0))
			f.Add(schema, block, groups, byte(hasTotals|hasMaps), byte(0))
			f.Add(schema, block, groups, byte(0), byte(0))
			f.Add(schema, block, byte(1), byte(hasAll), byte(1)) // its keys are another group's
		}
	}
	schema, block := someOperatorBlock(f, 1, 2)
	f.Add(schema, block, byte(0), byte(hasAll), byte(0)) // it belongs to no key group
	f.Fuzz(func(t *testing.T, schema, block []byte, groups, mask, group byte) {
		g := int(group) % blockConfig(groups).M
		checkGroupBlock(t, blockTask[string](t, groups, mask), blockTask[string](t, groups, mask), schema, block, g)
		checkGroupBlock(t, blockTask[uint64](t, groups, mask), blockTask[uint64](t, groups, mask), schema, block, g)
		checkGroupBlock(t, blockTask[place](t, groups, mask), blockTask[place](t, groups, mask), schema, block, g)
		checkChanged(t, blockTask[string](t, groups, hasAll), schema, block, blockConfig(groups), g)
	})
}

// The types of the states in a later version of the program: fields were added, dropped, moved and widened.
type (
	laterTotal struct {
		N    uint64
		Note string
		Sum  int64
	}
	laterBasket struct {
		Best  *int64
		Tags  map[string]int32
		Items []string
		Since [2]int8
	}
	laterNote struct {
		Text string
		ID   int64
	}
)

// checkChanged stages a block that today's program accepts, or not, into tomorrow's.
func checkChanged(t *testing.T, today *task[string], schema, block []byte, cfg heapbackend.Config, group int) {
	later, err := heapbackend.New[string](cfg)
	require.NoError(t, err)
	totals, err := heapbackend.NewValue[laterTotal](later, "totals")
	require.NoError(t, err)
	_, err = heapbackend.NewValue[laterBasket](later, "baskets")
	require.NoError(t, err)
	lists, err := heapbackend.NewList[laterNote](later, "lists")
	require.NoError(t, err)
	var changed *heapbackend.Staged
	bounded(t, len(schema)+len(block), func() { changed, err = later.StageBlock(schema, group, block) })
	if err != nil {
		requireBlockError(t, err)
		return
	}
	require.NoError(t, later.Install([]*heapbackend.Staged{changed}))
	_, err = later.Capture()
	require.NoError(t, err)
	staged, err := today.backend.StageBlock(schema, group, block)
	if err != nil {
		return // a block of tomorrow's
	}
	require.NoError(t, today.backend.Install([]*heapbackend.Staged{staged}))
	require.Equal(t, staged.Entries(), changed.Entries())
	checkMigrated(t, today, schema, block, cfg, group)
	for k, v := range today.totals.All() {
		w, ok := totals.Get(k)
		require.True(t, ok)
		require.Equal(t, laterTotal{N: uint64(v.N), Sum: v.Sum, Note: w.Note}, w)
	}
	for k := range today.lists.All() {
		require.Equal(t, today.lists.Len(k), lists.Len(k))
	}
}

// checkMigrated stages a block that today's program holds into one in which its totals are of the next version but one.
func checkMigrated(t *testing.T, today *task[string], schema, block []byte, cfg heapbackend.Config, group int) {
	later, err := heapbackend.New[string](cfg)
	require.NoError(t, err)
	odd := errors.New("odd")
	sums, err := heapbackend.NewValue(later, "totals", heapbackend.Options[[]int64]{Version: 2, Migrations: []heapbackend.Migration{
		heapbackend.Migrate(0, func(v laterTotal) (total, error) { return total{Sum: v.Sum, N: uint32(v.N)}, nil }),
		heapbackend.Migrate(1, func(v total) ([]int64, error) {
			if v.N%2 == 1 && v.Sum%2 == 1 {
				return nil, odd
			}
			return []int64{v.Sum}, nil
		}),
	}})
	require.NoError(t, err)
	staged, err := later.StageBlock(schema, group, block)
	refused := false
	for _, v := range today.totals.All() {
		refused = refused || uint32(v.N)%2 == 1 && v.Sum%2 == 1
	}
	if refused {
		require.ErrorIs(t, err, odd)
		require.ErrorIs(t, err, heapbackend.ErrSchema)
		return
	}
	require.NoError(t, err)
	require.NoError(t, later.Install([]*heapbackend.Staged{staged}))
	require.Equal(t, today.totals.Keys(), sums.Keys())
	for k, v := range today.totals.All() {
		got, ok := sums.Get(k)
		require.True(t, ok)
		require.Equal(t, []int64{v.Sum}, got)
	}
}

func blockTask[K comparable](tb testing.TB, groups, mask byte) *task[K] {
	tb.Helper()
	k, err := newTask[K](blockConfig(groups), int(mask)%(hasAll+1), int(mask)%3)
	require.NoError(tb, err)
	return k
}

// someBlock is a schema and the first block of a backend that has something in every state of mask.
func someBlock(tb testing.TB, groups byte, mask int) (schema, block []byte) {
	tb.Helper()
	k := blockTask[string](tb, groups, byte(mask))
	for i := range 6 {
		key := textKeys.of(i)
		if k.totals != nil {
			require.NoError(tb, k.totals.Put(key, total{Sum: int64(i) << (8 * i), N: 1, Last: [3]uint8{1, 2, 3}}))
		}
		if k.baskets != nil {
			require.NoError(tb, k.baskets.Put(key, makeBasket(i, i)))
		}
		if k.lists != nil {
			require.NoError(tb, k.lists.Append(key, makeNotes(i+1, i)...))
		}
		if k.maps != nil {
			require.NoError(tb, k.maps.Put(key, label(key), []int16{int16(i), -1}))
		}
	}
	s, err := k.backend.Capture()
	require.NoError(tb, err)
	defer s.Release()
	block, _, err = s.AppendGroup(nil, 0)
	require.NoError(tb, err)
	return s.Schema(), block
}

func checkGroupBlock[K comparable](t *testing.T, one, other *task[K], schema, block []byte, group int) {
	var staged *heapbackend.Staged
	var err error
	bounded(t, len(schema)+len(block), func() { staged, err = one.backend.StageBlock(schema, group, block) })
	if err != nil {
		requireBlockError(t, err)
		return
	}
	require.Equal(t, group, staged.Group())
	require.NoError(t, one.backend.Install([]*heapbackend.Staged{staged}))
	s, err := one.backend.Capture()
	require.NoError(t, err)
	defer s.Release()
	require.Equal(t, staged.Entries(), s.Entries(group))
	own, n, err := s.AppendGroup(nil, group)
	require.NoError(t, err)
	require.Equal(t, staged.Entries(), n)
	again, err := other.backend.StageBlock(s.Schema(), group, own)
	require.NoError(t, err, "its own bytes")
	require.NoError(t, other.backend.Install([]*heapbackend.Staged{again}))
	require.Equal(t, n, again.Entries())
	requireSame(t, one, other)
	// What was decoded is as good as what was put: it can be written, and the snapshot stays as it was.
	change(t, one)
	now, _, err := s.AppendGroup(nil, group)
	require.NoError(t, err)
	require.Equal(t, string(own), string(now), "a write reached a snapshot")
}

// requireSame compares what two tasks hold. Keys are looked up as they come, NaN too.
func requireSame[K comparable](t *testing.T, a, b *task[K]) {
	if a.totals != nil {
		require.Equal(t, a.totals.Keys(), b.totals.Keys())
		for k, v := range a.totals.All() {
			w, ok := b.totals.Get(k)
			require.True(t, ok)
			require.Equal(t, v, w)
		}
	}
	if a.baskets != nil {
		require.Equal(t, a.baskets.Keys(), b.baskets.Keys())
		for k, v := range a.baskets.All() {
			w, ok := b.baskets.Get(k)
			require.True(t, ok)
			require.Equal(t, v, w)
		}
	}
	if a.lists != nil {
		require.Equal(t, a.lists.Keys(), b.lists.Keys())
		for k, v := range a.lists.All() {
			require.Equal(t, slices.Collect(v), slices.Collect(b.lists.Get(k)))
		}
	}
	if a.maps != nil {
		require.Equal(t, a.maps.Keys(), b.maps.Keys())
		for k, v := range a.maps.All() {
			require.Equal(t, maps.Collect(v), maps.Collect(b.maps.Entries(k)))
		}
	}
}

// change writes to everything a task holds.
func change[K comparable](t *testing.T, k *task[K]) {
	if k.totals != nil {
		for key := range k.totals.All() {
			require.NoError(t, k.totals.Update(key, func(x *total) { x.Sum++ }))
		}
	}
	if k.baskets != nil {
		for key := range k.baskets.All() {
			require.NoError(t, k.baskets.Update(key, func(x *basket) { changeBasket(x, 3) }))
		}
	}
	if k.lists != nil {
		for key := range k.lists.All() {
			require.NoError(t, k.lists.Append(key, note{1, "more"}))
		}
	}
	if k.maps != nil {
		for key, m := range k.maps.All() {
			for mk := range m {
				require.NoError(t, k.maps.Update(key, mk, func(x *[]int16) { *x = append(*x, 1) }))
				require.NoError(t, k.maps.Remove(key, mk))
			}
		}
	}
}

func requireBlockError(t *testing.T, err error) {
	t.Helper()
	for _, want := range []error{heapbackend.ErrCorrupt, heapbackend.ErrSchema, heapbackend.ErrGroup, heapbackend.ErrMismatch} {
		if errors.Is(err, want) {
			return
		}
	}
	t.Fatalf("not a typed error: %v", err)
}
