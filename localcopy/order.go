package localcopy

import (
	"fmt"
	"iter"

	"github.com/heapstate/heapstate/keygroups"
)

// order records the groups handed to a Writer and refuses those out of order.
type order struct {
	bounds keygroups.Range
	next   int    // the least group that may come: above the last one
	seen   []bool // by group - bounds.First
}

func newOrder(r keygroups.Range) *order {
	return &order{bounds: r, next: r.First, seen: make([]bool, r.Len())}
}

// add records a group, or returns ErrWriter.
func (o *order) add(group int) error {
	if group < o.next || group >= o.bounds.End {
		return fmt.Errorf("%w: group %d: want one of [%d,%d)", ErrWriter, group, o.next, o.bounds.End)
	}
	o.seen[group-o.bounds.First] = true
	o.next = group + 1
	return nil
}

// has reports whether a group was added.
func (o *order) has(group int) bool {
	return o.bounds.Contains(group) && o.seen[group-o.bounds.First]
}

// groups yields the added groups in ascending order.
func (o *order) groups() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, seen := range o.seen {
			if seen && !yield(o.bounds.First+i) {
				return
			}
		}
	}
}
