package heapbackend_test

import (
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// duo is a backend with timers and a value.
type duo struct {
	b      *heapbackend.Backend[uint64]
	timers *heapbackend.Timers[uint64]
	v      *heapbackend.Value[uint64, int]
}

func newDuo(t require.TestingT, cfg heapbackend.Config) duo {
	b := backend[uint64](t, cfg)
	return duo{b, timersOf(t, b, "timers"), valueOf[int](t, b, "v")}
}

// fill registers n timers, the k-th of key k at time k % 1000.
func (x duo) fill(t require.TestingT, n int) duo {
	for k := range uint64(n) {
		require.NoError(t, x.timers.Register(k, heapbackend.Timestamp(k%1000)))
	}
	return x
}

// due takes all timers up to a time.
func (x duo) due(upTo heapbackend.Timestamp) (fired []firing) {
	for k, at := range x.timers.Due(upTo) {
		fired = append(fired, firing{k, at})
	}
	return fired
}

type firing struct {
	key uint64
	at  heapbackend.Timestamp
}

func TestATimerIsItsKeyAndItsTime(t *testing.T) {
	x := newDuo(t, whole())
	for range 3 {
		require.NoError(t, x.timers.Register(1, 10))
		require.NoError(t, x.timers.Register(1, 20))
		require.NoError(t, x.timers.Register(2, 10))
	}
	require.Equal(t, 3, x.timers.Len())
	require.NoError(t, x.timers.Delete(1, 10))
	require.NoError(t, x.timers.Delete(1, 10), "again")
	require.NoError(t, x.timers.Delete(2, 20), "never registered")
	require.False(t, x.timers.Has(1, 10))
	require.True(t, x.timers.Has(1, 20))
	require.Equal(t, []firing{{2, 10}, {1, 20}}, x.due(100))
	require.Empty(t, x.due(heapbackend.MaxTimestamp))
}

func TestTimersAtTheEndsOfTime(t *testing.T) {
	ends := []heapbackend.Timestamp{heapbackend.MinTimestamp, heapbackend.MinTimestamp + 1, 0, heapbackend.MaxTimestamp - 1, heapbackend.MaxTimestamp}
	for name, how := range ways {
		t.Run(name, func(t *testing.T) {
			from := newDuo(t, whole())
			for i := range ends {
				for k := range uint64(20) {
					require.NoError(t, from.timers.Register(k, ends[len(ends)-1-i]))
				}
			}
			x := newDuo(t, whole())
			restore(t, x.b, capture(t, from.b), how)
			for i, at := range ends {
				next, ok := x.timers.Next()
				require.True(t, ok)
				require.Equal(t, at, next)
				fired := x.due(at)
				require.Len(t, fired, 20)
				require.Equal(t, 20*(len(ends)-1-i), x.timers.Len())
			}
			_, ok := x.timers.Next()
			require.False(t, ok)
		})
	}
}

func TestNaNIsOneKey(t *testing.T) {
	b := backend[float64](t, whole())
	timers := timersOf(t, b, "timers")
	require.NoError(t, timers.Register(math.NaN(), 1))
	require.NoError(t, timers.Register(otherNaN, 1))
	require.NoError(t, timers.Register(0, 1))
	require.NoError(t, timers.Register(negativeZero, 1))
	require.Equal(t, 2, timers.Len())
	require.True(t, timers.Has(otherNaN, 1))
	require.NoError(t, timers.Delete(otherNaN, 1))
	require.NoError(t, timers.Delete(negativeZero, 1))
	require.Zero(t, timers.Len())
}

func TestAWatermarkThatGoesBackFiresNothing(t *testing.T) {
	x := newDuo(t, whole()).fill(t, 1000)
	require.Len(t, x.due(500), 501)
	require.Empty(t, x.due(100))
	require.Empty(t, x.due(heapbackend.MinTimestamp))
	require.NoError(t, x.timers.Register(1, 5))
	require.Equal(t, []firing{{1, 5}}, x.due(100), "a time that has passed")
	require.Equal(t, 499, x.timers.Len())
}

func TestDueYieldsWhatTheBodyRegisters(t *testing.T) {
	x := newDuo(t, whole())
	require.NoError(t, x.timers.Register(1, 10))
	require.NoError(t, x.timers.Register(2, 20))
	require.NoError(t, x.timers.Register(3, 30))
	var fired []firing
	for k, at := range x.timers.Due(25) {
		fired = append(fired, firing{k, at})
		switch at {
		case 10:
			require.NoError(t, x.timers.Register(7, 15), "due, later")
			require.NoError(t, x.timers.Register(8, 5), "due, earlier")
			require.NoError(t, x.timers.Register(9, 26), "not due")
			require.NoError(t, x.timers.Delete(2, 20), "would have been due")
		case 15:
			require.NoError(t, x.timers.Register(7, 40))
		}
	}
	require.Equal(t, []firing{{1, 10}, {8, 5}, {7, 15}}, fired)
	require.Equal(t, []firing{{9, 26}, {3, 30}, {7, 40}}, x.due(100))
}

func TestALoopThatEndsEarlyLosesNoTimer(t *testing.T) {
	x := newDuo(t, whole()).fill(t, 1000)
	n := 0
	for range x.timers.Due(heapbackend.MaxTimestamp) {
		if n++; n == 10 {
			break
		}
	}
	require.Equal(t, 990, x.timers.Len())
	require.PanicsWithValue(t, "mine", func() {
		for range x.timers.Due(heapbackend.MaxTimestamp) {
			panic("mine")
		}
	})
	require.NoError(t, x.b.Err(), "the backend is free while the body runs")
	require.Len(t, x.due(heapbackend.MaxTimestamp), 989)
}

// TestEachTimerFiresOnceAcrossFailures captures inside the loop, fails, and goes on in other tasks.
func TestEachTimerFiresOnceAcrossFailures(t *testing.T) {
	for name, how := range ways {
		t.Run(name, func(t *testing.T) {
			const n = 5000
			x := newDuo(t, whole()).fill(t, n)
			fired := map[uint64]int{}
			var s *heapbackend.Snapshot
			for k := range x.timers.Due(700) {
				if fired[k]++; len(fired) == 1234 {
					s = capture(t, x.b)
					break
				}
			}
			x.due(800) // lost with the failure
			require.NoError(t, x.b.Close())
			for _, cfg := range []heapbackend.Config{part(0, 3), part(3, 4), part(4, 8)} {
				next := newDuo(t, cfg)
				restore(t, next.b, s, how)
				for _, f := range next.due(heapbackend.MaxTimestamp) {
					fired[f.key]++
				}
			}
			require.Len(t, fired, n)
			for k, times := range fired {
				require.Equal(t, 1, times, "timer %d", k)
			}
		})
	}
}

func TestAllAndInGroupSeeTheTimersOfTheirBeginning(t *testing.T) {
	x := newDuo(t, part(2, 6))
	var keys []uint64
	for g := 2; g < 6; g++ {
		for i := range 50 {
			keys = append(keys, keyIn(t, g, i))
			require.NoError(t, x.timers.Register(keys[len(keys)-1], heapbackend.Timestamp(i)))
		}
	}
	n := 0
	for k := range x.timers.All() {
		require.Equal(t, keys[n], k, "group by group, in the order of times")
		require.NoError(t, x.timers.Delete(keys[n], heapbackend.Timestamp(n%50)))
		n++
	}
	require.Equal(t, 200, n)
	require.Zero(t, x.timers.Len())
	require.NoError(t, x.timers.Register(keys[60], 1))
	view, err := x.timers.At(capture(t, x.b))
	require.NoError(t, err)
	for group := -1; group <= testM; group++ {
		n, m := 0, 0
		for range x.timers.InGroup(group) {
			n++
		}
		for range view.InGroup(group) {
			m++
		}
		if group == 3 {
			require.Equal(t, 1, n)
		} else {
			require.Zero(t, n)
		}
		require.Equal(t, n, m)
	}
}

func TestAViewOfTimers(t *testing.T) {
	x := newDuo(t, whole()).fill(t, 2000)
	s := capture(t, x.b)
	x.due(1500)
	view, err := x.timers.At(s)
	require.NoError(t, err)
	require.Equal(t, "timers", view.Name())
	require.Equal(t, 2000, view.Len())
	require.True(t, view.Has(5, 5))
	require.False(t, view.Has(5, 6))
	next, ok := view.Next()
	require.True(t, ok)
	require.Zero(t, next)
	n := 0
	for k, at := range view.All() {
		require.Equal(t, heapbackend.Timestamp(k%1000), at)
		n++
	}
	require.Equal(t, 2000, n)
	s.Release()
	require.Zero(t, view.Len())
	require.False(t, view.Has(5, 5))
	_, ok = view.Next()
	require.False(t, ok)
	for range view.All() {
		t.Fatal("a released snapshot holds nothing")
	}
	_, err = x.timers.At(s)
	require.ErrorIs(t, err, heapbackend.ErrReleased)
	_, err = newDuo(t, whole()).timers.At(capture(t, x.b))
	require.ErrorIs(t, err, heapbackend.ErrMismatch)
	later := timersOf(t, x.b, "later")
	_, err = x.timers.At(capture(t, x.b))
	require.NoError(t, err)
	s = capture(t, newDuo(t, whole()).b)
	_, err = later.At(s)
	require.ErrorIs(t, err, heapbackend.ErrUnknownState)
}

// TestASnapshotOfTimersIsFreeToAllGoroutines reads one snapshot, and adopts it twice, while its owner goes on.
func TestASnapshotOfTimersIsFreeToAllGoroutines(t *testing.T) {
	const n = 20_000
	x := newDuo(t, whole()).fill(t, n)
	s := capture(t, x.b)
	view, err := x.timers.At(s)
	require.NoError(t, err)
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			sum := 0
			for range view.All() {
				sum++
			}
			if sum != n || !view.Has(7, 7) {
				t.Errorf("read %d timers", sum)
			}
		})
		others.Go(func() {
			y := newDuo(t, whole())
			staged, err := stage(y.b, s, adopted)
			if err != nil || y.b.Install(staged) != nil {
				t.Error("not adopted", err)
			}
			if fired := len(y.due(500)) + len(y.due(heapbackend.MaxTimestamp)); fired != n {
				t.Errorf("%d timers fired", fired)
			}
		})
	}
	require.Len(t, x.due(heapbackend.MaxTimestamp), n)
	x.fill(t, n)
	others.Wait()
	require.Equal(t, n, x.timers.Len())
}

func TestDueEndsWhenItsBodyClosesTheBackend(t *testing.T) {
	x := newDuo(t, whole()).fill(t, 100)
	n := 0
	for range x.timers.Due(heapbackend.MaxTimestamp) {
		require.NoError(t, x.b.Close())
		n++
	}
	require.Equal(t, 1, n)
	require.ErrorIs(t, x.b.Err(), heapbackend.ErrClosed)
}

func TestARollbackInTheBodyOfDueIsFollowed(t *testing.T) {
	x := newDuo(t, whole()).fill(t, 100)
	s := capture(t, x.b)
	n := 0
	for range x.timers.Due(heapbackend.MaxTimestamp) {
		if n++; n == 50 {
			restore(t, x.b, s, mixed)
		}
	}
	require.Equal(t, 150, n)
}
