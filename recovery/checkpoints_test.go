package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// Below testdata/checkpoints/VERSION/NAME lies a directory store, as a job of that version of the library wrote it:
// one retained checkpoint and one savepoint; and expected.txt, what is in them, a line an entry. Directories stay for
// ever: what today's code cannot read of them, an upgrade would lose. A kind of state that is new gets a directory of
// its own, by a program in checkpointPrograms; a format that is new gets a new VERSION.

var updateCheckpoints = flag.Bool("update", false, "write the directories of checkpoints that are missing; present ones are never changed")

const (
	checkpointsDir     = "testdata/checkpoints"
	checkpointsVersion = "v2"
	checkpointMaxBytes = 200 << 10
	checkpointM        = 16
	checkpointSeed     = 42
	checkpointTasks    = 3
)

// checkpointProgram is a job whose checkpoints a directory holds.
type checkpointProgram struct {
	name        string
	compression primary.Compression
	// open registers the program's states, all empty.
	open func(cfg heapbackend.Config) (checkpointStates, error)
}

// checkpointStates are the states of one task, or of a backend that takes the place of all.
type checkpointStates struct {
	backend heapbackend.AnyBackend
	// fill writes a round's entries of the task's key groups: the first before the checkpoint, the second, which also
	// changes and removes some of the first, before the savepoint.
	fill func(round int) error
	// entries calls line for each entry of all states.
	entries func(line func(state string, key, value any))
}

// lines returns what the states hold as text, sorted.
func (s *checkpointStates) lines() (lines []string) {
	s.entries(func(state string, key, value any) {
		k, err := json.Marshal(key)
		if err != nil {
			panic(err)
		}
		v, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		lines = append(lines, fmt.Sprintf("%s %s = %s", state, k, v))
	})
	slices.Sort(lines)
	return onceShared(lines)
}

// onceShared keeps one of the equal lines about operator state that several tasks hold.
func onceShared(lines []string) []string {
	return slices.CompactFunc(lines, func(a, b string) bool {
		return a == b && (strings.HasPrefix(a, "union ") || strings.HasPrefix(a, "rules "))
	})
}

func checkpointConfig(r keygroups.Range) heapbackend.Config {
	return heapbackend.Config{M: checkpointM, Seed: checkpointSeed, Range: r}
}

// TestCheckpointsOfOlderVersions restores every directory, as a reader would, and as the job that goes on.
func TestCheckpointsOfOlderVersions(t *testing.T) {
	if *updateCheckpoints {
		for _, p := range checkpointPrograms {
			p.write(t)
		}
	}
	dirs, err := filepath.Glob(filepath.Join(checkpointsDir, "*", "*"))
	require.NoError(t, err)
	read := map[string]bool{}
	for _, dir := range dirs {
		i := slices.IndexFunc(checkpointPrograms, func(p checkpointProgram) bool { return p.name == filepath.Base(dir) })
		require.GreaterOrEqualf(t, i, 0, "%s: no program reads it any more", dir)
		read[filepath.Base(dir)] = true
		t.Run(filepath.ToSlash(dir), func(t *testing.T) { checkpointPrograms[i].check(t, dir) })
	}
	for _, p := range checkpointPrograms {
		require.Truef(t, read[p.name], "%s has no directory: write it with -update", p.name)
	}
}

// write runs the job and keeps what it leaves, unless there is such a directory.
func (p *checkpointProgram) write(t *testing.T) {
	dir := filepath.Join(checkpointsDir, checkpointsVersion, p.name)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
		return
	}
	temp := t.TempDir()
	var expected strings.Builder
	fmt.Fprintf(&expected, "# job %s, compression %s, %d tasks, %d key groups, seed %d, keys and values as JSON\n",
		p.name, p.compression, checkpointTasks, checkpointM, checkpointSeed)
	for round, what := range []string{"checkpoint", "savepoint"} {
		m, lines := p.run(t, temp, Config{Tasks: checkpointTasks, Seed: checkpointSeed}, round+1)
		fmt.Fprintf(&expected, "# %s %d\n%s\n", what, m.Checkpoint, strings.Join(lines, "\n"))
	}
	require.NoError(t, os.CopyFS(filepath.Join(dir, "store"), os.DirFS(temp)))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "store", "tmp~")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "expected.txt"), []byte(expected.String()), 0o644))
}

