package keygroups_test

import (
	"testing"

	"github.com/heapstate/heapstate/keygroups"
)

var sink uint64

func benchmarkHash[K comparable](b *testing.B, name string, keys [64]K) {
	h, err := keygroups.NewHasher[K](12345)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("key="+name, func(b *testing.B) {
		b.ReportAllocs()
		var sum uint64
		i := 0
		for b.Loop() {
			sum += h.Hash(keys[i&63])
			i++
		}
		sink = sum
	})
}

func BenchmarkHash(b *testing.B) {
	var u [64]uint64
	for i := range u {
		u[i] = uint64(i) * 0x9E3779B97F4A7C15
	}
	benchmarkHash(b, "uint64", u)
	var s [64]string
	for i := range s {
		s[i] = "0123456789abcdef"[:i%17]
	}
	benchmarkHash(b, "string", s)
}
