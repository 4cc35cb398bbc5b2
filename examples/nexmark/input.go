package main

import (
	"math"
	"time"

	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
)

const (
	partitions = 12
	outOfOrder = 2 * time.Second
)

// config is the input that settings ask for.
func config(s query.Settings) event.Config {
	return event.Config{Seed: s.Seed, Events: s.Events, Rate: s.Rate, Partitions: partitions, OutOfOrder: outOfOrder}
}

// auctions is the events of a generator as the input of a query.
type auctions struct{ *event.Generator }

// Partitions is part of query.Input.
func (a auctions) Partitions() int { return partitions }

// Reader is part of query.Input.
func (a auctions) Reader(partition int, position int64) (query.Reader[event.Event], error) {
	r, err := a.Generator.Reader(partition)
	if err != nil {
		return nil, err
	}
	if err := r.SeekTo(position); err != nil {
		return nil, err
	}
	return reader{r, a.Generator}, nil
}

// reader is a partition that tells the time before its first event too: states that expire are never
// written at the beginning of time.
type reader struct {
	*event.Reader
	generator *event.Generator
}

// Processing is when the next event arrives.
func (r reader) Processing() int64 {
	if r.Position() == r.Len() {
		return math.MaxInt64
	}
	return r.generator.ArrivedAt(r.Position()*partitions + int64(r.Partition()))
}

// Watermark is the earliest that the next event can have happened.
func (r reader) Watermark() int64 {
	if at := r.Processing(); at != math.MaxInt64 {
		return at - outOfOrder.Milliseconds()
	}
	return math.MaxInt64
}
