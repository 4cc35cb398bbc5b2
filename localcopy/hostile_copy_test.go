package localcopy_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// mute is a copy that panics when it is asked what it is.
type mute struct{ localcopy.Copy }

func (mute) Meta() localcopy.Meta { panic("mute") }

// muting is a format whose copies are mute: those it seals, and the first of those it finds, beside which it finds nothing at all.
type muting struct{ localcopy.Format }

func (f muting) Open(ctx context.Context, o localcopy.Owner) ([]localcopy.Copy, error) {
	found, err := f.Format.Open(ctx, o)
	if len(found) > 0 {
		found[0] = mute{found[0]}
	}
	return append(found, nil), err
}

func (f muting) Begin(ctx context.Context, m localcopy.Meta, s *heapbackend.Snapshot) (localcopy.Writer, error) {
	w, err := f.Format.Begin(ctx, m, s)
	return mutingWriter{w}, err
}

type mutingWriter struct{ localcopy.Writer }

func (w mutingWriter) Seal(ctx context.Context, twin []primary.Segment) (localcopy.Copy, error) {
	c, err := w.Writer.Seal(ctx, twin)
	if err != nil {
		return nil, err
	}
	return mute{c}, nil
}

func TestKeeperNeverAsksASealedCopyWhatItIs(t *testing.T) {
	s := newState(t)
	k := s.keep(muting{localcopy.File(t.TempDir())})
	for id := range uint64(4) {
		s.store(k, id)
		settle(t, k)
	}
	require.Len(t, k.Copies(3), 1)
	k.Confirm(3)
	settle(t, k)
	require.Equal(t, 1, k.Stats()[0].Held)
	require.Len(t, k.Copies(3), 1)
}

func TestKeeperFindsWhatIsSoundBesideCopiesThatPanic(t *testing.T) {
	s := newState(t)
	format := localcopy.File(t.TempDir())
	k := s.keep(format)
	s.store(k, 1)
	s.store(k, 2)
	settle(t, k)
	k.Dispose(false)
	settle(t, k)
	k = s.keep(muting{format})
	settle(t, k)
	require.Empty(t, k.Copies(1))
	require.Len(t, k.Copies(2), 1)
	require.True(t, k.Stats()[0].Failing)
}
