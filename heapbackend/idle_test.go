package heapbackend_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// requireHeapFlat requires that rounds of something leave no more behind than what they work on takes: the heap after
// all rounds is about what it was after the first few.
func requireHeapFlat(t *testing.T, rounds int, round func(i int)) {
	t.Helper()
	if testing.Short() {
		rounds /= 4
	}
	const warm, slack = 20, 256 << 10
	before := 0
	for i := range rounds {
		if i == warm {
			before = heap()
		}
		round(i)
	}
	after := heap()
	t.Logf("%d KiB, after %d rounds %d KiB", before>>10, rounds, after>>10)
	require.Less(t, after, before+before/8+slack)
}

// write puts something for some keys into each state.
func (x trio) write(t *testing.T, round int, keys uint64) {
	for k := range keys {
		require.NoError(t, x.v.Put(k, round))
		require.NoError(t, x.l.Set(k, round))
		require.NoError(t, x.m.Put(k, "a", round))
	}
}

func (x trio) read(t *testing.T, keys uint64, want int) {
	for k := range keys {
		v, _ := x.v.Get(k)
		m, _ := x.m.Get(k, "a")
		require.Equal(t, [2]int{want, want}, [2]int{v, m})
		for e := range x.l.Get(k) {
			require.Equal(t, want, e)
		}
	}
}

func TestTakeoversFromARunningBackendLeaveNothingBehind(t *testing.T) {
	x, standby := newTrio(t, whole()), newTrio(t, whole())
	requireHeapFlat(t, 3000, func(i int) {
		x.write(t, i, 300)
		s := capture(t, x.b)
		restore(t, standby.b, s, adopted)
		s.Release()
	})
	x.read(t, 300, standby.lastRound(t))
	standby.write(t, -1, 300)
	x.write(t, -2, 300)
	standby.read(t, 300, -1)
	x.read(t, 300, -2)
}

func (x trio) lastRound(t *testing.T) int {
	v, ok := x.v.Get(0)
	require.True(t, ok)
	return v
}

// TestATakeoverOfOneGroupKeepsNoOther takes one group of each snapshot over, and never all.
func TestATakeoverOfOneGroupKeepsNoOther(t *testing.T) {
	x, reader := newTrio(t, whole()), newTrio(t, whole())
	requireHeapFlat(t, 2000, func(i int) {
		x.write(t, i, 300)
		s := capture(t, x.b)
		staged, err := adopted(reader.b, s, i%testM)
		require.NoError(t, err)
		require.NoError(t, reader.b.Install([]*heapbackend.Staged{staged}))
		s.Release()
	})
	x.read(t, 300, x.lastRound(t))
	require.Equal(t, 300, reader.v.Keys())
}

func TestRollbacksLeaveNothingBehind(t *testing.T) {
	x := newTrio(t, whole())
	x.write(t, 0, 300)
	requireHeapFlat(t, 2000, func(i int) {
		s := capture(t, x.b)
		x.write(t, -i, 300)
		restore(t, x.b, s, adopted)
		s.Release()
		x.read(t, 10, 0)
		x.write(t, 0, 10)
	})
	x.read(t, 300, 0)
}

// TestALoopCostsTheSameAfterAnyNumberOfRollbacks counts what a loop over one entry allocates.
func TestALoopCostsTheSameAfterAnyNumberOfRollbacks(t *testing.T) {
	x := newTrio(t, whole()).filled(t, 1)
	var first float64
	for i := range 3001 {
		s := capture(t, x.b)
		restore(t, x.b, s, adopted)
		s.Release()
		if i%1000 == 0 {
			bytes, allocs := allocated(func() {
				for range x.m.Entries(1) {
				}
			}, func() {})
			t.Logf("rollbacks=%d bytes=%.0f allocs=%.1f", i+1, bytes, allocs)
			if i == 0 {
				first = bytes
			}
			require.LessOrEqual(t, bytes, first+64)
		}
	}
}

// TestAChainOfRestoresLeavesNothingBehind restores a backend from the one before, again and again. Those that were are
// closed, as they must be, or only forgotten.
func TestAChainOfRestoresLeavesNothingBehind(t *testing.T) {
	for name, closed := range map[string]bool{"closed": true, "forgotten": false} {
		t.Run(name, func(t *testing.T) {
			x := newTrio(t, whole())
			x.write(t, 0, 300)
			requireHeapFlat(t, 5000, func(i int) {
				for k := range uint64(30) { // each time others: most of the maps are as old as the chain
					k = (k*7 + uint64(i)) % 300
					require.NoError(t, x.m.Put(k, "a", 0))
					require.NoError(t, x.v.Put(k, 0))
				}
				s := capture(t, x.b)
				next := newTrio(t, whole())
				restore(t, next.b, s, adopted)
				if closed {
					require.NoError(t, x.b.Close())
				}
				s.Release()
				x = next
			})
			x.read(t, 300, 0)
		})
	}
}

