package primary

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

func TestDiscard(t *testing.T) {
	two := func(cfg *CoordinatorConfig) { cfg.Retain = 2 }

	t.Run("the good one is not pushed out", func(t *testing.T) {
		bubble(t, func(t *testing.T, store Store) {
			r := startRig(t, store, two)
			r.complete()
			r.complete()
			r.c.Discard(2)
			require.EqualValues(t, 1, r.c.Latest().Checkpoint)
			synctest.Wait()
			require.Equal(t, []uint64{2, 1}, requireIntact(t, store), "the log still counts it")
			require.Equal(t, []uint64{1, 2}, r.objectIDs())

			require.EqualValues(t, 3, r.complete().Checkpoint)
			synctest.Wait()
			require.Equal(t, []uint64{3, 1}, manifestIDs(r.c.Retained()))
			require.Equal(t, []uint64{3, 1}, requireIntact(t, store))
			require.Equal(t, []uint64{1, 3}, r.objectIDs())
			requireClean(t, store)
			r.stop()
		})
	})
	t.Run("the only one stays", func(t *testing.T) {
		bubble(t, func(t *testing.T, store Store) {
			r := startRig(t, store)
			r.complete()
			r.c.Discard(1)
			r.c.Discard(7)
			require.EqualValues(t, 1, r.c.Latest().Checkpoint)
			r.stop()
		})
	})
	t.Run("what a newer one shares is kept", func(t *testing.T) {
		bubble(t, func(t *testing.T, store Store) {
			r := startRig(t, store, two)
			first := r.complete().Operators[0].Tasks[0].Objects[0]
			id := r.trigger(false)
			require.NoError(t, r.ack(0, id, false, first))
			require.NoError(t, r.ack(1, id, false))
			synctest.Wait()
			r.c.Discard(1)
			r.complete()
			synctest.Wait()
			require.Equal(t, []uint64{3, 2}, requireIntact(t, store))
			require.Contains(t, r.objects(), first)
			r.stop()
		})
	})
	t.Run("while a commit that counts it is under way", func(t *testing.T) {
		bubble(t, func(t *testing.T, store Store) {
			h := &hookStore{Store: store}
			r := startRig(t, h, two)
			r.complete()
			r.complete()
			gate := make(chan struct{})
			h.set(func(_ context.Context, o op) error {
				if o.kind == "commit" && strings.HasPrefix(o.name, commitlog.Prefix(testJob)) {
					<-gate
				}
				return nil
			}, nil)
			id := r.trigger(false)
			for i := range r.cfg.Tasks {
				require.NoError(t, r.ack(i, id, false))
			}
			synctest.Wait()
			r.c.Discard(2) // the record being written counts it
			close(gate)
			synctest.Wait()
			require.Equal(t, []uint64{3, 2}, requireIntact(t, store))
			r.ackAll(r.trigger(true), true)
			require.Equal(t, []uint64{3}, requireIntact(t, store))
			r.complete()
			synctest.Wait()
			require.Equal(t, []uint64{5, 3}, requireIntact(t, store))
			requireClean(t, store)
			r.stop()
		})
	})
}
