package input

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// testList has 200 units: 3 in each of the first 8 splits' columns and so on.
func testList() *List {
	l := &List{Digest: [16]byte{1, 2, 3}}
	for i := range 50 {
		size := int64(3*unitBytes + 100)
		l.Files = append(l.Files, File{fmt.Sprint("/f", i), size})
		l.Bytes += size
	}
	l.cut()
	return l
}

func TestEverySplitBelongsToOneTask(t *testing.T) {
	l := testList()
	for _, tasks := range []int{1, 2, 3, 7, 63, 64, 65, 200} {
		seen := map[int]int{}
		var positions [][]byte
		for task := range tasks {
			cursors, err := l.Cursors(task, tasks, nil)
			require.NoError(t, err)
			for _, c := range cursors {
				seen[c.Split]++
			}
			positions = append(positions, appendPosition(nil, l.Digest, cursors))
		}
		require.Len(t, seen, Splits)
		for split, n := range seen {
			require.Equal(t, 1, n, "split %d with %d tasks", split, tasks)
		}
		done, err := l.Done(positions)
		require.NoError(t, err)
		require.Zero(t, done)
	}
}

func TestPositionsGoToOtherTasks(t *testing.T) {
	l := testList()
	want, err := l.Cursors(0, 1, nil)
	require.NoError(t, err)
	for i := range want {
		want[i].Unit = i % 3
		want[i].Offset = l.unit(i, i%3).start + int64(i)
	}
	want[5] = Cursor{Split: 5, Unit: l.unitsOf(5)}
	for _, tasks := range []int{1, 2, 3, 64} {
		positions := make([][]byte, tasks)
		for task := range tasks {
			mine := slices.DeleteFunc(slices.Clone(want), func(c Cursor) bool { return c.Split%tasks != task })
			positions[task] = appendPosition(nil, l.Digest, mine)
		}
		got, err := l.Cursors(0, 1, positions)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestBadPositions(t *testing.T) {
	l := testList()
	all, err := l.Cursors(0, 1, nil)
	require.NoError(t, err)
	good := appendPosition(nil, l.Digest, all)
	with := func(c Cursor) []byte {
		cursors := slices.Clone(all)
		cursors[0] = c
		return appendPosition(nil, l.Digest, cursors)
	}
	other := slices.Clone(good)
	other[1]++
	unit1 := l.unit(0, 1)
	for _, row := range []struct {
		name      string
		positions [][]byte
		want      error
	}{
		{"good", [][]byte{good}, nil},
		{"none", nil, nil},
		{"empty", [][]byte{{}}, ErrPosition},
		{"version", [][]byte{append([]byte{9}, good[1:]...)}, ErrPosition},
		{"other input", [][]byte{other}, ErrOtherInput},
		{"trailing byte", [][]byte{append(slices.Clone(good), 0)}, ErrPosition},
		{"twice", [][]byte{good, good}, ErrPosition},
		{"a split is missing", [][]byte{appendPosition(nil, l.Digest, all[1:])}, ErrPosition},
		{"split out of range", [][]byte{with(Cursor{Split: Splits})}, ErrPosition},
		{"unit out of range", [][]byte{with(Cursor{Unit: l.unitsOf(0) + 1})}, ErrPosition},
		{"read whole, with an offset", [][]byte{with(Cursor{Unit: l.unitsOf(0), Offset: 1})}, ErrPosition},
		{"read whole", [][]byte{with(Cursor{Unit: l.unitsOf(0)})}, nil},
		{"before the unit", [][]byte{with(Cursor{Unit: 1, Offset: unit1.start - 1})}, ErrPosition},
		{"last byte of the unit", [][]byte{with(Cursor{Unit: 1, Offset: unit1.end - 1})}, nil},
		{"behind the unit", [][]byte{with(Cursor{Unit: 1, Offset: unit1.end})}, ErrPosition},
		{"negative offset", [][]byte{with(Cursor{Offset: -1})}, ErrPosition},
		{"huge count", [][]byte{binary.AppendUvarint(slices.Clone(good[:17]), 1<<60)}, ErrPosition},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := l.Cursors(0, 2, row.positions)
			require.ErrorIs(t, err, row.want)
			_, err = l.Done(row.positions)
			require.ErrorIs(t, err, row.want)
		})
	}
	for n := range good {
		_, err := l.Cursors(0, 1, [][]byte{good[:n]})
		require.ErrorIs(t, err, ErrPosition, "the first %d bytes", n)
	}
}

func FuzzPosition(f *testing.F) {
	l := testList()
	all, err := l.Cursors(0, 1, nil)
	if err != nil {
		f.Fatal(err)
	}
	good := appendPosition(nil, l.Digest, all)
	f.Add(good)
	f.Add(good[:20])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		cursors, err := l.decodePosition(b)
		if err != nil {
			return
		}
		back, err := l.decodePosition(appendPosition(nil, l.Digest, cursors))
		require.NoError(t, err)
		require.Equal(t, cursors, back)
	})
}

func BenchmarkReader(b *testing.B) {
	dir := b.TempDir()
	text := make([]byte, 8<<20)
	for i := range text {
		text[i] = "the quick brown fox jumps over a lazy dog\n"[i%42]
	}
	if err := os.WriteFile(dir+"/a", text, 0o600); err != nil {
		b.Fatal(err)
	}
	l, err := Walk(b.Context(), []string{dir}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(l.Bytes)
	b.ReportAllocs()
	for b.Loop() {
		cursors, err := l.Cursors(0, 1, nil)
		if err != nil {
			b.Fatal(err)
		}
		r := NewReader(l, cursors, &counter{})
		for more := true; more; {
			if more, err = r.Next(func(string) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
		_ = r.Close()
	}
}
