package heapbackend_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// generation is a task beside what it must hold.
type generation struct {
	b      *heapbackend.Backend[uint64]
	v      *heapbackend.Value[uint64, []int]
	l      *heapbackend.List[uint64, int]
	m      *heapbackend.Map[uint64, uint64, int]
	want   map[uint64]int
	snap   *heapbackend.Snapshot
	frozen map[uint64]int
}

func newGeneration(t *testing.T) *generation {
	b := backend[uint64](t, whole())
	return &generation{b: b, v: valueOf[[]int](t, b, "v"), l: listOf[int](t, b, "l"), m: mapOf[uint64, int](t, b, "m"), want: map[uint64]int{}}
}

// write makes every value of the generation one that only it has.
func (g *generation) write(t *testing.T, mark, step int) {
	for k := uint64(0); k < 90; k += 3 {
		n := mark*1000 + step
		require.NoError(t, g.v.Update(k, func(x *[]int) {
			if len(*x) == 0 {
				*x = []int{0}
			}
			(*x)[0] = n
		}))
		require.NoError(t, g.l.Append(k, n))
		require.NoError(t, g.m.Put(1, k, n))
		g.want[k] = n
	}
}

func (g *generation) requireHolds(t *testing.T) {
	t.Helper()
	got := map[uint64]int{}
	for k, x := range g.v.All() {
		got[k] = x[0]
	}
	require.Equal(t, g.want, got)
	require.Equal(t, g.want, maps.Collect(g.m.Entries(1)))
	for k, list := range g.l.All() {
		elements := slices.Collect(list)
		require.Equal(t, g.want[k], elements[len(elements)-1])
	}
}

func (g *generation) requireFroze(t *testing.T) {
	t.Helper()
	v, err := g.v.At(g.snap)
	require.NoError(t, err)
	got := map[uint64]int{}
	for k, x := range v.All() {
		got[k] = x[0]
	}
	require.Equal(t, g.frozen, got)
	m, err := g.m.At(g.snap)
	require.NoError(t, err)
	require.Equal(t, g.frozen, maps.Collect(m.Entries(1)))
	l, err := g.l.At(g.snap)
	require.NoError(t, err)
	for k, list := range l.All() {
		elements := slices.Collect(list)
		require.Equal(t, g.frozen[k], elements[len(elements)-1])
	}
}

// TestThreeGenerationsNeverSeeEachOther restores one backend from the other, lets all write, and closes and releases in
// every order.
func TestThreeGenerationsNeverSeeEachOther(t *testing.T) {
	events := []string{"close 0", "close 1", "release 0", "release 1", "release 2"}
	for order := range permutations(events) {
		var chain []*generation
		for i := range 3 {
			g := newGeneration(t)
			if i > 0 {
				restore(t, g.b, chain[i-1].snap, adopted)
				g.want = maps.Clone(chain[i-1].frozen)
			}
			g.write(t, i, 0)
			g.snap, g.frozen = capture(t, g.b), maps.Clone(g.want)
			chain = append(chain, g)
		}
		closed, released := map[int]bool{}, map[int]bool{}
		for step, event := range order {
			i := int(event[len(event)-1] - '0')
			if event[0] == 'c' {
				require.NoError(t, chain[i].b.Close())
				closed[i] = true
			} else {
				chain[i].snap.Release()
				released[i] = true
			}
			for i, g := range chain {
				if !closed[i] {
					g.write(t, i, step+1)
				}
			}
			for i, g := range chain {
				if !closed[i] {
					g.requireHolds(t)
				}
				if !released[i] {
					g.requireFroze(t)
				}
			}
		}
	}
}

func permutations(of []string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		var permute func(done, left []string) bool
		permute = func(done, left []string) bool {
			if len(left) == 0 {
				return yield(done)
			}
			for i, x := range left {
				rest := append(slices.Clone(left[:i]), left[i+1:]...)
				if !permute(append(slices.Clone(done), x), rest) {
					return false
				}
			}
			return true
		}
		permute(nil, of)
	}
}

func TestASnapshotIsAdoptedAgainAndAgain(t *testing.T) {
	source := newGeneration(t)
	source.write(t, 0, 0)
	source.snap, source.frozen = capture(t, source.b), maps.Clone(source.want)
	var adopters []*generation
	for i := range 4 {
		g := newGeneration(t)
		restore(t, g.b, source.snap, adopted)
		g.want = maps.Clone(source.frozen)
		g.requireHolds(t)
		g.write(t, i+1, 0)
		adopters = append(adopters, g)
		source.requireFroze(t)
		source.write(t, 0, i+1)
	}
	for _, g := range adopters {
		g.requireHolds(t)
		require.NoError(t, g.b.Close())
		source.requireFroze(t)
		source.write(t, 0, 9)
	}
	last := newGeneration(t)
	restore(t, last.b, source.snap, adopted)
	last.want = source.frozen
	last.requireHolds(t)
}

// TestABackendRollsBackToItsOwnSnapshot installs groups of a snapshot into the very backend it was taken of.
func TestABackendRollsBackToItsOwnSnapshot(t *testing.T) {
	for name, how := range ways {
		g := newGeneration(t)
		g.write(t, 0, 0)
		g.snap, g.frozen = capture(t, g.b), maps.Clone(g.want)
		for round := range 4 {
			g.write(t, round+1, 0)
			restore(t, g.b, g.snap, how)
			g.want = maps.Clone(g.frozen)
			g.requireHolds(t)
			g.write(t, round+1, 1)
			g.requireHolds(t)
			g.requireFroze(t)
		}
		g.snap.Release()
		g.write(t, 9, 9)
		g.requireHolds(t)
		require.NoError(t, g.b.Err(), name)
	}
}
