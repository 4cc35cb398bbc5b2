package heapbackend_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// benchKeys are the sizes the benchmarks run at; the large ones take minutes and gigabytes.
var benchKeys = flag.Int("keys", 1_000_000, "entries in the benchmarks' states")

// total is the value of the benchmarks: 24 bytes without pointers.
type total struct{ Sum, N, Last uint64 }

const groups = 128

func newTotals[K comparable](tb testing.TB) (*heapbackend.Backend[K], *heapbackend.Value[K, total]) {
	b, err := heapbackend.New[K](heapbackend.Config{M: groups, Range: keygroups.Range{End: groups}, Seed: 42})
	require.NoError(tb, err)
	v, err := heapbackend.NewValue[total](b, "totals")
	require.NoError(tb, err)
	return b, v
}

func uintKeys(n int) []uint64 {
	r := rand.New(rand.NewPCG(1, 2))
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = r.Uint64()
	}
	return keys
}

func stringKeys(n int) []string {
	keys := make([]string, n)
	for i, k := range uintKeys(n) {
		var b [16]byte
		binary.LittleEndian.PutUint64(b[:], k)
		copy(b[8:], "customer")
		keys[i] = string(b[:])
	}
	return keys
}

// BenchmarkAccess compares single operations on present keys with Go's map: go test -bench Access ./heapbackend -keys 10000000.
func BenchmarkAccess(b *testing.B) {
	b.Run("key=uint64", func(b *testing.B) { benchAccess(b, uintKeys(*benchKeys)) })
	b.Run("key=string16", func(b *testing.B) { benchAccess(b, stringKeys(*benchKeys)) })
}

func benchAccess[K comparable](b *testing.B, keys []K) {
	m := map[K]total{}
	_, v := newTotals[K](b)
	before := heap()
	for i, k := range keys {
		m[k] = total{Sum: uint64(i)}
	}
	afterMap := heap()
	for i, k := range keys {
		require.NoError(b, v.Put(k, total{Sum: uint64(i)}))
	}
	afterState := heap()
	order := rand.New(rand.NewPCG(3, 4)).Perm(len(keys))
	probe := make([]K, 1<<20)
	for i := range probe {
		probe[i] = keys[order[i%len(order)]]
	}
	var sum uint64
	ops := []struct {
		name  string
		m, st func(K)
	}{
		{"get", func(k K) { sum += m[k].Sum }, func(k K) { x, _ := v.Get(k); sum += x.Sum }},
		{"put", func(k K) { m[k] = total{Sum: sum} }, func(k K) { _ = v.Put(k, total{Sum: sum}) }},
		{"update", func(k K) { x := m[k]; x.N++; m[k] = x }, func(k K) { _ = v.Update(k, func(x *total) { x.N++ }) }},
	}
	for _, op := range ops {
		b.Run("op="+op.name, func(b *testing.B) {
			var tm, ts []time.Duration
			for b.Loop() {
				tm = append(tm, timed(func() { each(probe, op.m) }))
				ts = append(ts, timed(func() { each(probe, op.st) }))
			}
			report(b, tm, ts, len(probe))
		})
	}
	b.Run("op=memory", func(b *testing.B) {
		for b.Loop() {
			sum++
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(afterMap-before)/float64(len(keys)), "map-B/entry")
		b.ReportMetric(float64(afterState-afterMap)/float64(len(keys)), "state-B/entry")
		b.ReportMetric(float64(afterState-afterMap)/float64(afterMap-before), "ratio")
	})
	runtime.KeepAlive(m)
	runtime.KeepAlive(v)
}

func each[K any](keys []K, f func(K)) {
	for _, k := range keys {
		f(k)
	}
}

func timed(f func()) time.Duration {
	t := time.Now()
	f()
	return time.Since(t)
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int(s.HeapAlloc)
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2])
}

// report prints the median of each side for one of n operations, and their ratio.
func report(b *testing.B, base, state []time.Duration, n int) {
	x, y := median(base), median(state)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(x/float64(n), "base-ns")
	b.ReportMetric(y/float64(n), "state-ns")
	b.ReportMetric(y/x, "ratio")
}

