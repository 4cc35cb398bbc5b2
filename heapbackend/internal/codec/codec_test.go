package codec_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

func Example() {
	type total struct {
		Sum   int64
		Count uint32 `msgpack:"n"`
		Tags  []string
	}
	c, err := codec.For[total]()
	if err != nil {
		panic(err)
	}
	b, err := c.Append(nil, &total{Sum: 300, Count: 2, Tags: []string{"a"}})
	fmt.Printf("% x %v\n", b, err)

	var back total
	err = c.Decode(wire.NewReader(b), &back)
	fmt.Println(back, err)
	fmt.Println(c.Type())

	_, err = codec.For[struct{ Done func() }]()
	fmt.Println(errors.Is(err, codec.ErrType))
	// Output:
	// 93 cd 01 2c 02 91 a1 61 <nil>
	// {300 2 [a]} <nil>
	// codec_test.total{Sum int64; n uint32; Tags []string}
	// true
}

// theirs returns the bytes of msgpack/v5.
func theirs(t require.TestingT, v any) []byte {
	var buf bytes.Buffer
	require.NoError(t, msgpackEncoder(&buf).Encode(v))
	return buf.Bytes()
}

// ours returns the bytes of the codec.
func ours[V any](t require.TestingT, v *V) []byte {
	c, err := codec.For[V]()
	require.NoError(t, err)
	b, err := c.Append([]byte("kept"), v)
	require.NoError(t, err)
	require.Equal(t, "kept", string(b[:4]))
	return b[4:]
}

// back decodes b into a new V, and demands that all of it is read.
func back[V any](t require.TestingT, b []byte) V {
	c, err := codec.For[V]()
	require.NoError(t, err)
	r := wire.NewReader(b)
	var v V
	require.NoError(t, c.Decode(r, &v), "% x", b)
	require.Zero(t, r.Len(), "% x", b)
	return v
}

// same checks bytes against msgpack/v5, and that values come back.
func same[V any](t *testing.T, values ...V) {
	t.Helper()
	for _, v := range values {
		got := ours(t, &v)
		require.Equal(t, theirs(t, &v), got, "%T %#v", v, v)
		require.Equal(t, v, back[V](t, got))
		require.Equal(t, got, wire.NewReader(got).Raw(), "one whole value")
	}
}

type (
	level  int8
	digest [4]byte
	letter byte
	names  []string
	table  map[string]string

	inner struct {
		A int16
		B string
	}
	base struct {
		ID   uint64
		Note string
	}
	outer struct {
		base
		Inner   inner
		Ptr     *inner
		Renamed float32 `msgpack:"short"`
		Left    func()  `msgpack:"-"`
		hidden  int     `msgpack:"-"`
		_       [3]byte
		Empty   struct{}
		When    time.Time
		For     time.Duration
	}
	wide struct {
		F0, F1, F2, F3, F4, F5, F6, F7, F8, F9, F10, F11, F12, F13, F14, F15, F16 int
	}
	shadowed struct {
		ID uint64
		base2
	}
	base2 struct{ X, Y int8 }
	kept  struct {
		base2 `msgpack:",inline"`
		Other Nested `msgpack:",noinline"`
	}
	// Nested is exported so that it can be a field when it is not inlined.
	Nested struct{ X int8 }
	// Clash has the name of a field before it, so it stays a field.
	clashing struct {
		X int8
		Nested
	}
	node struct {
		Value int
		Next  *node
		Kids  []node
		ByKey map[string]*node
	}
	list []list
	dict map[string]dict
)

