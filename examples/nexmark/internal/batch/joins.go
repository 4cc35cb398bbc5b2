package batch

import (
	"iter"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
)

// LocalItems is query 3: for each auction of category 10 whose seller is a person in OR, ID or CA, whenever the two came,
// auction -> name|city|state.
func LocalItems(events iter.Seq[event.Event]) map[string]string {
	sellers := people(events)
	output := map[string]string{}
	for e := range events {
		if e.Kind != event.KindAuction || e.Auction.Category != 10 {
			continue
		}
		seller := sellers[e.Auction.Seller]
		if seller != nil && (seller.State == "OR" || seller.State == "ID" || seller.State == "CA") {
			answer.LocalItem(e.Auction.ID, seller).Set(output)
		}
	}
	return output
}

// CategoryAverages is query 4: for each category in which something was sold, category -> average|count, of the prices of the winning bids of its
// auctions. A bid counts if it is within [At, Expires) of its auction and reaches the reserve; the highest wins. Which of several
// with the same price wins makes no difference to the answer.
func CategoryAverages(events iter.Seq[event.Event]) map[string]string {
	auctions := map[int64]*event.Auction{}
	for e := range events {
		if e.Kind == event.KindAuction {
			auctions[e.Auction.ID] = e.Auction
		}
	}
	winning := map[int64]int64{} // auction -> price
	for e := range events {
		if e.Kind != event.KindBid {
			continue
		}
		auction := auctions[e.Bid.Auction]
		if auction == nil || e.Bid.Price < auction.Reserve || e.Bid.At < auction.At || e.Bid.At >= auction.Expires {
			continue
		}
		winning[auction.ID] = max(winning[auction.ID], e.Bid.Price)
	}
	sum, count := map[int64]int64{}, map[int64]int64{} // category -> of its auctions
	for auction, price := range winning {
		sum[auctions[auction].Category] += price
		count[auctions[auction].Category]++
	}
	output := map[string]string{}
	for category := range count {
		answer.CategoryAverage(category, sum[category], count[category]).Set(output)
	}
	return output
}

// NewSellers is query 8: for each person who opened an auction in the window of 10 s in which they registered,
// window|person -> name.
func NewSellers(events iter.Seq[event.Event]) map[string]string {
	sellers := people(events)
	output := map[string]string{}
	for e := range events {
		if e.Kind != event.KindAuction {
			continue
		}
		seller := sellers[e.Auction.Seller]
		if seller == nil {
			continue
		}
		window := windowOf(seller.At, answer.Window)
		if windowOf(e.Auction.At, answer.Window) == window {
			answer.NewSeller(window, seller.ID, seller.Name).Set(output)
		}
	}
	return output
}
