package queries

import (
	"errors"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/heapbackend"
)

// newSellers is query 8: who opens an auction in the window of 10 s in which they register?
func newSellers() query.Query[event.Event] {
	q := described(answer.Q8, "values registered, selling by window; event timers by window; no TTL: timers are exact", byPerson)
	q.Open = openNewSellers
	return q
}

func byPerson(e *event.Event) (uint64, bool) {
	switch e.Kind {
	case event.KindPerson:
		return uint64(e.Person.ID), true
	case event.KindAuction:
		return uint64(e.Auction.Seller), true
	}
	return 0, false
}

// joinWindows joins people and auctions of the same window. The key is the person. Both are forgotten at its end.
type joinWindows struct {
	registered *heapbackend.Value[windowed, string] // the name
	selling    *heapbackend.Value[windowed, bool]   // there is an auction
	ends       *heapbackend.Timers[windowed]        // of each window that has either
}

func openNewSellers(b *backend, _ *query.Clock) (operator, error) {
	scope, err := heapbackend.NamespacesOf[window](b)
	if err != nil {
		return nil, err
	}
	registered, err1 := heapbackend.NewValue[string](scope, "registered")
	selling, err2 := heapbackend.NewValue[bool](scope, "selling")
	ends, err3 := heapbackend.NewTimers(scope, "ends", heapbackend.EventTime)
	return &joinWindows{registered, selling, ends}, errors.Join(err1, err2, err3)
}

func (o *joinWindows) Process(e *event.Event, emit query.Emit) error {
	key, _ := byPerson(e)
	k := heapbackend.In(key, windowAt(e.At, answer.Window))
	name, registered := o.registered.Get(k)
	_, selling := o.selling.Get(k)
	if !registered && !selling {
		if err := o.ends.Register(k, timestamp(k.Namespace.End)); err != nil {
			return err
		}
	}
	if e.Kind == event.KindPerson {
		if selling {
			set(answer.NewSeller(k.Namespace.Start, int64(key), e.Person.Name), emit)
		}
		return o.registered.Put(k, e.Person.Name)
	}
	if selling {
		return nil // one is as good as many
	}
	if registered {
		set(answer.NewSeller(k.Namespace.Start, int64(key), name), emit)
	}
	return o.selling.Put(k, true)
}

func (o *joinWindows) Advance(watermark, _ int64, _ query.Emit) error {
	for k := range o.ends.Due(timestamp(watermark)) {
		if err := errors.Join(o.registered.Delete(k), o.selling.Delete(k)); err != nil {
			return err
		}
	}
	return nil
}
