package recovery

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary"
)

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
	for name, spoil := range map[string]func(p []byte) error{
		"flipped bytes":       func(p []byte) error { p[len(p)/2] ^= 1; return nil },
		"an object that went": func([]byte) error { return primary.ErrNotExist },
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
					return spoil(p)
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
			w.readTo(700)
			next := w.checkpoint()
			var kept []uint64
			manifests, err := primary.LoadRetained(t.Context(), w.store, "job")
			require.NoError(t, err)
			for _, m := range manifests {
				kept = append(kept, m.Checkpoint)
			}
			require.Equal(t, []uint64{next, older}, kept, "the unreadable one must not push the readable one out")
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
