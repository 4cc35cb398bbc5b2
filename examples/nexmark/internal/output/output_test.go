package output

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUpsertsArriveInOrder(t *testing.T) {
	r := NewResults()
	sent := 0
	b := NewBuffer(func(m []byte) error {
		sent++
		return r.Take(m)
	})
	long := strings.Repeat("x", 100)
	for i := range 2000 {
		b.Emit(fmt.Sprint("key", i%500), fmt.Sprint(i, long))
	}
	require.Positive(t, sent, "a full buffer goes by itself")
	b.Record(time.Millisecond, 7, false)
	b.Record(time.Second, 3, true)
	b.Emit("", "")
	require.NoError(t, b.Flush(t.Context()))
	require.Len(t, r.Upserts, 501)
	require.Equal(t, fmt.Sprint(1777, long), r.Upserts["key277"])
	require.EqualValues(t, 2001, r.Received)
	require.EqualValues(t, 7, r.Quiet.Count())
	require.EqualValues(t, 3, r.During.Count())
	require.NoError(t, b.Flush(t.Context()))
	require.EqualValues(t, 7, r.Quiet.Count(), "nothing is sent twice")
}

func TestABufferThatCannotSendSaysSo(t *testing.T) {
	broken := errors.New("broken pipe")
	b := NewBuffer(func([]byte) error { return broken })
	require.ErrorIs(t, b.Flush(t.Context()), broken)
	require.ErrorIs(t, b.Err(), broken)

	ctx, cancel := context.WithCancelCause(t.Context())
	over := errors.New("over")
	cancel(over)
	b = NewBuffer(func([]byte) error { t.Fatal("sent"); return nil })
	require.ErrorIs(t, b.Flush(ctx), over)
}

func TestDamagedMessages(t *testing.T) {
	var whole []byte
	b := NewBuffer(func(m []byte) error {
		whole = append([]byte(nil), m...)
		return nil
	})
	b.Emit("key", "value")
	b.Record(time.Millisecond, 1, true)
	require.NoError(t, b.Flush(t.Context()))
	require.NoError(t, NewResults().Take(whole))
	for n := range whole {
		require.ErrorIs(t, NewResults().Take(whole[:n]), ErrCorrupt)
	}
	require.ErrorIs(t, NewResults().Take(append(whole, 0)), ErrCorrupt)
	require.ErrorIs(t, NewResults().Take([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0xff}), ErrCorrupt)
}
