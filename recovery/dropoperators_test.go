package recovery

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// deafTransport is one of a coordinator whose tasks are the test.
type deafTransport struct{}

func (deafTransport) Trigger(primary.TaskID, uuid.UUID, primary.Trigger) error { return nil }
func (deafTransport) Confirm(primary.TaskID, uuid.UUID, uint64)                {}
func (deafTransport) Abort(_ primary.TaskID, _ uuid.UUID, _ uint64, _ error)   {}

// another makes a checkpoint of a job in which there is another operator beside what the newest has.
func another(t *testing.T, store primary.Store, name string) {
	t.Helper()
	ms, err := primary.LoadRetained(t.Context(), store, name)
	require.NoError(t, err)
	own := ms[0].Operators[0].Tasks[0]
	tasks := []primary.TaskPlan{
		{TaskID: primary.TaskID{Operator: DefaultOperator}, Range: keygroups.Range{End: ms[0].M}},
		{TaskID: primary.TaskID{Operator: "side"}, Range: keygroups.Range{End: ms[0].M}},
	}
	coord, err := primary.OpenCoordinator(t.Context(), primary.CoordinatorConfig{
		Store: store, Job: name, M: ms[0].M, Tasks: tasks, Transport: deafTransport{},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- coord.Run(ctx) }()
	for _, p := range tasks {
		require.NoError(t, coord.SetAttempt(p.TaskID, own.Attempt))
	}
	id, err := coord.Trigger(ctx, false)
	require.NoError(t, err)
	for _, p := range tasks {
		object := coord.ObjectName(p.TaskID, own.Attempt, id, false)
		w, err := store.Create(ctx, object)
		require.NoError(t, err)
		require.NoError(t, w.Commit(ctx))
		ack := primary.Ack{
			Task: p.TaskID, Attempt: own.Attempt, Allocation: own.Allocation, Checkpoint: id, Schema: own.Schema,
			Compression: own.Compression, Position: own.Position, Groups: own.Groups, Objects: own.Objects,
		}
		if p.Operator == "side" {
			ack.Objects, ack.Groups = []string{object}, nil
		}
		require.NoError(t, coord.Ack(ctx, ack))
	}
	_, err = coord.Wait(ctx, id)
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

// A job whose newest checkpoint has state of an operator that the job is not of does not start, unless it is told to
// give that state up.
func TestJobDropsAnOperatorOnlyWhenToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaultStore()
		cfg := Config{Name: "j", Tasks: 1, M: 8, Primary: store}
		once := func(cfg Config) {
			job, done := begin(t, cfg, idle(attach))
			time.Sleep(time.Minute)
			_, err := job.Checkpoint(t.Context())
			require.NoError(t, err)
			_, err = job.Stop(t.Context(), false)
			require.NoError(t, err)
			require.NoError(t, <-done)
		}
		once(cfg)
		another(t, store, cfg.Name)
		_, done := begin(t, cfg, idle(attach))
		err := <-done
		require.ErrorIs(t, err, primary.ErrMismatch)
		require.ErrorContains(t, err, "side")
		with := cfg
		with.DropOperators = []string{"side"}
		once(with)
		once(cfg)
	})
}
