package heapbackend_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// odds makes a state of each kind that decimals does not with its codec, and one that is sound before them all. What it
// returns writes n between two others of the same block.
func odds(t *testing.T, b *heapbackend.Backend[uint64]) map[string]func(n int) error {
	o := heapbackend.Options[int]{Codec: decimal{}}
	sound := valueOf[int](t, b, "sound")
	windows := namespaces[string](t, b)
	k := keyIn(t, 2, 0)
	require.NoError(t, sound.Put(k, 1))
	spaced, err1 := heapbackend.NewValue(windows, "spaced", o)
	reduced, err2 := heapbackend.NewReducing(b, "reduced", func(_, b int) int { return b }, o)
	aggregated, err3 := heapbackend.NewAggregating(b, "aggregated", heapbackend.Aggregator[int, int, int]{
		Create: func() int { return 0 }, Add: func(acc *int, in int) { *acc = in }, Result: func(acc int) int { return acc },
	}, o)
	split, err4 := heapbackend.NewSplitList(b, "split", o)
	union, err5 := heapbackend.NewUnionList(b, "union", o)
	broadcast, err6 := heapbackend.NewBroadcast[string](b, "broadcast", o)
	for _, err := range []error{err1, err2, err3, err4, err5, err6} {
		require.NoError(t, err)
	}
	around := func(put func(i, n int) error) func(int) error {
		return func(n int) error {
			for i, n := range []int{1, n, 3} {
				if err := put(i, n); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return map[string]func(n int) error{
		"spaced":     around(func(i, n int) error { return spaced.Put(heapbackend.In(k, fmt.Sprint(i)), n) }),
		"reduced":    around(func(i, n int) error { return reduced.Add(keyIn(t, 2, i), n) }),
		"aggregated": around(func(i, n int) error { return aggregated.Add(keyIn(t, 2, i), n) }),
		"split":      func(n int) error { return split.Set(1, n, 3) },
		"union":      func(n int) error { return union.Set(1, n, 3) },
		"broadcast":  around(func(i, n int) error { return broadcast.Put(fmt.Sprint(i), n) }),
	}
}

func TestACodecThatFailsInTheMiddleOfABlock(t *testing.T) {
	for _, state := range []string{"spaced", "reduced", "aggregated", "split", "union", "broadcast"} {
		for what, n := range map[string]int{"error": decimalFails, "two values": decimalTwo, "no value": decimalNone} {
			t.Run(state+"/"+what, func(t *testing.T) {
				b := backend[uint64](t, whole())
				put := odds(t, b)[state]
				require.NoError(t, put(n))
				block, s := 2, capture(t, b)
				if slices.Contains([]string{"split", "union", "broadcast"}, state) {
					block = testM
				}
				dst := append(make([]byte, 0, 1<<10), "before"...)
				got, entries, err := s.AppendGroup(dst, block)
				require.ErrorContains(t, err, fmt.Sprintf("%q", state))
				if n == decimalFails {
					require.ErrorIs(t, err, errDecimal)
				}
				require.Equal(t, "before", string(got))
				require.Zero(t, entries)
				s.Release()
				require.NoError(t, b.Err())
				require.NoError(t, put(2))
				_, entries, err = capture(t, b).AppendGroup(got, block)
				require.NoError(t, err)
				require.EqualValues(t, 4-block/testM, entries)
			})
		}
	}
}

// requireZeroKey treats a key type's zero value, in its namespace's zero value, like any other key.
func requireZeroKey[K comparable](t *testing.T, other K) {
	t.Helper()
	open := func() (*heapbackend.Backend[K], *heapbackend.Value[K, int64], *heapbackend.Map[K, string, int64],
		*heapbackend.Timers[heapbackend.NamespacedKey[K, K]]) {
		b := backend[K](t, whole())
		timers, err := heapbackend.NewTimers(namespaces[K](t, b), "timers", heapbackend.EventTime)
		require.NoError(t, err)
		return b, valueOf[int64](t, b, "v"), mapOf[string, int64](t, b, "m"), timers
	}
	var zero K
	b, v, m, timers := open()
	_, ok := v.Get(zero)
	require.False(t, ok, "nothing was put")
	for _, k := range []K{zero, other} {
		require.NoError(t, v.Put(k, 0))
		require.NoError(t, m.Put(k, "", 0))
		for _, n := range []K{zero, other} {
			require.NoError(t, timers.Register(heapbackend.In(k, n), 0))
		}
	}
	s := capture(t, b)
	for _, how := range ways {
		b, v, m, timers := open()
		restore(t, b, s, how)
		require.Equal(t, map[K]int64{zero: 0, other: 0}, maps.Collect(v.All()))
		_, ok := m.Get(zero, "")
		require.True(t, ok)
		require.True(t, timers.Has(heapbackend.In(zero, zero), 0))
		require.NoError(t, v.Delete(zero))
		require.NoError(t, m.Remove(zero, ""))
		require.NoError(t, timers.Delete(heapbackend.In(zero, zero), 0))
		require.Equal(t, []int{1, 1, 3}, []int{v.Keys(), m.Keys(), timers.Len()})
		require.True(t, timers.Has(heapbackend.In(zero, other), 0))
	}
}

func TestZeroAndEmptyKeysAreKeysLikeOthers(t *testing.T) {
	t.Run("number", func(t *testing.T) { requireZeroKey[uint64](t, 1) })
	t.Run("text", func(t *testing.T) { requireZeroKey(t, "\x00") })
}
