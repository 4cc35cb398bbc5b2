package queries

import (
	"errors"
	"slices"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/heapbackend"
)

// highestBids is query 7: which bids have the highest price in each window of 10 s?
func highestBids() query.Query[event.Event] {
	q := described(answer.Q7, "reducing highest by window; event timers by window; no TTL", byAuction)
	q.Open = openHighestBids
	return q
}

// maximum finds the highest bids on each auction in each window. The key is the auction. Which of them is the highest of
// all auctions is found from the results.
type maximum struct {
	highest *heapbackend.Reducing[windowed, top]
	ends    *heapbackend.Timers[windowed] // of each window that has a bid
}

// top is all bids with the highest price.
type top struct {
	Price int64
	Bids  []placed
}

// placed is a bid of a price and an auction.
type placed struct{ Index, Bidder int64 }

// highest is the higher of two, or both. It changes neither: snapshots may share them.
func highest(a, b top) top {
	switch {
	case a.Price > b.Price:
		return a
	case a.Price < b.Price:
		return b
	}
	return top{a.Price, slices.Concat(a.Bids, b.Bids)}
}

func openHighestBids(b *backend, _ *query.Clock) (operator, error) {
	scope, err := heapbackend.NamespacesOf[window](b)
	if err != nil {
		return nil, err
	}
	tops, err1 := heapbackend.NewReducing(scope, "highest", highest)
	ends, err2 := heapbackend.NewTimers(scope, "ends", heapbackend.EventTime)
	return &maximum{tops, ends}, errors.Join(err1, err2)
}

func (o *maximum) Process(e *event.Event, _ query.Emit) error {
	k := heapbackend.In(uint64(e.Bid.Auction), windowAt(e.Bid.At, answer.Window))
	before, ok := o.highest.Get(k)
	if ok && before.Price > e.Bid.Price {
		return nil // nearly always
	}
	if !ok {
		if err := o.ends.Register(k, timestamp(k.Namespace.End)); err != nil {
			return err
		}
	}
	return o.highest.Add(k, top{e.Bid.Price, []placed{{e.Index, e.Bid.Bidder}}})
}

func (o *maximum) Advance(watermark, _ int64, emit query.Emit) error {
	for k := range o.ends.Due(timestamp(watermark)) {
		t, _ := o.highest.Get(k)
		for _, p := range t.Bids {
			bid := event.Bid{Auction: int64(k.Key), Bidder: p.Bidder, Price: t.Price}
			set(answer.HighBid(k.Namespace.Start, p.Index, &bid), emit)
		}
		if err := o.highest.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
