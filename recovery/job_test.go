package recovery

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
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

func TestJobZombieNeitherBlocksNorCommits(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Grace = 50 * time.Millisecond })
	w.start()
	w.readTo(400)
	id := w.checkpoint()
	release, woke := make(chan struct{}), make(chan error, 1)
	var zombie *Task
	w.note(func() {
		w.hook = func(ctx context.Context, task *Task, offset int64) error {
			if task.Index() != 0 || task.Attempts() != 1 {
				return nil
			}
			zombie = task
			<-release // deaf to ctx
			err := task.Advance(ctx, offset+1)
			woke <- errors.Join(err, task.Checkpoint(context.Background(), id+1, nil))
			return err
		}
	})
	require.NoError(t, w.job.LoseSlot(t.Context(), 1)) // task 1 fails; task 0 hangs
	w.note(func() {})
	w.recovered(4)
	w.readTo(500)
	next := w.checkpoint()
	require.Greater(t, next, id)
	close(release)
	require.ErrorIs(t, <-woke, ErrRestarting)
	require.Error(t, zombie.trigger(dueCheckpoint{id: next + 1}))
	latest := w.job.Latest()
	for _, ts := range latest.Operators[0].Tasks {
		require.NotEqual(t, zombie.Attempt(), ts.Attempt)
	}
	w.again()
}

// A zombie that was already writing when it was given up cannot commit what it wrote, and nothing of it stays.
func TestJobZombieUploadIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	w.start()
	w.readTo(400)
	w.checkpoint()
	hang, hung := make(chan struct{}), make(chan string, 1)
	w.store.set(func() {
		w.store.commit = func(_ context.Context, name string) error {
			if isObject(name) && strings.Contains(name, "/main-0-") {
				hung <- name
				<-hang // deaf to ctx, and then succeeds
			}
			return nil
		}
	})
	failed := make(chan error, 1)
	go func() {
		_, err := w.job.Checkpoint(context.Background())
		failed <- err
	}()
	name := <-hung
	w.store.set(func() { w.store.commit = nil })
	w.failOnce(0, func() { panic("boom") })
	w.recovered(4)
	require.ErrorIs(t, <-failed, primary.ErrRestarted)
	close(hang)
	w.readTo(500)
	id := w.checkpoint()
	w.until("the zombie's object to be deleted", func() bool {
		w.mu.Unlock()
		defer w.mu.Lock()
		objects := w.store.objects(t)
		return len(objects) == 2 && !strings.Contains(strings.Join(objects, " "), name)
	})
	require.Equal(t, id, w.job.Latest().Checkpoint)
	w.again()
}

// A failure while a manifest is being written waits for the outcome, and starts from it.
func TestJobRestartsFromACommitThatWasUnderWay(t *testing.T) {
	w := newWorld(t, nil)
	w.start()
	w.readTo(400)
	older := w.checkpoint()
	w.readTo(500)
	hang, hung := make(chan struct{}), make(chan struct{})
	w.store.set(func() {
		w.store.commit = func(_ context.Context, name string) error {
			if strings.Contains(name, "/log/") {
				close(hung)
				<-hang
			}
			return nil
		}
	})
	id := make(chan uint64, 1)
	go func() {
		m, err := w.job.Checkpoint(context.Background())
		if err == nil {
			id <- m.Checkpoint
		}
		close(id)
	}()
	<-hung
	w.store.set(func() { w.store.commit = nil })
	w.failOnce(0, func() { panic("boom") })
	w.until("the failure to be noticed", func() bool {
		w.mu.Unlock()
		defer w.mu.Lock()
		return w.job.Slots()[0].Task < 0
	})
	close(hang)
	newer := <-id
	require.Greater(t, newer, older)
	for _, r := range w.recovered(4)[2:] {
		require.Equal(t, newer, r.Report.Checkpoint)
	}
	w.again()
}

