package queries

import (
	"errors"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/heapbackend"
)

// sessions is query 11: how many bids does each bidder make in each session?
func sessions() query.Query[event.Event] {
	q := described(answer.Q11, "reducing counts by session, sessions merged; event timers by session; no TTL", byBidder)
	q.Open = openSessions
	return q
}

// countSessions counts the bids of each session. The key is the bidder.
//
// A bid is a session of its own, that ends when a bid would not belong to it any more. Sessions that overlap are one: the bid
// may make one longer, or close the gap between two.
type countSessions struct {
	scope *windows
	// Invariant: no two sessions of a bidder overlap.
	counts *heapbackend.Reducing[windowed, int64]
	ends   *heapbackend.Timers[windowed] // of each session

	overlapping []window // used again
}

func openSessions(b *backend, _ *query.Clock) (operator, error) {
	scope, err := heapbackend.NamespacesOf[window](b)
	if err != nil {
		return nil, err
	}
	counts, err1 := heapbackend.NewReducing(scope, "counts", func(a, b int64) int64 { return a + b })
	ends, err2 := heapbackend.NewTimers(scope, "ends", heapbackend.EventTime)
	return &countSessions{scope: scope, counts: counts, ends: ends}, errors.Join(err1, err2)
}

func (o *countSessions) Process(e *event.Event, _ query.Emit) error {
	key, bid := uint64(e.Bid.Bidder), window{e.Bid.At, e.Bid.At + answer.Gap}
	session := bid
	o.overlapping = o.overlapping[:0]
	for w := range o.scope.Of(o.counts, key) {
		if w.overlaps(bid) {
			o.overlapping = append(o.overlapping, w)
			session = session.union(w)
		}
	}
	for _, w := range o.overlapping {
		if w == session {
			continue
		}
		if err := o.ends.Delete(heapbackend.In(key, w), timestamp(w.End)); err != nil {
			return err
		}
	}
	k := heapbackend.In(key, session)
	return errors.Join(
		o.counts.Add(k, 1),
		o.scope.Merge(o.counts, key, session, o.overlapping...),
		o.ends.Register(k, timestamp(session.End)),
	)
}

func (o *countSessions) Advance(watermark, _ int64, emit query.Emit) error {
	for k := range o.ends.Due(timestamp(watermark)) {
		n, _ := o.counts.Get(k)
		set(answer.SessionBids(int64(k.Key), k.Namespace.Start, k.Namespace.End, n), emit)
		if err := o.counts.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
