package keygroups_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/zeebo/xxh3"

	"github.com/heapstate/heapstate/keygroups"
)

// sink keeps the compiler from dropping what is measured.
var sink uint64

// batch keys are hashed in one turn of b.Loop, whose own cost is that of a hash;
// the metric ns/key is the one to read.
const batch = 1024

func BenchmarkHash(b *testing.B) {
	benchmarkHash(b, "uint64", func(i int) uint64 { return uint64(i) })
	benchmarkHash(b, "int", func(i int) int { return -i })
	benchmarkHash(b, "int32", func(i int) int32 { return int32(i) })
	benchmarkHash(b, "uint8", func(i int) uint8 { return uint8(i) })
	benchmarkHash(b, "float64", func(i int) float64 { return float64(i) })
	benchmarkHash(b, "uuid", func(i int) uuid.UUID { return uuid.UUID{0: byte(i), 1: byte(i >> 8)} })
	benchmarkHash(b, "pair", func(i int) pair { return pair{uint64(i), 1} })
	benchmarkHash(b, "string8", func(i int) string { return textOfLength(64)[i%37:][:8] })
	benchmarkHash(b, "string16", func(i int) string { return textOfLength(64)[i%37:][:16] })
	benchmarkHash(b, "string0to16", func(i int) string { return textOfLength(i * 7919 % 17) })
	benchmarkHash(b, "string64", func(i int) string { return textOfLength(128)[i%37:][:64] })
	benchmarkHash(b, "mixed", func(i int) mixed { return mixed{int32(i), "a string"} })
	benchmarkHash(b, "padded", func(i int) padded { return padded{1, uint64(i), 3} })
}

func benchmarkHash[K comparable](b *testing.B, name string, key func(int) K) {
	h, err := keygroups.NewHasher[K](12345)
	if err != nil {
		b.Fatal(err)
	}
	benchmarkKeys(b, "key="+name, key, func(keys []K) (sum uint64) {
		for _, k := range keys {
			sum += h.Hash(k)
		}
		return sum
	})
}

// BenchmarkHashWord is how a table asks for the hash of every key.
func BenchmarkHashWord(b *testing.B) {
	benchmarkHashWord(b, "uint64", func(i int) uint64 { return uint64(i) })
	benchmarkHashWord(b, "string16", func(i int) string { return textOfLength(64)[i%37:][:16] })
}

func benchmarkHashWord[K comparable](b *testing.B, name string, key func(int) K) {
	h, err := keygroups.NewHasher[K](12345)
	if err != nil {
		b.Fatal(err)
	}
	benchmarkKeys(b, "key="+name, key, func(keys []K) (sum uint64) {
		for _, k := range keys {
			hash, ok := h.HashWord(k)
			if !ok {
				hash = h.Hash(k)
			}
			sum += hash
		}
		return sum
	})
}

// BenchmarkReference is what the hand-written paths are measured against.
func BenchmarkReference(b *testing.B) {
	benchmarkKeys(b, "key=string16", func(i int) string { return textOfLength(64)[i%37:][:16] }, func(keys []string) (sum uint64) {
		for _, k := range keys {
			sum += xxh3.HashStringSeed(k, 12345)
		}
		return sum
	})
	benchmarkKeys(b, "key=8bytes", func(i int) [8]byte { return [8]byte{byte(i), byte(i >> 8)} }, func(keys [][8]byte) (sum uint64) {
		for i := range keys {
			sum += xxh3.HashSeed(keys[i][:], 12345)
		}
		return sum
	})
}

func BenchmarkEqual(b *testing.B) {
	h, err := keygroups.NewHasher[floats](0)
	if err != nil {
		b.Fatal(err)
	}
	benchmarkKeys(b, "key=floats", func(i int) floats { return floats{float64(i), 1, 2} }, func(keys []floats) (equal uint64) {
		for i := range keys {
			if h.Equal(keys[i], keys[0]) {
				equal++
			}
		}
		return equal
	})
}

func BenchmarkHashAny(b *testing.B) {
	benchmarkKeys(b, "key=string8", func(i int) any { return textOfLength(64)[i%37:][:8] }, hashAll)
	benchmarkKeys(b, "key=pair", func(i int) any { return pair{uint64(i), 1} }, hashAll)
}

func hashAll(keys []any) (sum uint64) {
	for _, k := range keys {
		hash, err := keygroups.HashAny(k, 12345)
		if err != nil {
			panic(err)
		}
		sum += hash
	}
	return sum
}

func BenchmarkOf(b *testing.B) {
	benchmarkKeys(b, "m=128", func(i int) uint64 { return uint64(i) << 50 }, func(hashes []uint64) (sum uint64) {
		for _, hash := range hashes {
			sum += uint64(keygroups.Of(hash, 128))
		}
		return sum
	})
}

// benchmarkKeys measures run over a batch of keys and reports the time of one.
func benchmarkKeys[K any](b *testing.B, name string, key func(int) K, run func([]K) uint64) {
	keys := make([]K, batch)
	for i := range keys {
		keys[i] = key(i)
	}
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink += run(keys)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/key")
	})
}
