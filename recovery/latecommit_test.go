package recovery

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/primary"
)

// holdCommit makes the next commit of the log take as long as hold says, and then goes on with what it returns. held is
// closed when it begins.
func (s *faultStore) holdCommit(hold func(ctx context.Context) error) (held chan struct{}) {
	held = make(chan struct{})
	armed := atomic.Bool{}
	armed.Store(true)
	s.set(func() {
		s.commit = func(ctx context.Context, name string) error {
			if !strings.Contains(name, "/log/") || !armed.CompareAndSwap(true, false) {
				return nil
			}
			close(held)
			return hold(ctx)
		}
	})
	return held
}

// sink is an output of two phases: what was written before a checkpoint is prepared with it, and committed when it is
// complete or restored; a restore rolls back what is prepared for later ones.
type sink struct {
	mu        sync.Mutex // guards what follows
	open      []int64
	prepared  map[uint64][]int64
	committed []int64
}

func (s *sink) write(record int64, id uint64, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = append(s.open, record)
	if due {
		s.prepared[id], s.open = s.open, nil
	}
}

func (s *sink) commit(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, records := range s.prepared {
		if p <= id {
			s.committed = append(s.committed, records...)
			delete(s.prepared, p)
		}
	}
}

func (s *sink) restore(id uint64) {
	s.commit(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.prepared)
	s.open = nil
}

// end commits what no checkpoint will: the input has ended.
func (s *sink) end() {
	s.commit(math.MaxUint64)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.committed = append(s.committed, s.open...)
}

// A commit that takes longer than Grace delays the restart, so that no checkpoint completes behind the back of what was
// restored.
func TestJobWithASinkOfTwoPhasesLosesNothingToALateCommit(t *testing.T) {
	for _, hold := range []time.Duration{3 * time.Second, time.Minute, 10 * time.Minute} {
		t.Run(hold.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sinkOfTwoPhases(t, hold) })
		})
	}
}

func sinkOfTwoPhases(t *testing.T, hold time.Duration) {
	const records = 2000
	out := &sink{prepared: map[uint64][]int64{}}
	var fail atomic.Bool
	store := newFaultStore()
	cfg := newTally(func(c *Config) { c.Grace, c.Primary, c.OnRecovery = 5*time.Second, store, nil }).cfg
	complete := 0
	cfg.OnCheckpoint = func(r CheckpointReport) {
		if r.Err != nil {
			return
		}
		out.commit(r.Checkpoint)
		complete++
		if complete == 6 { // the late one: now the task fails again
			fail.Store(true)
		}
	}
	_, done := begin(t, cfg, func(ctx context.Context, task *Task) error {
		if _, err := heapbackend.For[uint64](task); err != nil {
			return err
		}
		r, err := task.Restore(ctx)
		if err != nil {
			return err
		}
		out.restore(r.Checkpoint)
		for o := task.Offset(); o < records; o++ {
			time.Sleep(time.Second)
			if fail.Swap(false) {
				return errors.New("boom")
			}
			id, due := task.Due()
			out.write(o, id, due)
			if err := task.Advance(ctx, o+1); err != nil {
				return err
			}
		}
		out.end()
		return nil
	})
	time.Sleep(55 * time.Second)
	held := store.holdCommit(func(context.Context) error { time.Sleep(hold); return nil }) // deaf to its context
	<-held
	fail.Store(true)
	require.NoError(t, <-done)
	require.Len(t, out.committed, records)
	slices.Sort(out.committed)
	for i, record := range out.committed {
		require.EqualValues(t, i, record)
	}
}

