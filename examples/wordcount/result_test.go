package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/examples/wordcount/internal/verify"
)

func TestCompare(t *testing.T) {
	entries := []entry{{"a", 1}, {"b", 2}}
	for name, row := range map[string]struct {
		want verify.Counts
		says string
	}{
		"the same":    {verify.Counts{"a": 1, "b": 2}, ""},
		"other count": {verify.Counts{"a": 1, "b": 3}, `in 1 places: "b" 2 times, not 3`},
		"too many":    {verify.Counts{"a": 1}, `"b" 2 times, not 0`},
		"missing":     {verify.Counts{"a": 1, "b": 2, "c": 1}, "1 words missing"},
	} {
		t.Run(name, func(t *testing.T) {
			err := compare(entries, row.want)
			if row.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, errDiffers)
			require.NotErrorIs(t, err, errUsage)
			require.ErrorContains(t, err, row.says)
		})
	}
}

func TestTop(t *testing.T) {
	entries := []entry{{"a", 1}, {"b", 5}, {"c", 1}, {"d", 9}}
	require.Equal(t, []entry{{"d", 9}, {"b", 5}, {"a", 1}}, top(entries, 3))
	require.Len(t, top(entries, 10), 4)
	require.Equal(t, "a", entries[0].word, "the entries stay in their order")
}

func TestPartsAreTakenTogether(t *testing.T) {
	dir := t.TempDir()
	part := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	part("part-00000", "a\t1\nd\t4\n")
	part("part-00001", "b\t2\n")
	part("tmp-left", "x\t1\n")
	got, err := readParts(dir, 2)
	require.NoError(t, err)
	require.Equal(t, []entry{{"a", 1}, {"b", 2}, {"d", 4}}, got)

	_, err = readParts(dir, 3)
	require.ErrorContains(t, err, "2 of 3 tasks")
	part("part-00001", "d\t2\n")
	_, err = readParts(dir, 2)
	require.ErrorIs(t, err, errDiffers, "one word, two tasks")
	part("part-00001", "d\n")
	_, err = readParts(dir, 2)
	require.Error(t, err)
}

func TestAFileIsReplacedWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	broken := errors.New("broken")
	err := writeFile(path, func(w *bufio.Writer) error {
		_, _ = w.WriteString("half")
		return broken
	})
	require.ErrorIs(t, err, broken)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old", string(b))
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.NoError(t, writeFile(path, func(w *bufio.Writer) error { return writeEntries(w, []entry{{"a", 1}}) }))
	b, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "a\t1\n", string(b))
}
