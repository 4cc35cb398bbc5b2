package query

import "github.com/heapstate/heapstate/heapbackend"

// Query is one query over events of type E.
type Query[E any] struct {
	// Number is its number, and Title a few words on what it finds out.
	Number int
	Title  string
	// States is one line that names its states, timers and times to live.
	States string
	// Key is the key of an event: what its state is kept by, and what decides which task it goes to. ok is false for an event
	// that is of no interest; it goes nowhere. Key is called on the goroutines of the sources and keeps nothing.
	Key func(*E) (key uint64, ok bool)
	// Open registers every state of the query in a backend and returns the operator that uses them. It is called before
	// the state is restored, and reads nothing.
	Open func(b *heapbackend.Backend[uint64], clock *Clock) (Operator[E], error)
}

// Emit takes in an upsert: value replaces what was under key.
type Emit func(key, value string)

// Operator is the keyed half of a query, on one task. An error ends the attempt.
type Operator[E any] interface {
	// Process takes in an event. The event is the harness's again afterwards; what it points to may be kept.
	Process(e *E, emit Emit) error
	// Advance says that time has moved on: every event below the watermark has been processed, and none will arrive below
	// processing. Timers up to and including either are due. It is called once before the first event too, and neither time ever goes back.
	Advance(watermark, processing int64, emit Emit) error
}
