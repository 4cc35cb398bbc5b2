package localcopy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/heapstate/heapstate/primary"
)

// MismatchError says where a copy differs from its durable twin. It unwraps to ErrMismatch.
type MismatchError struct {
	Group  int
	Reason string
}

// Error implements error.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("%v: group %d: %s", ErrMismatch, e.Group, e.Reason)
}

// Unwrap returns ErrMismatch.
func (e *MismatchError) Unwrap() error { return ErrMismatch }

// Match compares the groups a format wrote with the segments of the durable twin, both in ascending order of group, and
// returns a *MismatchError for the first difference. A group of own that is empty (no entries, no bytes) must have no
// twin; any other must have exactly one, a base segment with the same digest, entries and raw length. Groups of the twin
// that own does not list are not compared: a copy may be partial. O(own x log twin).
func Match(own []GroupInfo, twin []primary.Segment) error {
	for _, g := range own {
		if err := matchGroup(g, segmentsOf(twin, g.Group)); err != nil {
			return err
		}
	}
	return nil
}

func matchGroup(own GroupInfo, twin []primary.Segment) error {
	switch {
	case own.empty() && len(twin) == 0:
		return nil
	case own.empty():
		return &MismatchError{own.Group, "empty here, not in the primary"}
	case len(twin) == 0:
		return &MismatchError{own.Group, "not in the primary"}
	case len(twin) > 1 || twin[0].Kind != primary.Base:
		return &MismatchError{own.Group, "the primary is not one base segment"}
	case own.Entries != twin[0].Entries:
		return &MismatchError{own.Group, fmt.Sprintf("%d entries, primary has %d", own.Entries, twin[0].Entries)}
	case own.Bytes != twin[0].Raw:
		return &MismatchError{own.Group, fmt.Sprintf("%d bytes, primary has %d", own.Bytes, twin[0].Raw)}
	case own.Digest != twin[0].Digest:
		return &MismatchError{own.Group, "digests differ"}
	}
	return nil
}

// empty reports that the group has nothing to store. Such a group is compared with the twin, and is in no copy.
func (g GroupInfo) empty() bool { return g.Entries == 0 && g.Bytes == 0 }

// segmentsOf returns the run of segments of one group.
func segmentsOf(segments []primary.Segment, group int) []primary.Segment {
	byGroup := func(s primary.Segment, g int) int { return cmp.Compare(s.Group, g) }
	first, _ := slices.BinarySearchFunc(segments, group, byGroup)
	last := first
	for last < len(segments) && segments[last].Group == group {
		last++
	}
	return segments[first:last]
}

// infoOf returns what a segment of a primary object says of its group.
func infoOf(s primary.Segment) GroupInfo {
	return GroupInfo{Group: s.Group, Digest: s.Digest, Entries: s.Entries, Bytes: s.Raw}
}

// findGroup returns the position of a group in groups, which ascend.
func findGroup(groups []GroupInfo, group int) (int, bool) {
	return slices.BinarySearchFunc(groups, group, func(g GroupInfo, want int) int { return cmp.Compare(g.Group, want) })
}