// BenchmarkInsert compares filling an empty state with filling an empty map.
func BenchmarkInsert(b *testing.B) {
	keys := uintKeys(*benchKeys)
	var tm, ts []time.Duration
	for b.Loop() {
		runtime.GC()
		m := map[uint64]total{}
		tm = append(tm, timed(func() { each(keys, func(k uint64) { m[k] = total{Sum: k} }) }))
		runtime.GC()
		_, v := newTotals[uint64](b)
		ts = append(ts, timed(func() { each(keys, func(k uint64) { _ = v.Put(k, total{Sum: k}) }) }))
	}
	report(b, tm, ts, len(keys))
}

// BenchmarkCapture times capture and adoption at several sizes.
func BenchmarkCapture(b *testing.B) {
	for n := 10_000; n <= *benchKeys; n *= 10 {
		backend, v := newTotals[uint64](b)
		for _, k := range uintKeys(n) {
			require.NoError(b, v.Put(k, total{}))
		}
		b.Run(fmt.Sprintf("n=%d/op=capture", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s, err := backend.Capture()
				require.NoError(b, err)
				s.Release()
			}
		})
		b.Run(fmt.Sprintf("n=%d/op=adopt", n), func(b *testing.B) {
			b.ReportAllocs()
			s, err := backend.Capture()
			require.NoError(b, err)
			fresh, _ := newTotals[uint64](b)
			for b.Loop() {
				staged := make([]*heapbackend.Staged, groups)
				for g := range staged {
					staged[g], _ = fresh.StageSnapshot(s, g)
				}
				require.NoError(b, fresh.Install(staged))
			}
		})
	}
}

// BenchmarkWriteTax times updates right after a capture against the same updates with no snapshot, from the second
// capture on: n/10 at random, n at random, n over 1 % of the keys.
func BenchmarkWriteTax(b *testing.B) {
	n := *benchKeys
	keys := uintKeys(n)
	r := rand.New(rand.NewPCG(5, 6))
	random := make([]uint64, n)
	hot := make([]uint64, n)
	for i := range random {
		random[i] = keys[r.IntN(n)]
		hot[i] = keys[r.IntN(n/100)]
	}
	for _, lane := range []struct {
		name string
		keys []uint64
	}{{"tenth", random[:n/10]}, {"all", random}, {"hot", hot}} {
		b.Run("updates="+lane.name, func(b *testing.B) {
			backend, v := newTotals[uint64](b)
			for _, k := range keys {
				require.NoError(b, v.Put(k, total{}))
			}
			update := func() { each(lane.keys, func(k uint64) { _ = v.Update(k, func(x *total) { x.N++ }) }) }
			var without, with []time.Duration
			var held *heapbackend.Snapshot
			round := func() time.Duration {
				s, err := backend.Capture()
				require.NoError(b, err)
				if held != nil {
					held.Release()
				}
				held = s
				return timed(update)
			}
			round()
			round()
			for b.Loop() {
				with = append(with, round())
				held.Release()
				held = nil
				without = append(without, timed(update))
				round()
			}
			report(b, without, with, len(lane.keys))
		})
	}
	b.Run("single=put", func(b *testing.B) { benchSingles(b, keys, random) })
}

// benchSingles times each put after a capture on its own.
func benchSingles(b *testing.B, keys, random []uint64) {
	backend, v := newTotals[uint64](b)
	for _, k := range keys {
		require.NoError(b, v.Put(k, total{}))
	}
	took := make([]time.Duration, len(random)/10)
	var held *heapbackend.Snapshot
	var p50, p999, worst []time.Duration
	for i := 0; b.Loop(); i++ {
		s, err := backend.Capture()
		require.NoError(b, err)
		if held != nil {
			held.Release()
		}
		held = s
		for j, k := range random[:len(took)] {
			t := time.Now()
			_ = v.Put(k, total{})
			took[j] = time.Since(t)
		}
		if i >= 2 {
			slices.Sort(took)
			p50 = append(p50, took[len(took)/2])
			p999 = append(p999, took[len(took)*999/1000])
			worst = append(worst, took[len(took)-1])
		}
	}
	if len(p50) > 0 {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(median(p50), "p50-ns")
		b.ReportMetric(median(p999), "p99.9-ns")
		b.ReportMetric(median(worst), "max-ns")
	}
}

