package event

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newGenerator(t testing.TB, c Config) *Generator {
	t.Helper()
	g, err := New(c)
	require.NoError(t, err)
	return g
}

// fingerprint is a number that changes with any field of any event.
func fingerprint(t testing.TB, g *Generator) string {
	t.Helper()
	hash := fnv.New64a()
	encoder := json.NewEncoder(hash)
	for e := range g.All() {
		require.NoError(t, encoder.Encode(e))
	}
	return fmt.Sprintf("%016x", hash.Sum64())
}

func TestOfFiftyEventsOneIsAPersonAndThreeAreAuctions(t *testing.T) {
	t.Parallel()
	count := map[Kind]int{}
	person, auction := int64(firstID), int64(firstID)
	for e := range newGenerator(t, Config{Seed: 1, Events: 50_000}).All() {
		count[e.Kind]++
		require.Equal(t, e.Kind == KindPerson, e.Person != nil)
		require.Equal(t, e.Kind == KindAuction, e.Auction != nil)
		require.Equal(t, e.Kind == KindBid, e.Bid != Bid{})
		switch e.Kind {
		case KindPerson:
			require.Equal(t, person, e.Person.ID, "ids have no gaps")
			require.Equal(t, e.At, e.Person.At)
			person++
		case KindAuction:
			require.Equal(t, auction, e.Auction.ID, "ids have no gaps")
			require.Equal(t, e.At, e.Auction.At)
			auction++
		case KindBid:
			require.Equal(t, e.At, e.Bid.At)
		}
	}
	require.Equal(t, map[Kind]int{KindPerson: 1000, KindAuction: 3000, KindBid: 46_000}, count)
}

// The digest pins the events of a seed: it is the same on every platform, and a change of the generator is a change of everybody's input.
func TestASeedGivesTheSameEventsEverywhere(t *testing.T) {
	t.Parallel()
	c := Config{Seed: 42, Events: 10_000, OutOfOrder: 3 * time.Second}
	require.Equal(t, "19dc092b5cfd8131", fingerprint(t, newGenerator(t, c)))
	require.Equal(t, fingerprint(t, newGenerator(t, c)), fingerprint(t, newGenerator(t, c)))
	other := c
	other.Seed++
	require.NotEqual(t, fingerprint(t, newGenerator(t, c)), fingerprint(t, newGenerator(t, other)))
}

func TestAnEventDependsOnItsIndexAlone(t *testing.T) {
	t.Parallel()
	c := Config{Seed: 7, Events: 5000, OutOfOrder: time.Second}
	var sequential []Event
	for e := range newGenerator(t, c).All() {
		sequential = append(sequential, e)
	}
	require.Len(t, sequential, 5000)
	backwards := newGenerator(t, c)
	for i := c.Events - 1; i >= 0; i-- {
		require.Equal(t, sequential[i], backwards.Event(i))
	}
	c.Partitions, c.Events = 7, 50
	require.Equal(t, sequential[4999], newGenerator(t, c).Event(4999), "neither the number of events nor of partitions matters")
}

func TestEventsArriveAtTheRate(t *testing.T) {
	t.Parallel()
	g := newGenerator(t, Config{Events: 1, Rate: 3000, Base: 5000})
	for index, at := range map[int64]Millis{0: 5000, 1: 5000, 2: 5000, 3: 5001, 2999: 5999, 3000: 6000, 3_000_000_000: 1_000_005_000} {
		require.Equal(t, at, g.Event(index).ArrivedAt)
		require.Equal(t, at, g.ArrivedAt(index))
	}
}

