package keygroups_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
)

func TestRangesAreFlinks(t *testing.T) {
	for _, row := range []struct {
		m, p int
		want []keygroups.Range
	}{
		{13, 4, []keygroups.Range{{First: 0, End: 4}, {First: 4, End: 7}, {First: 7, End: 10}, {First: 10, End: 13}}},
		{128, 3, []keygroups.Range{{First: 0, End: 43}, {First: 43, End: 86}, {First: 86, End: 128}}},
		{1, 1, []keygroups.Range{{First: 0, End: 1}}},
		{32768, 1, []keygroups.Range{{First: 0, End: 32768}}},
	} {
		got, err := keygroups.Ranges(row.m, row.p)
		require.NoError(t, err)
		require.Equal(t, row.want, got, "m=%d p=%d", row.m, row.p)
	}
}

func TestRangesShareTheKeyGroups(t *testing.T) {
	for m := 1; m <= 139; m++ {
		for p := 1; p <= m; p++ {
			checkShares(t, m, p)
		}
	}
	for _, m := range []int{4096, 32767, 32768} {
		for _, p := range parallelisms(m) {
			checkShares(t, m, p)
		}
	}
}

// parallelisms returns 64 different parallelisms for m: both ends and some between.
func parallelisms(m int) []int {
	ps := []int{1, 2, 3, 4, 5, 7, 8, 127, 128, 129, 1000, m / 3, m/2 - 1, m / 2, m/2 + 1, m - 2, m - 1, m}
	random := rand.New(rand.NewPCG(uint64(m), 1))
	for len(ps) < 64 {
		if p := 1 + random.IntN(m); !slices.Contains(ps, p) {
			ps = append(ps, p)
		}
	}
	return ps
}

// checkShares checks that the ranges are disjoint, cover 0..m-1 in order, agree
// with RangeOf, TaskOf and Flink's inclusive formula, and differ by at most one
// key group in size.
func checkShares(t *testing.T, m, p int) {
	t.Helper()
	ranges, err := keygroups.Ranges(m, p)
	if err != nil || len(ranges) != p {
		t.Fatalf("m=%d p=%d: %d ranges, error %v", m, p, len(ranges), err)
	}
	next := 0
	for task, r := range ranges {
		single, err := keygroups.RangeOf(m, p, task)
		first, last := (task*m+p-1)/p, ((task+1)*m-1)/p
		switch {
		case err != nil || single != r:
			t.Fatalf("m=%d p=%d task=%d: RangeOf %v, error %v; Ranges %v", m, p, task, single, err, r)
		case r.First != first || r.End != last+1:
			t.Fatalf("m=%d p=%d task=%d: %v, Flink has [%d-%d]", m, p, task, r, first, last)
		case r.First != next:
			t.Fatalf("m=%d p=%d task=%d: %v does not follow %d", m, p, task, r, next)
		case r.Len() != m/p && r.Len() != (m+p-1)/p:
			t.Fatalf("m=%d p=%d task=%d: %v is not fair", m, p, task, r)
		}
		for group := range r.All() {
			if owner, err := keygroups.TaskOf(m, p, group); owner != task || err != nil {
				t.Fatalf("m=%d p=%d: group %d is in %v of task %d; TaskOf %d, error %v", m, p, group, r, task, owner, err)
			}
			next = group + 1
		}
	}
	if next != m {
		t.Fatalf("m=%d p=%d: the ranges end at %d", m, p, next)
	}
}

func TestDefaultMaxIsFlinks(t *testing.T) {
	for p, want := range map[int]int{1: 128, 85: 128, 86: 256, 170: 256, 171: 256, 172: 512, 21845: 32768, 21846: 32768, 32768: 32768} {
		got, err := keygroups.DefaultMax(p)
		require.NoError(t, err)
		require.Equal(t, want, got, "p=%d", p)
	}
	for p := 1; p <= keygroups.Max; p++ {
		power := 1
		for power < p+p/2 {
			power *= 2
		}
		if got, err := keygroups.DefaultMax(p); err != nil || got != min(max(power, 128), 32768) {
			t.Fatalf("p=%d: %d, error %v", p, got, err)
		}
	}
}

