package heapbackend_test

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// take reads the first n values of a loop.
func take(n int, values iter.Seq[int]) (got []int) {
	for v := range values {
		if got = append(got, v); len(got) == n {
			break
		}
	}
	return got
}

// entriesTaken is take for the values of a map.
func entriesTaken(n int, entries iter.Seq2[string, int]) []int {
	return take(n, func(yield func(int) bool) {
		entries(func(_ string, v int) bool { return yield(v) })
	})
}

// TestALoopExtendsWhatItYields reads a part of lists and maps that take one chunk or page, and many.
func TestALoopExtendsWhatItYields(t *testing.T) {
	for _, size := range []int{2, 5, 60, 1000} {
		for _, n := range []int{1, 3, size - 1, size} {
			now := heapbackend.Timestamp(1000)
			a := newAging(t, &now, heapbackend.TTL{After: 10 * time.Millisecond, OnRead: true, Cleanup: -1})
			for i := range size {
				require.NoError(t, a.l.Append(1, i))
				require.NoError(t, a.m.Put(1, fmt.Sprint(i), i))
			}
			s := capture(t, a.b)
			before := blocksOf(t, s)
			now = 1005
			want := [2][]int{take(n, a.l.Get(1)), entriesTaken(n, a.m.Entries(1))}
			later := capture(t, a.b)
			restored := newAging(t, &now, heapbackend.TTL{After: 10 * time.Millisecond})
			restore(t, restored.b, later, decoded)
			now = 1010
			for _, a := range []aging{restored, a} {
				entries := slices.Collect(maps.Values(maps.Collect(a.m.Entries(1))))
				require.ElementsMatch(t, want[1], entries, "map, %d of %d", n, size)
				require.Equal(t, want[0], slices.Collect(a.l.Get(1)), "list, %d of %d", n, size)
			}
			now = 1019
			require.Equal(t, min(n, size), a.l.Len(1), "and again")
			require.Equal(t, before, blocksOf(t, s), "a read reached a snapshot")
		}
	}
}

func TestALoopOverAListThatIsNeverRunExtendsNothing(t *testing.T) {
	now := heapbackend.Timestamp(1000)
	a := newAging(t, &now, heapbackend.TTL{After: 10 * time.Millisecond, OnRead: true, Cleanup: -1})
	require.NoError(t, a.l.Append(1, 1, 2, 3))
	require.NoError(t, a.l.Append(2, 1, 2, 3))
	now = 1004
	_, later := a.l.Get(1), a.l.Get(2)
	now = 1008
	require.Equal(t, []int{1, 2, 3}, slices.Collect(later))
	now = 1010
	require.Zero(t, a.l.Len(1))
	now = 1017
	require.Equal(t, 3, a.l.Len(2), "it was read when the loop ran")
	require.Equal(t, []int{1, 2, 3}, slices.Collect(later), "as often as it runs")
	now = 1026
	require.Equal(t, 3, a.l.Len(2))
	now = 1027
	require.Zero(t, a.l.Len(2))
	require.Equal(t, []int{1, 2, 3}, slices.Collect(later), "as it was")
	require.Zero(t, a.l.Len(2), "what has expired stays so")
}

// TestALoopExtendsWhatIsStillThere has bodies that write to what they read.
func TestALoopExtendsWhatIsStillThere(t *testing.T) {
	for name, body := range map[string]struct {
		do          func(t *testing.T, a aging)
		list, entry []int // what lives on, of 0, 1 and 2, where the loop is left after 0
	}{
		"append and put": {func(t *testing.T, a aging) {
			require.NoError(t, a.l.Append(1, 3, 4, 5, 6, 7))
			require.NoError(t, a.m.Put(1, "3", 3))
		}, []int{0, 3, 4, 5, 6, 7}, []int{0, 3}},
		"replace": {func(t *testing.T, a aging) {
			require.NoError(t, a.l.Set(1, 8))
			require.NoError(t, a.m.Delete(1))
			require.NoError(t, a.m.Put(1, "8", 8))
		}, []int{8}, []int{8}},
		"delete": {func(t *testing.T, a aging) {
			require.NoError(t, a.l.Delete(1))
			require.NoError(t, a.m.Delete(1))
		}, nil, nil},
		"capture": {func(t *testing.T, a aging) { capture(t, a.b) }, []int{0}, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			now := heapbackend.Timestamp(1000)
			a := newAging(t, &now, heapbackend.TTL{After: 10 * time.Millisecond, OnRead: true, Cleanup: -1})
			require.NoError(t, a.l.Append(1, 0, 1, 2))
			require.NoError(t, a.m.Put(1, "0", 0))
			now = 1005
			for range a.l.Get(1) {
				for range a.m.Entries(1) {
					require.NoError(t, a.m.Put(1, "1", 1))
					require.NoError(t, a.m.Remove(1, "1"))
					body.do(t, a)
					break
				}
				break
			}
			now = 1010
			require.Equal(t, body.list, slices.Collect(a.l.Get(1)))
			require.ElementsMatch(t, body.entry, slices.Collect(maps.Values(maps.Collect(a.m.Entries(1)))))
			require.NoError(t, a.b.Err())
		})
	}
}
