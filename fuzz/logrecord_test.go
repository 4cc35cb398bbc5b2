package fuzz

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// silence is a transport to nobody.
type silence struct{}

func (silence) Trigger(primary.TaskID, uuid.UUID, primary.Trigger) error { return nil }
func (silence) Confirm(primary.TaskID, uuid.UUID, uint64)                {}
func (silence) Abort(primary.TaskID, uuid.UUID, uint64, error)           {}

// FuzzLogRecord opens a coordinator on a commit log of two slots, of which record or copy may be anything. Either it
// opens, with valid checkpoints, and a second one sees the same; or the error is a typed one and the store is as it
// was.
func FuzzLogRecord(f *testing.F) {
	add := func(b []byte) {
		f.Add(b, byte(8), b, byte(4))
		f.Add(b, byte(8), []byte(nil), byte(4))
		f.Add(b, byte(copyRow|8), b[:len(b)/2], byte(8))
	}
	golden(f, "../internal/commitlog/testdata/v*/*.bin", add)
	for _, claim := range someClaims(f) {
		add(claim)
	}
	f.Add([]byte(nil), byte(0), []byte(nil), byte(0))
	f.Fuzz(func(t *testing.T, b []byte, slot byte, below []byte, belowSlot byte) {
		sealed := sealRecord(sealInner(b))
		checkLog(t, map[byte][]byte{belowSlot & logSlots: below, slot & logSlots: b})
		checkLog(t, map[byte][]byte{belowSlot & logSlots: sealRecord(sealInner(below)), slot & logSlots: sealed})
	})
}

// A slot of the log, from 0, and the row it is in.
const (
	copyRow  = 0x80
	logSlots = copyRow | 0x0f
)

// someClaims are claims that hold what was committed before them.
func someClaims(f *testing.F) (claims [][]byte) {
	golden(f, "../internal/commitlog/testdata/v1/*.bin", func(b []byte) {
		store := primary.NewMemory()
		putRecord(f, store, 8, b)
		if _, err := openCoordinator(f, store); err != nil {
			return // it is not for slot 9
		}
		claims = append(claims, []byte(contents(f, store)[fmt.Sprintf("orders/log/%020d", 10)]))
	})
	require.NotEmpty(f, claims)
	return claims
}

func putRecord(t testing.TB, store primary.Store, slot byte, b []byte) {
	row := "log"
	if slot&copyRow != 0 {
		row = "log-copy"
	}
	w, err := store.Create(t.Context(), fmt.Sprintf("orders/%s/%020d", row, slot&^copyRow+1))
	require.NoError(t, err)
	_, err = w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Commit(t.Context()))
}

// sealInner seals a manifest that ends where the frame b ends, as it does in a record of the log.
func sealInner(b []byte) []byte {
	for at := len(b) - frameHead - 2*frameTail; at >= frameHead; at-- {
		if string(b[at:at+len(manifestMark)]) == manifestMark {
			return append(append(b[:at:at], sealFrame(manifestMark, b[at:len(b)-frameTail])...), b[len(b)-frameTail:]...)
		}
	}
	return b
}

func checkLog(t *testing.T, records map[byte][]byte) {
	store := primary.NewMemory()
	size := 0
	for slot, b := range records {
		size += len(b)
		putRecord(t, store, slot, b)
	}
	before := contents(t, store)
	var c *primary.Coordinator
	var err error
	bounded(t, size, func() { c, err = openCoordinator(t, store) })
	if err != nil {
		var mismatch *primary.MismatchError
		require.True(t, errors.Is(err, primary.ErrCorrupt) || errors.Is(err, primary.ErrVersion) || errors.As(err, &mismatch),
			"not a typed error: %v", err)
		require.Equal(t, before, contents(t, store))
		return
	}
	for _, m := range c.Retained() {
		require.NoError(t, m.Check())
		require.Equal(t, "orders", m.Job)
	}
	again, err := openCoordinator(t, store)
	require.NoError(t, err)
	require.Equal(t, c.Latest(), again.Latest())
	require.Equal(t, c.Seed(), again.Seed())
	require.NoError(t, c.Close())
	require.NoError(t, again.Close())
}

func openCoordinator(t testing.TB, store primary.Store) (*primary.Coordinator, error) {
	const m = 8 // that of the golden records
	return primary.OpenCoordinator(t.Context(), primary.CoordinatorConfig{
		Store: store, Job: "orders", M: m, Seed: 7, Transport: silence{}, Retain: 2,
		Tasks: []primary.TaskPlan{{TaskID: primary.TaskID{Operator: "totals"}, Range: keygroups.Range{End: m}}},
	})
}

func contents(t testing.TB, store primary.Store) map[string]string {
	found := map[string]string{}
	for info, err := range store.List(t.Context(), "") {
		require.NoError(t, err)
		b := make([]byte, info.Size)
		require.NoError(t, store.ReadAt(t.Context(), info.Name, b, 0))
		found[info.Name] = string(b)
	}
	return found
}
