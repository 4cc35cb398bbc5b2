package stream

import (
	"math"

	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
)

// Rounds are so long that a mark does not count, and so short that the input has many.
const (
	maxRound       = 256
	roundsPerInput = 2000
)

// Control holds a source and hears how far it is.
type Control interface {
	// Ready is nil when the source may read.
	Ready() <-chan struct{}
	// Advance counts events as read.
	Advance(events int64)
}

// Source reads the partitions of one task. It is a flow.Source of items, and belongs to one goroutine.
type Source[E any] struct {
	task    int
	first   int // partition
	readers []query.Reader[E]
	key     func(*E) (uint64, bool)
	control Control
	round   int // events of each partition in one round
}

// NewSource opens the partitions of one task of several at the given positions, which are those of all partitions. key is the query's.
// events is the size of the input. Errors are those of the input.
func NewSource[E any](in query.Input[E], task, tasks int, positions []int64, key func(*E) (uint64, bool), events int64, control Control) (*Source[E], error) {
	first, end := Owned(task, tasks, len(positions))
	s := &Source[E]{task: task, first: first, key: key, control: control}
	var read int64
	for p := first; p < end; p++ {
		r, err := in.Reader(p, positions[p])
		if err != nil {
			return nil, err
		}
		s.readers = append(s.readers, r)
		read += positions[p]
	}
	round := min(int(events/roundsPerInput), maxRound)
	s.round = max(round/max(len(s.readers), 1), 1)
	control.Advance(read)
	return s, nil
}

// Ready is part of flow.Source.
func (s *Source[E]) Ready() <-chan struct{} { return s.control.Ready() }

// Close is part of flow.Source.
func (s *Source[E]) Close() error { return nil }

// Position is part of flow.Source.
func (s *Source[E]) Position() []byte {
	positions := make([]int64, len(s.readers))
	for i, r := range s.readers {
		positions[i] = r.Position()
	}
	return appendPosition(nil, s.first, positions)
}

// Next emits some events of each partition, and a mark behind them: at every
// position in a checkpoint all tasks have heard what time it is there. It is part of flow.Source.
func (s *Source[E]) Next(emit func(Item[E]) error) (bool, error) {
	item := Item[E]{Sent: now(), From: int32(s.task)}
	more, read := false, int64(0)
	for _, r := range s.readers {
		for range s.round {
			var ok bool
			if item.Event, ok = r.Next(); !ok {
				break
			}
			read++
			more = true
			if item.Key, ok = s.key(&item.Event); !ok {
				continue
			}
			if err := emit(item); err != nil {
				return false, err
			}
		}
	}
	mark := Item[E]{From: item.From, Mark: true}
	mark.Watermark, mark.Processing = lowest(s.readers)
	if err := emit(mark); err != nil {
		return false, err
	}
	s.control.Advance(read)
	return more, nil
}

// lowest is the lowest watermark and processing time of readers, math.MaxInt64 if there are none.
func lowest[E any](readers []query.Reader[E]) (watermark, processing int64) {
	watermark, processing = math.MaxInt64, math.MaxInt64
	for _, r := range readers {
		watermark, processing = min(watermark, r.Watermark()), min(processing, r.Processing())
	}
	return watermark, processing
}

// TimeAt is what time it is at the given positions, one in each partition of the input.
func TimeAt[E any](in query.Input[E], positions []int64) (watermark, processing int64, err error) {
	readers := make([]query.Reader[E], len(positions))
	for p, position := range positions {
		if readers[p], err = in.Reader(p, position); err != nil {
			return 0, 0, err
		}
	}
	watermark, processing = lowest(readers)
	return watermark, processing, nil
}
