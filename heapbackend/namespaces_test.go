package heapbackend_test

import (
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

func namespaces[N, K comparable](t require.TestingT, b *heapbackend.Backend[K]) *heapbackend.Namespaces[K, N] {
	n, err := heapbackend.NamespacesOf[N](b)
	require.NoError(t, err)
	return n
}

func reducing[V any, K comparable](t require.TestingT, in heapbackend.Scope[K], name string, fn func(a, b V) V) *heapbackend.Reducing[K, V] {
	s, err := heapbackend.NewReducing(in, name, fn)
	require.NoError(t, err)
	return s
}

func add(a, b int64) int64 { return a + b }

func TestTheKeyGroupOfANamespacedKeyIsThatOfItsKey(t *testing.T) {
	b := backend[uint64](t, whole())
	sums := reducing(t, namespaces[int](t, b), "sums", add)
	for k := range uint64(200) {
		require.NoError(t, sums.Add(heapbackend.In(k, 1), 1))
		require.NoError(t, sums.Add(heapbackend.In(k, 2), 1))
	}
	seen := 0
	for g := range whole().Range.All() {
		for k := range sums.InGroup(g) {
			require.Equal(t, g, b.Group(k.Key))
			seen++
		}
	}
	require.Equal(t, 400, seen)
	for range sums.InGroup(testM) {
		t.Fatal("a key in a group that the backend does not hold")
	}
	_, ok := sums.Get(heapbackend.In(uint64(1), 3))
	require.False(t, ok)
}

func TestANamespacedKeyOfAnotherTaskIsRefused(t *testing.T) {
	b := backend[uint64](t, part(0, 1))
	windows := namespaces[int](t, b)
	sums := reducing(t, windows, "sums", add)
	k := keyIn(t, 1, 0)
	require.ErrorIs(t, sums.Add(heapbackend.In(k, 1), 1), heapbackend.ErrGroup)
	require.Empty(t, slices.Collect(windows.Of(sums, k)))
}

func TestKeysAndNamespacesThatAreNotANumberAreOne(t *testing.T) {
	b := backend[float64](t, whole())
	windows := namespaces[float64](t, b)
	sums := reducing(t, windows, "sums", add)
	other := math.Float64frombits(0xfff8000000000123)
	for _, k := range []float64{math.NaN(), other} {
		for _, n := range []float64{math.NaN(), other} {
			require.NoError(t, sums.Add(heapbackend.In(k, n), 1))
		}
	}
	got, _ := sums.Get(heapbackend.In(math.NaN(), math.NaN()))
	require.EqualValues(t, 4, got)
	require.Equal(t, 1, sums.Keys())
	require.Len(t, slices.Collect(windows.Of(sums, math.NaN())), 1)
	require.NoError(t, windows.Merge(sums, math.NaN(), math.NaN(), other))
	got, _ = sums.Get(heapbackend.In(math.NaN(), other))
	require.EqualValues(t, 4, got, "a namespace merged into itself is left as it is")
	require.NoError(t, sums.Delete(heapbackend.In(other, math.NaN())))
	require.Empty(t, slices.Collect(windows.Of(sums, math.NaN())))
}

// A state whose keys only look like those of a scope has no namespaces.
func TestAStateOutsideNamespacesHasNone(t *testing.T) {
	type key = heapbackend.NamespacedKey[string, int]
	b := backend[key](t, whole())
	s := valueOf[int](t, b, "plain")
	require.NoError(t, s.Put(heapbackend.In("k", 1), 1))
	require.Empty(t, slices.Collect(namespaces[int](t, backend[string](t, whole())).Of(s, "k")))
}

func TestAMergeDoesNotChangeASnapshot(t *testing.T) {
	keep := heapbackend.Aggregator[int, []int, []int]{
		Add:    func(acc *[]int, n int) { *acc = append(*acc, n) },
		Result: func(acc []int) []int { return acc },
		Merge:  func(into *[]int, from []int) { *into = from }, // keeps what it is given
	}
	for name, refresh := range map[string]bool{"fresh": true, "captured": false} {
		t.Run(name, func(t *testing.T) {
			b := backend[string](t, whole())
			windows := namespaces[int](t, b)
			accs, err := heapbackend.NewAggregating(windows, "accs", keep)
			require.NoError(t, err)
			require.NoError(t, accs.Add(heapbackend.In("k", 1), 10))
			require.NoError(t, accs.Add(heapbackend.In("k", 1), 20))
			require.NoError(t, accs.Add(heapbackend.In("k", 2), 30))
			snap := capture(t, b)
			defer snap.Release()
			if refresh {
				require.NoError(t, accs.Add(heapbackend.In("k", 2), 31))
			}
			before := blocksOf(t, snap)
			require.NoError(t, windows.Merge(accs, "k", 2, 1))
			acc, _ := accs.Get(heapbackend.In("k", 2))
			require.Equal(t, []int{10, 20}, acc)
			acc[0] = -1 // what the state holds now is its own
			require.Equal(t, before, blocksOf(t, snap))
			require.Equal(t, []int{2}, slices.Collect(windows.Of(accs, "k")))
		})
	}
}

func TestMergedListsAreConcatenatedInOrderOnce(t *testing.T) {
	b := backend[string](t, whole())
	windows := namespaces[int](t, b)
	list, err := heapbackend.NewList[int](windows, "list")
	require.NoError(t, err)
	for n := range 4 {
		require.NoError(t, list.Append(heapbackend.In("k", n), n*10, n*10+1))
	}
	require.NoError(t, list.Append(heapbackend.In("other", 1), 7))
	require.NoError(t, windows.Merge(list, "k", 2, 3, 2, 0, 3, 9))
	require.Equal(t, []int{20, 21, 30, 31, 0, 1}, slices.Collect(list.Get(heapbackend.In("k", 2))))
	require.ElementsMatch(t, []int{1, 2}, slices.Collect(windows.Of(list, "k")))
	require.NoError(t, windows.Merge(list, "k", 8, 2))
	require.Equal(t, 6, list.Len(heapbackend.In("k", 8)))
	require.Equal(t, []int{7}, slices.Collect(list.Get(heapbackend.In("other", 1))))
}

func TestMergingNeedsAMergeFunction(t *testing.T) {
	b := backend[string](t, whole())
	windows := namespaces[int](t, b)
	accs, err := heapbackend.NewAggregating(windows, "accs", heapbackend.Aggregator[int, int, int]{
		Add: func(acc *int, n int) { *acc += n }, Result: func(acc int) int { return acc },
	})
	require.NoError(t, err)
	require.NoError(t, accs.Add(heapbackend.In("k", 1), 1))
	require.ErrorIs(t, windows.Merge(accs, "k", 2, 1), heapbackend.ErrConfig)
	_, err = b.Capture()
	require.ErrorIs(t, err, heapbackend.ErrConfig, "a state that lacks a merge is not captured")
}

func TestReducingAndAggregatingNeedTheirFunctions(t *testing.T) {
	b := backend[string](t, whole())
	_, err := heapbackend.NewReducing[int](b, "r", nil)
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	_, err = heapbackend.NewAggregating(b, "a", heapbackend.Aggregator[int, int, int]{Add: func(*int, int) {}})
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	_, err = heapbackend.NewAggregating(b, "a", heapbackend.Aggregator[int, int, int]{Result: func(a int) int { return a }})
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	_, err = heapbackend.NamespacesOf[*int](b)
	require.ErrorIs(t, err, keygroups.ErrKeyType)
}

func TestAPanicOfAReduceFunctionMakesTheBackendRefuseUse(t *testing.T) {
	b := backend[string](t, whole())
	r := reducing(t, b, "r", func(a, b int64) int64 { panic("the program's own") })
	require.NoError(t, r.Add("k", 1))
	require.Panics(t, func() { _ = r.Add("k", 2) })
	_, err := b.Capture()
	require.ErrorIs(t, err, heapbackend.ErrConcurrent)
}

// What was reduced belongs to the state: a snapshot does not see what is reduced into it later, also when the function
// returns its second argument or works in place.
func TestAReducedValueIsNotShared(t *testing.T) {
	b := backend[string](t, whole())
	r := reducing(t, b, "r", func(a, b []int) []int { a[0] += b[0]; return a })
	mine := []int{1}
	require.NoError(t, r.Add("k", mine))
	snap := capture(t, b)
	defer snap.Release()
	before := blocksOf(t, snap)
	require.NoError(t, r.Add("k", []int{5}))
	require.NoError(t, r.Add("k", []int{5}))
	got, _ := r.Get("k")
	require.Equal(t, []int{11}, got)
	require.Equal(t, []int{1}, mine)
	require.Equal(t, before, blocksOf(t, snap))
}

// A state written in one scope is not read in another: a clear error, and nothing is touched.
func TestANamespaceTypeDoesNotChange(t *testing.T) {
	from := backend[string](t, whole())
	sums := reducing(t, namespaces[int](t, from), "sums", add)
	require.NoError(t, sums.Add(heapbackend.In("k", 1), 1))
	snap := capture(t, from)
	defer snap.Release()
	for name, how := range ways {
		t.Run(name, func(t *testing.T) {
			for _, register := range []func(b *heapbackend.Backend[string]) error{
				func(b *heapbackend.Backend[string]) error {
					_, err := heapbackend.NewReducing(namespaces[composite](t, b), "sums", add)
					return err
				},
				func(b *heapbackend.Backend[string]) error {
					_, err := heapbackend.NewReducing(b, "sums", add)
					return err
				},
				func(b *heapbackend.Backend[string]) error {
					_, err := heapbackend.NewValue[int64](namespaces[int](t, b), "sums")
					return err
				},
			} {
				into := backend[string](t, whole())
				require.NoError(t, register(into))
				_, err := stage(into, snap, how)
				require.ErrorIs(t, err, heapbackend.ErrSchema)
				require.ErrorContains(t, err, "Reducing[NamespacedKey[string, int], int64]")
				require.NoError(t, into.Err())
			}
		})
	}
}

// A snapshot is a consistent view of all states for any number of goroutines, while the owner goes on writing.
func TestViewsAreReadWhileTheOwnerWrites(t *testing.T) {
	b := backend[uint64](t, whole())
	windows := namespaces[int](t, b)
	sums := reducing(t, windows, "sums", add)
	totals := reducing(t, b, "totals", add)
	both := func(k uint64, n int) {
		require.NoError(t, sums.Add(heapbackend.In(k, n), 1))
		require.NoError(t, totals.Add(k, 1))
	}
	for i := range 1000 {
		both(uint64(i%50), i%7)
	}
	var readers sync.WaitGroup
	for range 4 {
		snap := capture(t, b)
		windowView, err := sums.At(snap)
		require.NoError(t, err)
		totalView, err := totals.At(snap)
		require.NoError(t, err)
		readers.Go(func() {
			defer snap.Release()
			for g := range whole().Range.All() {
				for k, total := range totalView.InGroup(g) {
					var sum int64
					for n := range windows.Of(windowView, k) {
						v, _ := windowView.Get(heapbackend.In(k, n))
						sum += v
					}
					if sum != total {
						t.Errorf("key %d: the windows' sums come to %d, the total is %d", k, sum, total)
					}
				}
			}
		})
		for i := range 1000 {
			both(uint64(i%60), i%9)
		}
	}
	readers.Wait()
}
