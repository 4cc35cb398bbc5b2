package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrPosition: the positions of a checkpoint are damaged, or of another input.
var ErrPosition = errors.New("stream: not positions in this input")

// Owned is the partitions of a task, [first, end).
func Owned(task, tasks, partitions int) (first, end int) {
	return task * partitions / tasks, (task + 1) * partitions / tasks
}

// appendPosition appends a source's position: the first of its partitions, how many it has, and the position in each, all as uvarints.
func appendPosition(b []byte, first int, positions []int64) []byte {
	b = binary.AppendUvarint(b, uint64(first))
	b = binary.AppendUvarint(b, uint64(len(positions)))
	for _, p := range positions {
		b = binary.AppendUvarint(b, uint64(p))
	}
	return b
}

// Deal puts the positions of all sources of a checkpoint together: the position
// in each partition. No checkpoint (nil) is the beginning of all. ErrPosition unless each
// partition is there exactly once.
func Deal(sources [][]byte, partitions int) ([]int64, error) {
	positions := make([]int64, partitions)
	if sources == nil {
		return positions, nil
	}
	known := make([]bool, partitions)
	missing := partitions
	for _, b := range sources {
		var r [2]uint64
		for i := range r {
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return nil, fmt.Errorf("%w: cut short", ErrPosition)
			}
			r[i], b = v, b[n:]
		}
		first, count := r[0], r[1]
		if first > uint64(partitions) || count > uint64(partitions)-first {
			return nil, fmt.Errorf("%w: no such partition", ErrPosition)
		}
		for p := first; p < first+count; p++ {
			v, n := binary.Uvarint(b)
			if n <= 0 || v > math.MaxInt64 || known[p] {
				return nil, fmt.Errorf("%w: partition %d", ErrPosition, p)
			}
			positions[p], known[p], b = int64(v), true, b[n:]
			missing--
		}
		if len(b) > 0 {
			return nil, fmt.Errorf("%w: too long", ErrPosition)
		}
	}
	if missing > 0 {
		return nil, fmt.Errorf("%w: %d partitions missing", ErrPosition, missing)
	}
	return positions, nil
}
