package primary

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
	"github.com/heapstate/heapstate/primary/internal/frame"
)

func TestReadersOfAJobThatNeverRan(t *testing.T) {
	store := NewMemory()
	ms, err := LoadRetained(t.Context(), store, testJob)
	require.NoError(t, err)
	require.Empty(t, ms)
	entries, err := ReadLog(t.Context(), store, testJob)
	require.NoError(t, err)
	require.Empty(t, entries)
	_, err = LoadSavepoint(t.Context(), store, testJob, 1)
	require.ErrorIs(t, err, ErrNotExist)
	for range Savepoints(t.Context(), store, testJob) {
		t.Fatal("no savepoints")
	}
	_, err = LoadRetained(t.Context(), store, "../x")
	require.ErrorIs(t, err, ErrName)
	_, err = LoadSavepoint(t.Context(), store, "a/b", 1)
	require.ErrorIs(t, err, ErrName)
}

func TestReadersSeeTheLogWhileItMoves(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Retain = 2 })
		r.complete()
		r.complete()
		moves := 0
		hooked.set(func(_ context.Context, o op) error { // the reader's store: others commit between its calls
			if moves < 4 {
				moves++
				r.complete()
				synctest.Wait()
			}
			return nil
		}, nil)
		ms, err := LoadRetained(t.Context(), hooked, testJob)
		require.NoError(t, err)
		require.Len(t, ms, 2)
		require.Equal(t, r.c.Retained(), ms)
		entries, err := ReadLog(t.Context(), store, testJob)
		require.NoError(t, err)
		require.Len(t, entries, 2)
		require.True(t, entries[0].Live)
		require.Equal(t, ms[0], entries[0].Manifest)
		require.EqualValues(t, 1, entries[0].Epoch)
	})
}

// flip changes a bit of a record, and of its copy if both.
func flip(t *testing.T, store Store, slot uint64, both bool) {
	change := []string{slotName(testJob, slot), commitlog.CopyName(testJob, slot)}
	if !both {
		change = change[:1]
	}
	for _, name := range change {
		b, err := readObject(t.Context(), store, name)
		require.NoError(t, err)
		b[len(b)/2] ^= 1
		require.NoError(t, store.Delete(t.Context(), name))
		require.NoError(t, createObject(t.Context(), store, name, b))
	}
}

func TestCorruptLog(t *testing.T) {
	cases := map[string]struct {
		slots []uint64 // slot 1 is the claim, 2 to 5 are checkpoints 1 to 4
		left  []uint64
		lost  []uint64
		opens bool // the newest is not among them
	}{
		"the newest":       {[]uint64{5}, []uint64{3, 2}, []uint64{4}, false},
		"one in between":   {[]uint64{4}, []uint64{4, 2}, []uint64{3}, true},
		"the oldest":       {[]uint64{3}, []uint64{4, 3}, []uint64{2}, true},
		"all but one":      {[]uint64{5, 4}, []uint64{2}, []uint64{3, 4}, false},
		"everything there": {[]uint64{5, 4, 3}, []uint64{}, nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				three := func(cfg *CoordinatorConfig) { cfg.Retain = 3 }
				r := startRig(t, store, three)
				for range 4 {
					r.complete()
				}
				r.stop()
				for _, slot := range tc.slots {
					flip(t, store, slot, true)
				}
				ms, err := LoadRetained(t.Context(), store, testJob)
				require.ErrorIs(t, err, ErrCorrupt)
				require.ErrorContains(t, err, slotName(testJob, tc.slots[0]))
				require.Equal(t, tc.left, manifestIDs(ms))

				before := dump(t, store)
				if !tc.opens {
					_, err = OpenCoordinator(t.Context(), r.cfg)
					require.ErrorIs(t, err, ErrCorrupt)
					require.Equal(t, before, dump(t, store), "nothing is changed")
				}
				objects := r.objects()
				if len(tc.left) == 0 {
					skip := r.cfg
					skip.SkipCorrupt = true
					_, err = OpenCoordinator(t.Context(), skip)
					require.ErrorIs(t, err, ErrCorrupt, "no job starts empty")
					require.Equal(t, before, dump(t, store), "nothing is changed")
					return
				}
				var logged bytes.Buffer
				again := startRig(t, store, three, func(cfg *CoordinatorConfig) {
					cfg.SkipCorrupt, cfg.Logger = !tc.opens, slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelError}))
				})
				synctest.Wait()
				for _, slot := range tc.slots {
					require.Contains(t, logged.String(), slotName(testJob, slot))
				}
				require.Equal(t, tc.left, manifestIDs(again.c.Retained()))
				require.Equal(t, objects, again.objects(), "what cannot be read may yet be repaired")
				require.EqualValues(t, 5, again.complete().Checkpoint)
				again.stop()
				require.Equal(t, append([]uint64{5}, tc.left...)[:min(3, len(tc.left)+1)], requireIntact(t, store))
				last := startRig(t, store, three) // a later start, of one who asks for nothing special
				last.complete()
				last.stop()
				for _, slot := range tc.slots {
					require.Contains(t, names(t, store, commitlog.Prefix(testJob)), slotName(testJob, slot))
				}
				for _, id := range tc.lost {
					require.Contains(t, last.objectIDs(), id, "what cannot be read may yet be repaired")
				}
			})
		})
	}
	t.Run("a counted record is missing", func(t *testing.T) {
		bubble(t, func(t *testing.T, store Store) {
			r := startRig(t, store, func(cfg *CoordinatorConfig) { cfg.Retain = 3 })
			for range 3 {
				r.complete()
			}
			r.stop()
			require.NoError(t, store.Delete(t.Context(), slotName(testJob, 3)))
			require.Len(t, requireIntact(t, store), 3, "its copy is there")
			require.NoError(t, store.Delete(t.Context(), commitlog.CopyName(testJob, 3)))
			ms, err := LoadRetained(t.Context(), store, testJob)
			require.ErrorIs(t, err, ErrCorrupt)
			require.Equal(t, []uint64{3, 1}, manifestIDs(ms))
			r.open()
			require.Equal(t, []uint64{3, 1}, manifestIDs(r.c.Retained()), "an old record costs its own checkpoint only")
		})
	})
	t.Run("of a newer version", func(t *testing.T) {
		store := NewMemory()
		b := frame.Append(nil, commitlog.Magic, commitlog.Version+1, func(b []byte) []byte { return append(b, "whatever"...) })
		require.NoError(t, createObject(t.Context(), store, slotName(testJob, 1), b))
		r := newRig(t, store, func(cfg *CoordinatorConfig) { cfg.SkipCorrupt = true })
		_, err := OpenCoordinator(t.Context(), r.cfg)
		require.ErrorIs(t, err, ErrVersion)
		require.NotErrorIs(t, err, ErrCorrupt)
	})
}

