package queries

import (
	"time"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/heapbackend"
)

// What the operators are made of.
type (
	backend   = heapbackend.Backend[uint64]
	operator  = query.Operator[event.Event]
	timestamp = heapbackend.Timestamp
)

// All returns all queries in the order of their numbers.
func All() []query.Query[event.Event] {
	return []query.Query[event.Event]{
		localItems(), averagePrices(), hotItems(), highestBids(), newSellers(), sessions(), periods(), lastBids(),
	}
}

// described is a query without its operator.
func described(q answer.Query, states string, key func(*event.Event) (uint64, bool)) query.Query[event.Event] {
	return query.Query[event.Event]{Number: int(q), Title: q.Title(), States: states, Key: key}
}

// byAuction is the key of queries that look at the bids of each auction.
func byAuction(e *event.Event) (uint64, bool) {
	return uint64(e.Bid.Auction), e.Kind == event.KindBid
}

// byBidder is the key of queries that look at the bids of each bidder.
func byBidder(e *event.Event) (uint64, bool) {
	return uint64(e.Bid.Bidder), e.Kind == event.KindBid
}

// lives is the option of a state whose entries live for a while by the watermark.
func lives[V any](after time.Duration, clock *query.Clock) heapbackend.Options[V] {
	return heapbackend.Options[V]{TTL: &heapbackend.TTL{
		After: after,
		Clock: func() timestamp { return timestamp(clock.Watermark()) },
	}}
}

// set emits a fact.
func set(f answer.Fact, emit query.Emit) { emit(f.Key, f.Value) }
