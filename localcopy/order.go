package localcopy

import (
	"fmt"
	"iter"

	"github.com/heapstate/heapstate/keygroups"
)

// order records the groups handed to a Writer and refuses those out of order.
type order struct {
	bounds   keygroups.Range
	operator int    // the block of operator state, above every key group
	next     int    // the least group that may come: above the last one
	seen     []bool // by group - bounds.First
	tasked   bool   // the block of operator state was added
}

func newOrder(m *Meta) *order {
	return &order{bounds: m.Range, operator: m.operator(), next: m.Range.First, seen: make([]bool, m.Range.Len())}
}

// add records a group, or returns ErrWriter.
func (o *order) add(group int) error {
	switch {
	case group >= o.next && o.bounds.Contains(group):
		o.seen[group-o.bounds.First] = true
	case group >= o.next && group == o.operator:
		o.tasked = true
	default:
		return fmt.Errorf("%w: group %d: want one of [%d,%d) or %d, from %d on", ErrWriter, group, o.bounds.First, o.bounds.End, o.operator, o.next)
	}
	o.next = group + 1
	return nil
}

// has reports whether a group was added.
func (o *order) has(group int) bool {
	return o.bounds.Contains(group) && o.seen[group-o.bounds.First] || group == o.operator && o.tasked
}

// groups yields the added groups in ascending order.
func (o *order) groups() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, seen := range o.seen {
			if seen && !yield(o.bounds.First+i) {
				return
			}
		}
		if o.tasked {
			yield(o.operator)
		}
	}
}
