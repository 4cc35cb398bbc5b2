package primary

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The predecessor commits a savepoint while the successor opens the log: the
// successor must not take its objects for deleted, and sweep them.
func TestSavepointCommittedDuringTakeover(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		old := &hookStore{Store: store}
		a := startRig(t, old)
		a.complete()
		var block atomic.Bool
		block.Store(true)
		release := make(chan struct{})
		old.set(func(_ context.Context, o op) error {
			if block.Load() && o.kind == "create" && strings.HasSuffix(o.name, "/manifest") {
				<-release
			}
			return nil
		}, nil)
		successor := &hookStore{Store: store}
		var once atomic.Bool
		var id uint64
		successor.set(nil, func(_ context.Context, o op) error {
			if o.kind == "list" && once.CompareAndSwap(false, true) {
				id = a.trigger(true)
				for i := range a.cfg.Tasks {
					require.NoError(t, a.ack(i, id, true))
				}
				time.Sleep(time.Second)
			}
			return nil
		})
		b := startRig(t, successor)
		synctest.Wait()
		block.Store(false)
		close(release)
		synctest.Wait()
		m, err := LoadSavepoint(t.Context(), store, testJob, id)
		require.NoError(t, err)
		require.True(t, m.Savepoint)
		requireIntact(t, store)
		a.cancel()
		<-a.ran
		b.stop()
	})
}
