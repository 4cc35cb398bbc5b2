package stream

import (
	"time"

	"github.com/heapstate/heapstate/examples/internal/flow"
)

// Item is what travels from a source to a keyed half: an event, or a mark for all tasks that says what time it is.
type Item[E any] struct {
	Event E
	Key   uint64        // the event's
	Sent  time.Duration // since the process began; when the round began that the item was read in

	From                  int32 // the source
	Mark                  bool
	Watermark, Processing int64 // of the source, in milliseconds; in marks only
}

// Route makes the route of items of a route of keys.
func Route[E any](byKey func(uint64) int) func(Item[E]) int {
	return func(i Item[E]) int {
		if i.Mark {
			return flow.All
		}
		return byKey(i.Key)
	}
}

var began = time.Now()

// now is the monotonic clock.
func now() time.Duration { return time.Since(began) }
