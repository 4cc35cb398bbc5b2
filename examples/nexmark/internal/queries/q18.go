package queries

import (
	"time"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/heapbackend"
)

// lastBids is query 18: what is the last bid of each bidder in each auction?
func lastBids() query.Query[event.Event] {
	q := described(answer.Q18, "value last by auction; no timers; TTL a day on last", byBidder)
	q.Open = openLastBids
	return q
}

// lastFor is how long a last bid is remembered after the watermark at which it was written. Once the watermark has passed a bid, those that
// come are later, and the answer is the same with it as without. So it need not live longer than bids can be ahead of the watermark, which
// is as far as one source can be ahead of another.
const lastFor = 24 * time.Hour

// keepLast keeps the last bid of each bidder in each auction. The key is the bidder, and the auction its namespace.
type keepLast struct {
	last *heapbackend.Value[heapbackend.NamespacedKey[uint64, int64], lastBid]
}

// lastBid is a bid of a bidder in an auction.
type lastBid struct {
	At           event.Millis
	Index, Price int64
	Channel      string
}

func openLastBids(b *backend, clock *query.Clock) (operator, error) {
	auctions, err := heapbackend.NamespacesOf[int64](b)
	if err != nil {
		return nil, err
	}
	last, err := heapbackend.NewValue(auctions, "last", lives[lastBid](lastFor, clock))
	return &keepLast{last}, err
}

func (o *keepLast) Process(e *event.Event, emit query.Emit) error {
	bid, k := &e.Bid, heapbackend.In(uint64(e.Bid.Bidder), e.Bid.Auction)
	before, ok := o.last.Get(k)
	if ok && (before.At > bid.At || before.At == bid.At && before.Index > e.Index) {
		return nil
	}
	set(answer.LastBid(e.Index, bid), emit)
	return o.last.Put(k, lastBid{bid.At, e.Index, bid.Price, bid.Channel})
}

func (o *keepLast) Advance(int64, int64, query.Emit) error { return nil }
