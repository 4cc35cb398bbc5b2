package recovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/primary"
)

var errAway = errors.New("no route to store")

// tally is a job of one task that counts a record a second in a synctest bubble, and finds out whether a restore lost
// any.
type tally struct {
	store *faultStore
	cfg   Config
	fail  atomic.Pointer[error] // what the next record fails with

	mu        sync.Mutex // guards what follows
	recovered []uint64   // the checkpoints restored, by OnRecovery
	completed []uint64   // the checkpoints completed, by OnCheckpoint
}

func newTally(change func(c *Config)) *tally {
	a := &tally{store: newFaultStore()}
	a.cfg = Config{Name: "j", Tasks: 1, M: 8, Primary: a.store,
		Every: 10 * time.Second, Restart: Fixed{Delay: time.Second}, TolerableFailures: -1,
		OnRecovery: func(r RecoveryReport) { a.note(&a.recovered, r.Report.Checkpoint) },
		OnCheckpoint: func(r CheckpointReport) {
			if r.Err == nil {
				a.note(&a.completed, r.Checkpoint)
			}
		}}
	if change != nil {
		change(&a.cfg)
	}
	return a
}

func (a *tally) note(list *[]uint64, id uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	*list = append(*list, id)
}

// restored are the checkpoints restored so far.
func (a *tally) restored() []uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.recovered)
}

// complete are the checkpoints completed so far.
func (a *tally) complete() []uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.completed)
}

func (a *tally) task(ctx context.Context, t *Task) error {
	b, err := heapbackend.For[uint64](t)
	if err != nil {
		return err
	}
	sums, err := heapbackend.NewValue[int64](b, "sums")
	if err != nil {
		return err
	}
	if _, err := t.Restore(ctx); err != nil {
		return err
	}
	if n, _ := sums.Get(1); n != t.Offset() {
		return Permanent(fmt.Errorf("%d records counted at %d", n, t.Offset()))
	}
	for o := t.Offset(); ; o++ {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
		if err := a.fail.Swap(nil); err != nil {
			return *err
		}
		if err := sums.Update(1, func(n *int64) { *n++ }); err != nil {
			return err
		}
		if err := t.Advance(ctx, o+1); err != nil {
			return err
		}
	}
}

// failNow makes the task fail at its next record, and waits until it has.
func (a *tally) failNow() {
	err := errors.New("boom")
	a.fail.Store(&err)
	time.Sleep(1500 * time.Millisecond)
	synctest.Wait()
}

func stop(t *testing.T, job *Job, done <-chan error) {
	t.Helper()
	_, err := job.Stop(context.Background(), false)
	require.NoError(t, err)
	require.NoError(t, <-done)
}

// newest is the name of an object of the newest checkpoint.
func newest(job *Job) string { return job.Latest().Operators[0].Tasks[0].Objects[0] }

// A store that does not answer while tasks restart says nothing about a checkpoint: it is asked again until it does,
// nothing is discarded, and the newest checkpoint is restored.
func TestJobAsksAStoreThatIsAwayAgain(t *testing.T) {
	for _, stepBack := range []bool{false, true} {
		t.Run(fmt.Sprint("StepBack=", stepBack), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newTally(func(c *Config) { c.StepBack = stepBack; c.Retain = 3 })
				job, done := begin(t, a.cfg, a.task)
				time.Sleep(45 * time.Second)
				synctest.Wait()
				kept := a.store.objects(t)
				require.Equal(t, []uint64{1, 2, 3, 4}, a.complete())
				a.store.set(func() { a.store.away = errAway })
				a.failNow()
				time.Sleep(time.Hour)
				synctest.Wait()
				require.Equal(t, []uint64{0}, a.restored())
				a.store.set(func() { a.store.away = nil })
				require.Equal(t, kept, a.store.objects(t))
				time.Sleep(5 * time.Second)
				synctest.Wait()
				require.Equal(t, []uint64{0, 4}, a.restored())
				manifests, err := primary.LoadRetained(t.Context(), a.store, "j")
				require.NoError(t, err)
				require.Len(t, manifests, 3)
				require.EqualValues(t, 4, manifests[0].Checkpoint)
				stop(t, job, done)
			})
		})
	}
}

// The restart strategy bounds how often a store that is away is asked.
func TestJobGivesUpOnAStoreThatStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTally(func(c *Config) { c.StepBack, c.Restart = true, Fixed{Attempts: 3, Delay: time.Second} })
		_, done := begin(t, a.cfg, a.task)
		time.Sleep(25 * time.Second)
		synctest.Wait()
		a.store.set(func() { a.store.away = errAway })
		a.failNow()
		err := <-done
		require.ErrorIs(t, err, ErrGivenUp)
		require.ErrorIs(t, err, errAway)
		lost := new(RestoreError)
		require.ErrorAs(t, err, &lost)
		require.EqualValues(t, 2, lost.Checkpoint)
	})
}

