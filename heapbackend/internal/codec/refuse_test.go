package codec_test

import (
	"encoding"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

func refusal[V any]() error {
	_, err := codec.For[V]()
	return err
}

type (
	Total struct {
		Sum  int64
		Next *step
	}
	step struct {
		Tags map[string][]leaf
		f    func()
	}
	leaf  struct{ A [2]any }
	half  struct{ N int }
	twin  struct{ N int }
	stamp struct {
		time.Time
		N int
	}
	onlyStamp struct{ time.Time }
	ownStamp  struct {
		point
		N byte
	}
	many struct{ N int }
)

func (h half) MarshalBinary() ([]byte, error) { return nil, nil }

func (t *twin) UnmarshalText([]byte) error { return nil }

func (o ownStamp) MarshalBinary() ([]byte, error) { return []byte{o.x, o.y, o.N}, nil }

func (o *ownStamp) UnmarshalBinary(b []byte) error {
	o.N = b[2]
	return o.point.UnmarshalBinary(b[:2])
}

func (m *many) EncodeMsgpack(e *msgpack.Encoder) error { return e.EncodeMulti(m.N, m.N) }

func (m *many) DecodeMsgpack(d *msgpack.Decoder) error { return d.DecodeMulti(&m.N, &m.N) }

func TestRefusedTypesNameThePath(t *testing.T) {
	type deep2 = [][][][][][][][][][]int
	for _, tt := range []struct {
		err  error
		want string
	}{
		{refusal[any](), "interface {}: interface {}: an interface"},
		{refusal[Total](), "Total.Next.f: func(): an unexported field"},
		{refusal[struct{ N *leaf }](), ".N.A[]: interface {}: an interface"},
		{refusal[map[string][]leaf](), "map[string][]codec_test.leaf[][].A[]: interface"},
		{refusal[func()](), "func(): func(): it cannot be written down"},
		{refusal[chan int](), "chan int"},
		{refusal[complex64](), "complex64"},
		{refusal[[]complex128](), "[]complex128[]: complex128"},
		{refusal[uintptr](), "uintptr"},
		{refusal[unsafe.Pointer](), "unsafe.Pointer"},
		{refusal[struct{ E error }](), ".E: error"},
		{refusal[**int](), "nil and a pointer to nil"},
		{refusal[*[]int](), "nil and a pointer to nil"},
		{refusal[struct{ M *map[string]int }](), ".M: *map[string]int: nil and"},
		{refusal[map[*int]int](), "[key]: *int: a map key must not hold a pointer"},
		{refusal[map[time.Time]int](), "[key]: time.Time: a map key"},
		{refusal[map[any]int](), "[key]: interface {}: an interface"},
		{refusal[struct{ hidden int }](), ".hidden: int: an unexported field"},
		{refusal[struct {
			A string `msgpack:",intern"`
		}](), ".A: string: interned"},
		{refusal[struct{ *inner }](), ".inner: *codec_test.inner: an embedded pointer"},
		{refusal[struct {
			A int `msgpack:"x"`
			B int `msgpack:"x"`
		}](), "two fields are named x"},
		{refusal[struct {
			X      int
			Nested `msgpack:",inline"`
		}](), ".Nested: codec_test.Nested: field X would be lost"},
		{refusal[struct{ H half }](), ".H: codec_test.half: it has MarshalBinary but not UnmarshalBinary"},
		{refusal[[]twin](), "it has UnmarshalText but not MarshalText"},
		{refusal[stamp](), "stamp: codec_test.stamp: the MarshalBinary of its embedded field would lose"},
		{refusal[struct{ M many }](), "EncodeMsgpack wrote 2 bytes that are not one msgpack value"},
		{refusal[struct{ B encoding.BinaryMarshaler }](), ".B: encoding.BinaryMarshaler: an interface"},
	} {
		require.ErrorIs(t, tt.err, codec.ErrType)
		require.ErrorContains(t, tt.err, tt.want)
	}
	require.NoError(t, refusal[deep2]())
}

func TestEmbeddedMethodsAreFineWhenNothingIsLost(t *testing.T) {
	same(t, struct{ O ownStamp }{ownStamp{point{1, 2}, 3}})
	same(t, onlyStamp{time.Unix(1, 2).UTC()})
}

func TestIntegersThatDoNotFitAreRefused(t *testing.T) {
	overflow[int8](t, math.MaxInt8+1, math.MinInt8-1)
	overflow[int16](t, math.MaxInt16+1, math.MinInt16-1)
	overflow[int32](t, math.MaxInt32+1, math.MinInt32-1)
	overflow[uint8](t, math.MaxUint8+1, -1)
	overflow[uint16](t, math.MaxUint16+1, -1)
	overflow[uint32](t, math.MaxUint32+1, -1)
	overflow[uint64](t, -1)
	overflow[uint](t, -1)
	overflow[level](t, 300)
	_, err := decode[int64](wire.AppendUint(nil, math.MaxInt64+1))
	require.ErrorIs(t, err, wire.ErrRange)
}

func overflow[V any](t *testing.T, values ...int64) {
	t.Helper()
	for _, n := range values {
		got, err := decode[V](wire.AppendInt(nil, n))
		require.ErrorIs(t, err, wire.ErrRange, "%d into %T", n, got)
		require.Zero(t, got)
	}
}

func decode[V any](b []byte) (V, error) {
	var v V
	c, err := codec.For[V]()
	if err == nil {
		err = c.Decode(wire.NewReader(b), &v)
	}
	return v, err
}

func TestBytesOfAnotherShapeAreRefused(t *testing.T) {
	for name, tt := range map[string]struct{ err, want error }{
		"struct with fewer fields": {errOf[inner]("\x91\x01"), wire.ErrType},
		"struct with more fields":  {errOf[inner]("\x93\x01\xa0\x01"), wire.ErrType},
		"struct that is nil":       {errOf[inner]("\xc0"), wire.ErrType},
		"struct that is a map":     {errOf[inner]("\x82\x01\x01\x02\x02"), wire.ErrType},
		"long struct":              {errOf[wide]("\x91\x01"), wire.ErrType},
		"array of another length":  {errOf[[2]int]("\x91\x01"), wire.ErrType},
		"long array, shorter":      {errOf[[30]int]("\x91\x01"), wire.ErrType},
		"byte array too short":     {errOf[[2]byte]("\xc4\x01a"), wire.ErrType},
		"byte array too long":      {errOf[[2]byte]("\xc4\x03abc"), wire.ErrType},
		"byte array that is nil":   {errOf[[2]byte]("\xc0"), wire.ErrType},
		"string that is nil":       {errOf[string]("\xc0"), wire.ErrType},
		"slice that is a string":   {errOf[[]int]("\xa1a"), wire.ErrType},
		"map that is an array":     {errOf[map[string]int]("\x91\x01"), wire.ErrType},
		"the same key twice":       {errOf[map[string]int]("\x82\xa1a\x01\xa1a\x02"), wire.ErrType},
		"float that is an integer": {errOf[float64]("\x01"), wire.ErrType},
		"method that leaves bytes": {errOf[customShort]("\x92\x01\x02"), wire.ErrType},
		"method that fails":        {errOf[failing]("\x01"), errFailing},
		"nothing at all":           {errOf[uint64](""), wire.ErrTruncated},
	} {
		require.ErrorIs(t, tt.err, tt.want, name)
	}
}

func errOf[V any](b string) error {
	_, err := decode[V]([]byte(b))
	return err
}

// customShort reads less than it is given.
type customShort struct{ custom }

func (c *customShort) EncodeMsgpack(e *msgpack.Encoder) error { return e.EncodeInt(1) }

func (c *customShort) DecodeMsgpack(d *msgpack.Decoder) error {
	_, err := d.DecodeArrayLen()
	return err
}

// TestHugeLengthsAllocateNothing gives each type a few bytes that claim four
// thousand million elements.
func TestHugeLengthsAllocateNothing(t *testing.T) {
	arrays, maps := "\xdd\xff\xff\xff\xff\x01\x01", "\xdf\xff\xff\xff\xff\x01\x01"
	bounded[[]int64](t, arrays)
	bounded[[]wide](t, arrays)
	bounded[[]string](t, arrays)
	bounded[[]*node](t, arrays)
	bounded[[]struct{}](t, arrays)
	bounded[node](t, "\x94\x01\xc0"+arrays)
	bounded[list](t, arrays)
	bounded[custom](t, arrays)
	bounded[customSet](t, arrays)
	bounded[map[string]int](t, maps)
	bounded[map[int]wide](t, maps)
	bounded[dict](t, maps)
	bounded[string](t, "\xdb\xff\xff\xff\xffabc")
	bounded[[]byte](t, "\xc6\xff\xff\xff\xffabc")
	// Lengths the bytes could hold if each element took one byte, where each
	// takes more.
	ones := strings.Repeat("\x01", 10000)
	bounded[[]wide](t, "\xdc\x27\x10"+ones)
	bounded[[][30]float64](t, "\xdc\x27\x10"+ones)
	bounded[map[int][64]byte](t, "\xde\x13\x88"+ones)
}

func bounded[V any](t *testing.T, b string) {
	t.Helper()
	c, err := codec.For[V]()
	require.NoError(t, err)
	const runs = 50
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		var v V
		require.Error(t, c.Decode(wire.NewReader([]byte(b)), &v), "%T", v)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)/runs, uint64(2*len(b)+8192), "%T", *new(V))
}

