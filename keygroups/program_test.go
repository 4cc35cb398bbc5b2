package keygroups

import (
	"math"
	"reflect"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// all has every kind of part, in an order that makes runs and padding.
type all struct {
	A bool
	B int16
	C uint16
	D int32
	E uint64
	F int
	G uint
	H float32
	I float64
	J string
	K [3]uint8
	L [2]struct {
		X uint16
		Y string
	}
	M [2]int
	N int8
}

// The program for machines whose memory is not little-endian writes each word
// by itself. On any machine it must give the bytes of the other one.
func TestWordByWordEncodingIsTheSame(t *testing.T) {
	if !littleEndian {
		t.Skip("needs a little-endian machine to compare with")
	}
	key := all{true, -2, 3, -4, 1 << 60, -6, 7, float32(math.Copysign(0, -1)), math.NaN(), "text", [3]uint8{1, 2, 3},
		[2]struct {
			X uint16
			Y string
		}{{1, "one"}, {2, ""}}, [2]int{-1, 1}, -128}
	words, err := keyTypeOf(reflect.TypeFor[all](), false)
	require.NoError(t, err)
	runs, err := keyTypeOf(reflect.TypeFor[all](), true)
	require.NoError(t, err)
	require.Greater(t, len(words.ops), len(runs.ops), "runs must be joined")
	want := runs.append(nil, unsafe.Pointer(&key))
	require.Equal(t, want, words.append(nil, unsafe.Pointer(&key)))
	a, b := newCore(words, 9), newCore(runs, 9)
	require.Equal(t, b.hash(unsafe.Pointer(&key)), a.hash(unsafe.Pointer(&key)))
	require.True(t, words.equal(unsafe.Pointer(&key), unsafe.Pointer(&key)))
	other := key
	other.C++
	require.False(t, words.equal(unsafe.Pointer(&key), unsafe.Pointer(&other)))
}

// An encoding is never longer than the room that was reckoned for it.
func TestSizeIsEnough(t *testing.T) {
	for _, text := range []string{"", "short", string(make([]byte, 127)), string(make([]byte, 128)), string(make([]byte, 70000))} {
		key := all{J: text}
		key.L[1].Y = text
		k, err := keyTypeOf(reflect.TypeFor[all](), littleEndian)
		require.NoError(t, err)
		size, length := k.program.size(unsafe.Pointer(&key)), len(k.append(nil, unsafe.Pointer(&key)))
		require.LessOrEqual(t, length, size)
		require.Less(t, size-length, 3*10+1, "strings count at most ten bytes of length each")
	}
}

func TestKindsOfKeys(t *testing.T) {
	for _, row := range []struct {
		t    reflect.Type
		want kind
	}{
		{reflect.TypeFor[uint64](), kind8},
		{reflect.TypeFor[int64](), kind8},
		{reflect.TypeFor[struct{ A, B uint32 }](), kind8},
		{reflect.TypeFor[[8]uint8](), kind8},
		{reflect.TypeFor[int32](), kind4},
		{reflect.TypeFor[[4]bool](), kind4},
		{reflect.TypeFor[[16]uint8](), kind16},
		{reflect.TypeFor[[2]uint64](), kind16},
		{reflect.TypeFor[uint8](), kindFlat},
		{reflect.TypeFor[[3]uint64](), kindFlat},
		{reflect.TypeFor[string](), kindString},
		{reflect.TypeFor[float32](), kindFloat32},
		{reflect.TypeFor[float64](), kindFloat64},
		{reflect.TypeFor[[1]float64](), kindEncoded},
		{reflect.TypeFor[[1]string](), kindEncoded},
		{reflect.TypeFor[struct {
			A uint8
			B uint32
		}](), kindEncoded},
		{reflect.TypeFor[struct{}](), kindEncoded},
	} {
		k, err := keyTypeOf(row.t, true)
		require.NoError(t, err)
		require.Equal(t, row.want, k.kind, "%v", row.t)
	}
}
