package codec_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

type (
	oldOrder struct {
		ID    uint32
		Gone  map[string][]int
		Price float32
		Lines []oldLine
		Next  *oldOrder
		Pair  [2]oldLine
		ByID  map[int8]oldLine
	}
	oldLine struct {
		Count int8
		Name  string
	}
	newOrder struct {
		Lines []newLine
		Added string
		Price float64
		Next  *newOrder
		Key   int64 `msgpack:"ID"`
		Pair  [2]newLine
		ByID  map[int]newLine
	}
	newLine struct {
		Name  string
		Extra []int
		Count int32
	}
)

// readAs encodes an Old, takes its schema through bytes, and decodes a New.
func readAs[Old, New any](t *testing.T, v Old) (New, error) {
	typ, err := codec.ReadType(wire.NewReader(typeOf[Old](t).Append(nil)))
	require.NoError(t, err)
	var got New
	c, err := codecOf[New](t).From(typ)
	if err != nil {
		return got, err
	}
	r := wire.NewReader(ours(t, &v))
	err = c.Decode(r, &got)
	require.Zero(t, r.Len())
	return got, err
}

func TestOldBytesAreReadByTheNamesOfFields(t *testing.T) {
	old := oldOrder{
		ID: 7, Gone: map[string][]int{"x": {1, 2}}, Price: 1.5, Lines: []oldLine{{-3, "a"}, {4, "b"}},
		Next: &oldOrder{ID: 8}, Pair: [2]oldLine{{5, "c"}}, ByID: map[int8]oldLine{-1: {6, "d"}},
	}
	want := newOrder{
		Key: 7, Price: 1.5, Lines: []newLine{{Name: "a", Count: -3}, {Name: "b", Count: 4}},
		Next: &newOrder{Key: 8}, Pair: [2]newLine{{Name: "c", Count: 5}}, ByID: map[int]newLine{-1: {Name: "d", Count: 6}},
	}
	got, err := readAs[oldOrder, newOrder](t, old)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestTheSameTypeNeedsNoAdapting(t *testing.T) {
	c := codecOf[newOrder](t)
	same, err := c.From(typeOf[newOrder](t))
	require.NoError(t, err)
	require.Same(t, c, same)
}

func TestNarrowingChecksEachValue(t *testing.T) {
	got, err := readAs[int64, int8](t, 100)
	require.NoError(t, err)
	require.Equal(t, int8(100), got)
	_, err = readAs[int64, int8](t, 300)
	require.ErrorIs(t, err, wire.ErrRange)
	_, err = readAs[int64, uint64](t, -1)
	require.ErrorIs(t, err, wire.ErrRange)
}

func TestChangesThatLoseAreRefused(t *testing.T) {
	type a struct{ X struct{ Y []string } }
	type b struct{ X struct{ Y []int } }
	_, err := readAs[a, b](t, a{})
	require.ErrorIs(t, err, codec.ErrType)
	require.ErrorContains(t, err, "b.X.Y[]: it was string and is int")
	for name, err := range map[string]error{
		"float64 to float32":  second(readAs[float64, float32](t, 1)),
		"int to string":       second(readAs[int, string](t, 1)),
		"int to float":        second(readAs[int, float64](t, 1)),
		"string to bytes":     second(readAs[string, []byte](t, "")),
		"array length":        second(readAs[[2]int, [3]int](t, [2]int{})),
		"byte array length":   second(readAs[[2]byte, [3]byte](t, [2]byte{})),
		"value to pointer":    second(readAs[inner, *inner](t, inner{})),
		"another own codec":   second(readAs[custom, marshaled](t, custom{})),
		"map to slice":        second(readAs[map[int]int, []int](t, nil)),
		"bool to int":         second(readAs[bool, int](t, true)),
		"map key to string":   second(readAs[map[int]int, map[string]int](t, nil)),
		"element of a map":    second(readAs[map[int]string, map[int]bool](t, nil)),
		"pointed-to, changed": second(readAs[*string, *bool](t, nil)),
	} {
		require.ErrorIs(t, err, codec.ErrType, name)
	}
	_, err = codecOf[inner](t).From(nil)
	require.ErrorIs(t, err, codec.ErrType)
}

func TestTheFirstOfTwoOldFieldsOfOneNameIsRead(t *testing.T) {
	num := typeOf[int](t)
	c, err := codecOf[struct{ A int }](t).From(&codec.Type{Kind: "struct", Fields: []codec.Field{{Name: "A", Type: num}, {Name: "A", Type: num}}})
	require.NoError(t, err)
	var got struct{ A int }
	require.NoError(t, c.Decode(wire.NewReader([]byte("\x92\x01\x02")), &got))
	require.Equal(t, 1, got.A)
}

func second[V any](_ V, err error) error { return err }

type (
	oldTree struct {
		Kids []*oldTree
		N    int32
		Gone string
	}
	newTree struct {
		N    int64
		Kids []*newTree
	}
	oldNested []struct {
		In   oldNested
		ByID map[int]oldNested
		Gone string
	}
	newNested []struct {
		ByID map[int]newNested
		In   newNested
	}
)

func TestOldBytesOfRecursiveTypes(t *testing.T) {
	old := []*oldTree{{N: 1, Kids: []*oldTree{{N: 2, Gone: "x"}, nil, {N: 3, Kids: []*oldTree{{N: 4}}}}}}
	want := []*newTree{{N: 1, Kids: []*newTree{{N: 2}, nil, {N: 3, Kids: []*newTree{{N: 4}}}}}}
	got, err := readAs[[]*oldTree, []*newTree](t, old)
	require.NoError(t, err)
	require.Equal(t, want, got)
	one, err := readAs[oldTree, newTree](t, *old[0])
	require.NoError(t, err)
	require.Equal(t, *want[0], one)
	two, err := readAs[[2]*oldTree, [2]*newTree](t, [2]*oldTree{nil, old[0]})
	require.NoError(t, err)
	require.Equal(t, [2]*newTree{nil, want[0]}, two)

	nested := oldNested{{In: oldNested{{Gone: "x"}}, ByID: map[int]oldNested{5: {{In: oldNested{}}}}}}
	asNew, err := readAs[oldNested, newNested](t, nested)
	require.NoError(t, err)
	require.Equal(t, newNested{{In: newNested{{}}, ByID: map[int]newNested{5: {{In: newNested{}}}}}}, asNew)
}

func TestWiderFloatsTakeNoMoreBytesThanTheyDid(t *testing.T) {
	requireWidened(t, []float32{1, 2, 3}, []float64{1, 2, 3})
	requireWidened(t, [3]float32{1, 2, 3}, [3]float64{1, 2, 3})
	requireWidened(t, [][20]float32{{1}, {2}}, [][20]float64{{1}, {2}})
	requireWidened(t, map[float32]float32{1: 2, 3: 4}, map[float64]float64{1: 2, 3: 4})
	requireWidened(t, []struct{ A float32 }{{1}, {2}}, []struct{ A float64 }{{1}, {2}})
	type named float64
	requireWidened(t, []float32{1.5}, []named{1.5})
}

func requireWidened[Old, New any](t *testing.T, old Old, want New) {
	t.Helper()
	got, err := readAs[Old, New](t, old)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
