package heapbackend_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/wire"
)

// filledOps is task 0 of 2 with something in every state.
func filledOps(t require.TestingT) *ops {
	x := newOps(t, bare(t, 0, 2))
	require.NoError(t, x.split.Append("a", "b", "c"))
	require.NoError(t, x.union.Append(1, 2, 3))
	require.NoError(t, x.rules.Put("a", 1))
	require.NoError(t, x.v.Put(keyIn(t, 1, 0), 1))
	return x
}

func TestOperatorStateRegisteredAfterTheRestoreGetsWhatWasCarried(t *testing.T) {
	old := []*heapbackend.Snapshot{capture(t, filledOps(t).b)}
	for name, how := range ways {
		for _, tasks := range []int{1, 2} {
			b := bare(t, 0, tasks)
			restoreTask(t, b, old, how)
			s := capture(t, b)
			require.EqualValues(t, 7, s.Entries(testM), name)
			x := newOps(t, b)
			require.Equal(t, []string{"a", "b", "c"}, slices.Collect(x.split.All()))
			require.Equal(t, []int{1, 2, 3}, slices.Collect(x.union.All()))
			require.Equal(t, map[string]int{"a": 1}, maps.Collect(x.rules.All()))
			x.requireAlive(t)
			s.Release()
		}
	}
}

func TestOperatorStateIsReplacedAsAWhole(t *testing.T) {
	x := filledOps(t)
	key, err := x.b.StageEmpty(1)
	require.NoError(t, err)
	require.NoError(t, x.b.Install([]*heapbackend.Staged{key}))
	require.Equal(t, 3, x.split.Len(), "a key group is no operator state")
	empty, err := x.b.StageEmpty(testM)
	require.NoError(t, err)
	require.NoError(t, x.b.Install([]*heapbackend.Staged{empty}))
	require.Zero(t, x.split.Len()+x.union.Len()+x.rules.Len())
	b := bare(t, 0, 2)
	old := []*heapbackend.Snapshot{capture(t, filledOps(t).b)}
	restoreTask(t, b, old, adopted)
	empty, err = b.StageEmpty(testM)
	require.NoError(t, err)
	require.NoError(t, b.Install([]*heapbackend.Staged{empty}))
	require.Zero(t, capture(t, b).Entries(testM), "what was carried is replaced too")
}

// TestABroadcastThatIsEmptyStaysEmpty: the task's own copy counts, whatever the others hold. Only where nobody says
// that it is empty is another copy as good.
func TestABroadcastThatIsEmptyStaysEmpty(t *testing.T) {
	full, empty := newOps(t, bare(t, 0, 2)), newOps(t, bare(t, 1, 2))
	require.NoError(t, full.rules.Put("a", 1))
	require.NoError(t, full.union.Append(1)) // so that every block is needed
	old := []*heapbackend.Snapshot{capture(t, full.b), capture(t, empty.b)}
	for name, how := range ways {
		x := newOps(t, bare(t, 1, 2))
		restoreTask(t, x.b, old, how)
		require.Zero(t, x.rules.Len(), name)
		require.Equal(t, 1, x.union.Len())
		s, err := how(x.b, old[0], testM)
		require.NoError(t, err)
		require.NoError(t, x.b.Install([]*heapbackend.Staged{s}))
		require.Equal(t, 1, x.rules.Len(), name)
	}
}

func TestOperatorStateOfAnotherTypeIsRefused(t *testing.T) {
	s := capture(t, filledOps(t).b)
	for name, how := range ways {
		for state, register := range map[string]func(b *heapbackend.Backend[uint64]) error{
			"split": func(b *heapbackend.Backend[uint64]) error {
				_, err := heapbackend.NewUnionList[string](b, "split")
				return err
			},
			"union": func(b *heapbackend.Backend[uint64]) error {
				_, err := heapbackend.NewUnionList[string](b, "union")
				return err
			},
			"rules": func(b *heapbackend.Backend[uint64]) error {
				_, err := heapbackend.NewBroadcast[uint8, int](b, "rules")
				return err
			},
		} {
			b := bare(t, 0, 2)
			require.NoError(t, register(b))
			_, err := how(b, s, testM)
			require.ErrorIs(t, err, heapbackend.ErrSchema, name+state)
			late := bare(t, 0, 2)
			restoreTask(t, late, []*heapbackend.Snapshot{s}, how)
			require.ErrorIs(t, register(late), heapbackend.ErrSchema, name+state)
			require.EqualValues(t, 7, capture(t, late).Entries(testM), "it stays carried")
		}
		b := bare(t, 0, 2)
		wider, err := heapbackend.NewUnionList[int64](b, "union")
		require.NoError(t, err)
		staged, err := how(b, s, testM)
		require.NoError(t, err)
		require.NoError(t, b.Install([]*heapbackend.Staged{staged}))
		require.Equal(t, []int64{1, 2, 3}, slices.Collect(wider.All()))
	}
	cfg := taskOf(t, 0, 2)
	cfg.RefuseUnknown = true
	_, err := backend[uint64](t, cfg).StageSnapshot(s, testM)
	require.ErrorIs(t, err, heapbackend.ErrUnknownState)
}

