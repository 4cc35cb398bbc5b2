package heapbackend_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// BenchmarkReferences measures the operations on values that hold references, by what they hold and how much:
// go test -bench References ./heapbackend.
func BenchmarkReferences(b *testing.B) {
	for _, n := range []int{8, 1000} {
		items, labels := make([]int, n), make(map[string]int, n)
		for i := range items {
			labels[strconv.Itoa(i)] = i
		}
		b.Run("value=slice/n="+strconv.Itoa(n), func(b *testing.B) {
			benchReferences(b, items, func(v *[]int) { (*v)[0]++ })
		})
		b.Run("value=map/n="+strconv.Itoa(n), func(b *testing.B) {
			benchReferences(b, labels, func(v *map[string]int) { (*v)["1"]++ })
		})
		b.Run("value=nested/n="+strconv.Itoa(n), func(b *testing.B) {
			value := bag{Items: items, Tags: map[string]int{}, Next: &bag{Items: items}}
			benchReferences(b, value, func(v *bag) { v.Next.Items[0]++ })
		})
	}
	b.Run("value=slice/op=append", func(b *testing.B) {
		s := valueOf[[]int](b, backend[uint64](b, whole()), "s")
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_ = s.Update(uint64(i/10_000), func(v *[]int) { *v = append(*v, i) })
		}
	})
}

func benchReferences[V any](b *testing.B, v V, change func(*V)) {
	s := valueOf[V](b, backend[uint64](b, whole()), "s")
	require.NoError(b, s.Put(1, v))
	for name, op := range map[string]func(s *heapbackend.Value[uint64, V]){
		"put":    func(s *heapbackend.Value[uint64, V]) { _ = s.Put(1, v) },
		"get":    func(s *heapbackend.Value[uint64, V]) { _, _ = s.Get(1) },
		"update": func(s *heapbackend.Value[uint64, V]) { _ = s.Update(1, change) },
	} {
		b.Run("op="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				op(s)
			}
		})
	}
}
