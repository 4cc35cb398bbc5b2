package heapbackend_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// BenchmarkKinds is the cost of a write to each kind of state, over 100,000 keys that are present, in turns with a Value's:
//
//	go test -run '^$' -bench Kinds ./heapbackend
func BenchmarkKinds(b *testing.B) {
	const n = 100_000
	be := backend[uint64](b, whole())
	windows := namespaces[int](b, be)
	value, inWindows := valueOf[int64](b, be, "value"), windowed(b, windows)
	sum := reducing(b, be, "reducing", add)
	mean, err := heapbackend.NewAggregating(be, "aggregating", heapbackend.Aggregator[int64, int64, int64]{
		Add: func(acc *int64, v int64) { *acc += v }, Result: func(acc int64) int64 { return acc },
	})
	require.NoError(b, err)
	entries := mapOf[int64, int64](b, be, "map")
	timers, err := heapbackend.NewTimers(be, "timers", heapbackend.EventTime)
	require.NoError(b, err)
	one := func(x *int64) { *x++ }
	for _, kind := range []struct {
		name  string
		write func(k uint64) error
	}{
		{"value", func(k uint64) error { return value.Update(k, one) }},
		{"namespaced", func(k uint64) error { return inWindows.Update(heapbackend.In(k, 7), one) }},
		{"reducing", func(k uint64) error { return sum.Add(k, 1) }},
		{"aggregating", func(k uint64) error { return mean.Add(k, 1) }},
		{"map", func(k uint64) error { return entries.Update(k, 3, one) }},
		{"timers", func(k uint64) error { return timers.Register(k, heapbackend.Timestamp(k)) }},
	} {
		for k := range uint64(n) {
			require.NoError(b, kind.write(k))
		}
		b.Run("kind="+kind.name, func(b *testing.B) {
			b.ReportAllocs()
			k := uint64(0)
			for b.Loop() {
				if err := kind.write(k % n); err != nil {
					b.Fatal(err)
				}
				k += 7919
			}
		})
	}
}

func windowed(b *testing.B, in heapbackend.Scope[heapbackend.NamespacedKey[uint64, int]]) *heapbackend.Value[heapbackend.NamespacedKey[uint64, int], int64] {
	s, err := heapbackend.NewValue[int64](in, "namespaced")
	require.NoError(b, err)
	return s
}

// BenchmarkAfterCapture is the cost of one append to a list and one put into a map right after a capture, which does not
// grow with them:
//
//	go test -run '^$' -bench AfterCapture ./heapbackend
func BenchmarkAfterCapture(b *testing.B) {
	for _, size := range []int{10, 10_000, 1_000_000} {
		be := backend[uint64](b, whole())
		list, entries := listOf[int64](b, be, "list"), mapOf[int64, int64](b, be, "map")
		for i := range int64(size) {
			require.NoError(b, list.Append(1, i))
			require.NoError(b, entries.Put(1, i, i))
		}
		for name, write := range map[string]func(i int64) error{
			"append": func(i int64) error { return list.Append(1, i) },
			"put":    func(i int64) error { return entries.Put(1, i*7919%int64(size), i) },
		} {
			b.Run(fmt.Sprintf("op=%s/size=%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				i := int64(0)
				for b.Loop() {
					snap, err := be.Capture()
					if err != nil {
						b.Fatal(err)
					}
					if err := write(i); err != nil {
						b.Fatal(err)
					}
					snap.Release()
					i++
				}
			})
		}
	}
}