func TestInvalidArgumentsAreTypedErrors(t *testing.T) {
	ranges := func(m, p int) error { _, err := keygroups.Ranges(m, p); return err }
	rangeOf := func(m, p, task int) error { _, err := keygroups.RangeOf(m, p, task); return err }
	taskOf := func(m, p, group int) error { _, err := keygroups.TaskOf(m, p, group); return err }
	defaultMax := func(p int) error { _, err := keygroups.DefaultMax(p); return err }
	for _, row := range []struct {
		name string
		got  error
		want []error
	}{
		{"no key groups", ranges(0, 1), []error{keygroups.ErrMaxParallelism}},
		{"negative key groups", ranges(-1, 1), []error{keygroups.ErrMaxParallelism}},
		{"smallest int", ranges(math.MinInt, math.MinInt), []error{keygroups.ErrMaxParallelism, keygroups.ErrParallelism}},
		{"too many key groups", ranges(32769, 1), []error{keygroups.ErrMaxParallelism}},
		{"largest int", ranges(math.MaxInt, math.MaxInt), []error{keygroups.ErrMaxParallelism}},
		{"both wrong", ranges(0, 0), []error{keygroups.ErrMaxParallelism, keygroups.ErrParallelism}},
		{"no tasks", ranges(128, 0), []error{keygroups.ErrParallelism}},
		{"negative tasks", ranges(128, -1), []error{keygroups.ErrParallelism}},
		{"more tasks than key groups", ranges(128, 129), []error{keygroups.ErrParallelism}},
		{"RangeOf: key groups", rangeOf(0, 1, 0), []error{keygroups.ErrMaxParallelism}},
		{"RangeOf: tasks", rangeOf(4, 5, 0), []error{keygroups.ErrParallelism}},
		{"RangeOf: task below", rangeOf(4, 2, -1), []error{keygroups.ErrTask}},
		{"RangeOf: task above", rangeOf(4, 2, 2), []error{keygroups.ErrTask}},
		{"TaskOf: key groups", taskOf(32769, 1, 0), []error{keygroups.ErrMaxParallelism}},
		{"TaskOf: tasks", taskOf(4, 5, 0), []error{keygroups.ErrParallelism}},
		{"TaskOf: group below", taskOf(4, 2, -1), []error{keygroups.ErrGroup}},
		{"TaskOf: group above", taskOf(4, 2, 4), []error{keygroups.ErrGroup}},
		{"DefaultMax: no tasks", defaultMax(0), []error{keygroups.ErrParallelism}},
		{"DefaultMax: negative tasks", defaultMax(math.MinInt), []error{keygroups.ErrParallelism}},
		{"DefaultMax: too many tasks", defaultMax(32769), []error{keygroups.ErrParallelism}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, sentinel := range []error{keygroups.ErrMaxParallelism, keygroups.ErrParallelism, keygroups.ErrTask, keygroups.ErrGroup} {
				if slices.Contains(row.want, sentinel) {
					require.ErrorIs(t, row.got, sentinel)
				} else {
					require.NotErrorIs(t, row.got, sentinel)
				}
			}
		})
	}
}

func TestRange(t *testing.T) {
	r := keygroups.Range{First: 3, End: 6}
	require.Equal(t, 3, r.Len())
	require.False(t, r.Empty())
	require.Equal(t, []int{3, 4, 5}, slices.Collect(r.All()))
	require.Equal(t, "[3,6)", r.String())
	for group, want := range map[int]bool{2: false, 3: true, 5: true, 6: false, -1: false} {
		require.Equal(t, want, r.Contains(group), "group %d", group)
	}
	for group := range r.All() {
		require.Equal(t, 3, group)
		break
	}
}

