package localcopy

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// These tests look at the handle a format retains, which nothing outside of the package can see.

func capture(t *testing.T) (Meta, *heapbackend.Snapshot) {
	b, err := heapbackend.New[uint64](heapbackend.Config{M: 4, Range: keygroups.Range{First: 0, End: 4}})
	require.NoError(t, err)
	_, err = heapbackend.NewValue[int64](b, "counts")
	require.NoError(t, err)
	s, err := b.Capture()
	require.NoError(t, err)
	t.Cleanup(s.Release)
	m := Meta{Owner: Owner{Job: "orders", Operator: "sum", Allocation: uuid.New()}, M: 4, Range: s.Range(), Schema: s.Schema()}
	return m, s
}

func requireReleased(t *testing.T, s *heapbackend.Snapshot, released bool) {
	t.Helper()
	again, err := s.Retain()
	if released {
		require.ErrorIs(t, err, heapbackend.ErrReleased)
		return
	}
	require.NoError(t, err)
	again.Release()
}

func TestHungWriteDoesNotHoldTheSnapshot(t *testing.T) {
	for _, kind := range []vfs.Kind{vfs.OpMkdirAll, vfs.OpStat, vfs.OpCreate, vfs.OpWrite, vfs.OpFileClose} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s := capture(t)
				hang, hung := make(chan struct{}), false
				root, err := vfs.OpenRoot(t.TempDir())
				require.NoError(t, err)
				defer func() { require.NoError(t, root.Close()) }()
				f := FileFS(vfs.Inject(root, func(op vfs.Op) error {
					if op.Kind == kind {
						hung = true
						<-hang
					}
					return nil
				})).(*fileFormat)
				own, err := s.Retain()
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				w := startFileWriter(ctx, f, m, own)
				for g := range m.Range.All() {
					require.NoError(t, w.WriteGroup(ctx, g))
				}
				w.gate.finish()
				synctest.Wait()
				require.True(t, hung)
				requireReleased(t, own, false)
				cancel()
				synctest.Wait()
				requireReleased(t, own, true)
				close(hang)
				require.NoError(t, w.Abandon())
			})
		})
	}
}

func TestFileHoldsTheSnapshotOnlyWhileItWrites(t *testing.T) {
	m, s := capture(t)
	own, err := s.Retain()
	require.NoError(t, err)
	w := startFileWriter(t.Context(), File(t.TempDir()).(*fileFormat), m, own)
	require.NoError(t, w.WriteGroup(t.Context(), 0))
	requireReleased(t, own, false)
	_, err = w.Seal(t.Context(), nil)
	require.NoError(t, err)
	requireReleased(t, own, true)
}

func TestHeapLetsGoOfTheSnapshot(t *testing.T) {
	seal := func(t *testing.T, w Writer) Copy {
		c, err := w.Seal(t.Context(), []primary.Segment{})
		require.NoError(t, err)
		return c
	}
	for name, end := range map[string]func(t *testing.T, f Format, w Writer, cancel func()){
		"abandon": func(t *testing.T, _ Format, w Writer, _ func()) { require.NoError(t, w.Abandon()) },
		"context": func(_ *testing.T, _ Format, _ Writer, cancel func()) { cancel(); synctest.Wait() },
		"drop":    func(t *testing.T, _ Format, w Writer, _ func()) { require.NoError(t, seal(t, w).Drop(t.Context())) },
		"claim": func(t *testing.T, f Format, w Writer, _ func()) {
			seal(t, w)
			require.NoError(t, f.Claim(t.Context(), "orders", nil))
		},
		"free": func(t *testing.T, f Format, w Writer, _ func()) {
			c := seal(t, w)
			require.NoError(t, f.Free(t.Context(), "orders", c.Meta().Allocation))
		},
		"stored again": func(t *testing.T, f Format, w Writer, _ func()) {
			c := seal(t, w)
			_, s := capture(t)
			newer, err := f.Begin(t.Context(), c.Meta(), s)
			require.NoError(t, err)
			require.NoError(t, seal(t, newer).Drop(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s := capture(t)
				f := Heap()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w, err := f.Begin(ctx, m, s)
				require.NoError(t, err)
				own := w.(*heapWriter).snapshot
				requireReleased(t, own, false)
				end(t, f, w, cancel)
				requireReleased(t, own, true)
			})
		})
	}
}