// What a restart waits for is the outcome of the commit, whatever it is, and no longer than it must: a call of the
// store that hangs is cut after Grace.
func TestJobRestartsWhenACommitUnderWayIsDecided(t *testing.T) {
	after := func(err error) func(context.Context) error { // deaf to its context
		return func(context.Context) error { time.Sleep(time.Minute); return err }
	}
	unknown := fmt.Errorf("%w: %w", primary.ErrUncertain, errAway)
	for name, tt := range map[string]struct {
		hold     func(ctx context.Context) error
		restored uint64
		within   time.Duration
	}{
		"it commits after a while":  {after(nil), 3, 62 * time.Second},
		"it fails after a while":    {after(errAway), 2, 62 * time.Second},
		"it hangs until its end":    {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 2, 7 * time.Second},
		"it hangs and is not known": {func(ctx context.Context) error { <-ctx.Done(); return unknown }, 2, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newTally(func(c *Config) { c.Grace = 5 * time.Second })
				job, done := begin(t, a.cfg, a.task)
				time.Sleep(25 * time.Second)
				<-a.store.holdCommit(tt.hold)
				a.failNow()
				require.Equal(t, []uint64{0}, a.restored())
				time.Sleep(tt.within)
				synctest.Wait()
				require.Equal(t, []uint64{0, tt.restored}, a.restored())
				require.Equal(t, tt.restored, job.Latest().Checkpoint)
				time.Sleep(time.Minute)
				stop(t, job, done)
				manifests, err := primary.LoadRetained(t.Context(), a.store, "j")
				require.NoError(t, err)
				require.Greater(t, manifests[0].Checkpoint, uint64(3), "it goes on")
			})
		})
	}
}

// While tasks restore, nothing of what they read is deleted, however long the reads take and whatever completes
// meanwhile.
func TestJobKeepsWhatItRestores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTally(nil)
		job, done := begin(t, a.cfg, a.task)
		time.Sleep(25 * time.Second)
		held := a.store.holdCommit(func(context.Context) error { time.Sleep(time.Minute); return nil })
		<-held
		a.store.set(func() {
			a.store.read = func(name string, _ []byte, _ int64) error {
				if isObject(name) {
					time.Sleep(time.Hour)
				}
				return nil
			}
		})
		a.failNow()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Equal(t, []uint64{0, 3}, a.restored())
		a.store.set(func() { a.store.read = nil })
		stop(t, job, done)
	})
}

// What a job starts from stays until the job has a checkpoint of its own, although nothing retains it.
func TestJobKeepsWhatItStartsFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTally(nil)
		job, done := begin(t, a.cfg, a.task)
		time.Sleep(25 * time.Second)
		synctest.Wait()
		from := job.Latest()
		stop(t, job, done)
		for _, name := range names(t, a.store) { // the log is gone, and with it what says that the objects are in use
			if strings.Contains(name, "/log/") {
				require.NoError(t, a.store.Delete(t.Context(), name))
			}
		}
		a.cfg.From, a.cfg.Every, a.recovered = from, 0, nil
		job, done = begin(t, a.cfg, func(ctx context.Context, task *Task) error {
			time.Sleep(time.Minute) // what is to be swept is swept
			return a.task(ctx, task)
		})
		time.Sleep(time.Hour)
		a.failNow()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []uint64{from.Checkpoint, from.Checkpoint}, a.restored())
		stop(t, job, done)
	})
}

// A commit that was left behind by the end of Run is fenced by the next Run: it does not arrive, and ends nothing.
func TestJobStartsAfterACommitThatWasLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTally(func(c *Config) { c.Grace = time.Second })
		ctx, cancel := context.WithCancel(context.Background())
		job, err := NewJob(a.cfg)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- job.Run(ctx, a.task) }()
		time.Sleep(25 * time.Second)
		hang := make(chan struct{})
		<-a.store.holdCommit(func(context.Context) error { <-hang; return nil }) // deaf to its context
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		go func() { done <- job.Run(context.Background(), a.task) }()
		time.Sleep(5 * time.Second)
		require.Equal(t, []uint64{0, 2}, a.restored())
		close(hang)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NotContains(t, a.complete(), uint64(3))
		require.Greater(t, job.Latest().Checkpoint, uint64(3))
		stop(t, job, done)
	})
}
