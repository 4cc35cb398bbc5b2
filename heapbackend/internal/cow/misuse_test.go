package cow

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// worn is a table in which two goroutines have left something that one cannot.
type worn struct {
	*machine
	told []any
}

func newWorn(t *testing.T, entries uint64) *worn {
	w := &worn{machine: &machine{hash: mix}}
	w.fresh()
	w.space.OnMisuse(func(cause any) { w.told = append(w.told, cause) })
	for k := range entries {
		_, _, _, err := w.table.Upsert(mix(k), k)
		require.NoError(t, err)
	}
	return w
}

// fill marks every slot of the pages as taken.
func (w *worn) fill(count uint16) {
	for h := range w.table.all {
		for i := range uint64(h.groups) {
			*ctrlAt(h, i) = lowBits * 0x7f
		}
		h.count = count
	}
}

var wear = map[string]func(w *worn){
	"pages are fuller than they count": func(w *worn) { w.fill(1) },
	"pages count too much":             func(w *worn) { w.fill(60_000) },
	"pages count too little": func(w *worn) {
		for h := range w.table.all {
			h.count = 0
		}
	},
	"the directory is shorter than its mask": func(w *worn) { w.table.mask = 1<<maxDepth - 1 },
	"the mask is nothing a directory has":    func(w *worn) { w.table.mask = ^uint64(0) },
	"segments are gone":                      func(w *worn) { w.table.segs = nil },
	"segments are short": func(w *worn) {
		for i := range w.table.segs {
			w.table.segs[i].pages = w.table.segs[i].pages[:1]
		}
	},
	"pages are gone": func(w *worn) {
		for i := range w.table.segs {
			clear(w.table.segs[i].pages)
		}
	},
	"pages are deeper than the directory": func(w *worn) {
		for h := range w.table.all {
			h.depth = 255
		}
	},
	"the directory has no depth": func(w *worn) { w.table.depth = 0 },
	"a free page is missing": func(w *worn) {
		for i := range w.pool.free {
			w.pool.free[i] = stack{n: 100}
		}
	},
}

// TestATornTableEndsEveryOperation lets every operation meet every kind of wear: none goes on for ever, none panics,
// and no insert that found no room says that it did.
func TestATornTableEndsEveryOperation(t *testing.T) {
	for name, tear := range wear {
		t.Run(name, func(t *testing.T) {
			for _, captured := range []bool{false, true} {
				w := newWorn(t, 1000)
				if captured {
					w.space.Capture()
				}
				tear(w)
				f := w.table.Freeze()
				for range f.All() {
				}
				var c Cursor
				for k := range uint64(3000) {
					w.table.Get(mix(k), k)
					_, _, _, err := w.table.Upsert(mix(k), k)
					require.True(t, err == nil || errors.Is(err, ErrTorn) && len(w.told) > 0 || errors.Is(err, ErrFull), "%v", err)
					w.table.Delete(mix(k), k)
					w.table.Next(&c)
				}
			}
		})
	}
}

func TestAFullPageThatCountsAsFreeIsTorn(t *testing.T) {
	w := newWorn(t, 1000)
	w.fill(1)
	_, _, _, err := w.table.Upsert(mix(5000), 5000)
	require.ErrorIs(t, err, ErrTorn)
	require.NotEmpty(t, w.told)
}

// TestAPanicOfAKeyIsItsOwn leaves a panic alone that no second goroutine has led to.
func TestAPanicOfAKeyIsItsOwn(t *testing.T) {
	w := newWorn(t, 1000)
	w.pool.hash = func(uint64) uint64 { panic("mine") }
	require.PanicsWithValue(t, "mine", func() {
		for k := range uint64(10_000) {
			_, _, _, _ = w.table.Upsert(mix(1_000_000+k), 1_000_000+k)
		}
	})
	require.Empty(t, w.told)
}