func TestJobPrimaryWriteFailureIsTolerated(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, fail := range map[string]func(s *faultStore){
		"create": func(s *faultStore) { s.create = func(name string) error { return when(isObject(name), broken) } },
		"commit": func(s *faultStore) {
			s.commit = func(_ context.Context, name string) error { return when(isObject(name), broken) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.start()
			w.readTo(300)
			id := w.checkpoint()
			w.readTo(400)
			w.store.set(func() { fail(w.store) })
			_, err := w.job.Checkpoint(t.Context())
			require.ErrorIs(t, err, broken)
			require.ErrorIs(t, err, primary.ErrDeclined)
			w.store.set(func() { w.store.create, w.store.commit = nil, nil })
			w.until("the report", func() bool { return len(w.checks) == 2 })
			require.ErrorIs(t, w.checks[1].Err, broken)
			w.until("only the first checkpoint's objects", func() bool {
				w.mu.Unlock()
				defer w.mu.Lock()
				return len(w.store.objects(t)) == 2
			})
			require.Equal(t, id, w.job.Latest().Checkpoint)
			w.recovered(2) // nobody was restarted
			w.again()
		})
	}
}

func when(cond bool, err error) error {
	if cond {
		return err
	}
	return nil
}

func TestJobTooManyFailedCheckpointsRestartTheTasks(t *testing.T) {
	broken := errors.New("disk on fire")
	w := newWorld(t, func(c *Config) { c.TolerableFailures = 0 })
	w.start()
	w.readTo(300)
	w.checkpoint()
	w.store.set(func() { w.store.create = func(name string) error { return when(isObject(name), broken) } })
	_, err := w.job.Checkpoint(t.Context())
	require.ErrorIs(t, err, broken)
	w.store.set(func() { w.store.create = nil })
	rs := w.recovered(4)[2:]
	require.ErrorIs(t, rs[0].Cause, primary.ErrFailures)
	require.Equal(t, strings.Repeat("H", testM), all(rs))
	w.again()
}

func TestJobStepsBackToAnOlderCheckpoint(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil    func(p []byte) error
		restarts int
	}{
		"flipped bytes":    {func(p []byte) error { p[len(p)/2] ^= 1; return nil }, 0},
		"unanswered reads": {func([]byte) error { return errors.New("no route to store") }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.StepBack, c.Local = true, nil })
			w.start()
			w.readTo(300)
			older := w.checkpoint()
			w.readTo(600)
			newer := w.checkpoint()
			bad := w.job.Latest().Operators[0].Tasks[1].Objects[0]
			w.store.set(func() {
				w.store.read = func(name string, p []byte, _ int64) error {
					if name != bad {
						return nil
					}
					return tt.spoil(p)
				}
			})
			w.failOnce(1, func() { panic("boom") })
			w.until("both tasks at the older checkpoint", func() bool {
				at := 0
				for _, r := range w.recoveries {
					if r.Report.Checkpoint == older {
						at++
					}
				}
				return at == 2
			})
			last := w.recoveries[len(w.recoveries)-1]
			e := new(RestoreError)
			require.ErrorAs(t, last.Cause, &e)
			require.Equal(t, newer, e.Checkpoint)
			require.Equal(t, bad, e.Object)
			require.True(t, e.Group >= 16)
			require.Equal(t, strings.Repeat("P", 16), letters(last))
			w.again()
		})
	}
}

func TestJobUnreadableCheckpointEndsAJobThatDoesNotStepBack(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Local = nil })
	w.start()
	w.readTo(300)
	id := w.checkpoint()
	bad := w.job.Latest().Operators[0].Tasks[0].Objects[0]
	w.store.set(func() {
		w.store.read = func(name string, p []byte, _ int64) error {
			if name == bad {
				p[0] ^= 1
			}
			return nil
		}
	})
	w.failOnce(1, func() { panic("boom") })
	err := w.end()
	e := new(RestoreError)
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, primary.ErrCorrupt)
	require.Equal(t, id, e.Checkpoint)
	require.Equal(t, bad, e.Object)
	require.ErrorContains(t, err, "offset")
}