func TestEventsArriveWithinTheBoundOutOfOrder(t *testing.T) {
	t.Parallel()
	for _, bound := range []Millis{0, 1, 7, 100, 3000} {
		for _, percent := range []int{1, 10, 100} {
			g := newGenerator(t, Config{
				Seed: 3, Events: 20_000, OutOfOrder: time.Duration(bound) * time.Millisecond, DelayedPercent: percent,
			})
			shortest, longest, delayed := MaxMillis, MinMillis, 0.0
			for e := range g.All() {
				delay := e.ArrivedAt - e.At
				shortest, longest = min(shortest, delay), max(longest, delay)
				if delay > 0 {
					delayed++
				}
			}
			require.Zero(t, shortest)
			require.LessOrEqual(t, longest, bound)
			if bound <= 7 {
				require.Equal(t, bound, longest, "the bound is reached")
			}
			require.InDelta(t, float64(percent)/100*float64(bound)/float64(bound+1), delayed/20_000, 0.01)
		}
	}
}

func TestConfigReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := New(Config{
		Events: -1, Partitions: -1, Rate: -1, OutOfOrder: time.Microsecond, DelayedPercent: 101, Base: -1,
		HotAuctionRatio: -1, HotBidderRatio: -1, HotSellerRatio: -1, ActivePeople: -1, InFlightAuctions: -1,
	})
	require.ErrorIs(t, err, ErrConfig)
	for _, field := range []string{
		"Events", "Partitions", "Rate", "OutOfOrder", "DelayedPercent", "Base",
		"HotAuctionRatio", "HotBidderRatio", "HotSellerRatio", "ActivePeople", "InFlightAuctions",
	} {
		require.ErrorContains(t, err, field+" is")
	}
	_, err = New(Config{Events: 1, OutOfOrder: -time.Millisecond})
	require.ErrorIs(t, err, ErrConfig)
	_, err = New(Config{})
	require.ErrorIs(t, err, ErrConfig, "how many events there are has no default")
}

func TestTheLargestConfigDoesNotOverflow(t *testing.T) {
	t.Parallel()
	g := newGenerator(t, Config{
		Events: maxEvents, Rate: 1, Base: maxBase, Partitions: maxCount, ActivePeople: maxCount, InFlightAuctions: maxCount,
	})
	for i := maxEvents - int64(perEpoch); i < maxEvents; i++ {
		e := g.Event(i)
		require.GreaterOrEqual(t, e.At, Millis(maxBase))
		if e.Kind == KindAuction {
			require.Greater(t, e.Auction.Expires, e.At)
			require.GreaterOrEqual(t, e.Auction.Seller, int64(firstID))
		}
		if e.Kind == KindBid {
			require.GreaterOrEqual(t, e.Bid.Auction, int64(firstID))
			require.GreaterOrEqual(t, e.Bid.Bidder, int64(firstID))
		}
	}
}

func TestConfigShowsTheDefaults(t *testing.T) {
	t.Parallel()
	require.Equal(t, Config{
		Events: 1, Partitions: 1, Rate: 10_000, DelayedPercent: 10, Base: time.Date(2015, 7, 15, 0, 0, 0, 0, time.UTC).UnixMilli(),
		HotAuctionRatio: 2, HotBidderRatio: 4, HotSellerRatio: 4, ActivePeople: 1000, InFlightAuctions: 100,
	}, newGenerator(t, Config{Events: 1}).Config())
}

func TestABidAllocatesNothing(t *testing.T) {
	g := newGenerator(t, Config{Seed: 1, Events: 50})
	var kept Event
	for index, most := range map[int64]float64{0: 5, 1: 1, 2: 1, 3: 1, 4: 0, 49: 0} {
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { kept = g.Event(index) }), most, "event %d, a %v", index, kept.Kind)
	}
}

// BenchmarkEvent makes one event after the other: events/s is what one core gives.
func BenchmarkEvent(b *testing.B) {
	g := newGenerator(b, Config{Seed: 1, Events: 1, OutOfOrder: 3 * time.Second})
	b.ReportAllocs()
	var index, bidders int64
	for b.Loop() {
		e := g.Event(index)
		bidders += e.Bid.Bidder
		index++
	}
	if bidders == 1 {
		b.Fatal("no bids")
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
