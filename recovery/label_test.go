package recovery

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// nilFormat returns nothing, and no error.
type nilFormat struct{ localcopy.Format }

func (nilFormat) Open(context.Context, localcopy.Owner) ([]localcopy.Copy, error) {
	return []localcopy.Copy{nil, &fakeCopy{}, nil}, nil
}

// nilWriter seals nothing, and returns no error.
type nilWriter struct{ localcopy.Writer }

func (nilWriter) Seal(context.Context, []primary.Segment) (localcopy.Copy, error) { return nil, nil }

func TestLabelMakesNoCopyOfNothing(t *testing.T) {
	found, err := labelled(localcopy.Formats{nilFormat{localcopy.Heap()}})[0].Open(t.Context(), localcopy.Owner{})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.NotNil(t, found[0])
	c, err := labelWriter{nilWriter{}, localcopy.Heap()}.Seal(t.Context(), nil)
	require.NoError(t, err)
	require.Nil(t, c)
}

// muteCopy panics when it is asked what it is.
type muteCopy struct{ localcopy.Copy }

func (muteCopy) Meta() localcopy.Meta { panic("mute") }

func TestSourceOfContainsAPanicOfTheFormat(t *testing.T) {
	_, err := sourceOf(muteCopy{&fakeCopy{}})
	p := new(PanicError)
	require.ErrorAs(t, err, &p)
	require.Equal(t, "mute", p.Value)
	_, err = sourceOf(&fakeCopy{})
	require.NoError(t, err)
}
