package localcopytest

import (
	"slices"

	"github.com/heapstate/heapstate/primary"
)

// twins returns what a primary could be that the snapshot is not, each with one difference, by the name of it.
func twins(right []primary.Segment) map[string][]primary.Segment {
	change := func(edit func(*primary.Segment)) []primary.Segment {
		wrong := slices.Clone(right)
		edit(&wrong[len(wrong)/2])
		return wrong
	}
	inEmpty := slices.IndexFunc(right, func(s primary.Segment) bool { return s.Group > emptyGroup })
	extra := right[inEmpty]
	extra.Group = emptyGroup
	delta := right[1]
	delta.Kind = primary.Delta
	operator := slices.Clone(right)
	operator[len(operator)-1].Entries++
	return map[string][]primary.Segment{
		"operator state is missing": right[:len(right)-1],
		"entries of operator state": operator,
		"digest":                    change(func(s *primary.Segment) { s.Digest++ }),
		"entries":                   change(func(s *primary.Segment) { s.Entries++ }),
		"kind":                      change(func(s *primary.Segment) { s.Kind = primary.Delta }),
		"a group is missing":        slices.Delete(slices.Clone(right), 2, 3),
		"a group too many":          slices.Insert(slices.Clone(right), inEmpty, extra),
		"a delta on the base":       slices.Insert(slices.Clone(right), 2, delta),
		"nothing":                   nil,
	}
}
