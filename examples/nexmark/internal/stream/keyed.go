package stream

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/heapstate/heapstate/examples/nexmark/internal/output"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
)

// errEnd: the input has ended and a source has not said so.
var errEnd = errors.New("stream: the input ended before its time did")

// Keyed is the keyed half of a query on one task. It is a flow.Operator of items, and belongs to the task's goroutine.
type Keyed[E any] struct {
	operator query.Operator[E]
	clock    *query.Clock
	out      *output.Buffer
	hooks    Hooks

	// By source; Invariant: never below the clock.
	watermarks, processings []int64
	started                 bool
}

// Hooks are what a keyed half tells the harness.
type Hooks struct {
	// First is called before the first records.
	First func()
	// Trouble is called before each batch of records, and at the end; it may panic.
	Trouble func()
	// Checkpointing says whether a checkpoint is under way.
	Checkpointing func() bool
}

// NewKeyed returns the keyed half behind the given number of sources. The clock shows the time at the positions of
// the checkpoint that the operator's state is of.
func NewKeyed[E any](operator query.Operator[E], clock *query.Clock, sources int, out *output.Buffer, hooks Hooks) *Keyed[E] {
	return &Keyed[E]{
		operator: operator, clock: clock, out: out, hooks: hooks,
		watermarks:  slices.Repeat([]int64{clock.Watermark()}, sources),
		processings: slices.Repeat([]int64{clock.Processing()}, sources),
	}
}

// Process is part of flow.Operator.
func (k *Keyed[E]) Process(items []Item[E]) error {
	k.hooks.Trouble()
	if err := k.start(); err != nil {
		return err
	}
	for i := range items {
		var err error
		if items[i].Mark {
			err = k.mark(&items[i])
		} else {
			err = k.operator.Process(&items[i].Event, k.out.Emit)
		}
		if err != nil {
			return err
		}
	}
	k.record(items)
	return k.out.Err()
}

// start tells the operator what time it is before anything else: timers that are due at the
// positions of the checkpoint fire now if they have not before it.
func (k *Keyed[E]) start() error {
	if k.started {
		return nil
	}
	k.started = true
	k.hooks.First()
	return k.operator.Advance(k.clock.Watermark(), k.clock.Processing(), k.out.Emit)
}

func (k *Keyed[E]) mark(m *Item[E]) error {
	k.watermarks[m.From] = max(k.watermarks[m.From], m.Watermark)
	k.processings[m.From] = max(k.processings[m.From], m.Processing)
	if !k.clock.Move(slices.Min(k.watermarks), slices.Min(k.processings)) {
		return nil
	}
	return k.operator.Advance(k.clock.Watermark(), k.clock.Processing(), k.out.Emit)
}

// record counts how long the records of a batch took. Those of one round lie together.
func (k *Keyed[E]) record(items []Item[E]) {
	end, checkpoint := now(), k.hooks.Checkpointing()
	var sent time.Duration
	var n uint64
	for i := range items {
		if items[i].Mark {
			continue
		}
		if items[i].Sent != sent && n > 0 {
			k.out.Record(end-sent, n, checkpoint)
			n = 0
		}
		sent = items[i].Sent
		n++
	}
	if n > 0 {
		k.out.Record(end-sent, n, checkpoint)
	}
}

// Finish is part of flow.Operator.
func (k *Keyed[E]) Finish(ctx context.Context) error {
	k.hooks.Trouble()
	if err := k.start(); err != nil {
		return err
	}
	if k.clock.Watermark() != math.MaxInt64 || k.clock.Processing() != math.MaxInt64 {
		return errEnd
	}
	return k.out.Flush(ctx)
}