func TestEmptyRanges(t *testing.T) {
	for _, r := range []keygroups.Range{{}, {First: 5, End: 5}, {First: 6, End: 2}, {First: math.MaxInt, End: math.MinInt}} {
		require.True(t, r.Empty(), "%v", r)
		require.Zero(t, r.Len(), "%v", r)
		require.False(t, r.Contains(r.First), "%v", r)
		require.Empty(t, slices.Collect(r.All()), "%v", r)
		require.Equal(t, keygroups.Range{}, r.Intersect(keygroups.Range{First: 0, End: 128}), "%v", r)
	}
}

func TestIntersect(t *testing.T) {
	for _, row := range []struct{ a, b, want keygroups.Range }{
		{keygroups.Range{First: 0, End: 10}, keygroups.Range{First: 5, End: 15}, keygroups.Range{First: 5, End: 10}},
		{keygroups.Range{First: 0, End: 10}, keygroups.Range{First: 2, End: 4}, keygroups.Range{First: 2, End: 4}},
		{keygroups.Range{First: 3, End: 7}, keygroups.Range{First: 3, End: 7}, keygroups.Range{First: 3, End: 7}},
		{keygroups.Range{First: 0, End: 5}, keygroups.Range{First: 5, End: 9}, keygroups.Range{}},
		{keygroups.Range{First: 0, End: 2}, keygroups.Range{First: 7, End: 9}, keygroups.Range{}},
	} {
		require.Equal(t, row.want, row.a.Intersect(row.b), "%v and %v", row.a, row.b)
		require.Equal(t, row.want, row.b.Intersect(row.a), "%v and %v", row.b, row.a)
	}
}

func TestOverlapsOfARescale(t *testing.T) {
	from, err := keygroups.Ranges(128, 3)
	require.NoError(t, err)
	require.Equal(t, []keygroups.Overlap{
		{From: 0, Range: keygroups.Range{First: 32, End: 43}},
		{From: 1, Range: keygroups.Range{First: 43, End: 64}},
	}, keygroups.Overlaps(from, keygroups.Range{First: 32, End: 64}))
	require.Nil(t, keygroups.Overlaps(from, keygroups.Range{}))
	require.Nil(t, keygroups.Overlaps(nil, keygroups.Range{First: 0, End: 128}))
}

func TestOverlapsOfTwiceHeldGroupsAreBothListed(t *testing.T) {
	from := []keygroups.Range{{First: 8, End: 12}, {}, {First: 0, End: 9}, {First: 20, End: 30}}
	require.Equal(t, []keygroups.Overlap{
		{From: 0, Range: keygroups.Range{First: 8, End: 10}},
		{From: 2, Range: keygroups.Range{First: 5, End: 9}},
	}, keygroups.Overlaps(from, keygroups.Range{First: 5, End: 10}))
}

// Every key group of a new task comes from exactly the old task that owned it.
func TestOverlapsCoverEveryRescale(t *testing.T) {
	const m = 60
	for before := 1; before <= m; before++ {
		from, err := keygroups.Ranges(m, before)
		require.NoError(t, err)
		for after := 1; after <= m; after++ {
			to, err := keygroups.Ranges(m, after)
			require.NoError(t, err)
			for _, wanted := range to {
				next := wanted.First
				for _, o := range keygroups.Overlaps(from, wanted) {
					for group := range o.Range.All() {
						owner, err := keygroups.TaskOf(m, before, group)
						if err != nil || owner != o.From || group != next {
							t.Fatalf("%d->%d: %v: group %d from %d, owner %d, error %v", before, after, wanted, group, o.From, owner, err)
						}
						next++
					}
				}
				if next != wanted.End {
					t.Fatalf("%d->%d: %v: covered to %d", before, after, wanted, next)
				}
			}
		}
	}
}