func TestOperatorStateOfDifferentParallelismIsNotMixed(t *testing.T) {
	x, y := newOps(t, bare(t, 0, 2)), newOps(t, bare(t, 1, 3))
	require.NoError(t, x.split.Append("a"))
	require.NoError(t, y.split.Append("b"))
	z := newOps(t, bare(t, 0, 2))
	require.NoError(t, z.split.Append("z"))
	one, err := z.b.StageSnapshot(capture(t, x.b), testM)
	require.NoError(t, err)
	two, err := z.b.StageSnapshot(capture(t, y.b), testM+1)
	require.NoError(t, err)
	require.ErrorIs(t, z.b.Install([]*heapbackend.Staged{one, two}), heapbackend.ErrMismatch)
	require.Equal(t, []string{"z"}, slices.Collect(z.split.All()))
	require.NoError(t, z.b.Install([]*heapbackend.Staged{one}))
	require.Equal(t, []string{"a"}, slices.Collect(z.split.All()))
}

// TestOperatorStateIsAdoptedWithoutCopying captures and takes over large states: neither looks at the elements.
func TestOperatorStateIsAdoptedWithoutCopying(t *testing.T) {
	cost := func(n int) float64 {
		x := newOps(t, bare(t, 0, 2))
		for i := range n {
			require.NoError(t, x.split.Append("a"))
			require.NoError(t, x.union.Append(i))
			require.NoError(t, x.rules.Put(string(rune(i)), i))
		}
		y := newOps(t, bare(t, 0, 2))
		return testing.AllocsPerRun(10, func() {
			s := capture(t, x.b)
			staged, err := y.b.StageSnapshot(s, testM)
			require.NoError(t, err)
			require.NoError(t, y.b.Install([]*heapbackend.Staged{staged}))
			require.NoError(t, y.split.Append("b"))
			s.Release()
		})
	}
	require.InDelta(t, cost(1000), cost(50_000), 20)
}

func TestCheckValuesNamesTheOperatorState(t *testing.T) {
	cfg := taskOf(t, 0, 2)
	cfg.CheckValues = true
	b := backend[uint64](t, cfg)
	list, err := heapbackend.NewSplitList[[]int](b, "lists")
	require.NoError(t, err)
	require.NoError(t, list.Append([]int{1}))
	s := capture(t, b)
	_, _, err = s.AppendGroup(nil, testM)
	require.NoError(t, err)
	for got := range list.All() {
		got[0] = 2
	}
	_, _, err = s.AppendGroup(nil, testM)
	require.ErrorIs(t, err, heapbackend.ErrCheck)
	require.ErrorContains(t, err, `"lists"`)
}