func TestBytesAreThoseOfMsgpackAndValuesComeBack(t *testing.T) {
	same(t, true, false)
	same[int](t, 0, -1, 127, 128, -129, math.MaxInt32, math.MinInt32)
	same[int8](t, 0, math.MaxInt8, math.MinInt8, -32, -33)
	same[int16](t, 0, math.MaxInt16, math.MinInt16)
	same[int32](t, 0, math.MaxInt32, math.MinInt32)
	same[int64](t, 0, math.MaxInt64, math.MinInt64)
	same[uint](t, 0, math.MaxUint32)
	same[uint8](t, 0, 127, 128, 255)
	same[uint16](t, 0, math.MaxUint16)
	same[uint32](t, 0, math.MaxUint32)
	same[uint64](t, 0, math.MaxUint64)
	same[float32](t, 0, math.Pi, float32(math.Inf(-1)), math.SmallestNonzeroFloat32)
	same(t, 0, math.Pi, math.Inf(1), math.MaxFloat64)
	same(t, "", "a", string(make([]byte, 40)), string(make([]byte, 70000)), "\xff not utf-8")
	same(t, []byte(nil), []byte{}, []byte{1, 2}, make([]byte, 300))
	same(t, []letter(nil), []letter{1, 2})
	same(t, [0]byte{}, [0]byte{})
	same(t, [3]byte{1, 2, 3})
	same(t, digest{1, 2, 3, 4})
	same(t, [300]byte{299: 1})
	same(t, level(-7))
	same(t, []int(nil), []int{}, []int{1, -1}, make([]int, 20))
	same(t, names(nil), names{}, names{"a", ""})
	same(t, []string(nil), []string{}, []string{"a", ""})
	same(t, [2]string{"a", "b"})
	same(t, [40]uint16{39: 1})
	same(t, [3][3]int8{{1}, {2}, {3}})
	same(t, [20]inner{19: {A: 1, B: "b"}})
	same(t, []*int32{nil, new(int32)})
	same(t, struct{}{})
	same(t, wide{F16: 1})
	same(t, shadowed{ID: 1, base2: base2{X: 1, Y: 2}})
	same(t, kept{base2: base2{X: 1, Y: 2}, Other: Nested{X: 3}})
	same(t, clashing{X: 1, Nested: Nested{X: 2}})
	same(t, outer{}, outer{
		base: base{ID: 1, Note: "n"}, Inner: inner{A: -1, B: "b"}, Ptr: &inner{}, Renamed: 1.5,
		When: time.Unix(5, 6).UTC(), For: time.Minute,
	})
	same(t, uuid.UUID{}, uuid.MustParse("f47ac10b-58cc-4372-a567-0e02b2c3d479"))
	same(t, time.Duration(-1), time.Hour)
	same(t, time.Time{}, time.Unix(1, 2).UTC(), time.Unix(1<<40, 0).UTC())
	same(t, table(nil), table{}, table{"b": "1", "a": "2", "aa": "3"})
	same(t, map[string]bool{"b": true, "a": false})
	same(t, map[string]int(nil), map[string]int{}, map[string]int{"one": 1})
	same(t, map[int]inner{-5: {B: "x"}})
	same(t, map[[2]int8]string{{1, 2}: "x"})
	same(t, map[inner][]byte{{A: 1}: nil})
}

func TestRecursiveTypes(t *testing.T) {
	same(t, node{}, node{
		Value: 1,
		Next:  &node{Value: 2, Next: &node{}},
		Kids:  []node{{Value: 3, Kids: []node{}}, {ByKey: map[string]*node{}}},
		ByKey: map[string]*node{"x": {Value: 4, ByKey: map[string]*node{"y": nil}}},
	})
	same(t, list(nil), list{}, list{list{}, nil, list{list{}}})
	same(t, dict(nil), dict{"a": dict{"b": nil}})
}

func TestTypesWithMethodsOfTheirOwn(t *testing.T) {
	same(t, custom{X: 1, Y: "y"}, custom{})
	same(t, []custom{{X: 1}, {X: 2}})
	same(t, map[string]*custom{"a": {X: 300}})
	same(t, holder{C: custom{X: 1}, P: &custom{Y: "p"}})
	// A nil map behind a pointer is nil or not in msgpack/v5, depending on
	// which type it met first; as a field it is always nil.
	same(t, struct{ S customSet }{}, struct{ S customSet }{customSet{}}, struct{ S customSet }{customSet{"a": {}}})
	same(t, marshaled{1}, marshaled{})
	same(t, point{1, 2}, point{})
	same(t, grade(2), grade(0))
	same(t, netip.MustParseAddr("10.0.0.1"), netip.Addr{})
	same(t, netip.MustParsePrefix("10.0.0.0/8"))
	same(t, *big.NewInt(-77), *new(big.Int).Lsh(big.NewInt(1), 200))
	same(t, struct{ P *big.Int }{big.NewInt(5)}, struct{ P *big.Int }{})
}

func TestMethodsOnTheAddressOfAMapElement(t *testing.T) {
	v := map[string]custom{"a": {X: 300}} // msgpack/v5: non-addressable
	require.Equal(t, ours(t, &map[string]*custom{"a": {X: 300}}), ours(t, &v))
	require.Equal(t, v, back[map[string]custom](t, ours(t, &v)))
}

func TestMsgpMethodsAreUsed(t *testing.T) {
	v := []generated{{N: 5}, {N: -5}}
	b := ours(t, &v)
	require.Equal(t, "\x92\x91\x05\x91\xfb", string(b))
	require.Equal(t, v, back[[]generated](t, b))
}

func TestTimesComeBackInUTC(t *testing.T) {
	v := time.Date(2026, 11, 3, 4, 5, 6, 7, time.FixedZone("east", 3600))
	got := back[time.Time](t, ours(t, &v))
	require.Equal(t, v.UTC(), got)
}

func TestFloatsKeepEveryBit(t *testing.T) {
	for _, bits := range []uint64{1 << 63, 0x7ff8000000000123, 0x7ff0000000000001, 0xfff8000000000000} {
		v := math.Float64frombits(bits)
		require.Equal(t, bits, math.Float64bits(back[float64](t, ours(t, &v))))
		s := math.Float32frombits(uint32(bits >> 32))
		require.Equal(t, uint32(bits>>32), math.Float32bits(back[float32](t, ours(t, &s))))
	}
}

