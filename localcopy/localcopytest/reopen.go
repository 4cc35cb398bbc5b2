package localcopytest

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/localcopy"
)

// TestReopen checks a format whose copies outlive the process. newPlace is called once for each rule and returns a
// function that opens the format on the same place again and again, each time as a new process would: with nothing
// kept in memory.
func TestReopen(t *testing.T, newPlace func(t *testing.T) (reopen func() localcopy.Format)) {
	for _, rule := range []struct {
		name string
		test func(*testing.T, func() localcopy.Format)
	}{
		{"a new process finds the sealed copies", testReopenSealed},
		{"a new process finds nothing unsealed", testReopenUnsealed},
		{"a new process finds the newer of two", testReopenTwice},
		{"a new process drops what an old one wrote", testReopenDrop},
		{"leftovers are kept only if they are claimed", testReopenClaim},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.test(t, newPlace(t)) })
	}
}

func testReopenSealed(t *testing.T, reopen func() localcopy.Format) {
	k := newTask(t)
	m7 := k.capture(7)
	k.grow(1)
	m8 := k.capture(8)
	old := reopen()
	store(t, old, m7)
	store(t, old, m8)
	found, ids := open(t, reopen(), k.meta.Owner)
	require.Equal(t, []uint64{7, 8}, ids)
	for i, m := range []moment{m7, m8} {
		requireTwin(t, found[i], m)
		requireHolds(t, found[i], m, m.meta.Range)
	}
}

func testReopenUnsealed(t *testing.T, reopen func() localcopy.Format) {
	k := newTask(t)
	w := write(t, reopen(), k.capture(7))
	found, _ := open(t, reopen(), k.meta.Owner)
	require.Empty(t, found)
	require.NoError(t, w.Abandon())
}

func testReopenTwice(t *testing.T, reopen func() localcopy.Format) {
	k := newTask(t)
	store(t, reopen(), k.capture(7))
	k.grow(1000)
	k.meta.Attempt = uuid.New()
	m := k.capture(7)
	store(t, reopen(), m)
	found, ids := open(t, reopen(), k.meta.Owner)
	require.Equal(t, []uint64{7}, ids)
	requireTwin(t, found[0], m)
	requireHolds(t, found[0], m, m.meta.Range)
}

func testReopenDrop(t *testing.T, reopen func() localcopy.Format) {
	k := newTask(t)
	store(t, reopen(), k.capture(7))
	found, _ := open(t, reopen(), k.meta.Owner)
	require.Len(t, found, 1)
	require.NoError(t, found[0].Drop(t.Context()))
	found, _ = open(t, reopen(), k.meta.Owner)
	require.Empty(t, found)
}

func testReopenClaim(t *testing.T, reopen func() localcopy.Format) {
	mine, gone := newTask(t), newTask(t)
	old := reopen()
	store(t, old, mine.capture(7))
	store(t, old, gone.capture(7))
	next := reopen()
	require.NoError(t, next.Claim(t.Context(), mine.meta.Job, []uuid.UUID{mine.meta.Allocation}))
	for k, want := range map[*task][]uint64{mine: {7}, gone: nil} {
		_, ids := open(t, next, k.meta.Owner)
		require.Equal(t, want, ids)
		_, ids = open(t, reopen(), k.meta.Owner)
		require.Equal(t, want, ids)
	}
}
