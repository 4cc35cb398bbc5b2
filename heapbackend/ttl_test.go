package heapbackend_test

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// aging is a backend with one state of each kind that keeps numbers, all with one TTL and one clock.
type aging struct {
	b   *heapbackend.Backend[uint64]
	v   *heapbackend.Value[uint64, int]
	l   *heapbackend.List[uint64, int]
	m   *heapbackend.Map[uint64, string, int]
	now *heapbackend.Timestamp
}

// newAging makes one; without a TTL if after is 0.
func newAging(t testing.TB, now *heapbackend.Timestamp, ttl heapbackend.TTL) aging {
	var o heapbackend.Options[int]
	if ttl.After != 0 {
		ttl.Clock = func() heapbackend.Timestamp { return *now }
		o.TTL = &ttl
	}
	b := backend[uint64](t, whole())
	return aging{b, valueOf(t, b, "v", o), listOf(t, b, "l", o), mapOf[string](t, b, "m", o), now}
}

func (a aging) put(t testing.TB, k uint64, n int) {
	require.NoError(t, a.v.Put(k, n))
	require.NoError(t, a.l.Append(k, n))
	require.NoError(t, a.m.Put(k, "a", n))
}

// get returns what Get of the three states returns, 0 for nothing.
func (a aging) get(k uint64) [3]int {
	v, _ := a.v.Get(k)
	x, _ := a.m.Get(k, "a")
	return [3]int{v, len(slices.Collect(a.l.Get(k))), x}
}

func (a aging) keys() int { return a.v.Keys() + a.l.Keys() + a.m.Keys() }

func TestAnEntryExpiresWhenItsTimeHasCome(t *testing.T) {
	now := heapbackend.Timestamp(1000)
	a := newAging(t, &now, heapbackend.TTL{After: 10*time.Millisecond - 1}) // rounded up
	a.put(t, 1, 7)
	now = 1009
	require.Equal(t, [3]int{7, 1, 7}, a.get(1), "reading does not extend")
	require.Equal(t, []int{1, 1}, []int{a.l.Len(1), a.m.Len(1)})
	now = 1010
	require.Equal(t, []int{0, 0}, []int{a.l.Len(1), a.m.Len(1)})
	require.Equal(t, [3]int{}, a.get(1))
	a.put(t, 1, 8)
	require.NoError(t, a.l.Append(2, 1))
	now = 1019
	a.put(t, 1, 9)
	now = 1025
	require.Equal(t, [3]int{9, 1, 9}, a.get(1), "writing does, and each element has its own time")
	require.NoError(t, a.v.Update(1, func(n *int) { *n++ }))
	now = 1034
	require.Equal(t, [3]int{10, 0, 0}, a.get(1))
	now = 1035
	require.NoError(t, a.v.Update(1, func(n *int) { require.Zero(t, *n) }))
}

func TestReadingExtendsALifeIfSoChosen(t *testing.T) {
	now := heapbackend.Timestamp(1000)
	a := newAging(t, &now, heapbackend.TTL{After: 10 * time.Millisecond, OnRead: true, Cleanup: -1})
	a.put(t, 1, 7)
	a.put(t, 2, 7)
	for range 5 {
		now += 9
		require.Equal(t, [3]int{7, 1, 7}, a.get(1))
	}
	require.Equal(t, [3]int{}, a.get(2))
	now = 0
	require.Equal(t, [3]int{7, 1, 7}, a.get(1), "and never shortens it")
	now = 1045
	require.Equal(t, [3]int{7, 1, 7}, a.get(1))
}

func TestWhatHasExpiredIsReturnedUntilItIsCleanedIfSoChosen(t *testing.T) {
	now := heapbackend.Timestamp(1000)
	a := newAging(t, &now, heapbackend.TTL{After: 10 * time.Millisecond, ReturnExpired: true, Cleanup: -1})
	a.put(t, 1, 7)
	now = 2000
	for range a.v.All() {
		require.Fail(t, "a loop leaves out what has expired")
	}
	require.Equal(t, [3]int{7, 1, 7}, a.get(1))
	require.Equal(t, [3]int{}, a.get(1), "the read was the last one")
	require.Zero(t, a.keys())
}

