package recovery

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// A local source that hangs costs a restore its limit once, however many key groups it holds.
func TestRestoreFindsAHungSourceOnce(t *testing.T) {
	for _, parallelism := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			b, v := f.backend(t)
			release := make(chan struct{})
			defer close(release)
			source, c := f.copy('X', func(context.Context, int) error { <-release; return nil })
			cfg := f.config(t, b, []LocalSource{source}, []localcopy.Copy{c})
			cfg.Parallelism = parallelism
			start := time.Now()
			r, err := Restore(t.Context(), cfg)
			require.NoError(t, err)
			f.requireRestored(t, v)
			require.LessOrEqual(t, time.Since(start), 3*DefaultLocalTimeout)
			for _, g := range r.Groups {
				require.Equal(t, "primary", g.Source)
				require.ErrorIs(t, g.Failed[0].Err, errHung)
			}
		})
	}
}

// What a copy says of its sizes counts for a placement only if the checkpoint says the same.
func TestPlacementWeighsWhatTheCheckpointConfirms(t *testing.T) {
	f := newFixture(t)
	tasks := f.manifest.Operators[0].Tasks
	truth := segmentsOf(tasks)
	require.Len(t, truth, len(tasks[0].Groups))
	source, _ := f.copy('X', sound)
	for _, g := range source.Groups {
		require.True(t, holds(g, truth[g.Group]))
		g.Bytes = 1 << 60
		require.False(t, holds(g, truth[g.Group]))
	}
	require.Empty(t, segmentsOf([]primary.TaskState{{Groups: []primary.GroupState{{Group: 1}}}}))
}

// Without a Worker nobody finds the files of a Run again, and an operator should know.
func TestJobSaysThatFilesWithoutAWorkerAreOfNoUse(t *testing.T) {
	for _, tt := range []struct {
		worker string
		local  localcopy.Formats
		lines  int
	}{
		{"", localcopy.Stack(localcopy.Heap(), localcopy.File(t.TempDir())), 1},
		{"w", localcopy.Stack(localcopy.Heap(), localcopy.File(t.TempDir())), 0},
		{"", localcopy.Stack(localcopy.Heap()), 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			cfg := Config{Name: "j", Tasks: 1, M: 8, Primary: primary.NewMemory(), Local: tt.local, Worker: tt.worker,
				Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
			job, done := begin(t, cfg, idle(attach))
			synctest.Wait()
			_, err := job.Stop(context.Background(), false)
			require.NoError(t, err)
			require.NoError(t, <-done)
			require.Equal(t, tt.lines, strings.Count(log.String(), "Config.Worker"), log.String())
		})
	}
}
