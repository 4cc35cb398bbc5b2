package heapbackend_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// TestAWriteNeverShortensALife writes after a restore and before the first watermark, which comes close to the end of
// what was restored.
func TestAWriteNeverShortensALife(t *testing.T) {
	for name, how := range ways {
		for _, onRead := range []bool{false, true} {
			now := heapbackend.Timestamp(5000)
			ttl := heapbackend.TTL{After: time.Second, OnRead: onRead}
			a := newAging(t, &now, ttl)
			for k := range uint64(40) {
				a.put(t, k, 7)
			}
			now = 5500
			a.put(t, 100, 7)
			s := capture(t, a.b)
			for use, f := range map[string]func(b aging, k uint64){
				"nothing": func(aging, uint64) {},
				"put":     func(b aging, k uint64) { b.put(t, k, 7) },
				"update": func(b aging, k uint64) {
					same := func(n *int) { require.Equal(t, 7, *n) }
					require.NoError(t, b.v.Update(k, same))
					require.NoError(t, b.m.Update(k, "a", same))
				},
				"read": func(b aging, k uint64) {
					require.Equal(t, [3]int{7, 1, 7}, b.get(k))
					require.Len(t, maps.Collect(b.m.Entries(k)), 1)
				},
				"new": func(b aging, k uint64) {
					require.NoError(t, b.m.Put(k, "b", 1))
					require.NoError(t, b.v.Delete(k))
					require.NoError(t, b.v.Put(k, 7))
				},
			} {
				now = heapbackend.MinTimestamp
				b := newAging(t, &now, ttl)
				restore(t, b.b, s, how)
				for k := range uint64(40) {
					f(b, k)
				}
				now = 5999
				for k := range uint64(40) {
					v, _ := b.v.Get(k)
					m, _ := b.m.Get(k, "a")
					require.Equal(t, []int{7, 7}, []int{v, m}, "%s, %s: key %d", name, use, k)
					require.NotZero(t, b.l.Len(k), "%s, %s: key %d", name, use, k)
				}
			}
		}
	}
}

func TestWhatIsWrittenBeforeThereIsATimeCountsFromTheFirst(t *testing.T) {
	const first = 1_000_000
	for name, how := range ways {
		now := heapbackend.MinTimestamp
		ttl := heapbackend.TTL{After: 10 * time.Millisecond}
		a := newAging(t, &now, ttl)
		for k := range uint64(20) {
			a.put(t, k, 7)
		}
		early := newAging(t, &now, ttl)
		restore(t, early.b, capture(t, a.b), how) // before there is one
		now = first
		require.NoError(t, a.v.Put(0, 8)) // the rest has the first time without being touched
		s := capture(t, a.b)
		late := newAging(t, &now, ttl)
		restore(t, late.b, s, how)
		now = first + 9
		for k := uint64(1); k < 20; k++ {
			require.Equal(t, [3]int{7, 1, 7}, late.get(k), name)
		}
		require.Equal(t, [3]int{7, 1, 7}, early.get(5), "its first time is later")
		now = first + 10
		require.Empty(t, maps.Collect(late.m.All()), name)
		require.Equal(t, [3]int{}, late.get(5), name)
		require.Equal(t, [3]int{7, 1, 7}, early.get(5), name)
		now = first + 19
		require.Equal(t, [3]int{}, early.get(6), name)
	}
}

// TestAClockThatFallsBackDatesNothingBack lets a watermark fall to the start of time, as the least of those of many
// sources does when one is added.
func TestAClockThatFallsBackDatesNothingBack(t *testing.T) {
	now := heapbackend.Timestamp(5000)
	a := newAging(t, &now, heapbackend.TTL{After: 10 * time.Millisecond})
	a.put(t, 1, 7)
	for _, behind := range []heapbackend.Timestamp{heapbackend.MinTimestamp, 0, 4999} {
		now = behind
		a.put(t, 2, 8)
		a.put(t, 3, 9)
		now = 5009
		require.Equal(t, [3]int{8, 1, 8}, a.get(2), "written at %d", behind)
		require.NoError(t, a.v.Delete(2))
		require.NoError(t, a.l.Delete(2))
		require.NoError(t, a.m.Delete(2))
		now = 5000
	}
	now = 5018
	require.Equal(t, [3]int{9, 2, 9}, a.get(3), "the latest time was 5009 when the last two were written")
	now = 5019
	require.Equal(t, [3]int{}, a.get(3))
}

// TestARestoredRunCountsAsTheFirst restores a backend's own snapshot: the times after it are of a run that did not
// happen.
func TestARestoredRunCountsAsTheFirst(t *testing.T) {
	for name, how := range ways {
		now := heapbackend.Timestamp(5000)
		a := newAging(t, &now, heapbackend.TTL{After: 10 * time.Millisecond})
		for k := range uint64(100) {
			a.put(t, k, 7)
		}
		s := capture(t, a.b)
		now = 9000
		a.put(t, 3, 8)
		restore(t, a.b, s, how)
		now = 4000
		a.put(t, 3, 9)
		now = 5009
		require.Equal(t, [3]int{9, 2, 9}, a.get(3), name)
		now = 5010
		require.Equal(t, [3]int{}, a.get(3), name)
	}
}

func TestMergedNamespacesKeepTheLaterTime(t *testing.T) {
	now := heapbackend.Timestamp(5000)
	ttl := &heapbackend.TTL{After: 10 * time.Millisecond, Clock: func() heapbackend.Timestamp { return now }}
	b := backend[string](t, whole())
	ns, err := heapbackend.NamespacesOf[int](b)
	require.NoError(t, err)
	o, add := heapbackend.Options[int]{TTL: ttl}, func(a, b int) int { return a + b }
	sum, err := heapbackend.NewReducing(ns, "sum", add, o)
	require.NoError(t, err)
	list, err := heapbackend.NewList(ns, "list", o)
	require.NoError(t, err)
	for n := range 3 {
		require.NoError(t, sum.Add(heapbackend.In("k", n), 1))
		require.NoError(t, list.Append(heapbackend.In("k", n), n))
	}
	now = heapbackend.MinTimestamp
	require.NoError(t, ns.Merge(sum, "k", 0, 1, 2))
	require.NoError(t, ns.Merge(list, "k", 0, 1, 2))
	now = 5009
	got, _ := sum.Get(heapbackend.In("k", 0))
	require.Equal(t, 3, got)
	require.Equal(t, []int{0, 1, 2}, slices.Collect(list.Get(heapbackend.In("k", 0))))
}
