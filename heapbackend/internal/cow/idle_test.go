package cow

import (
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"
)

func write[V any](t *testing.T, table *Table[uint64, V], from, to uint64) {
	for k := from; k < to; k++ {
		_, _, _, err := table.Upsert(mix(k), k)
		require.NoError(t, err)
	}
}

func remove[V any](t *testing.T, table *Table[uint64, V], from, to uint64) {
	for k := from; k < to; k++ {
		require.True(t, table.Delete(mix(k), k))
	}
}

func TestIdleMemoryIsBoundedOverAllPools(t *testing.T) {
	space := NewSpace()
	idle := 0
	var pools []*Pool[uint64, fat]
	for range 100 {
		pool := NewPool[uint64, fat](space, PoolOptions[uint64]{Hash: mix})
		table := NewTable(pool)
		write(t, table, 0, 3000)
		remove(t, table, 0, 3000)
		pools = append(pools, pool)
	}
	for _, p := range pools {
		idle += p.idle
	}
	require.LessOrEqual(t, idle, spareBytes)
	require.Equal(t, space.surplus, idle)
	require.NotZero(t, pools[len(pools)-1].idle, "the pool that was used last has some")
}

func TestIdleMemoryIsBoundedInBytesHoweverLargeThePages(t *testing.T) {
	pool := NewPool[uint64, [64 << 10]byte](NewSpace(), PoolOptions[uint64]{Hash: mix})
	table := NewTable(pool)
	write(t, table, 0, 100)
	remove(t, table, 0, 100)
	require.LessOrEqual(t, pool.idle, spareBytes)
}

// TestWhatALoopCopiedIsGivenBack writes everything inside a loop, and hears of its end.
func TestWhatALoopCopiedIsGivenBack(t *testing.T) {
	m := &machine{hash: mix}
	m.fresh()
	write(t, m.table, 0, 50_000)
	for range 3 {
		view := m.space.View()
		write(t, m.table, 0, 50_000)
		view.Release()
		m.space.Hear()
		require.LessOrEqual(t, m.pool.idle, spareBytes)
	}
}

// TestATableThatShrinksNeedsLessAfterACapture captures once, so that there is a need, and never again.
func TestATableThatShrinksNeedsLessAfterACapture(t *testing.T) {
	m := &machine{hash: mix}
	m.fresh()
	write(t, m.table, 0, 50_000)
	view := m.space.Capture()
	write(t, m.table, 0, 50_000)
	view.Release()
	m.space.Hear()
	require.Greater(t, m.pool.idle, 8*spareBytes, "the copies after the next capture go there")
	remove(t, m.table, 0, 50_000)
	require.LessOrEqual(t, m.pool.idle, spareBytes)
}

// contents returns how many of the values that a function makes and lets go of are alive after it.
func contents(t *testing.T, n uint64, use func(table *Table[uint64, *[4096]byte], put func(from, to uint64))) (alive int) {
	space := NewSpace()
	table := NewTable(NewPool[uint64, *[4096]byte](space, PoolOptions[uint64]{Hash: mix, References: true, Pointers: true}))
	var all []weak.Pointer[[4096]byte]
	use(table, func(from, to uint64) {
		for k := from; k < to; k++ {
			v, _, _, err := table.Upsert(mix(k), k)
			require.NoError(t, err)
			*v = new([4096]byte)
			all = append(all, weak.Make(*v))
		}
	})
	runtime.GC()
	for _, p := range all {
		if p.Value() != nil {
			alive++
		}
	}
	runtime.KeepAlive(table)
	return alive
}

