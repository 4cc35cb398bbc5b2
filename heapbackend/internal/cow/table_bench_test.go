package cow

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/heapstate/heapstate/keygroups"
)

type val24 struct{ a, b, c uint64 }

type bench struct {
	h      keygroups.Hasher[uint64]
	space  *Space
	tables []Table[uint64, val24]
}

func newBench() *bench {
	h, _ := keygroups.NewHasher[uint64](42)
	b := &bench{h: h, space: NewSpace()}
	pool := NewPool[uint64, val24](b.space, PoolOptions[uint64]{Hash: h.Hash})
	for range 128 {
		b.tables = append(b.tables, *NewTable(pool))
	}
	return b
}

func (b *bench) get(k uint64) *val24 {
	h := b.h.Hash(k)
	return b.tables[keygroups.Of(h, 128)].Get(h, k)
}

func (b *bench) upsert(k uint64) *val24 {
	h := b.h.Hash(k)
	v, _, _, _ := b.tables[keygroups.Of(h, 128)].Upsert(h, k)
	return v
}

// BenchmarkTable compares the table alone, without the backend around it, with a builtin map; rounds alternate.
func BenchmarkTable(b *testing.B) {
	for _, n := range []int{1_000_000, 10_000_000} {
		keys := make([]uint64, n)
		for i := range keys {
			keys[i] = rand.Uint64()
		}
		m := map[uint64]val24{}
		t := newBench()
		b.Run(fmt.Sprintf("n=%d/insert/map", n), func(b *testing.B) {
			for b.Loop() {
				m = map[uint64]val24{}
				for _, k := range keys {
					m[k] = val24{k, 1, 2}
				}
			}
		})
		b.Run(fmt.Sprintf("n=%d/insert/cow", n), func(b *testing.B) {
			for b.Loop() {
				t = newBench()
				for _, k := range keys {
					*t.upsert(k) = val24{k, 1, 2}
				}
			}
		})
		perm := make([]uint64, 1<<20)
		for i := range perm {
			perm[i] = keys[rand.IntN(n)]
		}
		i := 0
		var s uint64
		for range 2 {
			b.Run(fmt.Sprintf("n=%d/get/map", n), func(b *testing.B) {
				for b.Loop() {
					s += m[perm[i&(1<<20-1)]].a
					i++
				}
			})
			b.Run(fmt.Sprintf("n=%d/get/cow", n), func(b *testing.B) {
				for b.Loop() {
					s += t.get(perm[i&(1<<20-1)]).a
					i++
				}
			})
			b.Run(fmt.Sprintf("n=%d/put/map", n), func(b *testing.B) {
				for b.Loop() {
					m[perm[i&(1<<20-1)]] = val24{uint64(i), 1, 2}
					i++
				}
			})
			b.Run(fmt.Sprintf("n=%d/put/cow", n), func(b *testing.B) {
				for b.Loop() {
					*t.upsert(perm[i&(1<<20-1)]) = val24{uint64(i), 1, 2}
					i++
				}
			})
			b.Run(fmt.Sprintf("n=%d/update/map", n), func(b *testing.B) {
				for b.Loop() {
					k := perm[i&(1<<20-1)]
					v := m[k]
					v.a++
					m[k] = v
					i++
				}
			})
			b.Run(fmt.Sprintf("n=%d/update/cow", n), func(b *testing.B) {
				for b.Loop() {
					t.upsert(perm[i&(1<<20-1)]).a++
					i++
				}
			})
		}
		_ = s
	}
}