func TestDeepAndCyclicValuesAreRefused(t *testing.T) {
	depth := func(n int) *node {
		v := &node{}
		for range n - 1 {
			v = &node{Next: v}
		}
		return v
	}
	c, err := codec.For[node]()
	require.NoError(t, err)
	// Each node is one container.
	b, err := c.Append(nil, depth(wire.MaxDepth))
	require.NoError(t, err)
	require.NoError(t, c.Decode(wire.NewReader(b), new(node)))
	require.Equal(t, b, wire.NewReader(b).Raw(), "what is written can be skipped")

	_, err = c.Append(nil, depth(wire.MaxDepth+1))
	require.ErrorIs(t, err, wire.ErrDepth)
	cycle := &node{}
	cycle.Next = cycle
	_, err = c.Append(nil, cycle)
	require.ErrorIs(t, err, wire.ErrDepth)

	_, err = codecOf[list](t).Append(nil, deepList(wire.MaxDepth))
	require.NoError(t, err)
	_, err = codecOf[list](t).Append(nil, deepList(wire.MaxDepth+1))
	require.ErrorIs(t, err, wire.ErrDepth)

	require.ErrorIs(t, errOf[node](strings.Repeat("\x94\x01", 100000)), wire.ErrDepth)
	require.NoError(t, errOf[list](strings.Repeat("\x91", wire.MaxDepth-1)+"\x90"))
	require.ErrorIs(t, errOf[list](strings.Repeat("\x91", wire.MaxDepth)+"\x90"), wire.ErrDepth)
	require.ErrorIs(t, errOf[list](strings.Repeat("\x91", 100000)+"\xc0"), wire.ErrDepth)
	require.ErrorIs(t, errOf[dict](strings.Repeat("\x81\xa0", 100000)+"\xc0"), wire.ErrDepth)
	require.ErrorIs(t, errOf[custom](strings.Repeat("\x91", 100000)+"\xc0"), wire.ErrDepth)
}

