package recovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

func lostBy(causes ...error) error {
	e := &RestoreError{Checkpoint: 6}
	for _, c := range causes {
		e.Causes = append(e.Causes, SourceError{Source: "x", Err: c})
	}
	return fmt.Errorf("a task: %w", e)
}

func both(a, b error) error { return fmt.Errorf("%w: %w", a, b) }

func TestJudge(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want Verdict
	}{
		"nothing":                                {nil, Blameless},
		"no restore":                             {primary.ErrCorrupt, Blameless},
		"no cause":                               {lostBy(), Blameless},
		"a store that is away":                   {lostBy(errAway), Blameless},
		"a read that was cut":                    {lostBy(io.ErrUnexpectedEOF), Blameless},
		"a fenced coordinator":                   {lostBy(primary.ErrFenced), Blameless},
		"a wrong local copy before a store away": {lostBy(primary.ErrCorrupt, errAway), Blameless},
		"a state of another type":                {lostBy(both(heapbackend.ErrCorrupt, heapbackend.ErrSchema)), Blameless},
		"another version":                        {lostBy(both(primary.ErrCorrupt, primary.ErrVersion)), Unreadable},
		"a decoder that refuses":                 {lostBy(heapbackend.ErrCorrupt), Unreadable},
		"a wrong checksum":                       {lostBy(errAway, primary.ErrCorrupt), Damaged},
		"a missing object":                       {lostBy(primary.ErrNotExist), Damaged},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, Judge(tt.err)) })
	}
}

func TestChooserDecidesOnceForAllTasks(t *testing.T) {
	at := func(job string, id uint64) *primary.Manifest { return &primary.Manifest{Job: job, Checkpoint: id} }
	one, two, three := at("j", 1), at("j", 2), at("j", 3)
	damaged := lostBy(primary.ErrCorrupt)
	choose := func(c *Chooser, candidates ...*primary.Manifest) *primary.Manifest {
		m, err := c.Choose(candidates)
		require.NoError(t, err)
		return m
	}
	c := Chooser{StepBack: true}
	require.Nil(t, choose(&c), "a job without a checkpoint")
	require.Equal(t, Blameless, c.Failed(nil, damaged))
	require.Equal(t, two, choose(&c, two, one))
	require.Equal(t, Blameless, c.Failed(two, lostBy(errAway)))
	require.Equal(t, two, choose(&c, two, one))
	require.Equal(t, Damaged, c.Failed(two, damaged))
	require.Equal(t, one, choose(&c, two, one), "for every task from now on")
	require.Equal(t, one, choose(&c, two, one))
	require.Equal(t, at("k", 2), choose(&c, at("k", 2)), "of another job")
	require.Equal(t, Damaged, c.Failed(two, damaged))
	require.Equal(t, Unreadable, c.Failed(one, lostBy(heapbackend.ErrCorrupt)))
	m, err := c.Choose([]*primary.Manifest{two, one})
	require.Nil(t, m, "a job that had a checkpoint never starts empty")
	require.ErrorIs(t, err, primary.ErrCorrupt)
	require.ErrorIs(t, err, heapbackend.ErrCorrupt)
	require.Equal(t, three, choose(&c, three))
	require.Empty(t, c.bad, "those that are no candidates any more are forgotten")

	var first Chooser // does not step back
	require.Equal(t, Damaged, first.Failed(two, damaged))
	_, err = first.Choose([]*primary.Manifest{two, one})
	require.ErrorIs(t, err, primary.ErrCorrupt)
	require.Equal(t, three, choose(&first, three, two))
}

// An engine with tasks of its own: one checkpoint is unreadable for one of them, and both go back.
func TestChooserWithPlansForEachTask(t *testing.T) {
	f := newFixture(t)
	older, newer := f.manifest, f.write(t, 6)
	segment := newer.Operators[0].Tasks[0].Groups[testM-1].Segments[0]
	f.store.set(func() {
		f.store.read = func(name string, p []byte, off int64) error {
			if name == newer.Operators[0].Tasks[0].Objects[0] && off == segment.Offset {
				p[0] ^= 1
			}
			return nil
		}
	})
	ranges := []keygroups.Range{rng(0, testM/2), rng(testM/2, testM)}
	c := Chooser{StepBack: true}
	var restored []uint64
	for len(restored) < len(ranges) {
		m, err := c.Choose([]*primary.Manifest{newer, older})
		require.NoError(t, err)
		restored = nil
		for i, r := range ranges {
			b, err := heapbackend.New[uint64](heapbackend.Config{M: testM, Range: r, Seed: testSeed})
			require.NoError(t, err)
			defer b.Close()
			_, err = heapbackend.NewValue[int64](b, "sums")
			require.NoError(t, err)
			want := Want{Job: "j", Operator: "o", M: testM, Seed: testSeed, Range: r, Task: i, Tasks: 2}
			plan, err := MakePlan(want, m, nil)
			require.NoError(t, err)
			report, err := Restore(t.Context(), RestoreConfig{Backend: b, Plan: plan, Store: f.store})
			if err != nil {
				require.Equal(t, Damaged, c.Failed(m, err))
				break
			}
			restored = append(restored, report.Checkpoint)
		}
	}
	require.Equal(t, []uint64{5, 5}, restored)
}

// fussy is picky, and no longer reads what it wrote about the new.
type fussy struct{ picky }

func (fussy) Decode(src []byte, v *string) ([]byte, error) {
	rest, err := picky{}.Decode(src, v)
	if *v == "new" {
		return nil, errPicky
	}
	return rest, err
}

// A checkpoint whose bytes are sound and that this program cannot read is passed over, and stays for one that can.
func TestJobDiscardsNothingThatAnotherProgramMayRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text atomic.Value
		text.Store("old")
		a := newTally(func(c *Config) { c.StepBack, c.Every = true, 0 })
		job, done := begin(t, a.cfg, func(ctx context.Context, task *Task) error {
			b, err := heapbackend.For[uint64](task)
			if err != nil {
				return err
			}
			texts, err := heapbackend.NewValue(b, "texts", heapbackend.Options[string]{Codec: fussy{}})
			if err != nil {
				return err
			}
			if _, err := task.Restore(ctx); err != nil {
				return err
			}
			for o := task.Offset(); ; o++ {
				time.Sleep(time.Second)
				if err := a.fail.Swap(nil); err != nil {
					return *err
				}
				if err := errors.Join(texts.Put(1, text.Load().(string)), task.Advance(ctx, o+1)); err != nil {
					return err
				}
			}
		})
		take := func() *primary.Manifest {
			time.Sleep(1500 * time.Millisecond)
			m, err := job.Checkpoint(t.Context())
			require.NoError(t, err)
			return m
		}
		take()
		text.Store("new")
		unread := take()
		text.Store("old")
		a.failNow()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, []uint64{0, 1}, a.restored())
		next := take()
		synctest.Wait()
		manifests, err := primary.LoadRetained(t.Context(), a.store, "j")
		require.NoError(t, err)
		require.Len(t, manifests, 2)
		require.Equal(t, next.Checkpoint, manifests[0].Checkpoint)
		require.Equal(t, unread.Checkpoint, manifests[1].Checkpoint)
		require.Contains(t, a.store.objects(t), unread.Operators[0].Tasks[0].Objects[0])
		stop(t, job, done)
	})
}
