package primary

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestCompletingAbortsOlderCheckpoints(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.MaxConcurrent = 4 })
		first, savepoint, second, third := r.trigger(false), r.trigger(true), r.trigger(false), r.trigger(false)
		require.NoError(t, r.ack(0, first, false))
		require.NoError(t, r.ack(0, savepoint, true))
		require.NoError(t, r.ack(0, third, false))
		r.ackAll(second, false)
		require.NoError(t, r.outcome(second))
		require.ErrorIs(t, r.outcome(first), ErrSubsumed)
		require.Equal(t, []uint64{second}, r.sent.ids("confirm"))
		require.Equal(t, []uint64{first}, r.sent.ids("abort"))
		require.Equal(t, []uint64{second, third}, r.objectIDs())
		require.EqualValues(t, 2, r.c.Stats().Pending, "the savepoint and the newer one go on")

		require.ErrorIs(t, r.ack(1, first, false), ErrLate)
		require.NoError(t, r.ack(1, savepoint, true))
		require.NoError(t, r.ack(1, third, false))
		require.NoError(t, r.outcome(savepoint))
		require.NoError(t, r.outcome(third))
		synctest.Wait()
		require.Equal(t, []uint64{third}, r.objectIDs())
		require.Equal(t, []uint64{third}, requireIntact(t, store))
		requireClean(t, store)
	})
}

func TestAckOfAnAttemptNoLongerCurrent(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		kept := r.complete()
		id := r.trigger(false)
		zombie := r.part(1, id, false)
		r.startTask(1)
		require.ErrorIs(t, r.outcome(id), ErrRestarted)
		next := r.trigger(false)
		late := r.part(1, next, false)
		zombieNext := zombie
		zombieNext.Checkpoint = next
		require.ErrorIs(t, r.c.Ack(t.Context(), zombie), ErrFenced)
		require.ErrorIs(t, r.c.Ack(t.Context(), zombieNext), ErrFenced)
		synctest.Wait()
		require.NotContains(t, r.objects(), zombie.Objects[0], "its object is deleted")
		require.NoError(t, r.c.Ack(t.Context(), late))
		require.NoError(t, r.ack(0, next, false))
		require.NoError(t, r.outcome(next))
		require.Less(t, kept.Checkpoint, r.c.Latest().Checkpoint)
		for _, task := range r.c.Latest().Operators[0].Tasks {
			require.Equal(t, r.attempts[TaskID{"main", task.Task}], task.Attempt)
		}
		synctest.Wait()
		requireClean(t, store)
	})
}

func TestAcknowledgedPartOfADeadAttemptNeverCommits(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		id := r.trigger(false)
		require.NoError(t, r.ack(0, id, false))
		require.NoError(t, r.c.SetAttempt(r.cfg.Tasks[0].TaskID, uuid.Nil))
		require.ErrorIs(t, r.ack(1, id, false), ErrLate)
		synctest.Wait()
		require.ErrorIs(t, r.outcome(id), ErrRestarted)
		require.Empty(t, r.objects())
		require.Empty(t, requireIntact(t, store))
	})
}

func TestAckIsIdempotent(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		id := r.trigger(false)
		a, b := r.part(0, id, false), r.part(1, id, false)
		require.NoError(t, r.c.Ack(t.Context(), a))
		require.NoError(t, r.c.Ack(t.Context(), a))
		require.NoError(t, r.c.Ack(t.Context(), b))
		synctest.Wait()
		require.NoError(t, r.c.Ack(t.Context(), a), "repeated after the completion")
		require.NoError(t, r.c.Ack(t.Context(), b))
		synctest.Wait()
		require.Equal(t, []uint64{id}, requireIntact(t, store))
		require.Len(t, r.objects(), 2)
	})
}

func TestUnusableAckDeclines(t *testing.T) {
	cases := map[string]struct {
		savepoint bool
		change    func(r *rig, a *Ack)
		want      error
	}{
		"group outside the range":     {false, func(r *rig, a *Ack) { a.Groups[0].Group = 7; a.Groups[0].Segments[0].Group = 7 }, ErrInvalid},
		"segment without object":      {false, func(r *rig, a *Ack) { a.Objects = nil }, ErrInvalid},
		"unknown compression":         {false, func(r *rig, a *Ack) { a.Compression = 9 }, ErrInvalid},
		"bad object name":             {false, func(r *rig, a *Ack) { a.Objects[0] = "../x" }, ErrInvalid},
		"object of nobody":            {false, func(r *rig, a *Ack) { a.Objects = append(a.Objects, testJob+"/objects/x") }, ErrUnknownObject},
		"object of another task":      {false, func(r *rig, a *Ack) { a.Objects[0] = strings.Replace(a.Objects[0], "main-0", "main-1", 1) }, ErrUnknownObject},
		"log slot":                    {false, func(r *rig, a *Ack) { a.Objects[0] = slotName(testJob, 1) }, ErrUnknownObject},
		"savepoint names an old one":  {true, func(r *rig, a *Ack) { a.Objects = append(a.Objects, r.objects()[0]) }, ErrUnknownObject},
		"checkpoint named as if both": {false, func(r *rig, a *Ack) { a.Objects[0] = strings.Replace(a.Objects[0], "objects", "savepoints", 1) }, ErrUnknownObject},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = 1 })
				kept := r.complete()
				id := r.trigger(tc.savepoint)
				a := r.part(0, id, tc.savepoint)
				tc.change(r, &a)
				require.ErrorIs(t, r.c.Ack(t.Context(), a), tc.want)
				require.ErrorIs(t, r.outcome(id), ErrDeclined)
				synctest.Wait()
				require.Equal(t, []uint64{kept.Checkpoint}, requireIntact(t, store))
				requireClean(t, store)
			})
		})
	}
}

func TestManifestSaysEverything(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		id := r.trigger(false)
		acks := []Ack{r.part(0, id, false), r.part(1, id, false)}
		require.NoError(t, r.c.Ack(t.Context(), acks[1]))
		require.NoError(t, r.c.Ack(t.Context(), acks[0]))
		m, err := r.c.Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, testJob, m.Job)
		require.Equal(t, 8, m.M)
		require.EqualValues(t, 7, m.Seed)
		require.EqualValues(t, 2, m.Sequence)
		require.True(t, m.Created.Equal(time.Now()))
		require.Len(t, m.Operators, 1)
		for i, task := range m.Operators[0].Tasks {
			require.Equal(t, acks[i].state(r.cfg.Tasks[i]), task)
		}
		loaded, err := LoadRetained(t.Context(), store, testJob)
		require.NoError(t, err)
		require.Equal(t, r.c.Retained(), loaded)
	})
}

func TestUnknownTask(t *testing.T) {
	r := newRig(t, NewMemory())
	r.open()
	require.ErrorIs(t, r.c.SetAttempt(TaskID{"main", 2}, uuid.New()), ErrUnknownTask)
	require.ErrorIs(t, r.c.Ack(t.Context(), Ack{Task: TaskID{"main", 2}}), ErrUnknownTask)
}
