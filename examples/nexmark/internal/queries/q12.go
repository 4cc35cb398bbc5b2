package queries

import (
	"errors"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/heapbackend"
)

// periods is query 12: how many bids of each bidder arrive in each window of 10 s?
func periods() query.Query[event.Event] {
	q := described(answer.Q12, "value counts by window; processing timers by window; no TTL", byBidder)
	q.Open = openPeriods
	return q
}

// countPeriods counts the bids of each window of processing time. The key is the bidder.
type countPeriods struct {
	counts *heapbackend.Value[windowed, int64]
	ends   *heapbackend.Timers[windowed] // of each window that has a bid
}

func openPeriods(b *backend, _ *query.Clock) (operator, error) {
	scope, err := heapbackend.NamespacesOf[window](b)
	if err != nil {
		return nil, err
	}
	counts, err1 := heapbackend.NewValue[int64](scope, "counts")
	ends, err2 := heapbackend.NewTimers(scope, "ends", heapbackend.ProcessingTime)
	return &countPeriods{counts, ends}, errors.Join(err1, err2)
}

func (o *countPeriods) Process(e *event.Event, _ query.Emit) error {
	k := heapbackend.In(uint64(e.Bid.Bidder), windowAt(e.ArrivedAt, answer.Window))
	first := false
	err := o.counts.Update(k, func(n *int64) {
		*n++
		first = *n == 1
	})
	if err != nil || !first {
		return err
	}
	return o.ends.Register(k, timestamp(k.Namespace.End))
}

func (o *countPeriods) Advance(_, processing int64, emit query.Emit) error {
	for k := range o.ends.Due(timestamp(processing)) {
		n, _ := o.counts.Get(k)
		set(answer.PeriodBids(k.Namespace.Start, int64(k.Key), n), emit)
		if err := o.counts.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
