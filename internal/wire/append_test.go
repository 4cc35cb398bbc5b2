package wire_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"

	"github.com/heapstate/heapstate/internal/wire"
)

// oracle returns what msgpack/v5 writes.
func oracle(t require.TestingT, write func(e *msgpack.Encoder) error) []byte {
	var buf bytes.Buffer
	e := msgpack.NewEncoder(&buf)
	e.UseCompactInts(true)
	require.NoError(t, write(e))
	return buf.Bytes()
}

// edges are the integers around every change of width.
func edges() []int64 {
	var all []int64
	for _, v := range []int64{
		0, -32, math.MaxInt8, math.MinInt8, math.MaxUint8, math.MaxInt16, math.MinInt16,
		math.MaxUint16, math.MaxInt32, math.MinInt32, math.MaxUint32,
	} {
		all = append(all, v-1, v, v+1)
	}
	return append(all, math.MaxInt64, math.MaxInt64-1, math.MinInt64, math.MinInt64+1)
}

func TestIntegersHaveTheBytesOfMsgpackAndComeBack(t *testing.T) {
	check := func(t require.TestingT, v int64) {
		got := wire.AppendInt(nil, v)
		require.Equal(t, oracle(t, func(e *msgpack.Encoder) error { return e.EncodeInt(v) }), got, "int %d", v)
		require.Equal(t, v, wire.NewReader(got).Int())

		u := uint64(v)
		got = wire.AppendUint(nil, u)
		require.Equal(t, oracle(t, func(e *msgpack.Encoder) error { return e.EncodeUint(u) }), got, "uint %d", u)
		require.Equal(t, u, wire.NewReader(got).Uint())
		require.LessOrEqual(t, len(got), wire.MaxInt)
	}
	for _, v := range edges() {
		check(t, v)
	}
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.Int64().Draw(t, "v")) })
}

func TestScalarsHaveTheBytesOfMsgpackAndComeBack(t *testing.T) {
	require.Equal(t, oracle(t, (*msgpack.Encoder).EncodeNil), wire.AppendNil(nil))
	for _, v := range []bool{true, false} {
		got := wire.AppendBool(nil, v)
		require.Equal(t, oracle(t, func(e *msgpack.Encoder) error { return e.EncodeBool(v) }), got)
		require.Equal(t, v, wire.NewReader(got).Bool())
	}
	for _, bits := range []uint64{0, 1 << 63, 0x7ff8000000000001, 0x7ff0000000000001, 0xfff0000000000000, math.Float64bits(math.Pi)} {
		v := math.Float64frombits(bits)
		got := wire.AppendFloat64(nil, v)
		require.Equal(t, oracle(t, func(e *msgpack.Encoder) error { return e.EncodeFloat64(v) }), got)
		require.Equal(t, bits, math.Float64bits(wire.NewReader(got).Float64()))
	}
	for _, bits := range []uint32{0, 1 << 31, 0x7fc00001, 0x7f800001, 0xff800000, math.Float32bits(math.Pi)} {
		v := math.Float32frombits(bits)
		got := wire.AppendFloat32(nil, v)
		require.Equal(t, oracle(t, func(e *msgpack.Encoder) error { return e.EncodeFloat32(v) }), got)
		require.Equal(t, bits, math.Float32bits(wire.NewReader(got).Float32()))
	}
}

func TestLengthsHaveTheBytesOfMsgpackAndComeBack(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536, 70000} {
		s := strings.Repeat("x", n)
		got := wire.AppendString(nil, s)
		require.Equal(t, oracle(t, func(e *msgpack.Encoder) error { return e.EncodeString(s) }), got)
		require.Equal(t, s, wire.NewReader(got).String())
		require.Equal(t, []byte(s), wire.NewReader(got).Bytes(), "text reads as bytes")

		got = wire.AppendBytes(nil, []byte(s))
		require.Equal(t, oracle(t, func(e *msgpack.Encoder) error { return e.EncodeBytes([]byte(s)) }), got)
		require.Equal(t, []byte(s), wire.NewReader(got).Bytes())
		require.Equal(t, s, wire.NewReader(got).String(), "bytes read as text")

		got = wire.AppendArrayLen(nil, n)
		require.Equal(t, oracle(t, func(e *msgpack.Encoder) error { return e.EncodeArrayLen(n) }), got)
		require.Equal(t, n, wire.NewReader(append(got, make([]byte, n)...)).ArrayLen())

		got = wire.AppendMapLen(nil, n)
		require.Equal(t, oracle(t, func(e *msgpack.Encoder) error { return e.EncodeMapLen(n) }), got)
		require.Equal(t, n, wire.NewReader(append(got, make([]byte, 2*n)...)).MapLen())
	}
}

func TestTimesHaveTheBytesOfMsgpackAndComeBackInUTC(t *testing.T) {
	zone := time.FixedZone("elsewhere", 3*3600)
	for _, v := range []time.Time{
		{}, time.Unix(0, 0), time.Unix(1, 0), time.Unix(math.MaxUint32, 0), time.Unix(math.MaxUint32+1, 0),
		time.Unix(0, 1), time.Unix(1<<34-1, 999999999), time.Unix(1<<34, 0), time.Unix(-1, 5),
		time.Unix(1<<62, 0), time.Date(2026, 11, 3, 4, 5, 6, 789, zone), time.Now(),
	} {
		got := wire.AppendTime(nil, v)
		require.Equal(t, oracle(t, func(e *msgpack.Encoder) error { return e.EncodeTime(v) }), got, "%v", v)
		back := wire.NewReader(got).Time()
		require.True(t, v.Equal(back), "want %v, got %v", v, back)
		require.Equal(t, time.UTC, back.Location())
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	b := []byte("before")
	b = wire.AppendMapLen(b, 1)
	b = wire.AppendString(b, "k")
	b = wire.AppendInt(b, -1)
	require.Equal(t, "before\x81\xa1k\xff", string(b))
}

func TestAppendAndReadAllocateNothing(t *testing.T) {
	buf := make([]byte, 0, 256)
	now := time.Now()
	r := wire.NewReader(nil)
	allocs := testing.AllocsPerRun(100, func() {
		b := wire.AppendArrayLen(buf, 6)
		b = wire.AppendInt(b, -70000)
		b = wire.AppendUint(b, 1<<50)
		b = wire.AppendFloat64(b, 1.5)
		b = wire.AppendTime(b, now)
		b = wire.AppendBytes(b, b[:20])
		b = wire.AppendBool(b, true)
		r.Reset(b)
		r.ArrayLen()
		r.Int()
		r.Uint()
		r.Float64()
		r.Time()
		r.Bytes()
		r.Bool()
	})
	require.NoError(t, r.Err())
	require.Zero(t, r.Len())
	require.Zero(t, allocs)
}
