package cow

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestValuesSharedWithASnapshotAreNeverFresh writes all keys after a capture, in tables of every size around those at which
// pages grow, split, shrink and merge. Whatever the first write to a page is, each value that the snapshot sees is handed
// out once as shared, and then as the table's own.
func TestValuesSharedWithASnapshotAreNeverFresh(t *testing.T) {
	for name, first := range map[string]func(t *testing.T, table *Table[uint64, *int], n uint64){
		"update": func(*testing.T, *Table[uint64, *int], uint64) {},
		"insert": func(t *testing.T, table *Table[uint64, *int], n uint64) {
			for k := n; k < n+1+n/8; k++ {
				_, inserted, fresh, err := table.Upsert(mix(k), k)
				require.NoError(t, err)
				require.True(t, inserted && fresh)
			}
		},
		// Only of one page of each pair that a split made: they merge with others that nobody has written.
		"delete": func(t *testing.T, table *Table[uint64, *int], n uint64) {
			bit := dirShift + max(1, table.depth) - 1
			for k := n; k < 8*n; k++ {
				if mix(k)>>bit&1 == 0 {
					require.True(t, table.Delete(mix(k), k))
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for n := uint64(1); n < 300; n++ {
				requireSharedOnce(t, n, map[bool]uint64{false: n, true: 8 * n}[name == "delete"], first)
			}
		})
	}
}

func requireSharedOnce(t *testing.T, n, size uint64, first func(*testing.T, *Table[uint64, *int], uint64)) {
	space := NewSpace()
	table := NewTable(NewPool[uint64, *int](space, PoolOptions[uint64]{Hash: mix, References: true, Pointers: true}))
	for k := range size {
		_, _, _, err := table.Upsert(mix(k), k)
		require.NoError(t, err)
	}
	view := space.Capture()
	first(t, table, n)
	for round := range 2 {
		for k := range n {
			_, inserted, fresh, err := table.Upsert(mix(k), k)
			require.NoError(t, err)
			require.False(t, inserted)
			require.Equal(t, round > 0, fresh, "key %d of %d", k, n)
		}
	}
	view.Release()
}
