package localcopytest

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
)

// TestFormat checks a format. newFormat returns a fresh one that holds no copies; it may register its own cleanup.
func TestFormat(t *testing.T, newFormat func(t *testing.T) localcopy.Format) {
	for _, rule := range []struct {
		name string
		test func(*testing.T, localcopy.Format)
	}{
		{"name and letter are set", testIdentity},
		{"a sealed copy holds what the snapshot held", testRoundTrip},
		{"a copy can be loaded again and again, and at once", testReload},
		{"a copy does not change when the backend does", testIsolation},
		{"a copy outlives its backend", testBackendClosed},
		{"the snapshot may be released once begin has returned", testSnapshotReleased},
		{"a narrower or shifted range loads its overlap", testRescale},
		{"only what was written is held", testPartial},
		{"nothing is found before the seal", testUnsealed},
		{"nothing is left of an abandoned copy", testAbandon},
		{"nothing is left when the context ends before the seal", testCancelled},
		{"a copy that is not its twin is not sealed", testMismatch},
		{"groups out of order are refused", testOrder},
		{"a faulty meta is refused", testMeta},
		{"a group that is not held is an error", testNoGroup},
		{"storing an id twice keeps the newer", testTwice},
		{"dropping a copy drops no other", testDrop},
		{"dropping an older copy of the same id keeps the newer", testDropOlder},
		{"open finds the copies of its owner only", testOpenOwner},
		{"open finds what another task left after a rescale", testOpenOtherTask},
		{"claim removes what nobody claims", testClaim},
		{"free removes one allocation", testFree},
		{"names are never confused", testNames},
		{"copies are written side by side", testConcurrent},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.test(t, newFormat(t)) })
	}
}

func testIdentity(t *testing.T, f localcopy.Format) {
	require.NotEmpty(t, f.Name())
	require.Equal(t, f.Name(), f.Name())
	require.GreaterOrEqual(t, f.Letter(), byte('A'))
	require.LessOrEqual(t, f.Letter(), byte('Z'))
	require.NotEqual(t, byte('P'), f.Letter(), "P is the primary")
}

func testRoundTrip(t *testing.T, f localcopy.Format) {
	m := newTask(t).capture(7)
	c := store(t, f, m)
	requireTwin(t, c, m)
	requireHolds(t, c, m, m.meta.Range)
	found, ids := open(t, f, m.meta.Owner)
	require.Equal(t, []uint64{7}, ids)
	requireTwin(t, found[0], m)
	requireHolds(t, found[0], m, m.meta.Range)
}

