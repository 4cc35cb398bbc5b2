package keygroups

import (
	"fmt"
	"iter"
	"strconv"
)

// Range is a half-open interval [First, End) of key groups: what one task owns.
// The zero Range is empty. Any two ints are a valid Range; one whose End is not
// above its First is empty.
type Range struct {
	First int // the first key group inside
	End   int // the first key group after it
}

// RangeOf returns the key groups of one task, 0..p-1, when m key groups are
// shared by p tasks. Its arithmetic is Flink's: First = ceil(task*m / p), and
// End is the First of the next task. Every range holds floor(m/p) or ceil(m/p)
// key groups, never none.
//
// Errors: ErrMaxParallelism, ErrParallelism, and ErrTask for a task outside
// 0..p-1.
func RangeOf(m, p, task int) (Range, error) {
	if err := validate(m, p); err != nil {
		return Range{}, err
	}
	if task < 0 || task >= p {
		return Range{}, fmt.Errorf("%w: %d is not in 0..%d", ErrTask, task, p-1)
	}
	return rangeOf(m, p, task), nil
}

// Ranges returns the ranges of all p tasks, in the order of the tasks: disjoint,
// adjoining, and together [0, m). The slice is the caller's. Errors:
// ErrMaxParallelism and ErrParallelism.
func Ranges(m, p int) ([]Range, error) {
	if err := validate(m, p); err != nil {
		return nil, err
	}
	ranges := make([]Range, p)
	for task := range ranges {
		ranges[task] = rangeOf(m, p, task)
	}
	return ranges, nil
}

// rangeOf is RangeOf for arguments known to be valid. The products stay below
// Max*Max + Max < 2^31, so that 32-bit ints hold them.
func rangeOf(m, p, task int) Range {
	return Range{First: (task*m + p - 1) / p, End: ((task+1)*m-1)/p + 1}
}

// Len returns the number of key groups in r.
func (r Range) Len() int {
	if r.Empty() {
		return 0
	}
	return r.End - r.First
}

// Empty reports whether r holds no key group.
func (r Range) Empty() bool { return r.End <= r.First }

// Contains reports whether the key group is in r.
func (r Range) Contains(group int) bool { return r.First <= group && group < r.End }

// Intersect returns the key groups that are in both ranges. When there are
// none, it returns the zero Range.
func (r Range) Intersect(o Range) Range {
	both := Range{First: max(r.First, o.First), End: min(r.End, o.End)}
	if both.Empty() {
		return Range{}
	}
	return both
}

// All yields the key groups of r in ascending order.
func (r Range) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for group := r.First; group < r.End; group++ {
			if !yield(group) {
				return
			}
		}
	}
}

// String returns r as "[First,End)", for example "[0,43)".
func (r Range) String() string {
	return "[" + strconv.Itoa(r.First) + "," + strconv.Itoa(r.End) + ")"
}