func TestJobStopsWithASavepointAndStartsFromIt(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Tasks = 3 })
	w.start()
	w.readTo(300)
	w.checkpoint()
	w.readTo(500)
	m, err := w.job.Stop(t.Context(), true)
	require.NoError(t, err)
	require.True(t, m.Savepoint)
	require.NoError(t, w.end())
	require.Len(t, w.checks, 2)
	require.True(t, w.checks[1].Savepoint)
	m, err = primary.LoadSavepoint(t.Context(), w.store, "job", m.Checkpoint)
	require.NoError(t, err)
	base := w.cfg
	base.SharedStore = true
	for name, change := range map[string]func(c *Config){
		"the same job":                   func(*Config) {},
		"another job, other parallelism": func(c *Config) { c.Name, c.Tasks, c.Seed, c.M = "copy", 2, 0, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			w.cfg = base
			change(&w.cfg)
			w.cfg.From = m
			w.start()
			rs := w.recovered(w.cfg.Tasks)
			require.Equal(t, m.Checkpoint, rs[0].Report.Checkpoint)
			require.Equal(t, strings.Repeat("P", testM), all(rs))
			w.again() // from then on its own checkpoints count
			rs = w.recovered(2 * w.cfg.Tasks)
			require.NotEqual(t, m.Checkpoint, rs[len(rs)-1].Report.Checkpoint)
			w.stop()
		})
	}
}

func TestJobGoesOnWhenTheSavepointOfAStopFails(t *testing.T) {
	broken := errors.New("disk on fire")
	w := newWorld(t, nil)
	w.start()
	w.readTo(300)
	w.checkpoint()
	w.store.set(func() { w.store.create = func(name string) error { return when(isObject(name), broken) } })
	_, err := w.job.Stop(t.Context(), true)
	require.ErrorIs(t, err, broken)
	w.store.set(func() { w.store.create = nil })
	w.readTo(500)
	w.again()
}

func TestJobProcessesNothingAfterTheSavepointOfAStop(t *testing.T) {
	w := newWorld(t, nil)
	w.note(func() { w.limit = 1 << 40 }) // tasks run freely
	w.start()
	w.recovered(2)
	var m *primary.Manifest
	require.Eventually(t, func() (ok bool) {
		var err error
		m, err = w.job.Stop(t.Context(), true)
		return err == nil
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, w.end())
	for _, ts := range m.Operators[0].Tasks {
		p, err := decodePosition(ts.Position)
		require.NoError(t, err)
		require.Equal(t, w.last[ts.Task].Load(), p.next, "task %d went on", ts.Task)
	}
	w.limit = 0
}

func TestJobEndsWhenEveryTaskHas(t *testing.T) {
	w := newWorld(t, nil)
	w.note(func() {
		w.first = func(_ context.Context, t *Task, offset int64) error {
			return when(offset >= 200+400*int64(t.Index()), errDone)
		}
	})
	w.start()
	w.note(func() { w.limit = 500 })
	w.until("task 1 to read", func() bool { return w.at[1] == 500 })
	id := w.checkpoint() // task 0 has finished and still takes part
	require.Equal(t, id, w.job.Latest().Checkpoint)
	w.failOnce(1, func() { panic("boom") })
	w.recovered(4)
	w.note(func() {
		w.limit = 1000
		w.hook = func(_ context.Context, _ *Task, offset int64) error { return when(offset >= 600, errDone) }
	})
	require.NoError(t, w.end())
}

func TestJobEndsAsItsRestartStrategySays(t *testing.T) {
	boom := errors.New("boom")
	for name, tt := range map[string]struct {
		strategy RestartStrategy
		err      error
		starts   int
		want     error
	}{
		"none":      {None{}, boom, 1, ErrGivenUp},
		"two":       {Fixed{Attempts: 2}, boom, 3, ErrGivenUp},
		"permanent": {Fixed{}, Permanent(boom), 1, boom},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.Restart, c.Tasks = tt.strategy, 1 })
			w.first = func(context.Context, *Task, int64) error { return tt.err }
			w.start()
			err := w.end()
			require.ErrorIs(t, err, tt.want)
			require.ErrorIs(t, err, boom)
			te := new(TaskError)
			require.ErrorAs(t, err, &te)
			require.Equal(t, tt.starts, te.Attempts)
		})
	}
}