func TestMapBytesDoNotDependOnTheOrderOfInsertion(t *testing.T) {
	checkSorted(t, func(i int) string { return fmt.Sprint(i) }, "\xa10")
	checkSorted(t, func(i int) int { return 5 - i }, "")
	checkSorted(t, func(i int) uint16 { return uint16(i * 100) }, "\x00")
	checkSorted(t, func(i int) float64 { return float64(5 - i) }, "")
	checkSorted(t, func(i int) float32 { return float32(i) }, "\xca\x00\x00\x00\x00")
	checkSorted(t, func(i int) level { return level(i - 5) }, "\xfb")
	checkSorted(t, func(i int) [2]string { return [2]string{"k", fmt.Sprint(i)} }, "\x92\xa1k\xa10")
	checkSorted(t, func(i int) inner { return inner{A: int16(i)} }, "\x92\x00")
	checkSorted(t, func(i int) uuid.UUID { return uuid.UUID{15: byte(i)} }, "\xc4\x10")
}

func checkSorted[K comparable](t *testing.T, key func(int) K, first string) {
	t.Helper()
	up, down := map[K]int{}, map[K]int{}
	for i := range 12 {
		up[key(i)] = i
		down[key(11-i)] = 11 - i
	}
	b := ours(t, &up)
	for range 20 {
		require.Equal(t, b, ours(t, &up))
		require.Equal(t, b, ours(t, &down))
	}
	require.Equal(t, up, back[map[K]int](t, b))
	require.Equal(t, first, string(b[1:1+len(first)]))
}

func TestMapKeysAreInOrderOfValue(t *testing.T) {
	require.Equal(t, "\x84\xd0\x80\x00\xff\x00\x05\x00\xcc\xc8\x00",
		string(ours(t, &map[int16]int{200: 0, 5: 0, -1: 0, -128: 0})))
	require.Equal(t, "\x83\xa1b\x00\xa2ba\x00\xa1c\x00", string(ours(t, &map[string]int{"c": 0, "b": 0, "ba": 0})),
		"as strings compare, not as their encodings do")
}

func TestNaNKeysAreDeterministic(t *testing.T) {
	m := map[float64]int{}
	for i := range 8 {
		m[math.NaN()] = i
	}
	b := ours(t, &m)
	for range 20 {
		require.Equal(t, b, ours(t, &m))
	}
	require.Len(t, back[map[float64]int](t, b), 8)
}

func TestDecodedValuesDoNotAliasTheBytes(t *testing.T) {
	type all struct {
		S  string
		B  []byte
		A  [2]byte
		M  map[string][]byte
		C  custom
		Bn keeper
		N  *big.Int
	}
	v := all{
		S: "string", B: []byte("bytes"), A: [2]byte{1, 2}, M: map[string][]byte{"key": []byte("val")},
		C: custom{Y: "custom"}, Bn: keeper{[]byte("kept")}, N: big.NewInt(7),
	}
	b := ours(t, &v)
	got := back[all](t, b)
	clear(b)
	require.Equal(t, v, got)
}

func TestPointerFreeValuesDecodeAndEncodeWithoutAllocation(t *testing.T) {
	type flat struct {
		Key  [16]byte
		ID   uuid.UUID
		A    int64
		B    uint8
		C    [3]float64
		D    [40]int16
		E    struct{ X, Y bool }
		F, G float32
	}
	c, err := codec.For[flat]()
	require.NoError(t, err)
	v := flat{A: math.MinInt64, B: 200, D: [40]int16{3: -3000}}
	buf := make([]byte, 0, 1024)
	var got flat
	r := wire.NewReader(nil)
	allocs := testing.AllocsPerRun(100, func() {
		b, err := c.Append(buf, &v)
		r.Reset(b)
		got = flat{}
		if err != nil || c.Decode(r, &got) != nil {
			panic("failed")
		}
	})
	require.Zero(t, allocs)
	require.Equal(t, v, got)
}

func TestSliceLayout(t *testing.T) {
	// The codec's own slice header must be what the compiler lays out.
	type pair struct{ A, B []string }
	v := pair{A: make([]string, 2, 5), B: []string{"x"}}
	got := back[pair](t, ours(t, &v))
	require.Equal(t, v, got)
	require.Equal(t, 2, cap(got.A), "no spare capacity")
	require.Equal(t, 24/8, int(reflect.TypeFor[[]string]().Size()/reflect.TypeFor[uintptr]().Size()))
}

func TestAppendReturnsItsInputOnAnError(t *testing.T) {
	c, err := codec.For[failing]()
	require.NoError(t, err)
	dst := []byte("kept")
	got, err := c.Append(dst, &failing{N: 1})
	require.ErrorIs(t, err, errFailing)
	require.Equal(t, "kept", string(got))
}