func testReload(t *testing.T, f localcopy.Format) {
	m := newTask(t).capture(7)
	c := store(t, f, m)
	for range 3 {
		requireHolds(t, c, m, m.meta.Range)
	}
	into, _, _ := newBackend(t, m.meta.Range)
	errs := make(chan error, 8*len(c.Groups()))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, g := range c.Groups() {
				_, err := c.Load(t.Context(), g.Group, into)
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

func testIsolation(t *testing.T, f localcopy.Format) {
	k := newTask(t)
	m := k.capture(7)
	w := write(t, f, m)
	k.grow(1000)
	c, err := w.Seal(t.Context(), m.twin)
	require.NoError(t, err)
	k.grow(1000)
	requireHolds(t, c, m, m.meta.Range)
}

func testBackendClosed(t *testing.T, f localcopy.Format) {
	k := newTask(t)
	m := k.capture(7)
	w := write(t, f, m)
	require.NoError(t, k.backend.Close())
	c, err := w.Seal(t.Context(), m.twin)
	require.NoError(t, err)
	requireHolds(t, c, m, m.meta.Range)
}

func testSnapshotReleased(t *testing.T, f localcopy.Format) {
	k := newTask(t)
	m := k.capture(7)
	w, err := f.Begin(t.Context(), m.meta, m.snapshot)
	require.NoError(t, err)
	m.snapshot.Release()
	k.grow(1000)
	for g := range m.snapshot.Blocks() {
		require.NoError(t, w.WriteGroup(t.Context(), g))
	}
	c, err := w.Seal(t.Context(), m.twin)
	require.NoError(t, err)
	requireHolds(t, c, m, m.meta.Range)
}

func testRescale(t *testing.T, f localcopy.Format) {
	k := newTask(t)
	k.grow(1)
	m := k.capture(7)
	c := store(t, f, m)
	for _, r := range []keygroups.Range{{First: 4, End: 8}, {First: 8, End: 12}, {First: 0, End: 6}, {First: 10, End: 16}, {First: 0, End: 16}} {
		requireHolds(t, c, m, r)
	}
	requireShare(t, c, m)
	outside, _, _ := newBackend(t, keygroups.Range{First: 0, End: 4})
	_, err := c.Load(t.Context(), first, outside)
	require.Error(t, err, "a group outside the backend's range")
}

// requireShare loads the operator state into the second of two tasks: there were three, but the others had none.
func requireShare(t *testing.T, c localcopy.Copy, m moment) {
	t.Helper()
	cfg := heapbackend.Config{M: maxGroups, Range: keygroups.Range{First: 8, End: 16}, Seed: seed, Task: 1, Tasks: 2}
	b, err := heapbackend.New[uint64](cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	parts := newParts(t, b)
	staged, err := c.Load(t.Context(), operatorGroup, b)
	require.NoError(t, err)
	require.NoError(t, b.Install([]*heapbackend.Staged{staged}))
	require.Equal(t, m.parts[(len(m.parts)+1)/2:], slices.Collect(parts.All()))
	require.NotZero(t, parts.Len())
}

func testPartial(t *testing.T, f localcopy.Format) {
	m := newTask(t).capture(7)
	c := store(t, f, m, 5, emptyGroup, 9)
	requireTwin(t, c, m, 5, 9)
	requireHolds(t, c, m, m.meta.Range)
	m = newTask(t).capture(7)
	c = store(t, f, m, operatorGroup)
	requireTwin(t, c, m, operatorGroup)
	requireHolds(t, c, m, m.meta.Range)
	none := newTask(t).capture(7)
	c = store(t, f, none, []int{}...)
	require.Empty(t, c.Groups())
}

func testUnsealed(t *testing.T, f localcopy.Format) {
	m := newTask(t).capture(7)
	w := write(t, f, m)
	found, _ := open(t, f, m.meta.Owner)
	require.Empty(t, found)
	require.NoError(t, w.Abandon())
}

func testAbandon(t *testing.T, f localcopy.Format) {
	m := newTask(t).capture(7)
	w := write(t, f, m)
	require.NoError(t, w.Abandon())
	require.NoError(t, w.Abandon(), "abandon is idempotent")
	require.ErrorIs(t, w.WriteGroup(t.Context(), end-1), localcopy.ErrWriter)
	_, err := w.Seal(t.Context(), m.twin)
	require.ErrorIs(t, err, localcopy.ErrWriter)
	found, _ := open(t, f, m.meta.Owner)
	require.Empty(t, found)

	w = write(t, f, m)
	c, err := w.Seal(t.Context(), m.twin)
	require.NoError(t, err)
	require.NoError(t, w.Abandon(), "abandon after the seal does nothing")
	_, err = w.Seal(t.Context(), m.twin)
	require.ErrorIs(t, err, localcopy.ErrWriter)
	requireHolds(t, c, m, m.meta.Range)
	found, _ = open(t, f, m.meta.Owner)
	require.Len(t, found, 1)
}

func testCancelled(t *testing.T, f localcopy.Format) {
	m := newTask(t).capture(7)
	ctx, cancel := context.WithCancel(t.Context())
	w, err := f.Begin(ctx, m.meta, m.snapshot)
	require.NoError(t, err)
	require.NoError(t, w.WriteGroup(ctx, first))
	cancel()
	require.Error(t, w.WriteGroup(ctx, first+1))
	_, err = w.Seal(ctx, m.twin)
	require.Error(t, err)
	require.NoError(t, w.Abandon())
	_, err = f.Begin(ctx, m.meta, m.snapshot)
	require.ErrorIs(t, err, context.Canceled)
	found, _ := open(t, f, m.meta.Owner)
	require.Empty(t, found)

	c := store(t, f, m)
	into, _, _ := newBackend(t, m.meta.Range)
	_, err = c.Load(ctx, first, into)
	require.ErrorIs(t, err, context.Canceled)
	requireHolds(t, c, m, m.meta.Range)
}

func testMismatch(t *testing.T, f localcopy.Format) {
	m := newTask(t).capture(7)
	for name, twin := range twins(m.twin) {
		m := m
		m.twin = twin
		w := write(t, f, m)
		c, err := w.Seal(t.Context(), m.twin)
		if name == "digest" && err == nil {
			// A format that retains the snapshot has nothing of its own to compare: then it must hold the snapshot.
			requireHolds(t, c, m, m.meta.Range)
			require.NoError(t, c.Drop(t.Context()))
			continue
		}
		require.ErrorIs(t, err, localcopy.ErrMismatch, name)
		require.Nil(t, c, name)
		require.NoError(t, w.Abandon())
		found, _ := open(t, f, m.meta.Owner)
		require.Empty(t, found, name)
	}
}

func testOrder(t *testing.T, f localcopy.Format) {
	m := newTask(t).capture(7)
	w := write(t, f, m, 5, 6)
	for _, g := range []int{6, 5, first, first - 1, end, -1, maxGroups, operatorGroup + 1, 1 << 30} {
		require.ErrorIs(t, w.WriteGroup(t.Context(), g), localcopy.ErrWriter, "group %d", g)
	}
	require.NoError(t, w.WriteGroup(t.Context(), 8))
	require.NoError(t, w.WriteGroup(t.Context(), operatorGroup))
	for _, g := range []int{9, operatorGroup, operatorGroup + 1} {
		require.ErrorIs(t, w.WriteGroup(t.Context(), g), localcopy.ErrWriter, "group %d", g)
	}
	c, err := w.Seal(t.Context(), m.twin)
	require.NoError(t, err)
	requireTwin(t, c, m, 5, 6, 8, operatorGroup)
}

func testMeta(t *testing.T, f localcopy.Format) {
	m := newTask(t).capture(7)
	for name, spoil := range map[string]func(*localcopy.Meta){
		"job":         func(m *localcopy.Meta) { m.Job = "" },
		"operator":    func(m *localcopy.Meta) { m.Operator = "" },
		"task":        func(m *localcopy.Meta) { m.Task = -1 },
		"no groups":   func(m *localcopy.Meta) { m.M = 0 },
		"many groups": func(m *localcopy.Meta) { m.M = keygroups.Max + 1 },
		"empty range": func(m *localcopy.Meta) { m.Range.End = m.Range.First },
		"range":       func(m *localcopy.Meta) { m.Range.End = m.M + 1 },
	} {
		bad := m.meta
		spoil(&bad)
		_, err := f.Begin(t.Context(), bad, m.snapshot)
		require.ErrorIs(t, err, localcopy.ErrMeta, name)
	}
}

func testNoGroup(t *testing.T, f localcopy.Format) {
	m := newTask(t).capture(7)
	c := store(t, f, m, 5)
	into, _, _ := newBackend(t, m.meta.Range)
	for _, g := range []int{6, emptyGroup, -1, maxGroups, operatorGroup} {
		_, err := c.Load(t.Context(), g, into)
		require.ErrorIs(t, err, localcopy.ErrNoGroup, "group %d", g)
	}
}
