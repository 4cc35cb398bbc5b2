package input

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// counter is a Control that adds up.
type counter struct{ bytes int64 }

func (c *counter) Ready() <-chan struct{} { return nil }
func (c *counter) Advance(n int64)        { c.bytes += n }

// count reads on with the given number of tasks, from the positions, at most steps
// chunks each (all, if steps is 0), adds what it reads to counts, and returns the new positions and the bytes behind them.
func count(t require.TestingT, l *List, tasks int, positions [][]byte, chunk int64, steps int, counts map[string]int) ([][]byte, int64) {
	var out [][]byte
	var done counter
	for task := range tasks {
		cursors, err := l.Cursors(task, tasks, positions)
		require.NoError(t, err)
		r := NewReader(l, cursors, &done)
		r.chunk = chunk
		for n := 0; steps == 0 || n < steps; n++ {
			more, err := r.Next(func(w string) error { counts[w]++; return nil })
			require.NoError(t, err)
			if !more {
				break
			}
		}
		out = append(out, r.Position())
		require.NoError(t, r.Close())
	}
	return out, done.bytes
}

var wordRun = regexp.MustCompile(`[a-zA-Z]+`)

func expect(texts ...string) map[string]int {
	want := map[string]int{}
	for _, s := range texts {
		for _, w := range wordRun.FindAllString(s, -1) {
			want[strings.ToLower(w)]++
		}
	}
	return want
}

// Whatever the chunks, the checkpoints and the numbers of tasks between them, every word is counted once.
func TestEveryWordIsCountedOnceWhereverTheTextIsCut(t *testing.T) {
	dir := tempDir(t)
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringMatching(`([a-cX]{0,12}[ 0\n]{0,2}){0,9}`), 1, 5).Draw(t, "texts")
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.Mkdir(dir, 0o700))
		for i, s := range texts {
			require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint("f", i)), []byte(s), 0o600))
		}
		l, err := Walk(t.Context(), []string{dir}, nil, nil)
		require.NoError(t, err)
		recut(l, rapid.Int64Range(1, 40).Draw(t, "unit"))

		got := map[string]int{}
		var positions [][]byte
		for range rapid.IntRange(0, 5).Draw(t, "runs") {
			tasks := rapid.IntRange(1, 5).Draw(t, "tasks")
			chunk, steps := rapid.Int64Range(1, 20).Draw(t, "chunk"), rapid.IntRange(1, 6).Draw(t, "steps")
			var done int64
			positions, done = count(t, l, tasks, positions, chunk, steps, got)
			behind, err := l.Done(positions)
			require.NoError(t, err)
			require.Equal(t, behind, done)
		}
		_, done := count(t, l, 2, positions, 7, 0, got)
		require.Equal(t, expect(texts...), got)
		require.Equal(t, l.Bytes, done)
	})
}

// recut cuts the list into smaller units than usual.
func recut(l *List, size int64) {
	l.units = nil
	for i, f := range l.Files {
		for start := int64(0); start < f.Size; start += size {
			l.units = append(l.units, unit{i, start, min(start+size, f.Size)})
		}
	}
}

func TestWordsLongerThanAnything(t *testing.T) {
	dir := tempDir(t)
	long := strings.Repeat("Ab", 3*unitBytes/2)
	s := "go " + long + " go" + strings.Repeat(".", unitBytes) + long
	write(t, dir, "a", s)
	got := map[string]int{}
	count(t, walk(t, dir), 3, nil, maxChunk, 0, got)
	require.Equal(t, expect(s), got)
}

func TestAFileThatChangesIsReported(t *testing.T) {
	dir := tempDir(t)
	path := write(t, dir, "a", "some text that is long enough")
	l := walk(t, dir)
	next := func() error {
		cursors, err := l.Cursors(0, 1, nil)
		require.NoError(t, err)
		r := NewReader(l, cursors, &counter{})
		defer func() { require.NoError(t, r.Close()) }()
		_, err = r.Next(func(string) error { return nil })
		return err
	}
	require.NoError(t, next())
	write(t, dir, "a", "some text that is long enough, and longer")
	require.NoError(t, next(), "what was appended is not read")
	write(t, dir, "a", "short")
	require.ErrorIs(t, next(), ErrChanged)
	require.NoError(t, os.Remove(path))
	require.ErrorIs(t, next(), ErrChanged)
}
