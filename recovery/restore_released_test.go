package recovery

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// droppedBackend drops a copy in memory just before the first install.
type droppedBackend struct {
	heapbackend.AnyBackend
	drop func()
}

func (b *droppedBackend) Install(staged []*heapbackend.Staged) error {
	b.drop()
	return b.AnyBackend.Install(staged)
}

// A slot may be lost, with its copies, between the staging and the install of a task that adopts from them.
func TestRestoreGoesOnWhenAnAdoptedCopyIsDropped(t *testing.T) {
	f := newFixture(t)
	b, v := f.backend(t)
	heap, copied := f.copy(LetterHeap, sound)
	twin, err := f.snapshot.Retain()
	require.NoError(t, err)
	copied.(*fakeCopy).load = func(_ context.Context, group int, into heapbackend.AnyBackend) (*heapbackend.Staged, error) {
		return into.StageSnapshot(twin, group)
	}
	installs := 0
	cfg := f.config(t, &droppedBackend{b, func() { installs++; twin.Release() }}, []LocalSource{heap}, []localcopy.Copy{copied})
	r, err := Restore(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, 2, installs)
	for _, g := range r.Groups {
		if g.Letter != LetterEmpty {
			require.EqualValues(t, LetterPrimary, g.Letter)
			require.ErrorIs(t, g.Failed[0].Err, heapbackend.ErrReleased)
		}
	}
	f.requireRestored(t, v)
}

func TestRestoreOfADroppedCopyFailsWhenThePrimaryDoes(t *testing.T) {
	f := newFixture(t)
	b, _ := f.backend(t)
	heap, copied := f.copy(LetterHeap, sound)
	twin, err := f.snapshot.Retain()
	require.NoError(t, err)
	copied.(*fakeCopy).load = func(_ context.Context, group int, into heapbackend.AnyBackend) (*heapbackend.Staged, error) {
		return into.StageSnapshot(twin, group)
	}
	cfg := f.config(t, &droppedBackend{b, twin.Release}, []LocalSource{heap}, []localcopy.Copy{copied})
	require.NoError(t, f.store.Delete(t.Context(), f.manifest.Operators[0].Tasks[0].Objects[0]))
	_, err = Restore(t.Context(), cfg)
	require.ErrorIs(t, err, primary.ErrNotExist)
	require.ErrorIs(t, err, heapbackend.ErrReleased)
}
