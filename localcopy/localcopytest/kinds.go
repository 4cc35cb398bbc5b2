package localcopytest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// windowed is a key in a namespace.
type windowed = heapbackend.NamespacedKey[uint64, int64]

// states holds a number for each key, in a Value and, as a function of key and number, in every other kind of state that
// has keys.
type states struct {
	*heapbackend.Value[uint64, int64]
	list    *heapbackend.List[uint64, int64]
	entries *heapbackend.Map[uint64, int64, int64]
	windows *heapbackend.Namespaces[uint64, int64]
	latest  *heapbackend.Reducing[windowed, int64]
	acc     *heapbackend.Aggregating[uint64, int64, int64, int64]
	timers  *heapbackend.Timers[uint64]
	aging   *heapbackend.Value[uint64, int64]
}

// newStates registers them.
func newStates(t *testing.T, b *heapbackend.Backend[uint64]) *states {
	t.Helper()
	s := &states{}
	var errs [8]error
	s.Value, errs[0] = heapbackend.NewValue[int64](b, "counts")
	s.list, errs[1] = heapbackend.NewList[int64](b, "list")
	s.entries, errs[2] = heapbackend.NewMap[int64, int64](b, "entries")
	s.windows, errs[3] = heapbackend.NamespacesOf[int64](b)
	require.NoError(t, errors.Join(errs[:]...))
	s.latest, errs[4] = heapbackend.NewReducing(s.windows, "latest", func(_, v int64) int64 { return v })
	s.acc, errs[5] = heapbackend.NewAggregating(b, "acc", heapbackend.Aggregator[int64, int64, int64]{
		Add: func(acc *int64, v int64) { *acc = v }, Result: func(acc int64) int64 { return acc },
	})
	s.timers, errs[6] = heapbackend.NewTimers(b, "timers", heapbackend.EventTime)
	s.aging, errs[7] = heapbackend.NewValue(b, "aging", heapbackend.Options[int64]{TTL: &heapbackend.TTL{
		After: time.Hour, Clock: func() heapbackend.Timestamp { return 1000 },
	}})
	require.NoError(t, errors.Join(errs[:]...))
	return s
}

// Put sets the number of a key, in every state.
func (s *states) Put(k uint64, v int64) error {
	at := heapbackend.Timestamp(k)
	return errors.Join(
		s.Value.Put(k, v), s.list.Set(k, v, int64(k)), s.entries.Put(k, 1, v), s.latest.Add(heapbackend.In(k, int64(k%3)), v),
		s.acc.Add(k, v), s.timers.Register(k, at), s.aging.Put(k, v),
	)
}

// require compares every state with the numbers there should be.
func (s *states) require(t *testing.T, want map[uint64]int64) {
	t.Helper()
	keys := []int{len(want), len(want), len(want), len(want), len(want), len(want), len(want)}
	require.Equal(t, keys, []int{
		s.Keys(), s.list.Keys(), s.entries.Keys(), s.latest.Keys(), s.acc.Keys(), s.timers.Len(), s.aging.Keys(),
	})
	for k, v := range want {
		require.Equal(t, []int64{v, int64(k)}, slices.Collect(s.list.Get(k)))
		require.Equal(t, []int64{int64(k % 3)}, slices.Collect(s.windows.Of(s.latest, k)))
		require.True(t, s.timers.Has(k, heapbackend.Timestamp(k)))
		var got [5]int64
		got[0], _ = s.Get(k)
		got[1], _ = s.entries.Get(k, 1)
		got[2], _ = s.latest.Get(heapbackend.In(k, int64(k%3)))
		got[3], _ = s.acc.Get(k)
		got[4], _ = s.aging.Get(k)
		require.Equal(t, [5]int64{v, v, v, v, v}, got)
	}
}
