package queries

import (
	"errors"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/heapbackend"
)

// hotItems is query 5: which auctions have the most bids in each window of 10 s, of which one begins every 2 s?
func hotItems() query.Query[event.Event] {
	q := described(answer.Q5, "aggregating counts by pane; event timers by window; no TTL", byAuction)
	q.Open = openHotItems
	return q
}

// countSliding counts the bids of each auction in windows that overlap. The key is the auction.
//
// A bid is in five windows. It is counted once, in a pane that is as long as windows are apart; a window is five panes.
//
//	panes     │ 0  │ 2  │ 4  │ 6  │ 8  │ 10 │ 12 │
//	windows   [── window 0 ────────────)
//	               [── window 2 ────────────)       ends at 12: adds up panes 2 to 10, and drops pane 2
//
// Every count is emitted; which is the greatest, over all tasks, is found from the results.
type countSliding struct {
	counts *heapbackend.Aggregating[windowed, *event.Bid, int64, int64] // by pane
	ends   *heapbackend.Timers[windowed]                                // of each window that has a bid
}

func openHotItems(b *backend, _ *query.Clock) (operator, error) {
	panes, err := heapbackend.NamespacesOf[window](b)
	if err != nil {
		return nil, err
	}
	counts, err1 := heapbackend.NewAggregating(panes, "counts", heapbackend.Aggregator[*event.Bid, int64, int64]{
		Add:    func(n *int64, _ *event.Bid) { *n++ },
		Result: func(n int64) int64 { return n },
	})
	ends, err2 := heapbackend.NewTimers(panes, "ends", heapbackend.EventTime)
	return &countSliding{counts, ends}, errors.Join(err1, err2)
}

func (o *countSliding) Process(e *event.Event, _ query.Emit) error {
	key, pane := uint64(e.Bid.Auction), windowAt(e.Bid.At, answer.Slide)
	k := heapbackend.In(key, pane)
	if _, ok := o.counts.Get(k); !ok {
		for end := pane.End; end-answer.Window <= pane.Start; end += answer.Slide {
			w := window{end - answer.Window, end}
			if err := o.ends.Register(heapbackend.In(key, w), timestamp(end)); err != nil {
				return err
			}
		}
	}
	return o.counts.Add(k, &e.Bid)
}

func (o *countSliding) Advance(watermark, _ int64, emit query.Emit) error {
	for k := range o.ends.Due(timestamp(watermark)) {
		w, n := k.Namespace, int64(0)
		for start := w.Start; start < w.End; start += answer.Slide {
			inPane, _ := o.counts.Get(heapbackend.In(k.Key, window{start, start + answer.Slide}))
			n += inPane
		}
		set(answer.AuctionBids(w.Start, int64(k.Key), n), emit)
		// No later window has the first pane.
		if err := o.counts.Delete(heapbackend.In(k.Key, window{w.Start, w.Start + answer.Slide})); err != nil {
			return err
		}
	}
	return nil
}
