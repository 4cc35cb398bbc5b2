package batch

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
)

// Final over every fact there is, also those that a task may leave out, is the answer. The facts are made one by one, each with
// a look at all events.
func TestFinalOfAllFactsIsTheAnswer(t *testing.T) {
	t.Parallel()
	g, err := event.New(event.Config{Seed: 8, Events: 1500, Rate: 50, OutOfOrder: 2 * time.Second})
	require.NoError(t, err)
	events := slices.Collect(g.All())
	for q, facts := range map[answer.Query]map[string]string{
		answer.Q4: closedAuctions(events),
		answer.Q5: allAuctionBids(events),
		answer.Q7: allBids(events),
	} {
		want, err := Answer(q, slices.Values(events))
		require.NoError(t, err)
		got, err := answer.Final(q, facts)
		require.NoError(t, err)
		require.Equal(t, want, got, "%v", q)
		require.Greater(t, len(facts), len(want), "%v", q)
	}
	for _, q := range answer.Queries() {
		want, err := Answer(q, slices.Values(events))
		require.NoError(t, err)
		if q == answer.Q4 {
			continue // its answer is not made of facts
		}
		got, err := answer.Final(q, want)
		require.NoError(t, err)
		require.Equal(t, want, got, "%v: the facts of the answer suffice", q)
	}
}

func closedAuctions(events []event.Event) map[string]string {
	facts := map[string]string{}
	for _, a := range events {
		best := int64(-1)
		for _, b := range events {
			if a.Kind == event.KindAuction && b.Kind == event.KindBid && b.Bid.Auction == a.Auction.ID &&
				b.At >= a.At && b.At < a.Auction.Expires && b.Bid.Price >= a.Auction.Reserve {
				best = max(best, b.Bid.Price)
			}
		}
		if best >= 0 {
			answer.ClosedAuction(a.Auction.ID, a.Auction.Category, best).Set(facts)
		}
	}
	return facts
}

func allAuctionBids(events []event.Event) map[string]string {
	facts := map[string]string{}
	begin, end := events[0].At/2000*2000-20_000, events[len(events)-1].At+20_000
	for window := begin; window < end; window += 2000 {
		count := map[int64]int64{}
		for _, e := range events {
			if e.Kind == event.KindBid && e.At >= window && e.At < window+10_000 {
				count[e.Bid.Auction]++
			}
		}
		for auction, n := range count {
			answer.AuctionBids(window, auction, n).Set(facts)
		}
	}
	return facts
}

func allBids(events []event.Event) map[string]string {
	facts := map[string]string{}
	for _, e := range events {
		if e.Kind == event.KindBid {
			answer.HighBid(e.At/10_000*10_000, e.Index, &e.Bid).Set(facts)
		}
	}
	return facts
}