// run starts the job on a store, lets each task fill in the round, 0 for none, and takes a checkpoint, or in the second
// round a savepoint. It returns the manifest and what the tasks held.
func (p *checkpointProgram) run(t *testing.T, dir string, cfg Config, round int) (*primary.Manifest, []string) {
	store, err := primary.OpenDir(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	cfg.Name, cfg.M, cfg.Primary, cfg.Compression = p.name, checkpointM, store, p.compression
	job, err := NewJob(cfg)
	require.NoError(t, err)
	var mu sync.Mutex // guards lines
	var lines []string
	ready, done := make(chan struct{}, cfg.Tasks), make(chan error, 1)
	go func() {
		done <- job.Run(t.Context(), p.task(round, func(s *checkpointStates) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, s.lines()...)
			ready <- struct{}{}
		}))
	}()
	for range cfg.Tasks {
		select {
		case <-ready:
		case err := <-done:
			require.NoError(t, err)
			require.FailNow(t, "the job ended")
		}
	}
	take := job.Checkpoint
	if round == 2 {
		take = job.Savepoint
	}
	m, err := take(t.Context())
	for ; errors.Is(err, primary.ErrNotRunning) && t.Context().Err() == nil; m, err = take(t.Context()) {
		time.Sleep(time.Millisecond) // a task is ready a little before its job knows
	}
	require.NoError(t, err)
	_, err = job.Stop(t.Context(), false)
	require.NoError(t, err)
	require.NoError(t, <-done)
	slices.Sort(lines)
	return m, onceShared(lines)
}

// task is the task function: it fills in the round and then only takes part in checkpoints.
func (p *checkpointProgram) task(round int, filled func(s *checkpointStates)) TaskFunc {
	return func(ctx context.Context, task *Task) error {
		s, err := p.open(task.BackendConfig())
		if err != nil {
			return Permanent(err)
		}
		if err := errors.Join(task.Attach(s.backend), restored(ctx, task), s.fill(round)); err != nil {
			return Permanent(err)
		}
		filled(&s)
		for {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-task.DueC():
				if err := task.Advance(ctx, task.Offset()+int64(min(round, 1))); err != nil {
					return err
				}
			}
		}
	}
}

func restored(ctx context.Context, t *Task) error {
	_, err := t.Restore(ctx)
	return err
}

// check reads a copy of the directory.
func (p *checkpointProgram) check(t *testing.T, dir string) {
	text, err := os.ReadFile(filepath.Join(dir, "expected.txt"))
	require.NoError(t, err)
	checkpoint, savepoint := parseExpected(t, string(text))
	size := int64(0)
	require.NoError(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	}))
	require.Less(t, size, int64(checkpointMaxBytes))
	temp := t.TempDir()
	require.NoError(t, os.CopyFS(temp, os.DirFS(filepath.Join(dir, "store"))))
	store, err := primary.OpenDir(temp)
	require.NoError(t, err)
	manifests, err := primary.LoadRetained(t.Context(), store, p.name)
	require.NoError(t, err)
	require.Len(t, manifests, 1)
	require.Equal(t, checkpoint, p.latest(t, store, manifests), "the checkpoint")
	saved := p.savepoint(t, store)
	require.Equal(t, savepoint, p.latest(t, store, []*primary.Manifest{saved}), "the savepoint")
	require.NoError(t, store.Close())
	// Jobs go on, with another number of tasks each time, and what they write is the same again.
	_, lines := p.run(t, temp, Config{Tasks: 2, From: saved}, 0)
	require.Equal(t, savepoint, lines, "a job from the savepoint")
	_, lines = p.run(t, temp, Config{Tasks: 4}, 0)
	require.Equal(t, savepoint, lines, "a job from today's checkpoint")
	other := t.TempDir()
	require.NoError(t, os.CopyFS(other, os.DirFS(filepath.Join(dir, "store"))))
	_, lines = p.run(t, other, Config{Tasks: 5}, 0)
	require.Equal(t, checkpoint, lines, "a job from the checkpoint")
}

// latest restores all key groups of the first of the manifests into one backend.
func (p *checkpointProgram) latest(t *testing.T, store primary.Store, manifests []*primary.Manifest) []string {
	s, err := p.open(checkpointConfig(rng(0, checkpointM)))
	require.NoError(t, err)
	want := Want{Job: p.name, Operator: DefaultOperator, M: checkpointM, Seed: checkpointSeed}
	want.Range = rng(0, checkpointM)
	plan, err := MakePlan(want, manifests[0], nil)
	require.NoError(t, err)
	_, err = Restore(t.Context(), RestoreConfig{Backend: s.backend, Store: store, Plan: plan})
	require.NoError(t, err)
	return s.lines()
}

func (p *checkpointProgram) savepoint(t *testing.T, store primary.Store) (m *primary.Manifest) {
	for id, err := range primary.Savepoints(t.Context(), store, p.name) {
		require.NoError(t, err)
		require.Nil(t, m, "more than one")
		m, err = primary.LoadSavepoint(t.Context(), store, p.name, id)
		require.NoError(t, err)
	}
	require.NotNil(t, m)
	return m
}

// parseExpected returns the lines of both parts.
func parseExpected(t *testing.T, text string) (checkpoint, savepoint []string) {
	var part *[]string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "# checkpoint"):
			part = &checkpoint
		case strings.HasPrefix(line, "# savepoint"):
			part = &savepoint
		case !strings.HasPrefix(line, "#"):
			*part = append(*part, line)
		}
	}
	require.NotEmpty(t, checkpoint)
	require.NotEmpty(t, savepoint)
	return checkpoint, savepoint
}