// BenchmarkCodec compares encoding all groups, and decoding them into a backend, with msgpack/v5 through reflection from
// and into a map.
func BenchmarkCodec(b *testing.B) {
	b.Run("key=uint64", func(b *testing.B) { benchCodec(b, uintKeys(min(*benchKeys, 1_000_000))) })
	b.Run("key=string16", func(b *testing.B) { benchCodec(b, stringKeys(min(*benchKeys, 1_000_000))) })
}

func benchCodec[K comparable](b *testing.B, keys []K) {
	m := map[K]total{}
	backend, v := newTotals[K](b)
	for i, k := range keys {
		m[k] = total{uint64(i), uint64(i) << 20, uint64(i) << 40}
		require.NoError(b, v.Put(k, m[k]))
	}
	snap, err := backend.Capture()
	require.NoError(b, err)
	blocks := make([][]byte, groups)
	var buf []byte
	for g := range blocks {
		blocks[g], _, err = snap.AppendGroup(nil, g)
		require.NoError(b, err)
	}
	size := 0
	for _, x := range blocks {
		size += len(x)
	}
	b.Run("op=encode", func(b *testing.B) {
		enc := msgpack.GetEncoder()
		var tm, ts []time.Duration
		for b.Loop() {
			sink := appender{buf: buf[:0]}
			enc.ResetDict(&sink, nil)
			enc.UseArrayEncodedStructs(true)
			enc.UseCompactInts(true)
			tm = append(tm, timed(func() {
				for k, x := range m {
					if enc.EncodeArrayLen(2) != nil || enc.Encode(k) != nil || enc.Encode(&x) != nil {
						panic("encode")
					}
				}
			}))
			buf = sink.buf
			ts = append(ts, timed(func() {
				for g := range blocks {
					buf, _, _ = snap.AppendGroup(buf[:0], g)
				}
			}))
		}
		report(b, tm, ts, len(keys))
		b.ReportMetric(float64(size)/median(ts)*1e3, "state-MB/s")
	})
	var whole appender
	enc := msgpack.NewEncoder(&whole)
	enc.UseArrayEncodedStructs(true)
	enc.UseCompactInts(true)
	for k, x := range m {
		if enc.EncodeArrayLen(2) != nil || enc.Encode(k) != nil || enc.Encode(&x) != nil {
			b.Fatal("encode")
		}
	}
	b.Run("op=decode", func(b *testing.B) {
		var tm, ts []time.Duration
		for b.Loop() {
			runtime.GC()
			tm = append(tm, timed(func() {
				into := map[K]total{}
				dec := msgpack.NewDecoder(bytes.NewReader(whole.buf))
				for range len(keys) {
					var k K
					var x total
					if n, err := dec.DecodeArrayLen(); n != 2 || err != nil || dec.Decode(&k) != nil || dec.Decode(&x) != nil {
						panic("decode")
					}
					into[k] = x
				}
			}))
			runtime.GC()
			fresh, _ := newTotals[K](b)
			ts = append(ts, timed(func() {
				staged := make([]*heapbackend.Staged, groups)
				for g := range staged {
					staged[g], _ = fresh.StageBlock(snap.Schema(), g, blocks[g])
				}
				require.NoError(b, fresh.Install(staged))
			}))
		}
		report(b, tm, ts, len(keys))
		b.ReportMetric(float64(size)/median(ts)*1e3, "state-MB/s")
	})
}

// appender is a growing buffer without the bookkeeping of bytes.Buffer.
type appender struct{ buf []byte }

func (a *appender) Write(p []byte) (int, error) { a.buf = append(a.buf, p...); return len(p), nil }
func (a *appender) WriteByte(c byte) error      { a.buf = append(a.buf, c); return nil }
