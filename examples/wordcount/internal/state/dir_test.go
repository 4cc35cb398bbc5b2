package state

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary"
)

func TestOpenAndDiscardLeaveThingsAsTheyWere(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	d, err := Open(t.Context(), missing)
	require.NoError(t, err)
	require.NoError(t, d.Discard())
	require.NoDirExists(t, missing)

	empty := t.TempDir()
	d, err = Open(t.Context(), empty)
	require.NoError(t, err)
	require.NoError(t, d.Discard())
	entries, err := os.ReadDir(empty)
	require.NoError(t, err)
	require.Empty(t, entries)

	d, err = Open(t.Context(), empty)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	d, err = Open(t.Context(), empty)
	require.NoError(t, err)
	require.NoError(t, d.Discard())
	require.NoError(t, Check(empty))
	require.FileExists(t, filepath.Join(empty, "wordcount.json"), "it was there before")
}

func TestCheck(t *testing.T) {
	write := func(files map[string]string) string {
		dir := t.TempDir()
		for name, content := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		}
		return dir
	}
	for name, row := range map[string]struct {
		files map[string]string
		want  error
	}{
		"empty":                       {nil, nil},
		"killed before it was marked": {map[string]string{"lock": "", "wordcount.json.tmp": "{"}, nil},
		"ours":                        {map[string]string{"wordcount.json": `{"job":"wordcount","version":1}`, "x": ""}, nil},
		"somebody's":                  {map[string]string{"lock": "", "x": ""}, ErrForeign},
		"another job":                 {map[string]string{"wordcount.json": `{"job":"orders","version":1}`}, ErrForeign},
		"a later version":             {map[string]string{"wordcount.json": `{"job":"wordcount","version":2}`}, ErrForeign},
		"no marker at all":            {map[string]string{"wordcount.json": `[]`}, ErrForeign},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(row.files)
			require.ErrorIs(t, Check(dir), row.want)
			if row.want != nil {
				_, err := Open(t.Context(), dir)
				require.ErrorIs(t, err, row.want)
			}
		})
	}
	file := filepath.Join(write(map[string]string{"f": ""}), "f")
	require.Error(t, Check(file))
	require.NoError(t, Check(filepath.Join(t.TempDir(), "nowhere")))
}

func TestADirectoryIsHeldByOneRun(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the standard library has no file locks for it")
	}
	dir := t.TempDir()
	held, err := Open(t.Context(), dir)
	require.NoError(t, err)
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Open(impatient, dir)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, held.Close())
	again, err := Open(t.Context(), dir)
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

func TestNewestOfADirectoryWithoutCheckpoints(t *testing.T) {
	d, err := Open(t.Context(), t.TempDir())
	require.NoError(t, err)
	m, err := d.Newest(t.Context(), 128)
	require.NoError(t, err)
	require.Nil(t, m)
	require.NoDirExists(t, d.Primary(), "it only reads")
	require.Nil(t, Positions(m))
	require.NoError(t, d.Close())

	m = &primary.Manifest{Operators: []primary.Operator{{Tasks: []primary.TaskState{{Position: []byte("a")}, {Position: []byte("b")}}}}}
	require.Equal(t, [][]byte{[]byte("a"), []byte("b")}, Positions(m))
}
