package keygroups

// Overlap is a part of a range that one of several older ranges also holds.
type Overlap struct {
	From  int   // index of the older range
	Range Range // the key groups in both; never empty
}

// Overlaps returns which of the older ranges hold key groups of to, and which
// groups those are: what a task with the range to needs from each older task
// after a rescale. The result is in the order of from, and nil when nothing
// overlaps. The older ranges may have gaps, be unordered and overlap each other:
// a key group held twice is then listed twice. Cost: O(len(from)).
func Overlaps(from []Range, to Range) []Overlap {
	var overlaps []Overlap
	for i, old := range from {
		if both := old.Intersect(to); !both.Empty() {
			overlaps = append(overlaps, Overlap{From: i, Range: both})
		}
	}
	return overlaps
}