// TestForgottenBackendsOfEveryKindAreCollected is the chain for states whose keys or pools could refer to a backend.
func TestForgottenBackendsOfEveryKindAreCollected(t *testing.T) {
	var b *heapbackend.Backend[uint64]
	var counts *heapbackend.Value[heapbackend.NamespacedKey[uint64, int], int]
	var m *heapbackend.Map[uint64, string, int]
	next := func() {
		b = backend[uint64](t, whole())
		windows, err := heapbackend.NamespacesOf[int](b)
		require.NoError(t, err)
		counts, err = heapbackend.NewValue[int](windows, "counts")
		require.NoError(t, err)
		rules, err := heapbackend.NewBroadcast[string, int](b, "rules")
		require.NoError(t, err)
		require.NoError(t, rules.Put("a", 1))
		m = mapOf[string, int](t, b, "m")
	}
	next()
	for k := range uint64(100) {
		for window := range 3 {
			require.NoError(t, counts.Put(heapbackend.In(k, window), 1))
		}
		require.NoError(t, m.Put(k, "a", 1))
	}
	requireHeapFlat(t, 1000, func(i int) {
		for k := range uint64(10) {
			k = (k*7 + uint64(i)) % 100
			require.NoError(t, counts.Put(heapbackend.In(k, i%3), 1))
			require.NoError(t, m.Put(k, "a", 1))
		}
		s := capture(t, b)
		next()
		restore(t, b, s, adopted)
		s.Release()
	})
	require.Equal(t, 300, counts.Keys())
	require.Equal(t, 100, m.Keys())
}

// TestARestoreFromBytesKeepsNothingBesideItsMaps restores maps whose tables grow while they are read.
func TestARestoreFromBytesKeepsNothingBesideItsMaps(t *testing.T) {
	before := heap()
	from := newTrio(t, whole())
	for k := range uint64(testM) {
		for i := range 3000 {
			require.NoError(t, from.m.Put(keyIn(t, int(k), 0), strconv.Itoa(i), 1))
		}
	}
	s := capture(t, from.b)
	full := heap() - before
	into := newTrio(t, whole())
	restore(t, into.b, s, decoded)
	require.Less(t, heap()-before-full, full+full/4+64<<10)
	require.Equal(t, 3000, into.m.Len(keyIn(t, 0, 0)))
	require.Equal(t, testM, from.m.Keys())
	s.Release()
}

// idleBound is what a backend may keep beyond its state, and what a state without entries takes.
const idleBound = 2 << 20

func TestDeletedValuesAreNotKept(t *testing.T) {
	const n = 1000
	for name, captures := range map[string]int{"with captures after it": 3, "without": 0} {
		t.Run(name, func(t *testing.T) {
			b := backend[uint64](t, whole())
			v := valueOf[[]byte](t, b, "v")
			fill := func() {
				for k := range uint64(n) {
					require.NoError(t, v.Put(k, make([]byte, 64<<10)))
				}
			}
			before := heap()
			fill()
			s := capture(t, b)
			fill()
			s.Release()
			require.Greater(t, heap(), before+n*60<<10)
			for k := range uint64(n) {
				require.NoError(t, v.Delete(k))
			}
			for range captures {
				capture(t, b).Release()
			}
			require.Less(t, heap(), before+idleBound)
			require.Zero(t, v.Keys())
		})
	}
}

func TestPagesOfDeletedBigValuesAreNotKept(t *testing.T) {
	b := backend[uint64](t, whole())
	v := valueOf[big](t, b, "v")
	before := heap()
	for k := range uint64(500) {
		require.NoError(t, v.Update(k, func(*big) {}))
	}
	for k := range uint64(500) {
		require.NoError(t, v.Delete(k))
	}
	require.Less(t, heap(), before+idleBound)
	require.Zero(t, v.Keys())
}

func TestEmptiedStatesShareWhatTheyKeep(t *testing.T) {
	b := backend[uint64](t, whole())
	before := heap()
	for i := range 25 {
		v := valueOf[uint64](t, b, string(rune('A'+i)))
		for k := range uint64(10_000) {
			require.NoError(t, v.Put(k, k))
		}
		for k := range uint64(10_000) {
			require.NoError(t, v.Delete(k))
		}
	}
	require.Less(t, heap(), before+idleBound)
	require.NoError(t, b.Err())
}

// TestALoopThatWritesKeepsNoCopy writes everything in a loop over it, and then deletes most of it. Nothing is captured.
func TestALoopThatWritesKeepsNoCopy(t *testing.T) {
	b := backend[uint64](t, whole())
	v := valueOf[uint64](t, b, "v")
	before := heap()
	const n = 250_000
	for k := range uint64(n) {
		require.NoError(t, v.Put(k, k))
	}
	full := heap() - before
	for k, x := range v.All() {
		require.NoError(t, v.Put(k, x+1))
	}
	require.Less(t, heap()-before, full+full/4+idleBound)
	for k := range uint64(n - n/200) {
		require.NoError(t, v.Delete(k))
	}
	require.Less(t, heap()-before, full/50+idleBound)
	require.Equal(t, n/200, v.Keys())
}

// huge is a value of which the largest page would be a type larger than the address space of a 32-bit machine.
type huge [256 << 10]byte

func TestValuesOf256KiB(t *testing.T) {
	b := backend[uint64](t, whole())
	v := valueOf[huge](t, b, "v")
	for k := range uint64(20) {
		require.NoError(t, v.Update(k, func(x *huge) { x[0], x[len(x)-1] = byte(k), byte(k) }))
	}
	s := capture(t, b)
	for k := range uint64(20) {
		require.NoError(t, v.Update(k, func(x *huge) { x[0] = 100 }))
	}
	restored := backend[uint64](t, whole())
	w := valueOf[huge](t, restored, "v")
	restore(t, restored, s, mixed)
	for k := range uint64(20) {
		x, ok := w.Get(k)
		require.True(t, ok)
		require.Equal(t, [2]byte{byte(k), byte(k)}, [2]byte{x[0], x[len(x)-1]})
	}
}
