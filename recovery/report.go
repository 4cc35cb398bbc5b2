package recovery

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The letters of a grid that mean something to a restore.
const (
	// LetterHeap is a key group adopted from a copy in memory: the letter of a format whose Load decodes nothing.
	LetterHeap = 'H'
	// LetterPrimary is a key group read from the primary copy.
	LetterPrimary = 'P'
	// LetterEmpty is a key group in which there was nothing.
	LetterEmpty = '.'
)

// gridWidth is the number of key groups in a row of a grid.
const gridWidth = 64

// Report says where every key group of one restore came from.
type Report struct {
	// Checkpoint is the id of the checkpoint that was restored, 0 when there was none.
	Checkpoint uint64
	// M is the max parallelism.
	M int
	// Groups has one report per key group, ascending, and then one per block of operator state: see [Plan].Groups.
	Groups []GroupReport
	// Took is the time from the start of the restore to the state being in place.
	Took time.Duration
}

// GroupReport says where one key group came from, or the operator state of one task of the checkpoint.
type GroupReport struct {
	// Group is the key group; of operator state it is M + the index of the task that wrote it.
	Group int
	// Source is the name of the source: "heap", "file", "primary", or "" for an empty key group.
	Source string
	// Letter is its letter in the grid.
	Letter byte
	// Reason says why that source.
	Reason Reason
	// Bytes is the size of what was read, as stored; for a copy in memory, what it stands for.
	Bytes int64
	// Entries is the number of entries in the key group.
	Entries uint64
	// Took is the time the key group took, failed sources included.
	Took time.Duration
	// Failed are the sources that were tried before and failed.
	Failed []SourceError
	// Rejected are the local copies of the key group that the plan did not allow.
	Rejected []Rejection
}

// SourceTotal sums what one source gave to a restore.
type SourceTotal struct {
	// Source is the source's name and Letter its letter in the grid.
	Source string
	Letter byte
	// Groups counts key groups and blocks of operator state; Bytes and Entries are their sums.
	Groups  int
	Bytes   int64
	Entries uint64
}

// Totals sums the report by source, the source with most key groups first; empty key groups are not in it.
func (r *Report) Totals() []SourceTotal {
	by := map[string]*SourceTotal{}
	for _, g := range r.Groups {
		if g.Source == "" {
			continue
		}
		t := by[g.Source]
		if t == nil {
			t = &SourceTotal{Source: g.Source, Letter: g.Letter}
			by[g.Source] = t
		}
		t.Groups++
		t.Bytes += g.Bytes
		t.Entries += g.Entries
	}
	out := make([]SourceTotal, 0, len(by))
	for _, t := range by {
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b SourceTotal) int {
		return cmp.Or(cmp.Compare(b.Groups, a.Groups), cmp.Compare(a.Source, b.Source))
	})
	return out
}

// Entries is the number of entries restored.
func (r *Report) Entries() uint64 {
	var n uint64
	for _, g := range r.Groups {
		n += g.Entries
	}
	return n
}

// FellBack is the number of key groups whose first source failed.
func (r *Report) FellBack() int {
	n := 0
	for _, g := range r.Groups {
		if len(g.Failed) > 0 {
			n++
		}
	}
	return n
}

// parts returns the reports of the key groups, and those of operator state.
func (r *Report) parts() (keyed, operator []GroupReport) {
	n := len(r.Groups)
	for n > 0 && r.M > 0 && r.Groups[n-1].Group >= r.M {
		n--
	}
	return r.Groups[:n], r.Groups[n:]
}

// String is the report in one line, without a newline.
func (r *Report) String() string {
	if r.Checkpoint == 0 {
		return fmt.Sprintf("no checkpoint: %d key groups start empty", len(r.Groups))
	}
	var b strings.Builder
	keyed, operator := r.parts()
	fmt.Fprintf(&b, "checkpoint %d: %d key groups", r.Checkpoint, len(keyed))
	if len(operator) > 0 {
		fmt.Fprintf(&b, " and operator state of %d tasks", len(operator))
	}
	empty := len(r.Groups)
	for i, t := range r.Totals() {
		b.WriteString([]string{": ", ", "}[min(i, 1)])
		fmt.Fprintf(&b, "%d %s (%s)", t.Groups, t.Source, byteCount(t.Bytes))
		empty -= t.Groups
	}
	if empty > 0 {
		fmt.Fprintf(&b, ", %d empty", empty)
	}
	if n := r.FellBack(); n > 0 {
		fmt.Fprintf(&b, ", %d fell back", n)
	}
	fmt.Fprintf(&b, ": %d entries in %s", r.Entries(), r.Took.Round(time.Microsecond))
	return b.String()
}

// Grid is the report as text, one letter per key group, 64 to a row, each row after the number of its first key group
// and ended by a newline. A line for operator state follows if there was any, with a letter for each task whose
// operator state was needed; the last line says what the letters mean. Capital letters are those of the local formats
// (H heap, F file, I image), P is the primary copy, a dot is an empty key group.
func (r *Report) Grid() string {
	var b strings.Builder
	keyed, operator := r.parts()
	for row := range slices.Chunk(keyed, gridWidth) {
		fmt.Fprintf(&b, "%6d ", row[0].Group)
		for _, g := range row {
			b.WriteByte(g.Letter)
		}
		b.WriteByte('\n')
	}
	if len(operator) > 0 {
		b.WriteString("operator state:")
		for _, g := range operator {
			b.WriteByte(' ')
			b.WriteByte(g.Letter)
		}
		b.WriteByte('\n')
	}
	names := map[byte]string{}
	for _, g := range r.Groups {
		names[g.Letter] = cmp.Or(g.Source, "empty")
	}
	for i, l := range slices.Sorted(maps.Keys(names)) {
		b.WriteString([]string{"       ", ", "}[min(i, 1)])
		fmt.Fprintf(&b, "%c %s", l, names[l])
	}
	if len(names) > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

// byteCount prints a size in the unit that leaves few digits.
func byteCount(n int64) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1024, 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return fmt.Sprintf("%.1f %ciB", f, units[i])
}
