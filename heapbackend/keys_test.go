package heapbackend_test

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

var (
	negativeZero = math.Copysign(0, -1)
	otherNaN     = math.Float64frombits(0xfff8000000000123)
)

func TestEveryNaNIsOneKeyAndSoAreBothZeros(t *testing.T) {
	b := backend[float64](t, whole())
	v, l := valueOf[string](t, b, "v"), listOf[int](t, b, "l")
	m := mapOf[float64, string](t, b, "m")
	for i, pair := range [][2]float64{{math.NaN(), otherNaN}, {0, negativeZero}} {
		require.NoError(t, v.Put(pair[0], "first"))
		require.NoError(t, v.Put(pair[1], "second"))
		require.NoError(t, l.Append(pair[0], 1))
		require.NoError(t, l.Append(pair[1], 2))
		require.NoError(t, m.Put(1.5, pair[0], "first"))
		require.NoError(t, m.Put(1.5, pair[1], "second"))
		require.Equal(t, []int{i + 1, i + 1, i + 1}, []int{v.Keys(), l.Keys(), m.Len(1.5)})
	}
	s := capture(t, b)
	for name, how := range ways {
		b2 := backend[float64](t, whole())
		v2, l2 := valueOf[string](t, b2, "v"), listOf[int](t, b2, "l")
		m2 := mapOf[float64, string](t, b2, "m")
		restore(t, b2, s, how)
		for _, k := range []float64{math.NaN(), otherNaN, 0, negativeZero} {
			got, ok := v2.Get(k)
			require.True(t, ok, name)
			require.Equal(t, "second", got)
			require.Equal(t, []int{1, 2}, slices.Collect(l2.Get(k)))
			got, ok = m2.Get(1.5, k)
			require.True(t, ok, name)
			require.Equal(t, "second", got)
		}
		require.NoError(t, v2.Delete(otherNaN))
		require.NoError(t, m2.Remove(1.5, negativeZero))
		require.Equal(t, []int{1, 1}, []int{v2.Keys(), m2.Len(1.5)})
	}
	view, err := v.At(s)
	require.NoError(t, err)
	got, ok := view.Get(otherNaN)
	require.True(t, ok)
	require.Equal(t, "second", got)
}

// requireKeys keeps n keys in a state, captures, restores every way, and deletes.
func requireKeys[K comparable](t *testing.T, key func(i int) K, n int) {
	t.Helper()
	b := backend[K](t, whole())
	v := valueOf[int](t, b, "v")
	for i := range n {
		require.NoError(t, v.Put(key(i), i))
	}
	s := capture(t, b)
	for _, how := range ways {
		b2 := backend[K](t, whole())
		v2 := valueOf[int](t, b2, "v")
		restore(t, b2, s, how)
		require.Equal(t, maps.Collect(v.All()), maps.Collect(v2.All()))
		for i := range n {
			got, ok := v2.Get(key(i))
			require.True(t, ok)
			require.Equal(t, i, got)
			require.NoError(t, v2.Delete(key(i)))
		}
		require.Zero(t, v2.Keys())
	}
}

func TestKeysOfOtherTypes(t *testing.T) {
	type point struct {
		X, Y int16
		Name string
	}
	type id string
	requireKeys(t, func(i int) bool { return i == 1 }, 2)
	requireKeys(t, func(i int) int32 { return int32(-i) }, 200)
	requireKeys(t, func(i int) float32 { return float32(i) / 3 }, 200)
	requireKeys(t, func(i int) id { return id(stringKey(i)) }, 200)
	requireKeys(t, func(i int) [16]byte { return [16]byte{byte(i), 15: byte(i >> 4)} }, 200)
	requireKeys(t, func(i int) point { return point{int16(i), -1, stringKey(i)} }, 200)
	requireKeys(t, func(i int) string { return string(make([]byte, i)) }, 300)
}

func TestValuesWithoutSize(t *testing.T) {
	b := backend[uint64](t, whole())
	set, l := valueOf[struct{}](t, b, "set"), listOf[struct{}](t, b, "l")
	m := mapOf[string, struct{}](t, b, "m")
	for k := range uint64(500) {
		require.NoError(t, set.Put(k, struct{}{}))
		require.NoError(t, l.Append(k%3, struct{}{}))
		require.NoError(t, m.Put(k%3, stringKey(int(k)), struct{}{}))
	}
	s := capture(t, b)
	for _, how := range ways {
		b2 := backend[uint64](t, whole())
		set2, l2 := valueOf[struct{}](t, b2, "set"), listOf[struct{}](t, b2, "l")
		m2 := mapOf[string, struct{}](t, b2, "m")
		restore(t, b2, s, how)
		require.Equal(t, maps.Collect(set.All()), maps.Collect(set2.All()))
		require.NoError(t, l2.Append(0, struct{}{}))
		require.Equal(t, []int{168, 167}, []int{l2.Len(0), l.Len(0)})
		require.Equal(t, maps.Collect(m.Entries(1)), maps.Collect(m2.Entries(1)))
	}
}

type big [64 << 10]byte

func bigOf(n int) (b big) {
	b[0], b[len(b)-1] = byte(n), byte(n>>8)
	return b
}

func TestBigValues(t *testing.T) {
	b := backend[uint64](t, whole())
	v, l, m := valueOf[big](t, b, "v"), listOf[big](t, b, "l"), mapOf[int, big](t, b, "m")
	for i := range 40 {
		require.NoError(t, v.Put(uint64(i), bigOf(i)))
		require.NoError(t, l.Append(1, bigOf(i)))
		require.NoError(t, m.Put(1, i, bigOf(i)))
	}
	s := capture(t, b)
	for i := range 40 {
		require.NoError(t, v.Update(uint64(i), func(x *big) { x[1] = 1 }))
		require.NoError(t, m.Update(1, i, func(x *big) { x[1] = 1 }))
	}
	require.NoError(t, l.Append(1, bigOf(40)))
	for _, how := range ways {
		b2 := backend[uint64](t, whole())
		v2, l2, m2 := valueOf[big](t, b2, "v"), listOf[big](t, b2, "l"), mapOf[int, big](t, b2, "m")
		restore(t, b2, s, how)
		require.Equal(t, 40, l2.Len(1))
		i := 0
		for x := range l2.Get(1) {
			require.True(t, x == bigOf(i))
			got, _ := v2.Get(uint64(i))
			require.True(t, got == x)
			got, _ = m2.Get(1, i)
			require.True(t, got == x)
			i++
		}
	}
}

func TestKeysOutsideEveryOrdinarySeed(t *testing.T) {
	for _, cfg := range []heapbackend.Config{
		{M: 1, Range: keygroups.Range{End: 1}, Seed: math.MaxUint64},
		{M: keygroups.Max, Range: keygroups.Range{End: keygroups.Max}},
		{M: 3, Range: keygroups.Range{End: 3}},
	} {
		b := backend[uint64](t, cfg)
		v := valueOf[uint64](t, b, "v")
		for k := range uint64(1000) {
			require.NoError(t, v.Put(k, k))
		}
		b2 := backend[uint64](t, cfg)
		v2 := valueOf[uint64](t, b2, "v")
		restore(t, b2, capture(t, b), mixed)
		require.Equal(t, maps.Collect(v.All()), maps.Collect(v2.All()))
	}
}
