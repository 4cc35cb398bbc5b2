package heapbackend_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// benchTimer is a timer of the benchmarks.
type benchTimer struct {
	key uint64
	at  heapbackend.Timestamp
}

// timerOrders are how the times of the benchmarks come: as events do, with a second of disorder, or at random.
var timerOrders = map[string]func(r *rand.Rand, i, n int) int{
	"ascending": func(r *rand.Rand, i, _ int) int { return i + r.IntN(1000) },
	"random":    func(r *rand.Rand, _, n int) int { return r.IntN(n) },
}

func benchTimersOf(order string, n int) []benchTimer {
	r := rand.New(rand.NewPCG(7, 8))
	timers := make([]benchTimer, n)
	for i, k := range uintKeys(n) {
		timers[i] = benchTimer{k, heapbackend.Timestamp(timerOrders[order](r, i, n))}
	}
	return timers
}

func newBenchTimers(tb testing.TB) (*heapbackend.Backend[uint64], *heapbackend.Timers[uint64]) {
	b, err := heapbackend.New[uint64](heapbackend.Config{M: groups, Range: keygroups.Range{End: groups}, Seed: 42})
	require.NoError(tb, err)
	return b, timersOf(tb, b, "timers")
}

// BenchmarkTimers times what is done with timers one by one, each as often as there are: go test -bench 'Timers/' ./heapbackend -keys 10000000.
func BenchmarkTimers(b *testing.B) {
	for _, order := range []string{"ascending", "random"} {
		timers := benchTimersOf(order, *benchKeys)
		some := timers[len(timers)/2:][:len(timers)/10]
		took := map[string][]time.Duration{}
		b.Run("times="+order, func(b *testing.B) {
			size := 0.0
			for b.Loop() {
				before := heap()
				backend, s := newBenchTimers(b)
				turn := func(op string, timers []benchTimer, f func(t benchTimer)) {
					d := timed(func() { each(timers, f) })
					took[op] = append(took[op], d/time.Duration(len(timers)))
				}
				register := func(t benchTimer) { _ = s.Register(t.key, t.at) }
				turn("register", timers, register)
				size = float64(heap()-before) / float64(s.Len())
				turn("again", timers, register)
				turn("delete", some, func(t benchTimer) { _ = s.Delete(t.key, t.at) })
				each(some, register)
				snap := capture(b, backend)
				turn("delete-captured", some, func(t benchTimer) { _ = s.Delete(t.key, t.at) })
				snap.Release()
				each(some, register)
				n := 0
				d := timed(func() {
					for range s.Due(heapbackend.MaxTimestamp) {
						n++
					}
				})
				took["due"] = append(took["due"], d/time.Duration(n))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(size, "B/timer")
			for op, d := range took {
				b.ReportMetric(median(d), op+"-ns")
			}
		})
	}
}

// BenchmarkTimersCapture times what does not depend on the number of timers.
func BenchmarkTimersCapture(b *testing.B) {
	for n := 10_000; n <= *benchKeys; n *= 10 {
		backend, s := newBenchTimers(b)
		each(benchTimersOf("random", n), func(t benchTimer) { _ = s.Register(t.key, t.at) })
		b.Run(fmt.Sprintf("n=%d/op=capture", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				capture(b, backend).Release()
			}
		})
		b.Run(fmt.Sprintf("n=%d/op=adopt", n), func(b *testing.B) {
			b.ReportAllocs()
			snap := capture(b, backend)
			fresh, _ := newBenchTimers(b)
			for b.Loop() {
				restore(b, fresh, snap, adopted)
			}
		})
		b.Run(fmt.Sprintf("n=%d/op=next", n), func(b *testing.B) {
			for b.Loop() {
				for range s.Due(heapbackend.MinTimestamp) {
					b.Fatal("nothing is due")
				}
			}
		})
	}
}

// BenchmarkTimersCodec times encoding all groups and decoding them into a backend.
func BenchmarkTimersCodec(b *testing.B) {
	backend, s := newBenchTimers(b)
	each(benchTimersOf("random", *benchKeys), func(t benchTimer) { _ = s.Register(t.key, t.at) })
	snap := capture(b, backend)
	n, size := s.Len(), 0
	blocks := make([][]byte, groups)
	b.Run("op=encode", func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			size = 0
			took = append(took, timed(func() {
				for g := range blocks {
					blocks[g], _, _ = snap.AppendGroup(blocks[g][:0], g)
					size += len(blocks[g])
				}
			}))
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(median(took)/float64(n), "timer-ns")
		b.ReportMetric(float64(size)/float64(n), "B/timer")
	})
	b.Run("op=decode", func(b *testing.B) {
		for g := range blocks {
			blocks[g], _, _ = snap.AppendGroup(blocks[g][:0], g)
		}
		var took []time.Duration
		for b.Loop() {
			runtime.GC()
			fresh, into := newBenchTimers(b)
			took = append(took, timed(func() {
				staged := make([]*heapbackend.Staged, groups)
				for g := range staged {
					staged[g], _ = fresh.StageBlock(snap.Schema(), g, blocks[g])
				}
				require.NoError(b, fresh.Install(staged))
			}))
			require.Equal(b, n, into.Len())
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(median(took)/float64(n), "timer-ns")
	})
}
