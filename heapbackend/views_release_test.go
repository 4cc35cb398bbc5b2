package heapbackend_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// TestTheResultOfAViewIsThatOfItsCapture releases the snapshot, and writes, while Result reads the accumulator.
func TestTheResultOfAViewIsThatOfItsCapture(t *testing.T) {
	b := backend[string](t, whole())
	var during func()
	accs, err := heapbackend.NewAggregating(b, "accs", heapbackend.Aggregator[[]int, []int, []int]{
		Add: func(acc *[]int, in []int) {
			if len(*acc) == 0 {
				*acc = []int{0}
			}
			(*acc)[0] += in[0]
		},
		Result: func(acc []int) []int {
			if f := during; f != nil {
				during = nil
				f()
			}
			return slices.Clone(acc)
		},
	})
	require.NoError(t, err)
	for name, get := range map[string]func(*heapbackend.AggregatingView[string, []int, []int, []int]) []int{
		"get": func(w *heapbackend.AggregatingView[string, []int, []int, []int]) []int {
			out, ok := w.Get("k")
			require.True(t, ok)
			return out
		},
		"loop": func(w *heapbackend.AggregatingView[string, []int, []int, []int]) []int {
			return maps.Collect(w.All())["k"]
		},
		"loop over a group": func(w *heapbackend.AggregatingView[string, []int, []int, []int]) []int {
			return maps.Collect(w.InGroup(b.Group("k")))["k"]
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, accs.Delete("k"))
			require.NoError(t, accs.Add("k", []int{1}))
			require.NoError(t, accs.Add("k", []int{1})) // the accumulator is the state's own from the second on
			s := capture(t, b)
			view, err := accs.At(s)
			require.NoError(t, err)
			during = func() {
				s.Release()
				require.NoError(t, accs.Add("k", []int{10}))
			}
			require.Equal(t, []int{2}, get(view))
			_, ok := view.Get("k")
			require.False(t, ok, "the next read finds it released")
		})
	}
}

// TestALoopOverAViewCompletes releases the snapshot inside loops whose yields are sequences.
func TestALoopOverAViewCompletes(t *testing.T) {
	x := filledTrio(t, 50)
	for name, loop := range map[string]func(s *heapbackend.Snapshot) (n int){
		"lists": func(s *heapbackend.Snapshot) (n int) {
			view, err := x.l.At(s)
			require.NoError(t, err)
			for k, elements := range view.All() {
				s.Release()
				require.NoError(t, x.l.Append(k, -1))
				require.Equal(t, []int{int(k), 1}, slices.Collect(elements))
				n++
			}
			return n
		},
		"maps": func(s *heapbackend.Snapshot) (n int) {
			view, err := x.m.At(s)
			require.NoError(t, err)
			for k, entries := range view.All() {
				s.Release()
				require.NoError(t, x.m.Put(k, "b", -1))
				require.Equal(t, map[string]int{"a": int(k)}, maps.Collect(entries))
				n++
			}
			return n
		},
	} {
		require.Equal(t, 50, loop(capture(t, x.b)), name)
	}
}

// TestResultsMayAppendToAccumulators appends, in Result, to accumulators that have grown and so have room in the state.
func TestResultsMayAppendToAccumulators(t *testing.T) {
	b := backend[string](t, whole())
	mark := 0
	accs, err := heapbackend.NewAggregating(b, "accs", heapbackend.Aggregator[[]int, []int, []int]{
		Add: func(acc *[]int, in []int) { *acc = append(*acc, in...) },
		Result: func(acc []int) []int {
			mark++
			return append(acc, mark)
		},
	})
	require.NoError(t, err)
	for i := range 9 {
		require.NoError(t, accs.Add("k", []int{-i}))
	}
	s := capture(t, b)
	defer s.Release()
	view, err := accs.At(s)
	require.NoError(t, err)
	for name, get := range map[string]func() []int{
		"get":       func() []int { out, _ := accs.Get("k"); return out },
		"loop":      func() []int { return maps.Collect(accs.All())["k"] },
		"view":      func() []int { out, _ := view.Get("k"); return out },
		"view loop": func() []int { return maps.Collect(view.All())["k"] },
	} {
		first := get()
		want := slices.Clone(first)
		get()
		require.Equal(t, want, first, name)
	}
}
