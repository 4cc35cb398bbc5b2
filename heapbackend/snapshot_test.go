package heapbackend_test

import (
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

func TestASnapshotAlwaysAppendsTheSameBytes(t *testing.T) {
	x := filledTrio(t, 2000)
	s := capture(t, x.b)
	want := blocksOf(t, s)
	var readers sync.WaitGroup
	got := make([]map[int][]byte, 4)
	for i := range got {
		readers.Go(func() { got[i] = blocksOf(t, s) })
	}
	for k := range uint64(2000) {
		require.NoError(t, x.v.Update(k, func(n *int) { *n = -1 }))
		require.NoError(t, x.l.Append(k, -1))
		require.NoError(t, x.m.Put(k, "b", -1))
		require.NoError(t, x.m.Delete(k+1))
	}
	readers.Wait()
	for i := range got {
		require.True(t, maps.EqualFunc(want, got[i], slices.Equal[[]byte]))
	}
	dst, n, err := s.AppendGroup([]byte("before"), 3)
	require.NoError(t, err)
	require.Equal(t, s.Entries(3), n)
	require.Equal(t, append([]byte("before"), want[3]...), dst)
}

func TestWhatASnapshotSaysOfItself(t *testing.T) {
	b := backend[uint64](t, part(2, 5))
	v := valueOf[int](t, b, "v")
	for g := 2; g < 5; g++ {
		for i := range g {
			require.NoError(t, v.Put(keyIn(t, g, i), i))
		}
	}
	s := capture(t, b)
	require.Equal(t, keygroups.Range{First: 2, End: 5}, s.Range())
	require.Equal(t, b.Config(), s.Config())
	require.Equal(t, b.Schema(), s.Schema())
	for g := -1; g <= testM; g++ {
		_, n, err := s.AppendGroup(nil, g)
		if s.Range().Contains(g) {
			require.NoError(t, err)
			require.EqualValues(t, g, n)
		} else {
			require.ErrorIs(t, err, heapbackend.ErrGroup)
		}
		require.Equal(t, n, s.Entries(g))
	}
}

// seen tells whether any snapshot of b can still see v: then an update has to copy.
type seen struct {
	b      *heapbackend.Backend[uint64]
	v      *heapbackend.Value[uint64, plain]
	clones *int
}

func newSeen(t *testing.T) seen {
	calls := new(int)
	b := backend[uint64](t, whole())
	v := valueOf(t, b, "v", cloneByOption(calls))
	require.NoError(t, v.Update(1, func(x *plain) { x.Items = []int{1} }))
	return seen{b, v, calls}
}

func (x seen) requireCopied(t *testing.T, want bool) {
	t.Helper()
	before := *x.clones
	require.NoError(t, x.v.Update(1, func(*plain) {}))
	require.Equal(t, want, *x.clones > before)
}

func TestEveryHandleIsReleasedOnItsOwn(t *testing.T) {
	x := newSeen(t)
	first := capture(t, x.b)
	second, err := first.Retain()
	require.NoError(t, err)
	want := blocksOf(t, second)
	first.Release()
	first.Release()
	first.Release()
	require.Equal(t, want, blocksOf(t, second), "releasing one handle thrice does not release the other")
	x.requireCopied(t, true)
	third, err := second.Retain()
	require.NoError(t, err)
	second.Release()
	require.Equal(t, want, blocksOf(t, third))
	third.Release()
	x.requireCopied(t, false)
}

func TestAReleasedHandleReadsNothing(t *testing.T) {
	x := filledTrio(t, 100)
	s := capture(t, x.b)
	other, err := s.Retain()
	require.NoError(t, err)
	defer other.Release()
	v, err := x.v.At(s)
	require.NoError(t, err)
	l, err := x.l.At(s)
	require.NoError(t, err)
	m, err := x.m.At(s)
	require.NoError(t, err)
	lists, entries := maps.Collect(l.All()), maps.Collect(m.All())
	require.Len(t, slices.Collect(lists[5]), 2, "read after the loop, before the release")
	require.Equal(t, map[string]int{"a": 5}, maps.Collect(entries[5]))
	require.Equal(t, map[string]int{"a": 5}, maps.Collect(m.Entries(5)))
	one := l.Get(5)
	s.Release()
	_, err = s.Retain()
	require.ErrorIs(t, err, heapbackend.ErrReleased)
	_, _, err = s.AppendGroup(nil, 0)
	require.ErrorIs(t, err, heapbackend.ErrReleased)
	_, err = newTrio(t, whole()).b.StageSnapshot(s, 0)
	require.ErrorIs(t, err, heapbackend.ErrReleased)
	_, err = x.v.At(s)
	require.ErrorIs(t, err, heapbackend.ErrReleased)
	require.Zero(t, s.Entries(0))
	_, ok := v.Get(5)
	require.False(t, ok)
	_, ok = m.Get(5, "a")
	require.False(t, ok)
	require.Empty(t, maps.Collect(v.All()))
	require.Empty(t, maps.Collect(l.All()))
	require.Empty(t, maps.Collect(m.All()))
	require.Empty(t, slices.Collect(one))
	require.Empty(t, slices.Collect(lists[5]))
	require.Empty(t, maps.Collect(entries[5]))
	require.Empty(t, maps.Collect(m.Entries(5)))
	require.Equal(t, whole().Range, s.Range(), "what it said of itself stays")
}

func TestAskingForAForeignGroupHoldsNothing(t *testing.T) {
	x := newSeen(t)
	s := capture(t, x.b)
	for _, g := range []int{-1, testM} {
		require.Zero(t, s.Entries(g))
		_, _, err := s.AppendGroup(nil, g)
		require.ErrorIs(t, err, heapbackend.ErrGroup)
		_, err = newTrio(t, whole()).b.StageSnapshot(s, g)
		require.ErrorIs(t, err, heapbackend.ErrGroup)
	}
	_, err := newTrio(t, whole()).v.At(s)
	require.Error(t, err)
	s.Release()
	x.requireCopied(t, false)
}

func TestFailuresHoldNothing(t *testing.T) {
	x := newSeen(t)
	s := capture(t, x.b)
	other := backend[uint64](t, whole())
	valueOf[string](t, other, "v")
	_, err := stage(other, s, adopted)
	require.ErrorIs(t, err, heapbackend.ErrSchema)
	good := backend[uint64](t, whole())
	staged, err := stage(good, s, adopted)
	require.NoError(t, err)
	require.ErrorIs(t, good.Install(append(staged, nil)), heapbackend.ErrMismatch)
	require.ErrorIs(t, good.Install(append(staged, staged[0])), heapbackend.ErrGroup)
	s.Release()
	x.requireCopied(t, false)
}

func TestAnAdopterHoldsUntilItIsClosed(t *testing.T) {
	x := newSeen(t)
	s := capture(t, x.b)
	adopter := backend[uint64](t, whole())
	valueOf(t, adopter, "v", cloneByOption(new(int)))
	restore(t, adopter, s, adopted)
	s.Release()
	x.requireCopied(t, true)
	require.NoError(t, adopter.Close())
	x.requireCopied(t, false)
}

func TestWhoTakesOverNothingHoldsNothing(t *testing.T) {
	x := newSeen(t)
	s := capture(t, x.b)
	group := x.b.Group(1)
	others := backend[uint64](t, whole())
	valueOf(t, others, "v", cloneByOption(new(int)))
	staged, err := stage(others, s, adopted)
	require.NoError(t, err)
	require.NoError(t, others.Install(slices.Delete(staged, group, group+1)))
	s.Release()
	x.requireCopied(t, false)
}

func TestReadersRaceWithTheReleaseOfTheirHandle(t *testing.T) {
	for range 20 {
		x := filledTrio(t, 64)
		s := capture(t, x.b)
		v, err := x.v.At(s)
		require.NoError(t, err)
		l, err := x.l.At(s)
		require.NoError(t, err)
		m, err := x.m.At(s)
		require.NoError(t, err)
		want := blocksOf(t, s)
		var readers sync.WaitGroup
		faults := make(chan string, 100)
		whole := func(name string, n, all int) bool {
			if n != 0 && n != all {
				faults <- name
			}
			return n != 0
		}
		readers.Go(func() {
			for whole("value", count2(v.All()), 64) {
			}
		})
		readers.Go(func() {
			for whole("list", len(slices.Collect(l.Get(7))), 2) {
			}
		})
		readers.Go(func() {
			for whole("map", count2(m.Entries(7)), 1) && whole("maps", count2(m.All()), 64) {
			}
		})
		readers.Go(func() {
			for {
				block, _, err := s.AppendGroup(nil, 1)
				if err != nil {
					return
				}
				if !slices.Equal(want[1], block) {
					faults <- "block"
				}
			}
		})
		readers.Go(s.Release)
		for k := range uint64(64) {
			require.NoError(t, x.v.Put(k, -1))
			require.NoError(t, x.l.Append(k, -1))
			require.NoError(t, x.m.Put(k, "b", -1))
			require.NoError(t, x.v.Delete(k))
		}
		s.Release()
		readers.Wait()
		require.Empty(t, faults)
	}
}

func count2[K, V any](loop iter.Seq2[K, V]) (n int) {
	for range loop {
		n++
	}
	return n
}

func TestViewsOfWhatASnapshotDoesNotHold(t *testing.T) {
	x := newTrio(t, whole())
	s := capture(t, x.b)
	late := valueOf[int](t, x.b, "late")
	_, err := late.At(s)
	require.ErrorIs(t, err, heapbackend.ErrUnknownState)
	_, err = newTrio(t, whole()).v.At(s)
	require.ErrorIs(t, err, heapbackend.ErrMismatch, "another backend's")
	carrier := backend[uint64](t, whole())
	restore(t, carrier, capture(t, filledTrio(t, 50).b), decoded)
	s = capture(t, carrier)
	claimed := valueOf[int](t, carrier, "v")
	_, err = claimed.At(s)
	require.ErrorIs(t, err, heapbackend.ErrUnknownState, "it was carried then")
	view, err := claimed.At(capture(t, carrier))
	require.NoError(t, err)
	require.Equal(t, 50, count2(view.All()))
}

func TestViewsOfKeysThatAreNotThere(t *testing.T) {
	b := backend[uint64](t, part(2, 5))
	l, m := listOf[int](t, b, "l"), mapOf[int, int](t, b, "m")
	require.NoError(t, m.Put(keyIn(t, 2, 0), 1, 1))
	s := capture(t, b)
	lv, err := l.At(s)
	require.NoError(t, err)
	mv, err := m.At(s)
	require.NoError(t, err)
	for _, k := range []uint64{keyIn(t, 2, 1), keyIn(t, 7, 0)} { // absent, and of another task
		require.Empty(t, slices.Collect(lv.Get(k)))
		require.Empty(t, maps.Collect(mv.Entries(k)))
		_, ok := mv.Get(k, 1)
		require.False(t, ok)
	}
	_, ok := mv.Get(keyIn(t, 2, 0), 2)
	require.False(t, ok)
	require.NoError(t, b.Err(), "a view may be asked for any key")
}

func TestTheMapsOfALoopEndWithIt(t *testing.T) {
	x := filledTrio(t, 100)
	entries := maps.Collect(x.m.All())
	require.Len(t, entries, 100)
	require.Empty(t, maps.Collect(entries[5]))
	for k, inner := range x.m.All() {
		require.NoError(t, x.m.Put(k, "b", 1))
		require.Equal(t, map[string]int{"a": int(k)}, maps.Collect(inner))
	}
}

func TestLoopsStopWhenTold(t *testing.T) {
	x := filledTrio(t, 100)
	require.NoError(t, x.m.Put(1, "b", 1))
	s := capture(t, x.b)
	v, err := x.v.At(s)
	require.NoError(t, err)
	l, err := x.l.At(s)
	require.NoError(t, err)
	m, err := x.m.At(s)
	require.NoError(t, err)
	stops := func(name string, n int) { require.Equal(t, 1, n, name) }
	stops("value", once2(x.v.All()))
	stops("value view", once2(v.All()))
	stops("list", once2(x.l.All()))
	stops("list view", once2(l.All()))
	stops("map", once2(x.m.All()))
	stops("map view", once2(m.All()))
	stops("entries", once2(x.m.Entries(1)))
	stops("entries view", once2(m.Entries(1)))
	stops("elements", once(x.l.Get(1)))
	stops("elements view", once(l.Get(1)))
	s.Release()
	require.NoError(t, x.v.Put(1, 2))
}

func once2[K, V any](loop iter.Seq2[K, V]) (n int) {
	for range loop {
		n++
		break
	}
	return n
}

func once[V any](loop iter.Seq[V]) (n int) {
	for range loop {
		n++
		break
	}
	return n
}