func TestOperatorBlocksThatAreNeeded(t *testing.T) {
	schema := func(tasks int, register ...func(b *heapbackend.Backend[uint64]) error) []byte {
		b := bare(t, 0, tasks)
		for _, r := range register {
			require.NoError(t, r(b))
		}
		return b.Schema()
	}
	split := func(b *heapbackend.Backend[uint64]) error {
		_, err := heapbackend.NewSplitList[int](b, "s")
		return err
	}
	union := func(b *heapbackend.Backend[uint64]) error {
		_, err := heapbackend.NewUnionList[int](b, "u")
		return err
	}
	rules := func(b *heapbackend.Backend[uint64]) error {
		_, err := heapbackend.NewBroadcast[int, int](b, "r")
		return err
	}
	all := []int{testM, testM + 1, testM + 3}
	for name, tt := range map[string]struct {
		schema      []byte
		task, tasks int
		want        []int
	}{
		"split, as before":             {schema(4, split), 1, 4, []int{testM + 1}},
		"split, of a task without":     {schema(4, split), 2, 4, []int{testM + 2}},
		"split, fewer":                 {schema(4, split), 1, 3, all},
		"split, fewer, from a gap":     {schema(4, split), 2, 3, []int{testM, testM + 1, testM + 2, testM + 3}},
		"union, as before":             {schema(4, union), 3, 4, all},
		"broadcast, as before":         {schema(4, rules), 3, 4, []int{testM + 3}},
		"broadcast, more":              {schema(4, rules), 5, 8, []int{testM + 1}},
		"broadcast, fewer":             {schema(4, rules), 0, 3, []int{testM}},
		"split, broadcast, as before":  {schema(4, rules, split), 3, 4, []int{testM + 3}},
		"split, broadcast, more":       {schema(4, rules, split), 4, 5, all},
		"a schema that is none":        {[]byte("x"), 1, 4, all},
		"a schema without such states": {schema(4), 1, 4, all},
	} {
		var have []heapbackend.OperatorBlock
		for _, g := range all {
			have = append(have, heapbackend.OperatorBlock{Group: g, Schema: tt.schema})
		}
		needed, err := heapbackend.OperatorBlocks(taskOf(t, tt.task, tt.tasks), have)
		require.NoError(t, err)
		require.Equal(t, tt.want, needed, name)
	}
	// One task's schema is enough to need all.
	needed, err := heapbackend.OperatorBlocks(taskOf(t, 0, 4), []heapbackend.OperatorBlock{{testM, schema(4, split)}, {testM + 3, schema(4, split, union)}})
	require.NoError(t, err)
	require.Equal(t, []int{testM, testM + 3}, needed)
}

func TestHostileOperatorBlocksAreRefused(t *testing.T) {
	x := filledOps(t)
	s := capture(t, x.b)
	block, _, err := s.AppendGroup(nil, testM)
	require.NoError(t, err)
	key, _, err := s.AppendGroup(nil, 1)
	require.NoError(t, err)
	requireCorrupt := func(schema []byte, group int, block []byte) {
		t.Helper()
		for _, b := range []*heapbackend.Backend[uint64]{newOps(t, bare(t, 0, 2)).b, bare(t, 0, 2)} {
			_, err := b.StageBlock(schema, group, block)
			require.ErrorIs(t, err, heapbackend.ErrCorrupt)
		}
	}
	requireCorrupt(s.Schema(), testM, key)
	requireCorrupt(s.Schema(), 1, block)
	requireCorrupt(s.Schema(), testM+2, block) // of two tasks
	for n := 1; n < len(block); n++ {
		if n != 14 && n != 25 { // a state ends there
			requireCorrupt(s.Schema(), testM, block[:n])
		}
	}
	for _, tasks := range []uint64{0, 1 << 40, testM + 1} {
		for kind, sub := range map[string]bool{"split": false, "union": false, "broadcast": true} {
			requireCorrupt(schemaOf(kind, sub, tasks), testM, wire.AppendBytes([]byte{0x93, 0, 1}, []byte{1}))
		}
	}
	for _, claimed := range []uint64{2, 1 << 20, 1 << 62} { // more records than there are
		lying := wire.AppendBytes(wire.AppendUint([]byte{0x93, 1}, claimed), []byte{0xa1, 'a'})
		requireCorrupt(s.Schema(), testM, lying)
	}
}

// schemaOf describes one operator state.
func schemaOf(kind string, sub bool, tasks uint64) []byte {
	b := wire.AppendArrayLen(wire.AppendArrayLen(nil, 1), 7)
	b = wire.AppendString(wire.AppendString(wire.AppendString(b, "s"), kind), "")
	if sub {
		b = wire.AppendString(b, "string")
	} else {
		b = wire.AppendNil(b)
	}
	b = wire.AppendArrayLen(wire.AppendNil(wire.AppendString(b, "codec")), 2)
	return wire.AppendUint(wire.AppendString(b, "tasks"), tasks)
}

// TestOperatorStateOfAnotherTaskDoesNotPinItsSnapshot: it was decoded when it was staged, so that a few elements of
// another task do not keep all of that task's pages.
func TestOperatorStateOfAnotherTaskDoesNotPinItsSnapshot(t *testing.T) {
	for name, tt := range map[string]struct {
		task, tasks int
		want        error
	}{"its own": {0, 2, heapbackend.ErrReleased}, "another task": {1, 2, nil}, "another parallelism": {0, 3, nil}} {
		s := capture(t, filledOps(t).b)
		x := newOps(t, bare(t, tt.task, tt.tasks))
		staged, err := x.b.StageSnapshot(s, testM)
		require.NoError(t, err)
		s.Release()
		require.ErrorIs(t, x.b.Install([]*heapbackend.Staged{staged}), tt.want, name)
	}
}