func TestJobTurnsGoexitIntoAFailure(t *testing.T) {
	w := newWorld(t, nil)
	w.start()
	w.readTo(100)
	w.failOnce(0, runtime.Goexit)
	rs := w.recovered(4)
	require.ErrorIs(t, rs[3].Cause, ErrGoexit)
	w.again()
}

func TestJobRefusesTaskFunctionsThatWouldLoseState(t *testing.T) {
	for name, tt := range map[string]struct {
		fn   TaskFunc
		want error
	}{
		"no backend": {func(ctx context.Context, t *Task) error { return t.Advance(ctx, 1) }, ErrNoBackend},
		"restore without a backend": {func(ctx context.Context, t *Task) error {
			_, err := t.Restore(ctx)
			return err
		}, ErrNoBackend},
		"no restore": {func(ctx context.Context, t *Task) error {
			if _, err := heapbackend.For[uint64](t); err != nil {
				return err
			}
			return t.Advance(ctx, 1)
		}, ErrNotRestored},
		"two restores": {func(ctx context.Context, t *Task) error {
			if _, err := heapbackend.For[uint64](t); err != nil {
				return err
			}
			_, err1 := t.Restore(ctx)
			_, err2 := t.Restore(ctx)
			return errors.Join(err1, err2)
		}, ErrRestored},
		"two backends": {func(ctx context.Context, t *Task) error {
			_, err1 := heapbackend.For[uint64](t)
			_, err2 := heapbackend.For[uint64](t)
			return errors.Join(err1, err2)
		}, ErrAttached},
	} {
		t.Run(name, func(t *testing.T) {
			job, err := NewJob(Config{Name: "j", Tasks: 1, Primary: primary.NewMemory()})
			require.NoError(t, err)
			require.ErrorIs(t, job.Run(t.Context(), tt.fn), tt.want)
		})
	}
}

func TestJobIsTakenOverByAnother(t *testing.T) {
	w := newWorld(t, nil)
	w.start()
	w.readTo(300)
	w.checkpoint()
	old, done := w.job, w.done
	w.start()
	w.recovered(2)
	_, err := old.Checkpoint(t.Context())
	require.Error(t, err)
	require.ErrorIs(t, <-done, primary.ErrFenced)
	w.readTo(400)
	w.again()
}

func TestJobRefusesAnotherJobsStoreAndAnotherM(t *testing.T) {
	w := newWorld(t, nil)
	w.start()
	w.readTo(300)
	w.checkpoint()
	w.crash()
	before := names(t, w.store)
	for name, change := range map[string]func(c *Config){
		"another job":  func(c *Config) { c.Name = "thief" },
		"another M":    func(c *Config) { c.M = 64 },
		"another seed": func(c *Config) { c.Seed = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := w.cfg
			change(&cfg)
			job, err := NewJob(cfg)
			require.NoError(t, err)
			require.ErrorIs(t, job.Run(t.Context(), w.task), primary.ErrMismatch)
			require.Equal(t, before, names(t, w.store))
		})
	}
	t.Run("M and seed are found out", func(t *testing.T) {
		w.cfg.M, w.cfg.Seed, w.cfg.Tasks = 0, 0, 3
		w.start()
		w.recovered(3)
		w.again()
	})
}

func TestJobContextEndsRun(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	job, err := NewJob(w.cfg)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- job.Run(ctx, w.task) }()
	w.recovered(2)
	require.ErrorIs(t, job.Run(ctx, w.task), ErrRunning)
	why := errors.New("enough")
	cancel(why)
	require.ErrorIs(t, <-done, why)
	_, err = job.Checkpoint(t.Context())
	require.ErrorIs(t, err, ErrNotRunning)
	require.Nil(t, job.Slots())
}

func TestJobChecksPeriodically(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Every, c.MinPause = 5*time.Millisecond, time.Millisecond })
	w.start()
	for i := range 5 {
		w.readTo(int64(i+1) * 100)
		w.until("another checkpoint", func() bool { return len(w.checks) > i })
	}
	w.mu.Lock()
	c := w.checks[0]
	w.mu.Unlock()
	require.NoError(t, c.Err)
	require.Len(t, c.Tasks, 2)
	require.Positive(t, c.Tasks[0].Bytes)
	require.Positive(t, c.Tasks[0].Took)
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
