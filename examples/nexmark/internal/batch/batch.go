package batch

import (
	"errors"
	"fmt"
	"iter"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
)

// ErrQuery says that there is no such query.
var ErrQuery = errors.New("batch: no such query")

// Answer is the answer to a query over the events, which it may range over twice. An error wraps [ErrQuery].
func Answer(q answer.Query, events iter.Seq[event.Event]) (map[string]string, error) {
	switch q {
	case answer.Q3:
		return LocalItems(events), nil
	case answer.Q4:
		return CategoryAverages(events), nil
	case answer.Q5:
		return HotItems(events), nil
	case answer.Q7:
		return HighestBids(events), nil
	case answer.Q8:
		return NewSellers(events), nil
	case answer.Q11:
		return Sessions(events), nil
	case answer.Q12:
		return Periods(events), nil
	case answer.Q18:
		return LastBids(events), nil
	}
	return nil, fmt.Errorf("%w: %v", ErrQuery, q)
}

// people returns all persons by their id.
func people(events iter.Seq[event.Event]) map[int64]*event.Person {
	all := map[int64]*event.Person{}
	for e := range events {
		if e.Kind == event.KindPerson {
			all[e.Person.ID] = e.Person
		}
	}
	return all
}

// windowOf is the first millisecond of the window of the length that has the time. It rounds down, also before 1970.
func windowOf(at, length event.Millis) event.Millis {
	rest := at % length
	if rest < 0 {
		rest += length
	}
	return at - rest
}