// TestWhatASnapshotLeftOutStaysGone restores it where the clock went back, and where expired entries are returned.
func TestWhatASnapshotLeftOutStaysGone(t *testing.T) {
	for name, how := range ways {
		t.Run(name, func(t *testing.T) {
			now := heapbackend.Timestamp(1000)
			ttl := heapbackend.TTL{After: 10 * time.Millisecond, ReturnExpired: true, Cleanup: -1}
			a := newAging(t, &now, ttl)
			for k := range uint64(50) {
				a.put(t, k, 7)
			}
			now = 1005
			for k := uint64(50); k < 100; k++ {
				a.put(t, k, 8)
			}
			now = 1010
			s := capture(t, a.b)
			entries := uint64(0)
			for g := range testM {
				entries += s.Entries(g)
			}
			require.EqualValues(t, 150, entries)
			now = 0 // and another, longer TTL
			ttl.After = time.Hour
			b := newAging(t, &now, ttl)
			restore(t, b.b, s, how)
			for k := range uint64(50) {
				require.Equal(t, [3]int{}, b.get(k))
				require.Equal(t, [3]int{8, 1, 8}, b.get(50+k))
			}
			b.put(t, 1, 9)
			require.Equal(t, [3]int{9, 1, 9}, b.get(1), "what is written afterwards is there")
		})
	}
}

func TestWhatExpiresDuringDowntimeHasExpiredAfterTheRestore(t *testing.T) {
	for name, how := range ways {
		t.Run(name, func(t *testing.T) {
			now := heapbackend.Timestamp(1000)
			ttl := heapbackend.TTL{After: 10 * time.Millisecond}
			a := newAging(t, &now, ttl)
			for k := range uint64(20) {
				a.put(t, k, 7)
			}
			s := capture(t, a.b)
			now = 1009
			b := newAging(t, &now, ttl)
			restore(t, b.b, s, how)
			require.Equal(t, [3]int{7, 1, 7}, b.get(3))
			now = 1010
			require.Equal(t, [3]int{}, b.get(3))
			c := newAging(t, &now, ttl)
			restore(t, c.b, s, how)
			require.Equal(t, [3]int{}, c.get(5))
			for _, block := range blocksOf(t, capture(t, c.b)) {
				require.Empty(t, block)
			}
		})
	}
}

func TestATTLIsTurnedOnAndOff(t *testing.T) {
	for name, how := range ways {
		t.Run(name, func(t *testing.T) {
			now := heapbackend.Timestamp(1000)
			ttl := heapbackend.TTL{After: 10 * time.Millisecond}
			a := newAging(t, &now, heapbackend.TTL{})
			for k := range uint64(20) {
				a.put(t, k, 7)
			}
			now = 5000
			b := newAging(t, &now, ttl)
			restore(t, b.b, capture(t, a.b), how)
			now = 5009
			require.Equal(t, [3]int{7, 1, 7}, b.get(3), "written when it was restored")
			b.put(t, 100, 8)
			s := capture(t, b.b)
			now = 5010
			require.Equal(t, [3]int{}, b.get(3))
			c := newAging(t, &now, heapbackend.TTL{})
			restore(t, c.b, s, how)
			now = 1e9
			require.Equal(t, [3]int{7, 1, 7}, c.get(3))
			d := newAging(t, &now, heapbackend.TTL{})
			restore(t, d.b, capture(t, b.b), how)
			require.Equal(t, [3]int{}, d.get(3), "what had expired at the capture is not there")
		})
	}
}

func TestASnapshotHoldsTheSameForEver(t *testing.T) {
	now := heapbackend.Timestamp(1000)
	a := newAging(t, &now, heapbackend.TTL{After: 10 * time.Millisecond})
	for k := range uint64(300) {
		now = heapbackend.Timestamp(1000 + k/15)
		a.put(t, k, 7)
	}
	now = 1020
	s := capture(t, a.b)
	view, err := a.v.At(s)
	require.NoError(t, err)
	now = 5000
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for g := range testM {
				_, n, err := s.AppendGroup(nil, g)
				if err != nil || n != s.Entries(g) {
					t.Errorf("group %d: %d entries, %v", g, n, err)
				}
			}
			if n := view.Keys(); n != 135 {
				t.Errorf("%d keys in a view", n)
			}
		})
	}
	for k := range uint64(300) {
		a.put(t, k, 9)
	}
	readers.Wait()
	require.EqualValues(t, 3*135, entriesIn(s))
}

func entriesIn(s *heapbackend.Snapshot) (n uint64) {
	for g := range testM {
		n += s.Entries(g)
	}
	return n
}

