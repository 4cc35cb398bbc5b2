package cow

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func (m *machine) forget(k uint64) {
	delete(m.model, k)
	delete(m.stamps, k)
}

// stamp sets the stamp of a key that is there.
func (m *machine) stamp(k uint64, stamp int64) {
	if _, ok := m.model[k]; ok && m.stamped {
		m.table.Stamp(m.hash(k), k, stamp)
		m.stamps[k] = stamp
	}
}

// look moves the cursor on and deletes some of what it meets.
func (m *machine) look(t *rapid.T, steps int) {
	for range steps {
		k, v, stamp, ok := m.table.Next(&m.cursor)
		if !ok {
			continue
		}
		require.Same(t, m.table.Get(m.hash(k), k), v)
		require.Equal(t, m.stamps[k], stamp)
		if mix(k)%3 == 0 {
			require.True(t, m.table.Delete(m.hash(k), k))
			m.forget(k)
		}
	}
}

// round goes round once from the start.
func (m *machine) round(t *rapid.T) {
	met := map[uint64]uint64{}
	var c Cursor
	for steps := 0; steps == 0 || !c.AtStart(); steps++ {
		require.Less(t, steps, 1<<m.table.depth+2*m.table.pages*maxGroups*slotsPerGroup+1)
		if k, v, _, ok := m.table.Next(&c); ok {
			require.NotContains(t, met, k, "an entry is met once")
			met[k] = v[0]
		}
	}
	require.Equal(t, m.model, met)
}

func equalStamps(t *rapid.T, f *Frozen[uint64, fat], want map[uint64]int64, hash func(uint64) uint64) {
	got := map[uint64]int64{}
	f.Each(func(k uint64, v *fat, stamp int64) bool {
		require.Same(t, v, f.Get(hash(k), k))
		if f.pool.stamped {
			require.Equal(t, stamp, f.StampOf(hash(k), v))
			got[k] = stamp
		}
		return true
	})
	require.Equal(t, want, got)
}

// TestALookTakesNoLongerInALargerTable counts what a cursor passes on its way: so many steps meet about as many
// entries.
func TestALookTakesNoLongerInALargerTable(t *testing.T) {
	for _, n := range []uint64{100, 10_000, 300_000} {
		m := &machine{hash: mix}
		m.fresh()
		for k := range n {
			_, _, _, err := m.table.Upsert(mix(k), k)
			require.NoError(t, err)
		}
		steps := 1
		var c Cursor
		for m.table.Next(&c); !c.AtStart(); m.table.Next(&c) {
			steps++
		}
		require.Less(t, steps, int(3*n), "%d entries", n)
	}
}

// TestStampsOfEveryShape reads and writes stamps beside values of any size and alignment.
func TestStampsOfEveryShape(t *testing.T) {
	t.Run("nothing", func(t *testing.T) { stampsOfShape[uint64, struct{}](t, func(i int) uint64 { return uint64(i) }) })
	t.Run("bytes", func(t *testing.T) { stampsOfShape[uint8, bool](t, func(i int) uint8 { return uint8(i) }) })
	t.Run("odd", func(t *testing.T) {
		stampsOfShape[[3]uint16, [5]byte](t, func(i int) [3]uint16 { return [3]uint16{uint16(i)} })
	})
	t.Run("pointers", func(t *testing.T) { stampsOfShape[string, *int](t, func(i int) string { return string(rune(i)) }) })
	t.Run("large", func(t *testing.T) { stampsOfShape[uint32, [1000]byte](t, func(i int) uint32 { return uint32(i) }) })
	t.Run("one", func(t *testing.T) { stampsOfShape[struct{}, struct{}](t, func(int) struct{} { return struct{}{} }) })
}

func stampsOfShape[K comparable, V any](t *testing.T, key func(int) K) {
	space := NewSpace()
	hash := func(k K) uint64 {
		for i := range 200 {
			if key(i) == k {
				return mix(uint64(i) + 1)
			}
		}
		return 0
	}
	table := NewTable(NewPool[K, V](space, PoolOptions[K]{Hash: hash, Stamps: true, Pointers: true}))
	for round := range int64(2) {
		want := map[K]int64{}
		for i := range 200 {
			k := key(i)
			v, _, _, err := table.Upsert(hash(k), k)
			require.NoError(t, err)
			var zero V
			*v = zero
			want[k] = int64(i)<<40 - round
			*table.StampOf(hash(k), v) = want[k]
		}
		view, f := space.Capture(), table.Freeze()
		got := map[K]int64{}
		f.Each(func(k K, _ *V, stamp int64) bool { got[k] = stamp; return true })
		require.Equal(t, want, got)
		view.Release()
	}
}
