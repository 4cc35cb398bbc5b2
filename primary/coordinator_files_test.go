package primary

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// The same in real time, over files, and with nothing left running.
func TestCoordinatorOverFiles(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	var kept uint64
	for range 3 {
		store, err := OpenDir(dir)
		require.NoError(t, err)
		r := newRig(t, store, func(cfg *CoordinatorConfig) {
			cfg.Interval, cfg.Retain, cfg.MaxConcurrent = time.Millisecond, 2, 2
		})
		r.open()
		if kept > 0 {
			require.GreaterOrEqual(t, r.c.Latest().Checkpoint, kept)
		}
		done := make(chan uint64, 1000)
		r.sent.onTrigger = func(m message) error {
			name := m.trigger.Object
			if err := createObject(context.Background(), store, name, []byte("state")); err != nil {
				return err
			}
			err := r.c.Ack(context.Background(), testAck(r.cfg.Tasks[m.task.Task], m.attempt, m.checkpoint, []string{name}))
			if m.task.Task == 1 {
				done <- m.checkpoint
			}
			if errors.Is(err, ErrLate) {
				return nil
			}
			return err
		}
		r.startTasks()
		r.run()
		for range 10 {
			id := <-done
			m, err := r.c.Wait(t.Context(), id)
			if err == nil {
				kept = max(kept, m.Checkpoint)
			}
		}
		r.stop()
		ids := requireIntact(t, store)
		require.NotEmpty(t, ids)
		require.LessOrEqual(t, len(ids), 2)
		require.GreaterOrEqual(t, ids[0], kept)
		closeStore(t, store)
	}
}

func closeStore(t *testing.T, s Store) {
	if c, ok := s.(interface{ Close() error }); ok {
		require.NoError(t, c.Close())
	}
}
