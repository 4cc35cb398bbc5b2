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

// An older checkpoint does not cure a program whose state has another type now.
func TestRestoreLatestDoesNotStepBackForAChangedState(t *testing.T) {
	f := newFixture(t)
	older := f.manifest
	newer := f.write(t, 6)
	b, err := heapbackend.New[uint64](heapbackend.Config{M: testM, Range: rng(0, testM), Seed: testSeed})
	require.NoError(t, err)
	defer b.Close()
	_, err = heapbackend.NewValue[string](b, "sums")
	require.NoError(t, err)
	var asked []uint64
	_, err = RestoreLatest(t.Context(), LatestConfig{
		RestoreConfig: RestoreConfig{Backend: b, Store: f.store}, Want: f.wantAll(), Manifests: []*primary.Manifest{newer, older},
		Sources: func(id uint64) ([]LocalSource, []localcopy.Copy) {
			asked = append(asked, id)
			return nil, nil
		},
	})
	require.ErrorIs(t, err, heapbackend.ErrSchema)
	require.Equal(t, []uint64{6}, asked)
}
