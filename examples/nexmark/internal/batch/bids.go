package batch

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
)

// cell is a window with whom or what is counted in it.
type cell struct {
	window event.Millis
	id     int64
}

// HotItems is query 5: for each window of 10 s that begins at a multiple of 2 s, and each auction with the most bids in it,
// window|auction -> count.
func HotItems(events iter.Seq[event.Event]) map[string]string {
	counts := map[cell]int64{}
	for e := range events {
		if e.Kind != event.KindBid {
			continue
		}
		last := windowOf(e.Bid.At, answer.Slide) // the last window that has the bid
		for window := last; window+answer.Window > e.Bid.At; window -= answer.Slide {
			counts[cell{window, e.Bid.Auction}]++
		}
	}
	most := map[event.Millis]int64{}
	for c, n := range counts {
		most[c.window] = max(most[c.window], n)
	}
	output := map[string]string{}
	for c, n := range counts {
		if n == most[c.window] {
			answer.AuctionBids(c.window, c.id, n).Set(output)
		}
	}
	return output
}

// HighestBids is query 7: for each window of 10 s, and each bid with the highest price in it,
// window|index -> price|auction|bidder.
func HighestBids(events iter.Seq[event.Event]) map[string]string {
	highest := map[event.Millis]int64{}
	for e := range events {
		if e.Kind == event.KindBid {
			window := windowOf(e.Bid.At, answer.Window)
			highest[window] = max(highest[window], e.Bid.Price)
		}
	}
	output := map[string]string{}
	for e := range events {
		if e.Kind != event.KindBid {
			continue
		}
		window := windowOf(e.Bid.At, answer.Window)
		if e.Bid.Price == highest[window] {
			answer.HighBid(window, e.Index, &e.Bid).Set(output)
		}
	}
	return output
}

// Sessions is query 11: for each bidder, and each row of their bids that are less than 10 s apart,
// bidder|start -> end|count, where the end is 10 s after the last.
func Sessions(events iter.Seq[event.Event]) map[string]string {
	times := map[int64][]event.Millis{} // bidder -> of all bids
	for e := range events {
		if e.Kind == event.KindBid {
			times[e.Bid.Bidder] = append(times[e.Bid.Bidder], e.Bid.At)
		}
	}
	output := map[string]string{}
	for bidder, at := range times {
		slices.Sort(at)
		first := 0
		for i := range at {
			if i+1 < len(at) && at[i+1] < at[i]+answer.Gap {
				continue
			}
			answer.SessionBids(bidder, at[first], at[i]+answer.Gap, int64(i+1-first)).Set(output)
			first = i + 1
		}
	}
	return output
}

// Periods is query 12: for each window of 10 s by the time of arrival, and each bidder with bids in it,
// window|bidder -> count.
func Periods(events iter.Seq[event.Event]) map[string]string {
	counts := map[cell]int64{}
	for e := range events {
		if e.Kind == event.KindBid {
			counts[cell{windowOf(e.ArrivedAt, answer.Window), e.Bid.Bidder}]++
		}
	}
	output := map[string]string{}
	for c, n := range counts {
		answer.PeriodBids(c.window, c.id, n).Set(output)
	}
	return output
}

// LastBids is query 18: for each bidder in each auction, the last bid by At and then by index,
// bidder|auction -> index|at|price|channel.
func LastBids(events iter.Seq[event.Event]) map[string]string {
	type pair struct{ bidder, auction int64 }
	last := map[pair]event.Event{}
	for e := range events {
		if e.Kind != event.KindBid {
			continue
		}
		p := pair{e.Bid.Bidder, e.Bid.Auction}
		before, ok := last[p]
		if !ok || cmp.Or(cmp.Compare(e.At, before.At), cmp.Compare(e.Index, before.Index)) > 0 {
			last[p] = e
		}
	}
	output := map[string]string{}
	for e := range maps.Values(last) {
		answer.LastBid(e.Index, &e.Bid).Set(output)
	}
	return output
}
