package input

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// What can be wrong with positions; test with errors.Is.
var (
	// ErrPosition: the bytes are not positions of this package, or do not fit together.
	ErrPosition = errors.New("input: bad position")
	// ErrOtherInput: the positions are of another input.
	ErrOtherInput = errors.New("input: positions are of another input")
)

// Cursor is where the reading of one split stands. The zero position of a split
// is unit 0 at that unit's start; a split that has been read whole has Unit
// equal to its number of units and Offset 0.
type Cursor struct {
	Split  int
	Unit   int   // ordinal among the split's units
	Offset int64 // in the file; everything before it, within the unit, has been read
}

// positionVersion is the first byte of a position.
const positionVersion = 1

// appendPosition encodes the cursors of one task: version, digest, number of cursors, and for
// each its split, unit and offset as uvarints.
func appendPosition(dst []byte, digest [16]byte, cursors []Cursor) []byte {
	dst = append(dst, positionVersion)
	dst = append(dst, digest[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(cursors)))
	for _, c := range cursors {
		dst = binary.AppendUvarint(dst, uint64(c.Split))
		dst = binary.AppendUvarint(dst, uint64(c.Unit))
		dst = binary.AppendUvarint(dst, uint64(c.Offset))
	}
	return dst
}

// decodePosition reads what appendPosition wrote, and checks it against the list.
func (l *List) decodePosition(b []byte) ([]Cursor, error) {
	const header = 1 + len(l.Digest)
	if len(b) < header || b[0] != positionVersion {
		return nil, fmt.Errorf("%w: %d bytes without a header", ErrPosition, len(b))
	}
	if [len(l.Digest)]byte(b[1:]) != l.Digest {
		return nil, ErrOtherInput
	}
	b = b[header:]
	bad := false
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			bad = true
			return 0
		}
		b = b[n:]
		return v
	}
	count := next()
	if bad || count > Splits {
		return nil, fmt.Errorf("%w: bad number of splits", ErrPosition)
	}
	cursors := make([]Cursor, 0, count)
	for range count {
		split, n, offset := next(), next(), next()
		if bad || !l.valid(split, n, offset) {
			return nil, fmt.Errorf("%w: cursor %d of %d", ErrPosition, len(cursors), count)
		}
		cursors = append(cursors, Cursor{int(split), int(n), int64(offset)})
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrPosition, len(b))
	}
	return cursors, nil
}

func (l *List) valid(split, n, offset uint64) bool {
	if split >= Splits || n > uint64(l.unitsOf(int(split))) {
		return false
	}
	if n == uint64(l.unitsOf(int(split))) {
		return offset == 0
	}
	u := l.unit(int(split), int(n))
	return offset >= uint64(u.start) && offset < uint64(u.end)
}

// Cursors returns where a task reads on, for the splits that are its own. positions are those of all
// the tasks of the checkpoint, however many they were; none means the start.
//
// Errors: ErrOtherInput; ErrPosition, also when the positions do not have every
// split exactly once.
func (l *List) Cursors(task, tasks int, positions [][]byte) ([]Cursor, error) {
	all, err := l.union(positions)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(c Cursor) bool { return c.Split%tasks != task }), nil
}

// union returns the cursors of all splits, by split.
func (l *List) union(positions [][]byte) ([]Cursor, error) {
	all := make([]Cursor, Splits)
	for split := range all {
		all[split] = l.startOf(split)
	}
	if len(positions) == 0 {
		return all, nil
	}
	var seen [Splits]bool
	for _, b := range positions {
		cursors, err := l.decodePosition(b)
		if err != nil {
			return nil, err
		}
		for _, c := range cursors {
			if seen[c.Split] {
				return nil, fmt.Errorf("%w: split %d is there twice", ErrPosition, c.Split)
			}
			seen[c.Split] = true
			all[c.Split] = c
		}
	}
	if split := slices.Index(seen[:], false); split >= 0 {
		return nil, fmt.Errorf("%w: split %d is missing", ErrPosition, split)
	}
	return all, nil
}

func (l *List) startOf(split int) Cursor {
	c := Cursor{Split: split}
	if l.unitsOf(split) > 0 {
		c.Offset = l.unit(split, 0).start
	}
	return c
}

// Done returns the bytes of the input that lie before the positions, which are those of all
// tasks; none means 0. Errors are those of Cursors.
func (l *List) Done(positions [][]byte) (int64, error) {
	all, err := l.union(positions)
	if err != nil {
		return 0, err
	}
	return l.done(all), nil
}

// done is the number of bytes of the input before the cursors.
func (l *List) done(cursors []Cursor) int64 {
	var n int64
	for _, c := range cursors {
		for i := range c.Unit {
			u := l.unit(c.Split, i)
			n += u.end - u.start
		}
		if c.Unit < l.unitsOf(c.Split) {
			n += c.Offset - l.unit(c.Split, c.Unit).start
		}
	}
	return n
}
