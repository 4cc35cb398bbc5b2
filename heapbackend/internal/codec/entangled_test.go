package codec_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

type endless struct {
	Next *endless
	N    int64
}

// chainOf returns the schema of n structs, each with a pointer to the next.
func chainOf(n int) *codec.Type {
	t := &codec.Type{Kind: "struct"}
	for range n {
		t = &codec.Type{Kind: "struct", Fields: []codec.Field{{Name: "Next", Type: &codec.Type{Kind: "pointer", Elem: t}}}}
	}
	return t
}

// flattened is the bytes of a chain of n structs that is built up field by field, so
// that nothing in the bytes is nested deep.
func flattened(n int) []byte {
	root := &codec.Type{Kind: "struct"}
	last := &codec.Type{Kind: "pointer", Elem: &codec.Type{Kind: "struct"}}
	for i := range n {
		last = &codec.Type{Kind: "pointer", Elem: &codec.Type{Kind: "struct", Fields: []codec.Field{{Name: "Next", Type: last}}}}
		root.Fields = append(root.Fields, codec.Field{Name: fmt.Sprint(i), Type: last})
	}
	root.Fields = append(root.Fields, codec.Field{Name: "Next", Type: last})
	return root.Append(nil)
}

func TestAChainOfReferencesIsFollowedOnlySoFar(t *testing.T) {
	typ, err := codec.ReadType(wire.NewReader(flattened(2000)))
	require.NoError(t, err)
	_, err = codecOf[endless](t).From(typ)
	require.ErrorIs(t, err, codec.ErrType)
	require.ErrorContains(t, err, "too entangled")
	same, err := codec.ReadType(wire.NewReader(flattened(2000)))
	require.NoError(t, err)
	require.True(t, typ.Equal(same))

	_, err = codecOf[endless](t).From(chainOf(100))
	require.NoError(t, err)
	require.False(t, chainOf(5000).Equal(chainOf(5000)))
}

func TestSchemasOfTooManyTypesAreRefused(t *testing.T) {
	_, err := codec.ReadType(wire.NewReader(flattened(2100)))
	require.ErrorIs(t, err, wire.ErrDepth)
	wide := &codec.Type{Kind: "struct", Fields: make([]codec.Field, 16385)}
	for i := range wide.Fields {
		wide.Fields[i] = codec.Field{Name: "x", Type: &codec.Type{Kind: "bool"}}
	}
	_, err = codec.ReadType(wire.NewReader(wide.Append(nil)))
	require.ErrorIs(t, err, wire.ErrDepth)
	wide.Fields = wide.Fields[1:]
	_, err = codec.ReadType(wire.NewReader(wide.Append(nil)))
	require.NoError(t, err)
}
