package primary

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestHistoryForgetsManifests(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		waited := make(chan *Manifest, 1)
		id := r.trigger(false)
		go func() { // is there when it ends
			m, err := r.c.Wait(t.Context(), id)
			require.NoError(t, err)
			waited <- m
		}()
		synctest.Wait()
		r.ackAll(id, false)
		require.Len(t, (<-waited).Operators, 1)

		save := r.trigger(true)
		r.ackAll(save, true)
		last := r.complete().Checkpoint
		for checkpoint, whole := range map[uint64]bool{id: false, save: true, last: true} {
			m, err := r.c.Wait(t.Context(), checkpoint)
			require.NoError(t, err)
			require.Equal(t, checkpoint, m.Checkpoint)
			require.Equal(t, whole, len(m.Operators) > 0, "checkpoint %d", checkpoint)
		}
		r.stop()
	})
}
