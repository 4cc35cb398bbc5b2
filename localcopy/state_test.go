package localcopy_test

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// state is a small backend whose entries all have the value of the last checkpoint taken.
type state struct {
	t      *testing.T
	meta   localcopy.Meta
	back   *heapbackend.Backend[uint64]
	counts *heapbackend.Value[uint64, int64]
}

const stateKeys = 40

var stateRange = keygroups.Range{First: 0, End: 8}

func newState(t *testing.T) *state {
	s := &state{t: t}
	s.back, s.counts = newBackend(t)
	s.meta = localcopy.Meta{
		Owner:   localcopy.Owner{Job: "orders", Operator: "sum", Allocation: uuid.New()},
		Attempt: uuid.New(), M: 8, Seed: 3, Range: stateRange, Schema: s.back.Schema(),
	}
	return s
}

func newBackend(t *testing.T) (*heapbackend.Backend[uint64], *heapbackend.Value[uint64, int64]) {
	b, err := heapbackend.New[uint64](heapbackend.Config{M: 8, Range: stateRange, Seed: 3})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	counts, err := heapbackend.NewValue[int64](b, "counts")
	require.NoError(t, err)
	return b, counts
}

// checkpoint gives every entry the value v and captures that for checkpoint id.
func (s *state) checkpoint(id uint64, v int64) (localcopy.Meta, *heapbackend.Snapshot, []primary.Segment) {
	for key := range uint64(stateKeys) {
		require.NoError(s.t, s.counts.Put(key, v))
	}
	snapshot, err := s.back.Capture()
	require.NoError(s.t, err)
	s.t.Cleanup(snapshot.Release)
	m := s.meta
	m.Checkpoint = id
	header := primary.Header{
		Job: m.Job, Operator: m.Operator, Task: m.Task, Attempt: m.Attempt, Checkpoint: id,
		M: m.M, Range: m.Range, Seed: m.Seed, Schema: m.Schema,
	}
	idx, err := primary.WriteObject(context.Background(), &bytes.Buffer{}, header, snapshot, primary.WriteOptions{})
	require.NoError(s.t, err)
	return m, snapshot, idx.Segments
}

// requireValue loads the whole copy and checks that every entry has the value v.
func requireValue(t *testing.T, c localcopy.Copy, v int64) {
	t.Helper()
	b, counts := newBackend(t)
	var staged []*heapbackend.Staged
	for _, g := range c.Groups() {
		s, err := c.Load(context.Background(), g.Group, b)
		require.NoError(t, err)
		staged = append(staged, s)
	}
	require.NoError(t, b.Install(staged))
	got := maps.Collect(counts.All())
	require.Len(t, got, stateKeys)
	for key := range uint64(stateKeys) {
		require.Equal(t, v, got[key])
	}
}

// keep returns a keeper of the state's copies. It is disposed of when the test ends.
func (s *state) keep(formats ...localcopy.Format) *localcopy.Keeper {
	return s.keepWith(localcopy.KeeperConfig{Formats: localcopy.Stack(formats...), MaxPending: 100})
}

func (s *state) keepWith(cfg localcopy.KeeperConfig) *localcopy.Keeper {
	cfg.Owner = s.meta.Owner
	k := localcopy.NewKeeper(cfg)
	s.t.Cleanup(func() {
		k.Dispose(false)
		settle(s.t, k)
	})
	return k
}

// settle waits until the keeper has nothing under way.
func settle(t *testing.T, k *localcopy.Keeper) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, k.Wait(ctx))
}

// store takes a checkpoint whose value is its id, up to the durable primary.
func (s *state) store(k *localcopy.Keeper, id uint64) {
	m, snapshot, twin := s.checkpoint(id, int64(id))
	k.Store(m, snapshot)
	k.PrimaryDone(id, twin)
}

// held returns the ids up to 20 the keeper has a copy of, once it is settled.
func held(t *testing.T, k *localcopy.Keeper) []uint64 {
	t.Helper()
	settle(t, k)
	var ids []uint64
	for id := range uint64(20) {
		if len(k.Copies(id)) > 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// found returns the ids a format finds for the state's owner.
func (s *state) found(f localcopy.Format) []uint64 {
	s.t.Helper()
	copies, err := f.Open(context.Background(), s.meta.Owner)
	require.NoError(s.t, err)
	var ids []uint64
	for _, c := range copies {
		ids = append(ids, c.Meta().Checkpoint)
	}
	return ids
}

// recorder is a slog.Handler that remembers messages.
type recorder struct {
	mu      sync.Mutex
	records []slog.Record
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *recorder) WithGroup(string) slog.Handler            { return r }

func (r *recorder) Handle(_ context.Context, record slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, record)
	return nil
}

// warnings returns the number of warnings so far.
func (r *recorder) warnings() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(r.records), func(r slog.Record) bool { return r.Level < slog.LevelWarn }))
}

func newLogger(r *recorder) *slog.Logger { return slog.New(r) }
