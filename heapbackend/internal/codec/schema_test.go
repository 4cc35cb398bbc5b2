package codec_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

func typeOf[V any](t require.TestingT) *codec.Type {
	c, err := codec.For[V]()
	require.NoError(t, err)
	return c.Type()
}

func TestTypeStrings(t *testing.T) {
	for want, typ := range map[string]*codec.Type{
		"uint64":                              typeOf[uint64](t),
		"int8":                                typeOf[level](t),
		"[]byte":                              typeOf[[]byte](t),
		"[16]byte":                            typeOf[uuid.UUID](t),
		"time.Time":                           typeOf[time.Time](t),
		"[3]*string":                          typeOf[[3]*string](t),
		"map[int16][]float32":                 typeOf[map[int16][]float32](t),
		"struct{}":                            typeOf[struct{}](t),
		"struct{A []int; B []int}":            typeOf[struct{ A, B []int }](t),
		"codec_test.inner{A int16; B string}": typeOf[inner](t),
		"[]codec_test.custom":                 typeOf[[]custom](t),
		"codec_test.node{Value int; Next *codec_test.node; Kids []codec_test.node; ByKey map[string]*codec_test.node}": typeOf[node](t),
		"[]...": typeOf[codecList](t),
	} {
		require.Equal(t, want, typ.String())
	}
}

type codecList []codecList

func TestTypesComeBack(t *testing.T) {
	for _, typ := range []*codec.Type{
		typeOf[uint64](t), typeOf[outer](t), typeOf[node](t), typeOf[codecList](t), typeOf[holder](t),
		typeOf[map[[2]int8][]inner](t), typeOf[struct{ A, B, C inner }](t), typeOf[wide](t),
	} {
		b := typ.Append([]byte("x"))[1:]
		r := wire.NewReader(append(bytes.Clone(b), 7))
		got, err := codec.ReadType(r)
		require.NoError(t, err, "%s", typ)
		require.Equal(t, 1, r.Len())
		require.True(t, typ.Equal(got) && got.Equal(typ), "%s", typ)
		require.Equal(t, typ.String(), got.String())
		require.Equal(t, b, got.Append(nil))
		require.Equal(t, b, wire.NewReader(b).Raw())
		for i := range b {
			_, err := codec.ReadType(wire.NewReader(b[:i]))
			require.ErrorIs(t, err, wire.ErrTruncated)
			hostile := bytes.Clone(b)
			hostile[i] ^= 0xff
			if got, err := codec.ReadType(wire.NewReader(hostile)); err == nil {
				require.False(t, typ.Equal(got) && typ.String() == got.String(), "byte %d", i)
			}
		}
	}
}

func TestTypeEquality(t *testing.T) {
	type renamed struct {
		A int16
		B string
	}
	type swapped struct {
		B string
		A int16
	}
	type otherNode struct {
		Value int
		Next  *otherNode
		Kids  []otherNode
		ByKey map[string]*otherNode
	}
	require.True(t, typeOf[inner](t).Equal(typeOf[renamed](t)), "a struct may be renamed")
	require.True(t, typeOf[node](t).Equal(typeOf[otherNode](t)))
	require.True(t, typeOf[time.Duration](t).Equal(typeOf[int64](t)))
	for _, other := range []*codec.Type{
		typeOf[swapped](t), typeOf[node](t), typeOf[struct{ A int16 }](t), typeOf[*inner](t), typeOf[struct {
			A int16
			B []byte
		}](t), nil,
	} {
		require.False(t, typeOf[inner](t).Equal(other), "%v", other)
	}
	require.False(t, typeOf[[2]int](t).Equal(typeOf[[3]int](t)))
	require.False(t, typeOf[[2]byte](t).Equal(typeOf[[3]byte](t)))
	require.False(t, typeOf[custom](t).Equal(typeOf[marshaled](t)), "what a type writes is its own business")
	require.False(t, typeOf[map[string]int](t).Equal(typeOf[map[string]uint](t)))
	require.False(t, typeOf[map[string]int](t).Equal(typeOf[map[int]int](t)))
}

func TestHostileTypes(t *testing.T) {
	for name, tt := range map[string]struct {
		in   string
		want error
	}{
		"empty":               {"", wire.ErrTruncated},
		"no kind":             {"\x90", wire.ErrTruncated},
		"unknown kind":        {"\x91\xa3foo", wire.ErrType},
		"too many items":      {"\x92\xa3int\x01", wire.ErrType},
		"dangling reference":  {"\x92\xa3ref\x00", wire.ErrRange},
		"reference to itself": {"\x92\xa5slice\x92\xa3ref\x01", wire.ErrRange},
		"field without type":  {"\x93\xa6struct\xa0\x91\xa1A", wire.ErrType},
		"huge struct":         {"\x93\xa6struct\xa0\xdd\xff\xff\xff\xff", wire.ErrTruncated},
		"huge length":         {"\x92\xa9bytearray\xcf\xff\xff\xff\xff\xff\xff\xff\xff", wire.ErrRange},
		"deep":                {strings.Repeat("\x92\xa5slice", 5000), wire.ErrDepth},
	} {
		_, err := codec.ReadType(wire.NewReader([]byte(tt.in)))
		require.ErrorIs(t, err, tt.want, name)
	}
}

func TestSharedTypesDoNotExplode(t *testing.T) {
	// Each level is a map of the level below to the level below: 2^60 leaves.
	typ := &codec.Type{Kind: "uint8"}
	for range 60 {
		typ = &codec.Type{Kind: "map", Key: typ, Elem: typ}
	}
	b := typ.Append(nil)
	require.Less(t, len(b), 2000)
	got, err := codec.ReadType(wire.NewReader(b))
	require.NoError(t, err)
	require.True(t, got.Equal(typ))
	require.Less(t, len(got.String()), 10000)
}
