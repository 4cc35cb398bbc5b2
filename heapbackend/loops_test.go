package heapbackend_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// TestALoopOverLittleCopiesNoPages writes to what the loop goes over, in a large state.
func TestALoopOverLittleCopiesNoPages(t *testing.T) {
	b := backend[string](t, whole())
	m := mapOf[uint64, uint64](t, b, "m")
	ns, err := heapbackend.NamespacesOf[int](b)
	require.NoError(t, err)
	v, err := heapbackend.NewValue[int](ns, "v")
	require.NoError(t, err)
	for k := range 20_000 {
		for j := range 5 {
			require.NoError(t, m.Put(fmt.Sprint(k), uint64(j), 1))
			require.NoError(t, v.Put(heapbackend.In(fmt.Sprint(k), j), 1))
		}
	}
	for name, loop := range map[string]func(k string){
		"entries": func(k string) {
			for j, x := range m.Entries(k) {
				_ = m.Put(k, j, x+1)
			}
		},
		"namespaces": func(k string) {
			for n := range ns.Of(v, k) {
				_ = v.Update(heapbackend.In(k, n), func(x *int) { *x++ })
			}
		},
	} {
		k := 0
		bytes, _ := allocated(func() { loop(fmt.Sprint(k)) }, func() { k += 791 })
		require.Less(t, bytes, 600.0, name)
	}
	x, _ := m.Get("791", 3)
	y, _ := v.Get(heapbackend.In("791", 3))
	require.EqualValues(t, []int{2, 2}, []int{int(x), y}, "the loops wrote")
}

// TestALoopYieldsWhatWasThereWhenItBegan has loops over few and many entries whose bodies change all of them, one
// inside the other.
func TestALoopYieldsWhatWasThereWhenItBegan(t *testing.T) {
	for _, size := range []uint64{1, 5, 200, 3000} {
		b := backend[string](t, whole())
		m := mapOf[uint64, uint64](t, b, "m")
		ns, err := heapbackend.NamespacesOf[int](b)
		require.NoError(t, err)
		v, err := heapbackend.NewValue[int](ns, "v")
		require.NoError(t, err)
		want, spaces := map[uint64]uint64{}, []int{}
		for i := range size {
			require.NoError(t, m.Put("k", i, i))
			require.NoError(t, v.Put(heapbackend.In("k", int(i)), 1))
			want[i], spaces = i, append(spaces, int(i))
		}
		got := map[uint64]uint64{}
		for mk, x := range m.Entries("k") {
			if len(got) == 0 {
				require.Equal(t, want, maps.Collect(m.Entries("k")))
				for i := range size {
					require.NoError(t, m.Put("k", i, 0))
				}
				require.NoError(t, m.Put("k", size, 0))
				require.NoError(t, m.Remove("k", 0))
				require.Len(t, maps.Collect(m.Entries("k")), int(size))
			}
			got[mk] = x
		}
		require.Equal(t, want, got)
		var names []int
		for n := range ns.Of(v, "k") {
			if len(names) == 0 {
				require.ElementsMatch(t, spaces, slices.Collect(ns.Of(v, "k")))
				require.NoError(t, v.Put(heapbackend.In("k", -1), 1))
				for i := range size {
					require.NoError(t, v.Delete(heapbackend.In("k", int(i))))
				}
				require.Equal(t, []int{-1}, slices.Collect(ns.Of(v, "k")))
			}
			names = append(names, n)
		}
		require.ElementsMatch(t, spaces, names)
		require.NoError(t, b.Err())
	}
}

// TestALoopOverValuesThatCanBeWrittenThrough changes the values that are still to come.
func TestALoopOverValuesThatCanBeWrittenThrough(t *testing.T) {
	b := backend[uint64](t, whole())
	m := mapOf[string, plain](t, b, "m")
	keys := []string{"a", "b", "c"}
	for _, k := range keys {
		require.NoError(t, m.Update(1, k, func(p *plain) { p.Items = []int{1} }))
	}
	n := 0
	for _, p := range m.Entries(1) {
		require.Equal(t, []int{1}, p.Items)
		for _, k := range keys {
			require.NoError(t, m.Update(1, k, func(p *plain) { p.Items[0]++ }))
		}
		n++
	}
	require.Equal(t, 3, n)
}

// TestALoopKeepsNothingAlive removes what it went over.
func TestALoopKeepsNothingAlive(t *testing.T) {
	b := backend[float64](t, whole())
	m := mapOf[float64, string](t, b, "m")
	base := heapBytes()
	require.NoError(t, m.Put(1, 1, strings.Repeat("x", 8<<20)))
	require.Len(t, maps.Collect(m.Entries(1)), 1)
	require.NoError(t, m.Delete(1))
	require.Less(t, heapBytes()-base, 1<<20)
	require.NoError(t, b.Err())
}

func TestALoopInsideAnOperationIsMisuse(t *testing.T) {
	x := filledTrio(t, 5)
	require.NoError(t, x.v.Update(1, func(*int) { require.Empty(t, maps.Collect(x.m.Entries(1))) }))
	require.ErrorIs(t, x.b.Err(), heapbackend.ErrConcurrent)
}
