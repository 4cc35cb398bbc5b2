package heapbackend_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// ops is a backend with one operator state of each kind, and one keyed state.
type ops struct {
	b     *heapbackend.Backend[uint64]
	split *heapbackend.OperatorList[string]
	union *heapbackend.OperatorList[int]
	rules *heapbackend.Broadcast[string, int]
	v     *heapbackend.Value[uint64, int]
}

// taskOf is the configuration of one task of several.
func taskOf(t require.TestingT, task, tasks int) heapbackend.Config {
	r, err := keygroups.RangeOf(testM, tasks, task)
	require.NoError(t, err)
	cfg := part(r.First, r.End)
	cfg.Task, cfg.Tasks = task, tasks
	return cfg
}

func bare(t require.TestingT, task, tasks int) *heapbackend.Backend[uint64] {
	return backend[uint64](t, taskOf(t, task, tasks))
}

func newOps(t require.TestingT, b *heapbackend.Backend[uint64]) *ops {
	x := &ops{b: b, v: valueOf[int](t, b, "v")}
	var err error
	x.split, err = heapbackend.NewSplitList[string](b, "split")
	require.NoError(t, err)
	x.union, err = heapbackend.NewUnionList[int](b, "union")
	require.NoError(t, err)
	x.rules, err = heapbackend.NewBroadcast[string, int](b, "rules")
	require.NoError(t, err)
	return x
}

// restoreTask restores one task of several from the snapshots of all tasks of a checkpoint, as a recovery would.
func restoreTask(t require.TestingT, b heapbackend.AnyBackend, old []*heapbackend.Snapshot, how way) {
	var staged []*heapbackend.Staged
	var have []heapbackend.OperatorBlock
	from := map[int]*heapbackend.Snapshot{}
	m := b.Config().M
	for _, s := range old {
		for g := range s.Blocks() {
			from[g] = s
			if g >= m && s.Entries(g) > 0 {
				have = append(have, heapbackend.OperatorBlock{Group: g, Schema: s.Schema()})
			}
		}
	}
	needed, err := heapbackend.OperatorBlocks(b.Config(), have)
	require.NoError(t, err)
	for _, g := range slices.Concat(slices.Collect(b.Config().Range.All()), needed) {
		stage := func() (*heapbackend.Staged, error) { return b.StageEmpty(g) }
		if s := from[g]; s != nil && s.Entries(g) > 0 {
			stage = func() (*heapbackend.Staged, error) { return how(b, s, g) }
		}
		x, err := stage()
		require.NoError(t, err)
		staged = append(staged, x)
	}
	require.NoError(t, b.Install(staged))
}

// TestOperatorStateIsSharedOut draws what the tasks of a job hold, and restores a job of another parallelism, or of the same,
// from that: with all states registered, with none, and then from what those carried with all registered again.
func TestOperatorStateIsSharedOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := rapid.IntRange(1, 5).Draw(t, "from"), rapid.IntRange(1, 5).Draw(t, "to")
		how := ways[rapid.SampledFrom([]string{"adopted", "decoded", "mixed"}).Draw(t, "how")]
		var old []*heapbackend.Snapshot
		var split [][]string
		var union []int
		for task := range from {
			x := newOps(t, bare(t, task, from))
			n := rapid.SampledFrom([]int{0, 0, 1, 2, 7, 300}).Draw(t, "elements")
			split = append(split, nil)
			for i := range n {
				split[task] = append(split[task], fmt.Sprint(task, ".", i))
				union = append(union, 1000*task+i)
				require.NoError(t, x.union.Append(1000*task+i))
			}
			require.NoError(t, x.split.Append(split[task]...))
			require.NoError(t, x.rules.Put("a", 1))
			require.NoError(t, x.rules.Put("by", task)) // not the same in every task, to tell whose copy it is
			old = append(old, capture(t, x.b))
		}
		want := shared(split, to)
		var carried []*heapbackend.Snapshot
		for task := range to {
			x := newOps(t, bare(t, task, to))
			restoreTask(t, x.b, old, how)
			require.Equal(t, want[task], slices.Collect(x.split.All()))
			require.Equal(t, union, slices.Collect(x.union.All()))
			require.Equal(t, map[string]int{"a": 1, "by": task % from}, maps.Collect(x.rules.All()))
			x.requireAlive(t)
			y := bare(t, task, to)
			restoreTask(t, y, old, how)
			carried = append(carried, capture(t, y))
		}
		back := rapid.IntRange(1, 5).Draw(t, "back")
		want = shared(want, back)
		for task := range back {
			x := newOps(t, bare(t, task, back))
			restoreTask(t, x.b, carried, how)
			require.Equal(t, want[task], slices.Collect(x.split.All()))
			require.Equal(t, union, slices.Collect(x.union.All()), "a union was dropped or multiplied while it was carried")
			require.Equal(t, map[string]int{"a": 1, "by": task % to % from}, maps.Collect(x.rules.All()))
			x.requireAlive(t)
		}
	})
}

