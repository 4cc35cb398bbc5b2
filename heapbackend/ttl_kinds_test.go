package heapbackend_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

func TestReducingAndAggregatingBeginAnewAfterExpiry(t *testing.T) {
	now := heapbackend.Timestamp(1000)
	ttl := &heapbackend.TTL{After: 10 * time.Millisecond, Clock: func() heapbackend.Timestamp { return now }}
	b := backend[uint64](t, whole())
	sum, err := heapbackend.NewReducing(b, "sum", func(a, b int) int { return a + b }, heapbackend.Options[int]{TTL: ttl})
	require.NoError(t, err)
	all, err := heapbackend.NewAggregating(b, "all", heapbackend.Aggregator[int, []int, int]{
		Create: func() []int { return []int{1} },
		Add:    func(acc *[]int, in int) { *acc = append(*acc, in) },
		Result: func(acc []int) int { return len(acc) },
	}, heapbackend.Options[[]int]{TTL: ttl})
	require.NoError(t, err)
	both := func() [2]int {
		x, _ := sum.Get(1)
		y, _ := all.Get(1)
		return [2]int{x, y}
	}
	for range 3 {
		now += 9
		require.NoError(t, sum.Add(1, 5))
		require.NoError(t, all.Add(1, 5))
	}
	require.Equal(t, [2]int{15, 4}, both())
	now += 10
	for range sum.All() {
		require.Fail(t, "expired")
	}
	require.NoError(t, sum.Add(1, 5))
	require.NoError(t, all.Add(1, 5))
	require.Equal(t, [2]int{5, 2}, both())
	now += 10
	require.Equal(t, [2]int{}, both())
}

func TestMergedNamespacesLeaveOutWhatHasExpired(t *testing.T) {
	for _, onRead := range []bool{false, true} {
		now := heapbackend.Timestamp(1000)
		ttl := &heapbackend.TTL{
			After: 10 * time.Millisecond, ReturnExpired: true, Cleanup: -1, OnRead: onRead,
			Clock: func() heapbackend.Timestamp { return now },
		}
		b := backend[string](t, whole())
		ns, err := heapbackend.NamespacesOf[int](b)
		require.NoError(t, err)
		sum, err := heapbackend.NewReducing(ns, "sum", func(a, b int) int { return a + b }, heapbackend.Options[int]{TTL: ttl})
		require.NoError(t, err)
		list, err := heapbackend.NewList(ns, "list", heapbackend.Options[int]{TTL: ttl})
		require.NoError(t, err)
		add := func(n, v int) {
			require.NoError(t, sum.Add(heapbackend.In("k", n), v))
			require.NoError(t, list.Append(heapbackend.In("k", n), v))
		}
		add(1, 1)
		add(2, 2)
		now = 1006
		add(2, 3)
		add(3, 4)
		now = 1010
		add(4, 5)
		require.Equal(t, []int{5}, slices.Collect(list.Get(heapbackend.In("k", 4)))) // a read
		require.NoError(t, ns.Merge(sum, "k", 4, 1, 2, 3))
		require.NoError(t, ns.Merge(list, "k", 4, 1, 2, 3))
		got, _ := sum.Get(heapbackend.In("k", 4))
		require.Equal(t, 14, got) // 2 was written again at 1006, 1 was not
		all := map[heapbackend.NamespacedKey[string, int]][]int{}
		for k, seq := range list.All() {
			all[k] = slices.Collect(seq)
		}
		require.Equal(t, []int{5, 3, 4}, all[heapbackend.In("k", 4)])
		now = 1016
		require.Equal(t, 1, list.Len(heapbackend.In("k", 4)), "what was moved keeps its time")
	}
}

func TestOneGroupAloneIsFilteredToo(t *testing.T) {
	now := heapbackend.Timestamp(1000)
	a := newAging(t, &now, heapbackend.TTL{After: 10 * time.Millisecond, Cleanup: -1})
	for k := range uint64(40) {
		now = heapbackend.Timestamp(1000 + k/20*5)
		a.put(t, k, 7)
	}
	now = 1010
	s := capture(t, a.b)
	v, err := a.v.At(s)
	require.NoError(t, err)
	m, err := a.m.At(s)
	require.NoError(t, err)
	n := 0
	for g := range testM {
		n += len(maps.Collect(a.v.InGroup(g))) + len(maps.Collect(v.InGroup(g)))
		for _, seq := range a.l.InGroup(g) {
			n += len(slices.Collect(seq))
		}
		for _, entries := range m.InGroup(g) {
			n += len(maps.Collect(entries))
		}
	}
	require.Equal(t, 4*20, n)
	require.Empty(t, maps.Collect(a.v.InGroup(testM)))
}

func TestOperatorStateHasNoTTL(t *testing.T) {
	cfg := whole()
	cfg.Tasks = 1
	b := backend[uint64](t, cfg)
	o := heapbackend.Options[int]{TTL: &heapbackend.TTL{After: time.Hour}}
	_, err := heapbackend.NewSplitList(b, "s", o)
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	_, err = heapbackend.NewUnionList(b, "u", o)
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	_, err = heapbackend.NewBroadcast[int](b, "b", o)
	require.ErrorIs(t, err, heapbackend.ErrConfig)
}

// TestATTLAndAMigrationAtOnce gives a state a version and takes its stamps along.
func TestATTLAndAMigrationAtOnce(t *testing.T) {
	for name, how := range ways {
		t.Run(name, func(t *testing.T) {
			now := heapbackend.Timestamp(1000)
			ttl := &heapbackend.TTL{After: 10 * time.Millisecond, Clock: func() heapbackend.Timestamp { return now }}
			old := backend[uint64](t, whole())
			v := valueOf(t, old, "v", heapbackend.Options[int]{TTL: ttl})
			l := listOf(t, old, "l", heapbackend.Options[int]{TTL: ttl})
			m := mapOf[int](t, old, "m", heapbackend.Options[int]{TTL: ttl})
			for k := range uint64(20) {
				require.NoError(t, v.Put(k, 7))
				require.NoError(t, l.Append(k, 7))
				require.NoError(t, m.Put(k, 1, 7))
			}
			o := heapbackend.Options[string]{TTL: ttl, Version: 1, Migrations: []heapbackend.Migration{
				heapbackend.Migrate(0, func(n int) (string, error) { return string(rune('a' + n)), nil }),
			}}
			b := backend[uint64](t, whole())
			v2, l2, m2 := valueOf(t, b, "v", o), listOf(t, b, "l", o), mapOf[int](t, b, "m", o)
			restore(t, b, capture(t, old), how)
			now = 1009
			x, _ := v2.Get(3)
			y, _ := m2.Get(3, 1)
			require.Equal(t, []string{"h", "h", "h"}, append(slices.Collect(l2.Get(3)), x, y))
			now = 1010
			require.Zero(t, len(maps.Collect(v2.All()))+l2.Len(3)+m2.Len(3))
		})
	}
}
