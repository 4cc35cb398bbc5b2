package event

import (
	"errors"
	"fmt"
)

// ErrPosition says that there is no such partition, or no such position in it.
var ErrPosition = errors.New("event: no such partition or position")

// A Reader reads one partition in the order of the index. One goroutine owns it.
//
// A position is the number of events of the partition before it: 0 is the beginning, and a source that keeps the
// position with its state goes on from there.
type Reader struct {
	generator *Generator
	partition int64
	// Invariant: 0 <= position <= length.
	position int64
	length   int64
}

// Reader returns a reader of a partition, in [0, Partitions), at its beginning, or an error that wraps [ErrPosition].
func (g *Generator) Reader(partition int) (*Reader, error) {
	if partition < 0 || partition >= g.config.Partitions {
		return nil, fmt.Errorf("%w: partition %d of %d", ErrPosition, partition, g.config.Partitions)
	}
	r := &Reader{generator: g, partition: int64(partition)}
	if n := g.config.Events - r.partition; n > 0 {
		r.length = (n-1)/int64(g.config.Partitions) + 1
	}
	return r, nil
}

// Next returns the next event, or false at the end of the partition.
func (r *Reader) Next() (Event, bool) {
	if r.position == r.length {
		return Event{}, false
	}
	e := r.generator.Event(r.index(r.position))
	r.position++
	return e, true
}

// Partition is the partition that is read.
func (r *Reader) Partition() int { return int(r.partition) }

// Position is how many events of the partition are before the next one.
func (r *Reader) Position() int64 { return r.position }

// Len is how many events the partition has.
func (r *Reader) Len() int64 { return r.length }

// SeekTo goes to a position, which is in [0, Len()], in O(1). An error wraps [ErrPosition] and leaves the reader where it was.
func (r *Reader) SeekTo(position int64) error {
	if position < 0 || position > r.length {
		return fmt.Errorf("%w: position %d of %d in partition %d", ErrPosition, position, r.length, r.partition)
	}
	r.position = position
	return nil
}

// Watermark is a time before which no further event of the partition happened: every later At is at or after it. A window that ends
// at t is complete once the watermark is t or more. It is [MinMillis] before the first event, [MaxMillis] after the last, and
// between them the ArrivedAt of the last event read less OutOfOrder: it never decreases as the reader goes on, and is the same at the same
// position however the reader came there.
//
// The greatest At so far less OutOfOrder would do as well, and is never more, because no event happened after it arrived; but
// a reader that begins in the middle does not know it.
func (r *Reader) Watermark() Millis {
	switch r.position {
	case r.length:
		return MaxMillis
	case 0:
		return MinMillis
	}
	return r.generator.ArrivedAt(r.index(r.position-1)) - r.generator.bound
}

// index is the index of the event at a position.
func (r *Reader) index(position int64) int64 {
	return position*int64(r.generator.config.Partitions) + r.partition
}
