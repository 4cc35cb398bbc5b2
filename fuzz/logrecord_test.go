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

// FuzzLogRecord opens a coordinator on a commit log of two records, of which any may be anything. Either it opens, with
// valid checkpoints, and a second one sees the same; or the error is a typed one and the store is as it was.
func FuzzLogRecord(f *testing.F) {
	golden(f, "log/*.bin", func(b []byte) {
		f.Add(b, byte(8), b, byte(4))
		f.Add(b, byte(8), []byte(nil), byte(4))
	})
	f.Add([]byte(nil), byte(0), []byte(nil), byte(0))
	f.Fuzz(func(t *testing.T, b []byte, slot byte, below []byte, belowSlot byte) {
		sealed := sealFrame(recordMagic, sealInner(b))
		checkLog(t, map[byte][]byte{belowSlot % 16: below, slot % 16: b})
		checkLog(t, map[byte][]byte{belowSlot % 16: sealFrame(recordMagic, sealInner(below)), slot % 16: sealed})
	})
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
		w, err := store.Create(t.Context(), fmt.Sprintf("orders/log/%020d", slot+1))
		require.NoError(t, err)
		_, err = w.Write(b)
		require.NoError(t, err)
		require.NoError(t, w.Commit(t.Context()))
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

func openCoordinator(t *testing.T, store primary.Store) (*primary.Coordinator, error) {
	const m = 8 // that of the golden records
	return primary.OpenCoordinator(t.Context(), primary.CoordinatorConfig{
		Store: store, Job: "orders", M: m, Seed: 7, Transport: silence{}, Retain: 2,
		Tasks: []primary.TaskPlan{{TaskID: primary.TaskID{Operator: "totals"}, Range: keygroups.Range{End: m}}},
	})
}

func contents(t *testing.T, store primary.Store) map[string]string {
	found := map[string]string{}
	for info, err := range store.List(t.Context(), "") {
		require.NoError(t, err)
		b := make([]byte, info.Size)
		require.NoError(t, store.ReadAt(t.Context(), info.Name, b, 0))
		found[info.Name] = string(b)
	}
	return found
}