// What looks like damage once is looked at again, and the checkpoint is restored when it is sound then.
func TestJobReadsABlockAgainThatLooksDamaged(t *testing.T) {
	for name, spoil := range map[string]func(p []byte) error{
		"flipped on the way": func(p []byte) error { p[0] ^= 1; return nil },
		"cut off":            func([]byte) error { return io.ErrUnexpectedEOF },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newTally(func(c *Config) { c.StepBack = true })
				job, done := begin(t, a.cfg, a.task)
				time.Sleep(25 * time.Second)
				once := atomic.Bool{}
				a.store.set(func() {
					a.store.read = func(name string, p []byte, _ int64) error {
						if isObject(name) && once.CompareAndSwap(false, true) {
							return spoil(p)
						}
						return nil
					}
				})
				a.failNow()
				time.Sleep(2 * time.Second)
				synctest.Wait()
				require.True(t, once.Load())
				require.Equal(t, []uint64{0, 2}, a.restored())
				stop(t, job, done)
			})
		})
	}
}

// A connection that is cut again and again is no object that is too short.
func TestJobDoesNotTakeACutReadForAShortObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTally(func(c *Config) { c.StepBack = true })
		job, done := begin(t, a.cfg, a.task)
		time.Sleep(25 * time.Second)
		a.store.set(func() {
			a.store.read = func(name string, _ []byte, _ int64) error {
				return when(isObject(name), io.ErrUnexpectedEOF)
			}
		})
		a.failNow()
		time.Sleep(time.Minute)
		a.store.set(func() { a.store.read = nil })
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, []uint64{0, 2}, a.restored())
		stop(t, job, done)
	})
}

// An object that is missing is damage only when the commit log, read again, still counts its checkpoint.
func TestJobLooksAtTheLogWhenAnObjectIsMissing(t *testing.T) {
	start := func(t *testing.T, stepBack bool) (*tally, *Job, <-chan error) {
		a := newTally(func(c *Config) { c.StepBack, c.Retain = stepBack, 2 })
		job, done := begin(t, a.cfg, a.task)
		time.Sleep(25 * time.Second)
		synctest.Wait()
		return a, job, done
	}
	t.Run("the log counts it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, job, done := start(t, true)
			require.NoError(t, a.store.Delete(t.Context(), newest(job)))
			a.failNow()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			require.Equal(t, []uint64{0, 1}, a.restored())
			stop(t, job, done)
		})
	})
	t.Run("the log counts it, and there is no stepping back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, job, done := start(t, false)
			require.NoError(t, a.store.Delete(t.Context(), newest(job)))
			a.failNow()
			require.ErrorIs(t, <-done, primary.ErrNotExist)
		})
	})
	t.Run("the log does not answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, job, done := start(t, true)
			mute := atomic.Bool{}
			mute.Store(true)
			a.store.set(func() {
				a.store.read = func(name string, _ []byte, _ int64) error {
					if !mute.Load() {
						return nil
					}
					if isObject(name) {
						return fmt.Errorf("%w: says a replica that lags", primary.ErrNotExist)
					}
					return errAway
				}
			})
			a.failNow()
			time.Sleep(time.Minute)
			mute.Store(false)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			require.Equal(t, []uint64{0, 2}, a.restored())
			stop(t, job, done)
		})
	})
	t.Run("the log is another's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newTally(func(c *Config) { c.Every, c.Restart = 0, Fixed{Attempts: 1, Delay: time.Second} })
			job, done := begin(t, a.cfg, a.task)
			time.Sleep(5 * time.Second)
			old, err := job.Checkpoint(t.Context())
			require.NoError(t, err)
			cfg := a.cfg
			cfg.OnCheckpoint, cfg.OnRecovery = nil, nil
			heir, heirDone := begin(t, cfg, a.task)
			time.Sleep(5 * time.Second)
			_, err = heir.Checkpoint(t.Context())
			require.NoError(t, err)
			synctest.Wait()
			require.NotContains(t, a.store.objects(t), old.Operators[0].Tasks[0].Objects[0])
			stop(t, heir, heirDone)
			a.failNow()
			time.Sleep(time.Minute)
			require.ErrorIs(t, <-done, primary.ErrFenced)
		})
	})
}