func TestIdlePagesKeepNothingAlive(t *testing.T) {
	const n = 20_000
	for name, c := range map[string]struct {
		left int
		use  func(*Table[uint64, *[4096]byte], func(from, to uint64))
	}{
		"deleted": {0, func(table *Table[uint64, *[4096]byte], put func(from, to uint64)) {
			put(0, n)
			remove(t, table, 0, n)
		}},
		"replaced under a capture, then deleted": {0, func(table *Table[uint64, *[4096]byte], put func(from, to uint64)) {
			put(0, n)
			view := table.pool.space.Capture()
			put(0, n)
			view.Release()
			remove(t, table, 0, n)
		}},
		"replaced under a capture, and two more": {n, func(table *Table[uint64, *[4096]byte], put func(from, to uint64)) {
			put(0, n)
			view := table.pool.space.Capture()
			put(0, n)
			view.Release()
			for range 3 {
				table.pool.space.Capture().Release()
			}
		}},
		"replaced under a capture, then written once": {n, func(table *Table[uint64, *[4096]byte], put func(from, to uint64)) {
			put(0, n)
			view := table.pool.space.Capture()
			put(0, n)
			view.Release()
			table.pool.space.Capture()
			write(t, table, 0, n)
		}},
		"replaced in a loop": {n, func(table *Table[uint64, *[4096]byte], put func(from, to uint64)) {
			put(0, n)
			view := table.pool.space.View()
			put(0, n)
			view.Release()
			table.pool.space.Hear()
		}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.left, contents(t, n, c.use)) })
	}
}

// TestAnAdoptedViewStaysWhatItIs lets the space it is of, and the one that adopted it, go on writing after its release.
func TestAnAdoptedViewStaysWhatItIs(t *testing.T) {
	const n = 5000
	giver, taker := &machine{hash: mix}, &machine{hash: mix}
	giver.fresh()
	taker.fresh()
	put := func(m *machine, v uint64) {
		for k := range uint64(n) {
			p, _, _, err := m.table.Upsert(mix(k), k)
			require.NoError(t, err)
			p[0] = v
		}
	}
	all := func(m *machine, v uint64) {
		require.Equal(t, n, m.table.Len())
		for k := range uint64(n) {
			require.Equal(t, v, m.table.Get(mix(k), k)[0])
		}
	}
	put(giver, 1)
	view := giver.space.Capture()
	require.True(t, taker.space.Adopt(view))
	taker.table.Adopt(giver.table.Freeze())
	put(giver, 2) // while the view lives: the pages it sees wait for its end
	giver.space.Capture().Release()
	view.Release()
	for v := uint64(3); v < 6; v++ { // and are not used again after it
		put(giver, v)
		all(taker, 1)
		all(giver, v)
		giver.space.Capture().Release()
	}
	put(taker, 7)
	all(giver, 5)
	all(taker, 7)
	require.Zero(t, taker.pool.idle, "what was adopted is the collector's")
	require.False(t, taker.space.Adopt(view), "a view that was released")
}

// TestPagesOfKeysThatAgreeInEveryBitAreSeenByTheCollector fills pages of every size, whose types are made as they are
// needed.
func TestPagesOfKeysThatAgreeInEveryBitAreSeenByTheCollector(t *testing.T) {
	for _, stamps := range []bool{false, true} {
		table := NewTable(NewPool[uint64, *[64]byte](NewSpace(), PoolOptions[uint64]{
			Hash: hashes["constant"], References: true, Pointers: true, Stamps: stamps,
		}))
		for k := range uint64(maxGroups * slotsPerGroup) {
			v, _, _, err := table.Upsert(7, k)
			require.NoError(t, err)
			*v = &[64]byte{byte(k)}
			if stamps {
				*table.StampOf(7, v) = int64(k)
			}
			if k&(k-1) == 0 {
				runtime.GC()
			}
		}
		runtime.GC()
		f := table.Freeze()
		n := 0
		f.Each(func(k uint64, v **[64]byte, stamp int64) bool {
			n++
			require.Equal(t, byte(k), (*v)[0])
			require.True(t, !stamps || stamp == int64(k))
			return true
		})
		require.Equal(t, maxGroups*slotsPerGroup, n)
	}
}