// shared is what split lists become: nothing where the parallelism stays.
func shared(lists [][]string, tasks int) [][]string {
	if len(lists) == tasks {
		return lists
	}
	all := slices.Concat(lists...)
	out := make([][]string, tasks)
	for i := range out {
		n := len(all) / (tasks - i) // rounded up, so that the first tasks have more
		if len(all)%(tasks-i) > 0 {
			n++
		}
		out[i] = slices.Clone(all[:n])
		if n == 0 {
			out[i] = nil
		}
		all = all[n:]
	}
	return out
}

// requireAlive writes to everything, and checks that a capture does not see what comes after it.
func (x *ops) requireAlive(t require.TestingT) {
	split, union, rules := slices.Collect(x.split.All()), slices.Collect(x.union.All()), maps.Collect(x.rules.All())
	for range 2 {
		s := capture(t, x.b)
		require.NoError(t, x.split.Append("more"))
		require.NoError(t, x.union.Append(-1))
		require.NoError(t, x.rules.Put("a", 2))
		require.NoError(t, x.rules.Remove("by"))
		require.NoError(t, x.rules.Put("more", 1))
		lists, err := x.split.At(s)
		require.NoError(t, err)
		numbers, err := x.union.At(s)
		require.NoError(t, err)
		all, err := x.rules.At(s)
		require.NoError(t, err)
		require.Equal(t, split, slices.Collect(lists.All()))
		require.Equal(t, union, slices.Collect(numbers.All()))
		require.Equal(t, len(union), numbers.Len())
		require.Equal(t, rules, maps.Collect(all.All()))
		require.Equal(t, len(rules), all.Len())
		s.Release()
		require.Empty(t, slices.Collect(lists.All()))
		require.Zero(t, all.Len()+lists.Len())
		split, union = append(split, "more"), append(union, -1)
		rules = map[string]int{"a": 2, "more": 1}
	}
	require.Equal(t, split, slices.Collect(x.split.All()))
	require.Equal(t, union, slices.Collect(x.union.All()))
	require.Equal(t, rules, maps.Collect(x.rules.All()))
}

func TestOperatorListIsAList(t *testing.T) {
	x := newOps(t, bare(t, 1, 2))
	require.Equal(t, "split", x.split.Name())
	require.NoError(t, x.split.Append())
	require.NoError(t, x.split.Append("a", "b"))
	require.Equal(t, 2, x.split.Len())
	for v := range x.split.All() {
		require.NoError(t, x.split.Append(v+v))
	}
	require.Equal(t, []string{"a", "b", "aa", "bb"}, slices.Collect(x.split.All()))
	require.NoError(t, x.split.Set("z"))
	require.Equal(t, []string{"z"}, slices.Collect(x.split.All()))
	require.NoError(t, x.split.Set())
	require.Zero(t, x.split.Len())
	require.NoError(t, x.b.Close())
	require.ErrorIs(t, x.split.Append("a"), heapbackend.ErrClosed)
	require.ErrorIs(t, x.split.Set("a"), heapbackend.ErrClosed)
	require.Empty(t, slices.Collect(x.split.All()))
	require.Zero(t, x.split.Len())
}

func TestBroadcastIsAMap(t *testing.T) {
	x := newOps(t, bare(t, 1, 2))
	for i := range 1000 {
		require.NoError(t, x.rules.Put(fmt.Sprint(i), i))
	}
	for k, v := range x.rules.All() {
		require.NoError(t, x.rules.Put(k, v+1))
		require.NoError(t, x.rules.Remove("7"))
		require.NoError(t, x.rules.Put("new "+k, 0))
	}
	n, ok := x.rules.Get("8")
	require.True(t, ok)
	require.Equal(t, 9, n)
	_, ok = x.rules.Get("7")
	require.False(t, ok)
	require.Equal(t, 1999, x.rules.Len())
	require.NoError(t, x.rules.Remove("unheard of"))
	require.NoError(t, x.b.Close())
	require.ErrorIs(t, x.rules.Put("a", 1), heapbackend.ErrClosed)
	require.ErrorIs(t, x.rules.Remove("a"), heapbackend.ErrClosed)
	require.Empty(t, maps.Collect(x.rules.All()))
	_, ok = x.rules.Get("8")
	require.False(t, ok)
	require.Zero(t, x.rules.Len())
}

