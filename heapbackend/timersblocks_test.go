package heapbackend_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/wire"
)

func TestTimersAreWrittenInOrderAndReadInAny(t *testing.T) {
	x := newDuo(t, whole())
	var records [][]byte
	for i := range 4 {
		k := keyIn(t, 3, i)
		require.NoError(t, x.timers.Register(k, heapbackend.Timestamp(-i)))
		records = append(records, record(k, wire.AppendInt(nil, int64(-i))...))
	}
	s := capture(t, x.b)
	block := func(order ...int) []byte {
		var all []byte
		for _, i := range order {
			all = append(all, records[i]...)
		}
		return part3(0, uint64(len(order)), all...)
	}
	written, _, err := s.AppendGroup(nil, 3)
	require.NoError(t, err)
	r, want := wire.NewReader(written), wire.NewReader(block(3, 2, 1, 0))
	r.ArrayLen()
	want.ArrayLen()
	require.Equal(t, []any{want.Uint(), want.Uint(), want.Bytes()}, []any{r.Uint(), r.Uint(), r.Bytes()})
	y := newDuo(t, whole())
	staged, err := y.b.StageBlock(s.Schema(), 3, block(1, 3, 0, 2))
	require.NoError(t, err)
	require.NoError(t, y.b.Install([]*heapbackend.Staged{staged}))
	require.Equal(t, blocksOf(t, s), blocksOf(t, capture(t, y.b)))
}

func TestDamagedTimersAreRefused(t *testing.T) {
	x := newDuo(t, whole())
	schema := capture(t, x.b).Schema()
	one := record(keyIn(t, 3, 0), 5)
	for name, block := range map[string][]byte{
		"twice":           part3(0, 2, append(one, one...)...),
		"another group":   part3(0, 1, record(keyIn(t, 4, 0), 5)...),
		"no time":         part3(0, 1, record(keyIn(t, 3, 0), 0xc0)...),
		"a time too late": part3(0, 1, record(keyIn(t, 3, 0), wire.AppendUint(nil, math.MaxUint64)...)...),
		"three parts":     part3(0, 1, append([]byte{0x93}, append(one[1:], 5)...)...),
		"one too many":    part3(0, 1, append(one, one...)...),
		"one too few":     part3(0, 2, append(one, 0xc0, 0xc0, 0xc0)...),
		"a claim":         part3(0, 1<<40, one...),
		"cut":             part3(0, 1, one[:len(one)-1]...),
	} {
		_, err := x.b.StageBlock(schema, 3, block)
		require.ErrorIs(t, err, heapbackend.ErrCorrupt, name)
	}
	require.NoError(t, x.b.Err())
}

func TestTimersOfAnotherKindAreRefused(t *testing.T) {
	x := newDuo(t, whole()).fill(t, 100)
	s := capture(t, x.b)
	other := backend[uint64](t, whole())
	_, err := heapbackend.NewTimers(other, "timers", heapbackend.ProcessingTime)
	require.NoError(t, err)
	for name, how := range ways {
		_, err := stage(other, s, how)
		require.ErrorIs(t, err, heapbackend.ErrSchema, name)
	}
	_, err = heapbackend.NewTimers(other, "more", heapbackend.TimeDomain(2))
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	_, err = heapbackend.NewTimers(other, "timers", heapbackend.ProcessingTime)
	require.ErrorIs(t, err, heapbackend.ErrStateExists)
	_, err = heapbackend.NewTimers(other, "timers", heapbackend.EventTime)
	require.ErrorIs(t, err, heapbackend.ErrStateType)
	_, err = heapbackend.NewTimers(other, "", heapbackend.EventTime)
	require.ErrorIs(t, err, heapbackend.ErrStateName)
}

func TestTimersAreCarriedUntilTheyAreRegistered(t *testing.T) {
	for name, how := range ways {
		x := newDuo(t, whole()).fill(t, 500)
		between := backend[uint64](t, whole())
		restore(t, between, capture(t, x.b), how)
		last := backend[uint64](t, whole())
		restore(t, last, capture(t, between), how)
		timers := timersOf(t, last, "timers")
		require.Equal(t, 500, timers.Len(), name)
		next, ok := timers.Next()
		require.True(t, ok)
		require.Zero(t, next)
	}
}

// id is another Go type of keys that are written as uint64.
type id uint64

func TestTimersOfAnotherGoTypeAreTakenOver(t *testing.T) {
	x := newDuo(t, whole()).fill(t, 500)
	b := backend[id](t, whole())
	timers := timersOf(t, b, "timers")
	restore(t, b, capture(t, x.b), adopted)
	require.Equal(t, 500, timers.Len())
	require.True(t, timers.Has(7, 7))
}

func goldenTimers(t *testing.T) goldenCase {
	register := func() (*heapbackend.Backend[string], *heapbackend.Timers[string], *heapbackend.Timers[heapbackend.NamespacedKey[string, int64]]) {
		b := backend[string](t, whole())
		n, err := heapbackend.NamespacesOf[int64](b)
		require.NoError(t, err)
		windows, err := heapbackend.NewTimers(n, "windows", heapbackend.ProcessingTime)
		require.NoError(t, err)
		return b, timersOf(t, b, "timers"), windows
	}
	b, timers, windows := register()
	for i := range 6 {
		for _, at := range []heapbackend.Timestamp{heapbackend.MinTimestamp, -1, 1_700_000_000_000, heapbackend.MaxTimestamp}[:i%5] {
			require.NoError(t, timers.Register(stringKey(i), at))
			require.NoError(t, windows.Register(heapbackend.In(stringKey(i/2), int64(i)), at))
		}
	}
	empty, _, _ := register()
	return goldenCase{b, empty}
}