func codecOf[V any](t testing.TB) *codec.Codec[V] {
	c, err := codec.For[V]()
	require.NoError(t, err)
	return c
}

// deepList returns n lists, each in the one before it.
func deepList(n int) *list {
	l := list{}
	for range n - 1 {
		l = list{l}
	}
	return &l
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\xdd\xff\xff\xff\xff"))
	f.Add(ours(f, &outer{Ptr: &inner{B: "x"}}))
	f.Add(ours(f, &node{Kids: []node{{Value: 300}}, ByKey: map[string]*node{"x": {}}}))
	f.Add(ours(f, &holder{C: custom{X: 1}, P: &custom{Y: "p"}}))
	f.Add(ours(f, &map[inner][]byte{{A: 1}: nil}))
	f.Fuzz(func(t *testing.T, b []byte) {
		stable[outer](t, b)
		stable[node](t, b)
		stable[holder](t, b)
		stable[customSet](t, b)
		stable[map[inner][]byte](t, b)
		stable[map[float64][]string](t, b)
		if typ, err := codec.ReadType(wire.NewReader(b)); err == nil {
			again, err := codec.ReadType(wire.NewReader(typ.Append(nil)))
			require.NoError(t, err)
			require.True(t, typ.Equal(again))
			_ = typ.String()
		}
	})
}

// stable demands that b is refused, or is a V whose own bytes read back as
// themselves.
func stable[V any](t *testing.T, b []byte) {
	v, err := decode[V](b)
	if err != nil {
		return
	}
	first := ours(t, &v)
	again := back[V](t, first)
	require.Equal(t, first, ours(t, &again))
}
