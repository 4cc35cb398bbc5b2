package heapbackend_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// BenchmarkLoopAfterRollbacks times a loop over one entry of a map in a backend that has rolled back to own snapshots
// that often. The bound: the same time and bytes at any number (it was 0.2 us after one rollback and 1 ms after
// 10,000).
func BenchmarkLoopAfterRollbacks(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("rollbacks=%d", n), func(b *testing.B) {
			x := newTrio(b, whole()).filled(b, 1)
			for range n {
				s := capture(b, x.b)
				restore(b, x.b, s, adopted)
				s.Release()
			}
			b.ReportAllocs()
			for b.Loop() {
				for range x.m.Entries(1) {
				}
			}
		})
	}
}

// BenchmarkTakeover times writing a tenth of the keys of a running backend and taking it over into another, again and
// again. The bound: the heap that both take stays what it is after the first takeovers, however many follow.
func BenchmarkTakeover(b *testing.B) {
	const n = 20_000
	from, v := newTotals[uint64](b)
	for k := range uint64(n) {
		require.NoError(b, v.Put(k, total{}))
	}
	into, w := newTotals[uint64](b)
	before, round := heap(), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		for k := range uint64(n / 10) {
			_ = v.Put((k*7919+round)%n, total{N: round})
		}
		round++
		s := capture(b, from)
		takeOver(b, into, s)
		s.Release()
	}
	b.ReportMetric(float64(heap()-before)/(1<<10), "KiB-more")
	require.Equal(b, n, w.Keys())
}

// takeOver is restore for a backend of another number of key groups than those of the tests.
func takeOver(b *testing.B, into heapbackend.AnyBackend, s *heapbackend.Snapshot) {
	staged := make([]*heapbackend.Staged, groups)
	for g := range staged {
		staged[g], _ = into.StageSnapshot(s, g)
	}
	require.NoError(b, into.Install(staged))
}

// BenchmarkLoopThatWrites times writing every entry from a loop over all, which copies every page. What it copied is
// given back at the loop's end, beyond a spare of 1 MiB: the price is the time for fresh pages in the next loop.
func BenchmarkLoopThatWrites(b *testing.B) {
	const n = 200_000
	_, v := newTotals[uint64](b)
	for k := range uint64(n) {
		require.NoError(b, v.Put(k, total{}))
	}
	before := heap()
	b.ReportAllocs()
	for b.Loop() {
		for k, x := range v.All() {
			x.N++
			_ = v.Put(k, x)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
	b.ReportMetric(float64(heap()-before)/(1<<10), "KiB-more")
	require.Equal(b, n, v.Keys())
}
