package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/examples/wordcount/internal/state"
	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/primary"
	"github.com/heapstate/heapstate/recovery"
)

// requireRefused runs the program and requires that it says one line, exits with 2 and changes nothing below dirs.
func requireRefused(t *testing.T, says string, dirs []string, args ...string) {
	t.Helper()
	var before []map[string]string
	for _, dir := range dirs {
		before = append(before, tree(t, dir))
	}
	o := ended(t, program(t, args...))
	require.Equal(t, 2, o.code, "%s%s", o.stdout, o.stderr)
	require.Empty(t, o.stdout)
	require.Equal(t, 1, strings.Count(o.stderr, "\n"), o.stderr)
	require.Contains(t, o.stderr, says)
	for i, dir := range dirs {
		require.Equal(t, before[i], tree(t, dir), dir)
	}
}

func TestBadCommandLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("text"), 0o600))
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, row := range []struct {
		name, says string
		args       []string
	}{
		{"unknown flag", "-nope", []string{"-nope"}},
		{"flag without a value", "-tasks", []string{"-tasks"}},
		{"tasks are no number", "-tasks", []string{"-tasks", "many"}},
		{"no tasks", "-tasks 0", []string{"-tasks", "0"}},
		{"too many tasks", "-tasks 257", []string{"-tasks", "257"}},
		{"fewer groups than tasks", "-groups 3", []string{"-tasks", "4", "-groups", "3"}},
		{"too many groups", "-groups 32769", []string{"-groups", "32769"}},
		{"no time", "-every 0s", []string{"-every", "0"}},
		{"a number is no time", "-every", []string{"-every", "200"}},
		{"unknown local copy", "-local", []string{"-local", "image"}},
		{"local copy named twice", "-local", []string{"-local", "heap+heap"}},
		{"unknown failure", "-inject", []string{"-inject", "flood@50%"}},
		{"share out of range", "-inject", []string{"-inject", "kill@100%"}},
		{"input is not there", "no such file", []string{in("nowhere")}},
		{"one input is not there", "nowhere", []string{"-dir", in("new"), file, in("nowhere")}},
		{"dir is a file", "-dir", []string{"-dir", file, file}},
		{"dir below a file", "-dir", []string{"-dir", filepath.Join(file, "state"), file}},
		{"out below nothing", "-out", []string{"-out", filepath.Join(in("nowhere"), "out"), file}},
		{"out is a directory", "-out", []string{"-out", dir, file}},
		{"report is a directory", "-report", []string{"-report", dir, file}},
		{"out and report", "same file", []string{"-out", in("x"), "-report", in("x"), file}},
		{"dir is counted", "own files", []string{"-dir", t.TempDir(), "-out", file, file}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, row.says, []string{dir}, row.args...)
		})
	}
}

func TestHelpIsNoFailure(t *testing.T) {
	t.Parallel()
	o := ended(t, program(t, "-help"))
	require.Zero(t, o.code)
	for _, flag := range []string{"-tasks", "-every", "-local", "-dir", "-inject", "-out", "-report"} {
		require.Contains(t, o.stdout, flag)
	}
}

func TestADirectoryOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	input := filepath.Join(t.TempDir(), "input")
	require.NoError(t, os.WriteFile(input, []byte("text"), 0o600))

	home := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(home, "local"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, "local", "photo"), nil, 0o600))
	requireRefused(t, "is not a directory of wordcount", []string{home}, "-dir", home, input)

	other := t.TempDir()
	otherJob(t, other)
	requireRefused(t, "is not a directory of wordcount", []string{other}, "-dir", other, input)

	marked := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(marked, "wordcount.json"), []byte(`{"job":"orders","version":1}`), 0o600))
	requireRefused(t, `job "orders"`, []string{marked}, "-dir", marked, input)

	mixed := filepath.Join(t.TempDir(), "state")
	require.Zero(t, ended(t, program(t, "-dir", mixed, input)).code)
	require.NoError(t, os.RemoveAll(state.Layout{Dir: mixed}.Primary()))
	otherJob(t, state.Layout{Dir: mixed}.Primary())
	requireRefused(t, `job "orders"`, []string{mixed}, "-dir", mixed, input)
}

// otherJob leaves the checkpoint of a job "orders" in a directory.
func otherJob(t *testing.T, dir string) {
	store, err := primary.OpenDir(dir)
	require.NoError(t, err)
	job, err := recovery.NewJob(recovery.Config{Name: "orders", Tasks: 1, Primary: store})
	require.NoError(t, err)
	require.NoError(t, job.Run(t.Context(), func(ctx context.Context, task *recovery.Task) error {
		b, err := heapbackend.For[uuid.UUID](task)
		if err != nil {
			return err
		}
		totals, err := heapbackend.NewValue[int](b, "totals")
		if err != nil {
			return err
		}
		if _, err := task.Restore(ctx); err != nil {
			return err
		}
		if err := totals.Put(uuid.New(), 1); err != nil {
			return err
		}
		return nil
	}))
	require.NoError(t, store.Close())
}

func TestACheckpointThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	dir, _ := corpus(t, 200<<10)
	place := filepath.Join(t.TempDir(), "state")
	counted(t, "-dir", place, "-every", "2ms", "-inject", "panic@50%", dir) // after a checkpoint

	requireRefused(t, "128 key groups, this run has 64", []string{place}, "-dir", place, "-groups", "64", dir)
	requireRefused(t, "128 key groups, this run has 512", []string{place}, "-dir", place, "-tasks", "200", dir)
	requireRefused(t, "another input", []string{place}, "-dir", place, filepath.Join(dir, "d1"))

	file := filepath.Join(dir, "d0", "file3")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	b[0] ^= 1
	require.NoError(t, os.WriteFile(file, b, 0o600))
	requireRefused(t, "the input has changed", []string{place}, "-dir", place, dir)
}

func TestADirectoryInUseIsRefused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the standard library has no file locks for it")
	}
	dir, _ := corpus(t, 1<<10)
	place := filepath.Join(t.TempDir(), "state")
	held, err := state.Open(t.Context(), place)
	require.NoError(t, err)
	requireRefused(t, "in use", []string{place}, "-dir", place, dir)
	require.NoError(t, held.Close())
	require.Zero(t, ended(t, program(t, "-dir", place, dir)).code)
}
