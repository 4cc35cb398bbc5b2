package heapbackend_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

var costSizes = []int{10, 10_000, 1_000_000}

// allocated returns the bytes and the allocations of one call of f, the mean over some rounds. between is not counted.
func allocated(f, between func()) (bytes, allocs float64) {
	const rounds = 10
	f() // what happens once
	between()
	var before, after runtime.MemStats
	for range rounds {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		bytes += float64(after.TotalAlloc - before.TotalAlloc)
		allocs += float64(after.Mallocs - before.Mallocs)
		between()
	}
	return bytes / rounds, allocs / rounds
}

// requireFlat requires that what a call allocates does not grow with the size of the state: it stays below a bound, and
// the largest size takes at most three times what the smallest does, give or take a page and a directory's part.
func requireFlat(t *testing.T, most float64, call func(size int) (f, between func())) {
	t.Helper()
	var first, last float64
	for i, size := range costSizes {
		f, between := call(size)
		bytes, allocs := allocated(f, between)
		t.Logf("size=%d bytes=%.0f allocs=%.1f", size, bytes, allocs)
		require.Less(t, bytes, most, "at %d entries", size)
		if last = bytes; i == 0 {
			first = bytes
		}
	}
	require.Less(t, last, 3*first+8192)
}

func TestACaptureAllocatesTheSameWhateverTheSize(t *testing.T) {
	requireFlat(t, 16<<10, func(size int) (func(), func()) {
		b := backend[uint64](t, whole())
		v := valueOf[uint64](t, b, "v")
		for k := range uint64(size) {
			require.NoError(t, v.Put(k, k))
		}
		var s *heapbackend.Snapshot
		return func() { s = capture(t, b) }, func() { s.Release() }
	})
}

func TestAdoptionAllocatesTheSameWhateverTheSize(t *testing.T) {
	requireFlat(t, 32<<10, func(size int) (func(), func()) {
		b := backend[uint64](t, whole())
		v := valueOf[uint64](t, b, "v")
		for k := range uint64(size) {
			require.NoError(t, v.Put(k, k))
		}
		s := capture(t, b)
		return func() {
			b2 := backend[uint64](t, whole())
			valueOf[uint64](t, b2, "v")
			restore(t, b2, s, adopted)
		}, func() {}
	})
}

func TestAnAppendAfterACaptureCopiesNoMoreThanAChunk(t *testing.T) {
	requireFlat(t, 24<<10, func(size int) (func(), func()) {
		b := backend[uint64](t, whole())
		l := listOf[uint64](t, b, "l")
		for i := range uint64(size) {
			require.NoError(t, l.Append(1, i))
		}
		s := capture(t, b)
		return func() { require.NoError(t, l.Append(1, 1)) }, func() {
			s.Release()
			s = capture(t, b)
		}
	})
}

func TestAPutIntoAMapAfterACaptureCopiesNoMoreThanAPage(t *testing.T) {
	for name, key := range map[string]func(size, i int) uint64{
		"present": func(size, i int) uint64 { return uint64(i*7919) % uint64(size) },
		"new":     func(size, i int) uint64 { return uint64(size + i) },
	} {
		t.Run(name, func(t *testing.T) {
			requireFlat(t, 48<<10, func(size int) (func(), func()) {
				b := backend[uint64](t, whole())
				m := mapOf[uint64, uint64](t, b, "m")
				for i := range uint64(size) {
					require.NoError(t, m.Put(1, i, i))
				}
				s := capture(t, b)
				i := 0
				return func() { i++; require.NoError(t, m.Put(1, key(size, i), 1)) }, func() {
					s.Release()
					s = capture(t, b)
				}
			})
		})
	}
}

func TestAPutAfterACaptureCopiesNoMoreThanAPage(t *testing.T) {
	requireFlat(t, 24<<10, func(size int) (func(), func()) {
		b := backend[uint64](t, whole())
		v := valueOf[uint64](t, b, "v")
		for i := range uint64(size) {
			require.NoError(t, v.Put(i, i))
		}
		s := capture(t, b)
		i := 0
		return func() { i++; require.NoError(t, v.Put(uint64(i*7919)%uint64(size), 1)) }, func() {
			s.Release()
			s = capture(t, b)
		}
	})
}

func TestBigElementsAreNotCopiedByTheHundred(t *testing.T) {
	b := backend[uint64](t, whole())
	l := listOf[big](t, b, "l")
	for i := range 300 {
		require.NoError(t, l.Append(1, bigOf(i)))
	}
	s := capture(t, b)
	one := bigOf(1)
	bytes, _ := allocated(func() { require.NoError(t, l.Append(1, one)) }, func() {
		s.Release()
		s = capture(t, b)
	})
	require.Less(t, bytes, 5.0*float64(len(one)))
}

func TestReadsAndWritesAllocateNothing(t *testing.T) {
	x := filledTrio(t, 1000)
	for name, f := range map[string]func(){
		"Value.Get":    func() { x.v.Get(5) },
		"Value.Put":    func() { _ = x.v.Put(5, 1) },
		"Value.Update": func() { _ = x.v.Update(5, func(n *int) { *n++ }) },
		"Value.Delete": func() { _ = x.v.Delete(5_000_000) },
		"List.Len":     func() { x.l.Len(5) },
		"List.Append":  func() { _ = x.l.Append(5, 1) },
		"Map.Get":      func() { x.m.Get(5, "a") },
		"Map.Put":      func() { _ = x.m.Put(5, "a", 1) },
	} {
		require.Zero(t, testing.AllocsPerRun(100, f), name)
	}
}

// TestAClaimIsNotBelieved restores blocks that claim more than they hold.
func TestAClaimIsNotBelieved(t *testing.T) {
	b := backend[uint64](t, whole())
	valueOf[big](t, b, "v")
	mapOf[uint64, big](t, b, "m")
	s := capture(t, b)
	for state, name := range []string{"v", "m"} {
		block := claim(state, keyIn(t, 3, 0), 200_000)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := b.StageBlock(s.Schema(), 3, block)
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, heapbackend.ErrCorrupt)
		took := after.TotalAlloc - before.TotalAlloc
		require.Less(t, took, uint64(32*len(block)+16<<20), fmt.Sprintf("%s: %d bytes made it take %d", name, len(block), took))
	}
}
