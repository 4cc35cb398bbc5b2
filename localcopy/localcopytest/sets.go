package localcopytest

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
)

// The rules of formats that hold several copies.

func testTwice(t *testing.T, f localcopy.Format) {
	k := newTask(t)
	store(t, f, k.capture(7))
	k.grow(1000)
	k.meta.Attempt = uuid.New()
	m := k.capture(7)
	store(t, f, m)
	found, ids := open(t, f, m.meta.Owner)
	require.Equal(t, []uint64{7}, ids)
	requireTwin(t, found[0], m)
	requireHolds(t, found[0], m, m.meta.Range)
}

func testDrop(t *testing.T, f localcopy.Format) {
	k := newTask(t)
	m7 := k.capture(7)
	k.grow(1)
	m8 := k.capture(8)
	c7, c8 := store(t, f, m7), store(t, f, m8)
	_, ids := open(t, f, m7.meta.Owner)
	require.Equal(t, []uint64{7, 8}, ids)
	require.NoError(t, c7.Drop(t.Context()))
	require.NoError(t, c7.Drop(t.Context()), "drop is idempotent")
	into, _, _ := newBackend(t, m7.meta.Range)
	_, err := c7.Load(t.Context(), first, into)
	require.ErrorIs(t, err, localcopy.ErrDropped)
	_, ids = open(t, f, m7.meta.Owner)
	require.Equal(t, []uint64{8}, ids)
	requireHolds(t, c8, m8, m8.meta.Range)
}

func testDropOlder(t *testing.T, f localcopy.Format) {
	k := newTask(t)
	older := store(t, f, k.capture(7))
	k.grow(1000)
	m := k.capture(7)
	newer := store(t, f, m)
	require.NoError(t, older.Drop(t.Context()))
	requireHolds(t, newer, m, m.meta.Range)
	found, ids := open(t, f, m.meta.Owner)
	require.Equal(t, []uint64{7}, ids)
	requireHolds(t, found[0], m, m.meta.Range)
}

func testOpenOwner(t *testing.T, f localcopy.Format) {
	m := newTask(t).capture(7)
	store(t, f, m)
	for name, change := range map[string]func(*localcopy.Owner){
		"job":        func(o *localcopy.Owner) { o.Job += "2" },
		"operator":   func(o *localcopy.Owner) { o.Operator += "2" },
		"allocation": func(o *localcopy.Owner) { o.Allocation = uuid.New() },
	} {
		o := m.meta.Owner
		change(&o)
		found, _ := open(t, f, o)
		require.Empty(t, found, name)
	}
}

func testOpenOtherTask(t *testing.T, f localcopy.Format) {
	m := newTask(t).capture(7)
	store(t, f, m)
	o := m.meta.Owner
	o.Task = 0
	found, _ := open(t, f, o)
	require.Len(t, found, 1)
	require.Equal(t, m.meta, found[0].Meta(), "the copy says whose it is")
	requireHolds(t, found[0], m, keygroups.Range{First: 0, End: 8})
}

func testClaim(t *testing.T, f localcopy.Format) {
	mine, gone, other := newTask(t), newTask(t), newTask(t)
	other.meta.Job = "another"
	for _, k := range []*task{mine, gone, other} {
		store(t, f, k.capture(7))
	}
	require.NoError(t, f.Claim(t.Context(), mine.meta.Job, []uuid.UUID{mine.meta.Allocation, uuid.New()}))
	for k, want := range map[*task][]uint64{mine: {7}, gone: nil, other: {7}} {
		_, ids := open(t, f, k.meta.Owner)
		require.Equal(t, want, ids)
	}
	require.NoError(t, f.Claim(t.Context(), mine.meta.Job, nil))
	found, _ := open(t, f, mine.meta.Owner)
	require.Empty(t, found, "nobody claims anything")
	require.NoError(t, f.Claim(t.Context(), "unheard of", nil))
	store(t, f, mine.capture(8))
	_, ids := open(t, f, mine.meta.Owner)
	require.Equal(t, []uint64{8}, ids, "the format goes on after a claim")
}

func testFree(t *testing.T, f localcopy.Format) {
	freed, stays, other := newTask(t), newTask(t), newTask(t)
	other.meta.Job, other.meta.Allocation = "another", freed.meta.Allocation
	for _, k := range []*task{freed, stays, other} {
		store(t, f, k.capture(7))
		store(t, f, k.capture(8))
	}
	for range 2 {
		require.NoError(t, f.Free(t.Context(), freed.meta.Job, freed.meta.Allocation))
	}
	for k, want := range map[*task][]uint64{freed: nil, stays: {7, 8}, other: {7, 8}} {
		_, ids := open(t, f, k.meta.Owner)
		require.Equal(t, want, ids)
	}
	require.NoError(t, f.Free(t.Context(), "unheard of", uuid.New()))
}

func testNames(t *testing.T, f localcopy.Format) {
	names := []string{
		"a", "A", "b/../a", "../a", "..", ".", "/", "a.b", "a.1", "a\x00", "é", "con", " ", "a%2e",
		string(slices.Repeat([]byte("x"), 300)), string(slices.Repeat([]byte("x"), 301)),
	}
	k := newTask(t)
	moments := map[string]moment{}
	for i, name := range names {
		k.meta.Job, k.meta.Operator = name, name
		k.grow(int64(i))
		moments[name] = k.capture(7)
		store(t, f, moments[name])
	}
	for _, name := range names {
		found, _ := open(t, f, moments[name].meta.Owner)
		require.Len(t, found, 1, "job %q", name)
		requireHolds(t, found[0], moments[name], k.meta.Range)
	}
	for i, name := range names {
		require.NoError(t, f.Claim(t.Context(), name, nil))
		found, _ := open(t, f, moments[name].meta.Owner)
		require.Empty(t, found, "job %q", name)
		for _, other := range names[i+1:] {
			found, _ := open(t, f, moments[other].meta.Owner)
			require.Len(t, found, 1, "claim of %q must keep %q", name, other)
		}
	}
}

func testConcurrent(t *testing.T, f localcopy.Format) {
	k := newTask(t)
	var moments []moment
	for id := range uint64(12) {
		k.grow(1)
		moments = append(moments, k.capture(id))
	}
	errs := make([]error, len(moments))
	var wg sync.WaitGroup
	for i, m := range moments {
		wg.Go(func() { errs[i] = storeAndDrop(t.Context(), f, m, i%3 == 0) })
	}
	wg.Wait()
	for i, err := range errs {
		require.NoError(t, err, "checkpoint %d", i)
	}
	found, ids := open(t, f, k.meta.Owner)
	require.Equal(t, []uint64{1, 2, 4, 5, 7, 8, 10, 11}, ids)
	for i, c := range found {
		requireHolds(t, c, moments[ids[i]], k.meta.Range)
	}
}

// storeAndDrop is for goroutines: it returns its error.
func storeAndDrop(ctx context.Context, f localcopy.Format, m moment, drop bool) error {
	w, err := f.Begin(ctx, m.meta, m.snapshot)
	if err != nil {
		return err
	}
	for g := range m.snapshot.Blocks() {
		if err := w.WriteGroup(ctx, g); err != nil {
			return err
		}
	}
	c, err := w.Seal(ctx, m.twin)
	if err != nil || !drop {
		return err
	}
	return c.Drop(ctx)
}