func TestOperatorStateIsOneBlockOfItsOwn(t *testing.T) {
	x := newOps(t, bare(t, 1, 2))
	require.NoError(t, x.v.Put(keyIn(t, 5, 0), 1))
	empty := capture(t, x.b)
	require.Equal(t, []int{4, 5, 6, 7, testM + 1}, slices.Collect(empty.Blocks()))
	block, n, err := empty.AppendGroup(nil, testM+1)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Empty(t, block, "operator states that hold nothing have no block")
	require.NoError(t, x.split.Append("a"))
	require.NoError(t, x.rules.Put("a", 1))
	s := capture(t, x.b)
	block, n, err = s.AppendGroup(nil, testM+1)
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	require.EqualValues(t, 2, s.Entries(testM+1))
	require.Equal(t, "930101c600000002a161"+"930301c60000000492a16101", fmt.Sprintf("%x", block))
	for _, g := range []int{testM, testM + 2, 2 * testM, 0, -1} {
		_, _, err := s.AppendGroup(nil, g)
		require.ErrorIs(t, err, heapbackend.ErrGroup, "group %d", g)
		require.Zero(t, s.Entries(g))
	}
	before, _, err := s.AppendGroup(nil, 5)
	require.NoError(t, err)
	after, _, err := empty.AppendGroup(nil, 5)
	require.NoError(t, err)
	require.Equal(t, before, after)
	without := bare(t, 1, 2)
	valueOf[int](t, without, "v")
	require.Equal(t, []int{4, 5, 6, 7}, slices.Collect(capture(t, without).Blocks()))
}

func TestOperatorStateNeedsATask(t *testing.T) {
	b := backend[uint64](t, part(0, 4))
	_, err := heapbackend.NewSplitList[int](b, "a")
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	_, err = heapbackend.NewBroadcast[int, int](b, "a")
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	_, err = b.StageEmpty(testM)
	require.ErrorIs(t, err, heapbackend.ErrGroup)
	_, err = heapbackend.OperatorBlocks(b.Config(), []heapbackend.OperatorBlock{{Group: testM}})
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	alone := newOps(t, backend[uint64](t, whole())) // who holds every key group is the only task
	require.NoError(t, alone.split.Append("a"))
	require.EqualValues(t, 1, capture(t, alone.b).Entries(testM))
	for _, place := range [][2]int{{-1, 2}, {2, 2}, {0, -1}, {0, testM + 1}, {1, 0}} {
		cfg := whole()
		cfg.Task, cfg.Tasks = place[0], place[1]
		_, err := heapbackend.New[uint64](cfg)
		require.ErrorIs(t, err, heapbackend.ErrConfig, "%v", place)
	}
}

func TestOperatorStateRegistersLikeAnyOther(t *testing.T) {
	b := bare(t, 0, 2)
	x := newOps(t, b)
	_, err := heapbackend.NewSplitList[string](b, "split")
	require.ErrorIs(t, err, heapbackend.ErrStateExists)
	_, err = heapbackend.NewUnionList[string](b, "split")
	require.ErrorIs(t, err, heapbackend.ErrStateType)
	_, err = heapbackend.NewValue[string](b, "split")
	require.ErrorIs(t, err, heapbackend.ErrStateType)
	_, err = heapbackend.NewBroadcast[string, int](b, "")
	require.ErrorIs(t, err, heapbackend.ErrStateName)
	_, err = heapbackend.NewBroadcast[*int, int](b, "x")
	require.Error(t, err)
	_, err = heapbackend.NewSplitList[chan int](b, "x")
	require.ErrorIs(t, err, heapbackend.ErrStateType)
	_, err = heapbackend.NewSplitList(b, "x", heapbackend.Options[int]{}, heapbackend.Options[int]{})
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	other := newOps(t, bare(t, 0, 2))
	_, err = x.split.At(capture(t, other.b))
	require.ErrorIs(t, err, heapbackend.ErrMismatch)
	_, err = x.rules.At(capture(t, bare(t, 0, 2)))
	require.ErrorIs(t, err, heapbackend.ErrUnknownState)
}
