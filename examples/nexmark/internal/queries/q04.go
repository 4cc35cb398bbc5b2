package queries

import (
	"errors"
	"time"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/heapbackend"
)

// averagePrices is query 4: what does the winning bid offer, on average, in each category?
func averagePrices() query.Query[event.Event] {
	q := described(answer.Q4, "value auctions, reducing best, map early, value closed; event timers closing, forgetting; TTL 10 s on closed", byAuctionOrBid)
	q.Open = openAveragePrices
	return q
}

func byAuctionOrBid(e *event.Event) (uint64, bool) {
	if e.Kind == event.KindAuction {
		return uint64(e.Auction.ID), true
	}
	return byAuction(e)
}

// closedFor is how long it is remembered that an auction has closed: some time, since many bids come too late, but no memory is needed for
// ever. The answer does not depend on it.
const closedFor = 10 * time.Second

// closeAuctions finds the winning bid of each auction. The key is the auction.
//
//	not there yet    early: the bids so far    the auction comes ─▶ open
//	                                           time passes a bid ─▶ it is forgotten: the auction opens after it
//	open             auctions, best            closing fires ─▶ the fact is set ─▶ closed
//	closed           closed                    bids do not count any more, and cost little for a while
type closeAuctions struct {
	auctions *heapbackend.Value[uint64, terms]
	best     *heapbackend.Reducing[uint64, int64]   // the highest price that counts
	early    *heapbackend.Map[uint64, int64, int64] // time -> the highest price at it
	closed   *heapbackend.Value[uint64, bool]
	// Of each auction that is open at its Expires, and of each time in early 1 ms after it; also of times that early had when the
	// auction opened, which find nothing then.
	closing, forgetting *heapbackend.Timers[uint64]
}

// terms are what a bid has to meet to count.
type terms struct {
	Category, Reserve int64
	At, Expires       event.Millis
}

func (t terms) met(at event.Millis, price int64) bool {
	return at >= t.At && at < t.Expires && price >= t.Reserve
}

func openAveragePrices(b *backend, clock *query.Clock) (operator, error) {
	auctions, err1 := heapbackend.NewValue[terms](b, "auctions")
	best, err2 := heapbackend.NewReducing(b, "best", func(a, b int64) int64 { return max(a, b) })
	early, err3 := heapbackend.NewMap[int64, int64](b, "early")
	closed, err4 := heapbackend.NewValue(b, "closed", lives[bool](closedFor, clock))
	closing, err5 := heapbackend.NewTimers(b, "closing", heapbackend.EventTime)
	forgetting, err6 := heapbackend.NewTimers(b, "forgetting", heapbackend.EventTime)
	return &closeAuctions{auctions, best, early, closed, closing, forgetting}, errors.Join(err1, err2, err3, err4, err5, err6)
}

func (o *closeAuctions) Process(e *event.Event, _ query.Emit) error {
	if e.Kind == event.KindAuction {
		return o.open(e.Auction)
	}
	key, bid := uint64(e.Bid.Auction), &e.Bid
	if t, ok := o.auctions.Get(key); ok {
		if !t.met(bid.At, bid.Price) {
			return nil
		}
		return o.best.Add(key, bid.Price)
	}
	// This only saves the work below: a bid that is never asked for is forgotten.
	if _, ok := o.closed.Get(key); ok {
		return nil
	}
	if err := o.early.Update(key, bid.At, func(price *int64) { *price = max(*price, bid.Price) }); err != nil {
		return err
	}
	return o.forgetting.Register(key, timestamp(bid.At+1))
}

func (o *closeAuctions) open(a *event.Auction) error {
	key, t := uint64(a.ID), terms{a.Category, a.Reserve, a.At, a.Expires}
	for at, price := range o.early.Entries(key) {
		if !t.met(at, price) {
			continue
		}
		if err := o.best.Add(key, price); err != nil {
			return err
		}
	}
	return errors.Join(o.early.Delete(key), o.auctions.Put(key, t), o.closing.Register(key, timestamp(t.Expires)))
}

func (o *closeAuctions) Advance(watermark, _ int64, emit query.Emit) error {
	for key := range o.closing.Due(timestamp(watermark)) {
		if err := o.close(key, emit); err != nil {
			return err
		}
	}
	for key, after := range o.forgetting.Due(timestamp(watermark)) {
		if err := o.early.Remove(key, int64(after)-1); err != nil {
			return err
		}
	}
	return nil
}

func (o *closeAuctions) close(key uint64, emit query.Emit) error {
	if price, ok := o.best.Get(key); ok {
		t, _ := o.auctions.Get(key)
		set(answer.ClosedAuction(int64(key), t.Category, price), emit)
	}
	return errors.Join(o.auctions.Delete(key), o.best.Delete(key), o.closed.Put(key, true))
}