func TestATTLThatCannotBeIsRefused(t *testing.T) {
	b := backend[uint64](t, whole())
	for _, after := range []time.Duration{0, -1, math.MinInt64} {
		o := heapbackend.Options[int]{TTL: &heapbackend.TTL{After: after}}
		_, err := heapbackend.NewValue(b, "v", o)
		require.ErrorIs(t, err, heapbackend.ErrConfig)
		_, err = heapbackend.NewList(b, "l", o)
		require.ErrorIs(t, err, heapbackend.ErrConfig)
		_, err = heapbackend.NewMap[int](b, "m", o)
		require.ErrorIs(t, err, heapbackend.ErrConfig)
		_, err = heapbackend.NewReducing(b, "r", func(a, b int) int { return a + b }, o)
		require.ErrorIs(t, err, heapbackend.ErrConfig)
		require.ErrorContains(t, err, "TTL.After is "+after.String())
	}
	require.Empty(t, entriesOf(t, capture(t, b)), "a state was registered")
}

// TestTheEndsOfTime tries every pair of extreme clocks and the shortest and longest life against the definition.
func TestTheEndsOfTime(t *testing.T) {
	times := []heapbackend.Timestamp{
		heapbackend.MinTimestamp, heapbackend.MinTimestamp + 1, heapbackend.MinTimestamp + math.MaxInt64/1_000_000, -1, 0, 1,
		heapbackend.MaxTimestamp - math.MaxInt64/1_000_000 - 1, heapbackend.MaxTimestamp - 1, heapbackend.MaxTimestamp,
	}
	for _, after := range []time.Duration{1, time.Millisecond, math.MaxInt64 - math.MaxInt64%1_000_000} {
		for _, wrote := range times {
			for _, then := range times {
				now := wrote
				a := newAging(t, &now, heapbackend.TTL{After: after})
				require.NoError(t, a.v.Put(1, 7))
				now = then
				_, ok := a.v.Get(1)
				want := wrote.Add(max(after, time.Millisecond)) > then
				if wrote == heapbackend.MinTimestamp { // there was no time yet: it counts from the first one
					want = then < heapbackend.MaxTimestamp
				}
				require.Equal(t, want, ok, "wrote at %d, after %v, now %d", wrote, after, then)
			}
		}
	}
}

func TestTheWallClockIsTheDefault(t *testing.T) {
	b := backend[uint64](t, whole())
	v := valueOf(t, b, "v", heapbackend.Options[int]{TTL: &heapbackend.TTL{After: time.Hour}})
	require.NoError(t, v.Put(1, 1))
	_, ok := v.Get(1)
	require.True(t, ok)
	s := capture(t, b)
	require.EqualValues(t, 1, s.Entries(keyGroup(t, 1)))
}

func keyGroup(t testing.TB, k uint64) int {
	h, err := keygroups.NewHasher[uint64](whole().Seed)
	require.NoError(t, err)
	return keygroups.Of(h.Hash(k), testM)
}

// TestStampedBlocksMayBeAnything stages every prefix and every changed byte of a group.
func TestStampedBlocksMayBeAnything(t *testing.T) {
	now := heapbackend.Timestamp(1000)
	ttl := heapbackend.TTL{After: time.Minute}
	a := newAging(t, &now, ttl)
	k := keyIn(t, 3, 0)
	a.put(t, k, 7)
	a.put(t, k, 9)
	s := capture(t, a.b)
	block, _, err := s.AppendGroup(nil, 3)
	require.NoError(t, err)
	try := func(block []byte) error {
		b := newAging(t, &now, ttl)
		x, err := b.b.StageBlock(s.Schema(), 3, block)
		if err != nil {
			return err
		}
		require.NoError(t, b.b.Install([]*heapbackend.Staged{x}))
		b.get(k)
		for range 20 {
			b.put(t, k, 1)
		}
		_ = blocksOf(t, capture(t, b.b))
		return b.b.Err()
	}
	require.NoError(t, try(block))
	for i := range block {
		damaged := [][]byte{block[:i]}
		for _, x := range []byte{0x01, 0x10, 0x80, 0xff} {
			changed := slices.Clone(block)
			changed[i] ^= x
			damaged = append(damaged, changed)
		}
		for _, d := range damaged {
			if err := try(d); err != nil {
				require.ErrorIs(t, err, heapbackend.ErrCorrupt)
			}
		}
	}
}
