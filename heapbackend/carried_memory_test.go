package heapbackend_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// heapBytes returns how much memory is in use.
func heapBytes() int {
	runtime.GC()
	runtime.GC() // what the first made free of finalizers and pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// firstKeys has a key of each group.
var firstKeys = func() (keys [testM]uint64) {
	b, err := heapbackend.New[uint64](whole())
	if err != nil {
		panic(err)
	}
	for k := uint64(10_000); k > 0; k-- {
		keys[b.Group(k)] = k
	}
	return keys
}()

// largeKinds register and fill one state each, with about perGroup bytes in each group.
var largeKinds = map[string]func(t *testing.T, b *heapbackend.Backend[uint64], perGroup int){
	"value": func(t *testing.T, b *heapbackend.Backend[uint64], perGroup int) {
		v := valueOf[big](t, b, "value")
		for i := range perGroup >> 16 {
			for g := range testM {
				require.NoError(t, v.Put(keyIn(t, g, i), bigOf(i)))
			}
		}
	},
	"list": func(t *testing.T, b *heapbackend.Backend[uint64], perGroup int) {
		l := listOf[big](t, b, "list")
		for i := range perGroup >> 16 {
			for g := range testM {
				require.NoError(t, l.Append(firstKeys[g], bigOf(i)))
			}
		}
	},
	"map": func(t *testing.T, b *heapbackend.Backend[uint64], perGroup int) {
		m := mapOf[uint64, big](t, b, "map")
		for i := range perGroup >> 16 {
			for g := range testM {
				require.NoError(t, m.Put(firstKeys[g], uint64(i), bigOf(i)))
			}
		}
	},
	"timers": func(t *testing.T, b *heapbackend.Backend[uint64], perGroup int) {
		timers, err := heapbackend.NewTimers(b, "timers", heapbackend.EventTime)
		require.NoError(t, err)
		for i := range perGroup >> 5 {
			for g := range testM {
				require.NoError(t, timers.Register(firstKeys[g], heapbackend.Timestamp(i)))
			}
		}
	},
	"value in namespaces": func(t *testing.T, b *heapbackend.Backend[uint64], perGroup int) {
		ns, err := heapbackend.NamespacesOf[int](b)
		require.NoError(t, err)
		v, err := heapbackend.NewValue[uint64](ns, "spaced")
		require.NoError(t, err)
		for i := range perGroup >> 6 { // 24 bytes there and 8 in the index, in pages that are not full
			for g := range testM {
				require.NoError(t, v.Put(heapbackend.In(firstKeys[g], i), 1))
			}
		}
	},
}

// TestAGroupKeepsItselfAloneAlive restores one group of a large snapshot, into a backend that knows its state and into
// one that carries it. The one that gave it is closed, or forgotten.
func TestAGroupKeepsItselfAloneAlive(t *testing.T) {
	for name, fill := range largeKinds {
		for _, carried := range []bool{true, false} {
			for _, closed := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/carried=%v/closed=%v", name, carried, closed), func(t *testing.T) {
					requireOneGroupKept(t, fill, carried, closed)
				})
			}
		}
	}
}

func requireOneGroupKept(t *testing.T, fill func(*testing.T, *heapbackend.Backend[uint64], int), carried, closed bool) {
	const perGroup = 2 << 20
	base := heapBytes()
	source := backend[uint64](t, whole())
	fill(t, source, perGroup)
	s := capture(t, source)
	if closed {
		require.NoError(t, source.Close())
	}
	all := heapBytes() - base
	require.Greater(t, all, testM*perGroup/2, "the test fills less than it means to")
	b := backend[uint64](t, part(0, 1))
	if !carried {
		fill(t, b, 0)
	}
	staged, err := stage(b, s, adopted)
	require.NoError(t, err)
	require.NoError(t, b.Install(staged))
	want, _, err := s.AppendGroup(nil, 0)
	require.NoError(t, err)
	s.Release()
	source, s = nil, nil
	require.Less(t, heapBytes()-base-cap(want), all*2/testM, "of one group of %d", testM)
	got, _, err := capture(t, b).AppendGroup(nil, 0)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the group has changed")
	require.Zero(t, staged[0].Group(), "the program may keep what it installed")
}
