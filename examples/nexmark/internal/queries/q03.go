package queries

import (
	"errors"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/heapbackend"
)

// localItems is query 3: who sells in category 10, and lives in Oregon, Idaho or California?
func localItems() query.Query[event.Event] {
	q := described(answer.Q3, "value sellers, list waiting; no timers; no TTL: a seller may register however late", bySeller)
	q.Open = openLocalItems
	return q
}

// bySeller is the seller of an auction that query 3 asks for, and anybody who registers.
func bySeller(e *event.Event) (uint64, bool) {
	switch {
	case e.Kind == event.KindPerson:
		return uint64(e.Person.ID), true
	case e.Kind == event.KindAuction && e.Auction.Category == answer.LocalCategory:
		return uint64(e.Auction.Seller), true
	}
	return 0, false
}

// joinLocal joins auctions with their sellers, whichever comes first. The key is the seller.
//
// Both sides are kept for ever, since the query knows no time after which the other is not to come. The sellers of other
// states are kept too: their auctions would wait for nobody.
type joinLocal struct {
	sellers *heapbackend.Value[uint64, seller]
	// Invariant: nothing waits for a seller who is there.
	waiting *heapbackend.List[uint64, int64]
}

// seller is what the answer says of a person.
type seller struct{ Name, City, State string }

func openLocalItems(b *backend, _ *query.Clock) (operator, error) {
	sellers, err1 := heapbackend.NewValue[seller](b, "sellers")
	waiting, err2 := heapbackend.NewList[int64](b, "waiting")
	return &joinLocal{sellers, waiting}, errors.Join(err1, err2)
}

func (o *joinLocal) Process(e *event.Event, emit query.Emit) error {
	if e.Kind == event.KindPerson {
		return o.register(e.Person, emit)
	}
	key := uint64(e.Auction.Seller)
	s, ok := o.sellers.Get(key)
	if !ok {
		return o.waiting.Append(key, e.Auction.ID)
	}
	s.sells(e.Auction.ID, emit)
	return nil
}

func (o *joinLocal) register(p *event.Person, emit query.Emit) error {
	key, s := uint64(p.ID), seller{p.Name, p.City, p.State}
	for auction := range o.waiting.Get(key) {
		s.sells(auction, emit)
	}
	if err := o.waiting.Delete(key); err != nil {
		return err
	}
	return o.sellers.Put(key, s)
}

func (s seller) sells(auction int64, emit query.Emit) {
	if answer.Local(s.State) {
		set(answer.LocalItem(auction, &event.Person{Name: s.Name, City: s.City, State: s.State}), emit)
	}
}

func (o *joinLocal) Advance(int64, int64, query.Emit) error { return nil }
