package recovery

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

func TestJobPanicAdoptsTheHeapCopyWithoutAnyRead(t *testing.T) {
	w := newWorld(t, nil)
	w.start()
	w.readTo(1000)
	id := w.checkpoint()
	w.readTo(1200)
	reads := w.store.objectReads.Load()
	w.failOnce(1, func() { panic("boom") })
	rs := w.recovered(4)[2:]
	require.Equal(t, strings.Repeat("H", testM), all(rs))
	require.Equal(t, reads, w.store.objectReads.Load(), "the store was read")
	for _, r := range rs {
		require.Equal(t, id, r.Report.Checkpoint)
		require.Equal(t, 2, r.Attempts)
		require.True(t, r.Returned)
		p := new(PanicError)
		require.ErrorAs(t, r.Cause, &p)
		require.Equal(t, "boom", p.Value)
		require.Contains(t, string(p.Stack), "failOnce")
		require.False(t, r.Failed.IsZero())
	}
	w.again()
}

func TestJobRestartOneLeavesTheOthersAlone(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Region, c.Tasks = RestartOne, 3 })
	w.start()
	w.readTo(500)
	w.checkpoint()
	w.readTo(600)
	w.failOnce(1, func() { panic("boom") })
	rs := w.recovered(4)[3:]
	require.Equal(t, 1, rs[0].Task)
	require.True(t, rs[0].Returned)
	require.Equal(t, strings.Repeat("H", 11), letters(rs[0]))
	w.again()
}

func TestJobNewProcessRestoresFromFiles(t *testing.T) {
	w := newWorld(t, nil)
	w.fresh()
	w.start()
	w.readTo(1000)
	w.checkpoint()
	w.crash()
	reads := w.store.objectReads.Load()
	w.fresh()
	w.start()
	require.Equal(t, strings.Repeat("F", testM), all(w.recovered(2)))
	require.Equal(t, reads, w.store.objectReads.Load())
	w.again()
}

func TestJobOtherWorkerRestoresFromPrimary(t *testing.T) {
	w := newWorld(t, nil)
	w.fresh()
	w.start()
	w.readTo(1000)
	w.checkpoint()
	w.crash()
	w.fresh()
	w.cfg.Worker = "another"
	w.start()
	rs := w.recovered(2)
	require.Equal(t, strings.Repeat("P", testM), all(rs))
	w.readTo(1100)
	w.until("the old files to be removed", func() bool {
		w.mu.Unlock()
		defer w.mu.Lock()
		return len(localFiles(t, w.dir)) == 0
	})
	w.again()
}

func TestJobLostDiskRestoresFromPrimary(t *testing.T) {
	w := newWorld(t, nil)
	w.fresh()
	w.start()
	w.readTo(1000)
	w.checkpoint()
	w.crash()
	require.NoError(t, os.RemoveAll(w.dir))
	w.fresh()
	w.start()
	require.Equal(t, strings.Repeat("P", testM), all(w.recovered(2)))
	w.again()
}

func TestJobOneFlippedByteCostsOneKeyGroup(t *testing.T) {
	w := newWorld(t, nil)
	w.fresh()
	w.start()
	w.readTo(1000)
	w.checkpoint()
	w.crash()
	files := localFiles(t, w.dir)
	require.Len(t, files, 2)
	b, err := os.ReadFile(files[0])
	require.NoError(t, err)
	index, err := primary.ReadIndex(t.Context(), primary.ReaderAt("x", bytes.NewReader(b)), int64(len(b)))
	require.NoError(t, err)
	seg := index.Segments[3]
	b[seg.Offset+seg.Length/2] ^= 1
	require.NoError(t, os.WriteFile(files[0], b, 0o600))
	w.fresh()
	w.start()
	rs := w.recovered(2)
	want := []byte(strings.Repeat("F", testM))
	want[seg.Group] = 'P'
	for _, r := range rs {
		for _, g := range r.Report.Groups {
			require.Equal(t, string(want[g.Group]), string(g.Letter), "key group %d", g.Group)
			if g.Group == seg.Group {
				require.Len(t, g.Failed, 1)
				require.Equal(t, "file", g.Failed[0].Source)
				require.ErrorIs(t, &g.Failed[0], primary.ErrCorrupt)
			}
		}
	}
	w.again()
}

