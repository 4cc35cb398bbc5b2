package primary

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// batchHook is a hookStore whose store deletes many objects with one request.
type batchHook struct{ *hookStore }

func (b batchHook) DeleteAll(ctx context.Context, names []string) error {
	return b.do(ctx, "deleteall", "", func() error { return deleteAll(ctx, b.hookStore.Store, names) })
}

// counted counts the requests that are made until done returns. An object is one request: the end of its writer.
func counted(h *hookStore, done func()) map[string]int {
	requests := map[string]int{}
	h.set(func(_ context.Context, o op) error {
		if o.kind != "create" {
			requests[o.kind]++
		}
		return nil
	}, nil)
	done()
	synctest.Wait()
	h.set(nil, nil)
	return requests
}

// What a checkpoint of two tasks costs, their objects included.
func TestRequestsOfACheckpoint(t *testing.T) {
	for name, tc := range map[string]struct {
		store  func(*hookStore) Store
		retain int
		want   map[string]int
	}{
		"one retained":    {func(h *hookStore) Store { return batchHook{h} }, 1, map[string]int{"commit": 2 + 2, "readat": 1, "deleteall": 1}},
		"three retained":  {func(h *hookStore) Store { return batchHook{h} }, 3, map[string]int{"commit": 2 + 2, "readat": 1, "deleteall": 1}},
		"without batches": {func(h *hookStore) Store { return h }, 1, map[string]int{"commit": 2 + 2, "readat": 1, "delete": 2 + 2}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				hooked := &hookStore{Store: store}
				r := startRig(t, tc.store(hooked), func(cfg *CoordinatorConfig) { cfg.Retain = tc.retain })
				for range 5 {
					r.complete()
				}
				synctest.Wait()
				require.Equal(t, tc.want, counted(hooked, func() { r.complete() }))
				r.stop()
			})
		})
	}
}

// However often a job was started without ever making a checkpoint, opening it costs the same and its log is as long.
func TestACrashLoopCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Retain = 2 })
		r.complete()
		newest := r.complete().Checkpoint
		r.stop()
		var first map[string]int
		for i := range 300 {
			r := newRig(t, hooked, func(cfg *CoordinatorConfig) { cfg.Retain = 2 })
			calls := counted(hooked, r.open)
			r.startTasks()
			r.run()
			r.part(0, r.trigger(false), false) // its process dies meanwhile
			synctest.Wait()
			r.stop()
			require.Equal(t, newest, r.c.Latest().Checkpoint)
			switch i {
			case 1:
				first = calls
				require.LessOrEqual(t, calls["list"], 3)
			case 299:
				require.Equal(t, first, calls)
				require.Less(t, len(names(t, store, "")), 20)
			}
		}
	})
}

// While no checkpoint completes, and while nothing can be deleted, what a coordinator remembers of it is bounded.
func TestWhatIsLeftToDeleteIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = -1 })
		hooked.set(func(_ context.Context, o op) error {
			if o.kind == "delete" {
				return errTest
			}
			return nil
		}, nil)
		for range maxSweeps + 100 {
			r.part(0, r.trigger(false), false)
			r.c.AbortAll(errTest)
			synctest.Wait()
		}
		r.c.mu.Lock()
		require.LessOrEqual(t, len(r.c.trash.resweeps), maxSweeps)
		require.LessOrEqual(t, len(r.c.trash.failed), maxFailed)
		r.c.mu.Unlock()
		hooked.set(nil, nil)
		r.complete()
		synctest.Wait()
		requireClean(t, store)
		r.stop()
	})
}

// The same while a deletion hangs: what is to be deleted meanwhile does not pile up.
func TestWhatWaitsForAHungDeletionIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = -1 })
		r.complete()
		hang := make(chan struct{})
		hooked.set(func(_ context.Context, o op) error {
			if o.kind == "delete" {
				<-hang
			}
			return nil
		}, nil)
		for range 5 * maxSweeps {
			r.part(0, r.trigger(false), false)
			r.c.AbortAll(errTest)
			synctest.Wait()
		}
		r.c.mu.Lock()
		require.LessOrEqual(t, len(r.c.trash.sweeps), maxSweeps)
		require.LessOrEqual(t, len(r.c.trash.resweeps), maxSweeps)
		r.c.trash.throw(make([]string, maxNames+1)...)
		require.LessOrEqual(t, len(r.c.trash.names), maxNames)
		r.c.trash.names = nil
		r.c.mu.Unlock()
		hooked.set(nil, nil)
		close(hang)
		synctest.Wait()
		r.complete()
		synctest.Wait()
		requireClean(t, store)
		r.stop()
	})
}

// One object that the store refuses to delete keeps nothing else: neither other objects nor records of the log.
func TestAnObjectThatCannotBeDeletedHoldsUpNothing(t *testing.T) {
	for name, wrap := range map[string]func(*hookStore) Store{
		"one by one": func(h *hookStore) Store { return h },
		"batches":    func(h *hookStore) Store { return batchHook{h} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				refused := ""
				r := startRig(t, wrap(&hookStore{Store: &refusing{Store: store, name: &refused}}))
				r.complete()
				synctest.Wait()
				refused = r.objects()[0]
				for range 10 {
					r.complete()
					synctest.Wait()
				}
				require.Len(t, r.objects(), 3, "the newest checkpoint and what is refused")
				require.Len(t, names(t, store, commitlog.Prefix(testJob)), 2)
				r.c.mu.Lock()
				require.Equal(t, []string{refused}, r.c.trash.failed)
				require.Empty(t, r.c.trash.stuck)
				r.c.mu.Unlock()
				refused = ""
				r.complete()
				synctest.Wait()
				requireClean(t, store)
				r.stop()
			})
		})
	}
}

// refusing is a store that does not delete one object.
type refusing struct {
	Store
	name *string
}

func (s *refusing) Delete(ctx context.Context, name string) error {
	if name == *s.name {
		return errTest
	}
	return s.Store.Delete(ctx, name)
}
