package input

import "encoding/json"

// Splits is the number of splits of every input.
const Splits = 64

// unitBytes is the largest size of a unit. It is part of what a position means,
// and so of the digest.
const unitBytes = 1 << 20

// unit is a part of a file, [start, end).
type unit struct {
	file       int
	start, end int64
}

// cut fills units from the files.
func (l *List) cut() {
	l.units = l.units[:0]
	for i, f := range l.Files {
		for start := int64(0); start < f.Size; start += unitBytes {
			l.units = append(l.units, unit{i, start, min(start+unitBytes, f.Size)})
		}
	}
}

// unitsOf is the number of units of a split.
func (l *List) unitsOf(split int) int { return (len(l.units) - split + Splits - 1) / Splits }

// unit is the n-th unit of a split.
func (l *List) unit(split, n int) unit { return l.units[split+n*Splits] }

// UnmarshalJSON reads a list that was written with encoding/json.
func (l *List) UnmarshalJSON(b []byte) error {
	type plain List
	if err := json.Unmarshal(b, (*plain)(l)); err != nil {
		return err
	}
	l.cut()
	return nil
}