func TestJobRescaleUsesLocalKeyGroups(t *testing.T) {
	for name, tasks := range map[string][2]int{"2 to 3": {2, 3}, "3 to 2": {3, 2}, "1 to 4": {1, 4}, "4 to 1": {4, 1}} {
		for _, format := range []string{"file", "heap"} {
			t.Run(name+" "+format, func(t *testing.T) {
				w := newWorld(t, func(c *Config) { c.Tasks = tasks[0] })
				if format == "file" {
					w.fresh()
				}
				w.start()
				w.readTo(700)
				w.checkpoint()
				w.readTo(1000)
				w.skew(tasks[0])
				w.checkpoint()
				w.crash()
				if format == "file" {
					w.fresh()
				}
				w.cfg.Tasks = tasks[1]
				w.start()
				require.Equal(t, strings.Repeat(strings.ToUpper(format[:1]), testM), all(w.recovered(tasks[1])))
				w.again()
				require.Equal(t, strings.Repeat("H", testM), all(w.recovered(2 * tasks[1])[tasks[1]:]))
				w.cfg.Tasks = tasks[0]
				w.crash()
				w.start()
				w.recovered(tasks[0])
				w.again()
			})
		}
	}
}

func TestJobSlotsOfARescaleAreFreedAfterACheckpoint(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Tasks = 3 })
	w.fresh()
	w.start()
	w.readTo(700)
	w.checkpoint()
	w.crash()
	w.fresh()
	w.cfg.Tasks = 2
	w.start()
	w.recovered(2)
	require.Len(t, w.job.Slots(), 3)
	w.readTo(800)
	w.checkpoint()
	w.until("the copies of the third slot to go", func() bool {
		w.mu.Unlock()
		defer w.mu.Lock()
		return len(localFiles(t, w.dir)) == 2
	})
}

func TestJobLostSlotMovesItsTask(t *testing.T) {
	w := newWorld(t, nil)
	w.fresh()
	w.start()
	w.readTo(1000)
	w.checkpoint()
	slots := w.job.Slots()
	require.Len(t, slots, 2)
	require.NoError(t, w.job.LoseSlot(t.Context(), 0))
	require.ErrorIs(t, w.job.LoseSlot(t.Context(), 0), ErrConfig)
	w.until("its local copies to go", func() bool {
		w.mu.Unlock()
		defer w.mu.Lock()
		return len(localFiles(t, filepath.Join(w.dir, "job", slots[0].Allocation.String()))) == 0
	})
	rs := w.recovered(4)[2:]
	for _, r := range rs {
		require.ErrorIs(t, r.Cause, ErrSlotLost)
		if r.Task == 0 {
			require.Equal(t, strings.Repeat("P", 16), letters(r))
			require.Equal(t, 2, r.Slot)
			require.False(t, r.Returned)
			continue
		}
		require.Equal(t, strings.Repeat("H", 16), letters(r))
		require.Equal(t, 1, r.Slot)
		require.True(t, r.Returned)
	}
	w.again()
	w.crash()
	w.fresh()
	w.start()
	rs = w.recovered(2)
	require.Equal(t, strings.Repeat("F", testM), all(rs))
	w.again()
}

// localFiles lists the sealed files below a local directory.
func localFiles(t *testing.T, dir string) []string {
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	require.NoError(t, err)
	return out
}

func names(t *testing.T, s primary.Store) []string {
	var out []string
	for info, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		out = append(out, info.Name)
	}
	return out
}

// fresh gives the world the formats of a new process.
func (w *world) fresh() {
	w.cfg.Local = localcopy.Stack(localcopy.Heap(), localcopy.File(w.dir))
}

// crash ends the job as a process that dies would, as far as local copies are concerned.
func (w *world) crash() {
	w.t.Helper()
	_, err := w.job.Stop(context.Background(), false)
	require.NoError(w.t, err)
	require.NoError(w.t, w.end())
}