// Without a word an operator's state is not left behind.
func TestOperatorThatIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		kept := r.complete()
		r.stop()
		before := dump(t, store)
		rename := func(cfg *CoordinatorConfig) {
			for i := range cfg.Tasks {
				cfg.Tasks[i].Operator = "other"
			}
		}
		_, err := OpenCoordinator(t.Context(), newRig(t, store, rename).cfg)
		var mismatch *MismatchError
		require.ErrorAs(t, err, &mismatch)
		require.Equal(t, "operator", mismatch.What)
		require.Equal(t, before, dump(t, store), "nothing is changed")
		again := startRig(t, store, rename, func(cfg *CoordinatorConfig) { cfg.DropOperators = []string{"main"} })
		require.Equal(t, kept.Checkpoint, again.c.Latest().Checkpoint)
		again.complete()
		again.stop()
		_, err = OpenCoordinator(t.Context(), newRig(t, store, rename).cfg)
		require.NoError(t, err, "it is gone")
	})
}

// A record that grew, by a hole or by anything else, takes no memory.
func TestHugeRecord(t *testing.T) {
	store := &hugeStore{Store: NewMemory(), name: slotName(testJob, 2)}
	bubble(t, func(t *testing.T, _ Store) {
		r := startRig(t, store)
		r.complete()
		r.stop()
	})
	for _, size := range []int64{maxFrame, maxFrame + 1, 100 << 30, -1} {
		store.size = size
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, err := OpenCoordinator(t.Context(), newRig(t, store).cfg)
		runtime.ReadMemStats(&after)
		require.NoError(t, err, "its copy is as it was")
		require.EqualValues(t, 1, c.Latest().Checkpoint)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
	}
}

// hugeStore says of an object that it is larger, with nothing in the rest.
type hugeStore struct {
	Store
	name string
	size int64
}

func (h *hugeStore) Size(ctx context.Context, name string) (int64, error) {
	if name == h.name && h.size != 0 {
		return h.size, nil
	}
	return h.Store.Size(ctx, name)
}

func (h *hugeStore) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	if name != h.name || h.size == 0 {
		return h.Store.ReadAt(ctx, name, p, off)
	}
	b, err := readObject(ctx, h.Store, name)
	if err != nil {
		return err
	}
	clear(p)
	if off < int64(len(b)) {
		copy(p, b[off:])
	}
	return nil
}
