package heapbackend_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// TestCleanupIsBoundedAndGetsEverywhere uses one key until everything else, which has expired, is gone.
func TestCleanupIsBoundedAndGetsEverywhere(t *testing.T) {
	const n = 400
	for name, use := range map[string]struct {
		on   func(a aging) error
		size func(a aging) int
	}{
		"value":      {func(a aging) error { a.v.Get(n); return nil }, func(a aging) int { return a.v.Keys() }},
		"list":       {func(a aging) error { return a.l.Set(n, 1) }, func(a aging) int { return a.l.Keys() }},
		"map":        {func(a aging) error { return a.m.Put(n, "a", 1) }, func(a aging) int { return a.m.Keys() }},
		"map, one":   {func(a aging) error { a.m.Get(n, "a"); return nil }, func(a aging) int { return a.m.Keys() }},
		"value, put": {func(a aging) error { return a.v.Put(n, 1) }, func(a aging) int { return a.v.Keys() }},
	} {
		for _, cleanup := range []int{-1, 0, 20} {
			now := heapbackend.Timestamp(1000)
			a := newAging(t, &now, heapbackend.TTL{After: 10 * time.Millisecond, Cleanup: cleanup})
			for k := range uint64(n) {
				a.put(t, k, 1)
			}
			now = 2000
			most, ops := map[int]int{-1: 0, 0: 5, 20: 20}[cleanup], 0
			for last := use.size(a); last > 1 && ops < 4*n; ops++ {
				require.NoError(t, use.on(a))
				size := use.size(a)
				require.LessOrEqual(t, last-size, most, name)
				last = size
			}
			if cleanup < 0 {
				require.GreaterOrEqual(t, use.size(a), n, name)
			} else {
				require.LessOrEqual(t, use.size(a), 1, name)
				require.Less(t, ops, 4*n/most, name)
			}
		}
	}
}

// TestALargeMapIsCleanedInside has one map of many entries, so that the clean-up goes through it a few at a time.
func TestALargeMapIsCleanedInside(t *testing.T) {
	now := heapbackend.Timestamp(1000)
	b := backend[uint64](t, whole())
	m := mapOf[int](t, b, "m", heapbackend.Options[int]{TTL: &heapbackend.TTL{
		After: 10 * time.Millisecond, ReturnExpired: true, Clock: func() heapbackend.Timestamp { return now },
	}})
	const n = 2000
	for i := range n {
		require.NoError(t, m.Put(1, i, i))
	}
	now = 1010
	for range n {
		require.NoError(t, m.Put(2, 0, 0))
	}
	left := 0
	for i := range n {
		if _, ok := m.Get(1, i); ok { // what a read finds expired it returns once
			left++
		}
	}
	require.Zero(t, left)
}

// TestAListOfTheLastFewStaysShort appends for ever; only the expired half may wait.
func TestAListOfTheLastFewStaysShort(t *testing.T) {
	for _, onRead := range []bool{false, true} {
		now := heapbackend.Timestamp(0)
		a := newAging(t, &now, heapbackend.TTL{After: 100 * time.Millisecond, ReturnExpired: true, Cleanup: -1, OnRead: onRead})
		longest := 0
		for i := range 20_000 {
			now++
			require.NoError(t, a.l.Append(1, i))
			if i%1000 == 999 && !onRead {
				longest = max(longest, len(slices.Collect(a.l.Get(1))))
			}
		}
		if onRead {
			longest = len(slices.Collect(a.l.Get(1)))
		}
		require.Less(t, longest, 400)
		require.Equal(t, 100, a.l.Len(1))
	}
}

func TestNamespacesForgetWhatWasCleaned(t *testing.T) {
	now := heapbackend.Timestamp(1000)
	b := backend[string](t, whole())
	ns, err := heapbackend.NamespacesOf[int](b)
	require.NoError(t, err)
	v, err := heapbackend.NewValue(ns, "v", heapbackend.Options[int]{TTL: &heapbackend.TTL{
		After: 10 * time.Millisecond, Clock: func() heapbackend.Timestamp { return now },
	}})
	require.NoError(t, err)
	for n := range 20 {
		require.NoError(t, v.Put(heapbackend.In("k", n), n))
	}
	now = 1010
	for range 100 {
		v.Get(heapbackend.In("other", 0))
	}
	require.Zero(t, v.Keys())
	require.Empty(t, slices.Collect(ns.Of(v, "k")))
}

// TestCleaningAListCostsLittleForEachAppend finds a list that is gone through again and again while little of it has expired.
func TestCleaningAListCostsLittleForEachAppend(t *testing.T) {
	now := heapbackend.Timestamp(0)
	a := newAging(t, &now, heapbackend.TTL{After: time.Second})
	appends := func() {
		for range 1000 {
			now++
			require.NoError(t, a.l.Append(1, 1))
		}
	}
	appends()
	bytes, _ := allocated(appends, func() {})
	require.Less(t, bytes/1000, 1000.0)
}

// TestAnEmptyListInABlockIsNone restores what no backend writes.
func TestAnEmptyListInABlockIsNone(t *testing.T) {
	for _, onRead := range []bool{false, true} {
		now := heapbackend.Timestamp(0)
		ttl := heapbackend.TTL{After: time.Second, OnRead: onRead}
		schema := capture(t, newAging(t, &now, ttl).b).Schema()
		for name, use := range map[string]func(a aging, k uint64){
			"get":    func(a aging, k uint64) { require.Empty(t, slices.Collect(a.l.Get(k))) },
			"len":    func(a aging, k uint64) { require.Zero(t, a.l.Len(k)) },
			"append": func(a aging, k uint64) { require.NoError(t, a.l.Append(k, 1)) },
			"clean":  func(a aging, k uint64) { require.NoError(t, a.l.Append(k+1, 1)) },
		} {
			a := newAging(t, &now, ttl)
			k := keyIn(t, 3, 0)
			staged, err := a.b.StageBlock(schema, 3, part3(1, 1, record(k, 0x90)...))
			require.NoError(t, err, name)
			require.NoError(t, a.b.Install([]*heapbackend.Staged{staged}))
			for range 50 {
				use(a, k)
			}
			blocksOf(t, capture(t, a.b))
		}
	}
}
