package codec_test

import (
	linked "container/list"
	"math/big"
	"net/netip"
	"sync"
	"testing"
	"time"
	"unique"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

func cloneOf[V any](t *testing.T, src V) V {
	o, err := codec.OwnerOf[V](nil, false)
	require.NoError(t, err)
	require.True(t, o.References())
	dst := src
	o.Take(&dst)
	return dst
}

func TestPlainCopiesNeedNoClone(t *testing.T) {
	plain[int](t)
	plain[string](t)
	plain[[3]string](t)
	plain[struct {
		A string
		B [16]byte
		T time.Time
	}](t)
	plain[netip.Addr](t)
	plain[unique.Handle[string]](t)
	plain[cloned](t)
}

func plain[V any](t *testing.T) {
	o, err := codec.OwnerOf[V](nil, false)
	require.NoError(t, err)
	require.Nil(t, o)
}

// cloned has a Clone method nobody needs.
type cloned struct{ N int }

// Clone counts.
func (c cloned) Clone() cloned { return cloned{c.N + 1} }

func TestPointerFree(t *testing.T) {
	require.True(t, codec.PointerFree[uint64]())
	require.True(t, codec.PointerFree[struct {
		A [16]byte
		B [3]float64
	}]())
	require.True(t, codec.PointerFree[uintptr]())
	require.False(t, codec.PointerFree[string]())
	require.False(t, codec.PointerFree[[2]struct{ S string }]())
	require.False(t, codec.PointerFree[*int]())
	require.False(t, codec.PointerFree[[]int]())
	require.False(t, codec.PointerFree[map[int]int]())
	require.False(t, codec.PointerFree[any]())
	require.False(t, codec.PointerFree[time.Time]())
}

func TestNothingWrittenToACloneShowsInTheSource(t *testing.T) {
	type all struct {
		Bytes  []byte
		Slice  []string
		Nested [][]int
		Array  [2][]int
		Ptr    *inner
		Map    map[string][]int
		Deep   map[int]*inner
		Node   node
	}
	make := func() all {
		return all{
			Bytes: []byte("b"), Slice: []string{"s"}, Nested: [][]int{{1}}, Array: [2][]int{{1}, {2}},
			Ptr: &inner{A: 1}, Map: map[string][]int{"k": {1}}, Deep: map[int]*inner{1: {A: 1}},
			Node: node{Next: &node{Value: 1}, Kids: []node{{Kids: []node{{Value: 2}}}}},
		}
	}
	src := make()
	c := cloneOf(t, src)
	require.Equal(t, src, c)
	c.Bytes[0], c.Slice[0], c.Nested[0][0], c.Array[1][0] = 'x', "x", 9, 9
	c.Ptr.A, c.Map["k"][0], c.Deep[1].A = 9, 9, 9
	c.Map["new"], c.Deep[2] = nil, nil
	c.Node.Next.Value, c.Node.Kids[0].Kids[0].Value = 9, 9
	require.Equal(t, make(), src)
}

func TestClonesKeepNilAndEmptyApart(t *testing.T) {
	type v struct {
		S []int
		B []byte
		M map[string]int
		P *int
	}
	require.Equal(t, v{}, cloneOf(t, v{}))
	empty := v{S: []int{}, B: []byte{}, M: map[string]int{}, P: new(int)}
	got := cloneOf(t, empty)
	require.Equal(t, empty, got)
	require.NotNil(t, got.S)
	require.NotNil(t, got.B)
	require.NotNil(t, got.M)
}

func TestClonesHaveNoSpareCapacity(t *testing.T) {
	src := append(make([]int, 0, 8), 1)
	a, b := cloneOf(t, src), cloneOf(t, src)
	require.Equal(t, 1, cap(a))
	a, b = append(a, 2), append(b, 3)
	require.Equal(t, []int{1, 2}, a)
	require.Equal(t, []int{1, 3}, b)
	none := cloneOf(t, src[:0])
	_ = append(none, 7)
	require.Equal(t, 1, src[0])
}

// methodical has a Clone method that shows it was called.
type methodical struct {
	S     []int
	Calls int
}

// Clone copies m and counts.
func (m methodical) Clone() methodical { return methodical{append([]int(nil), m.S...), m.Calls + 1} }

// viaPointer has a Clone method on its address that returns a pointer.
type viaPointer struct {
	S     []int
	Calls int
}

// Clone copies m and counts.
func (m *viaPointer) Clone() *viaPointer {
	return &viaPointer{append([]int(nil), m.S...), m.Calls + 1}
}

type bag map[string][]int

// Clone is not asked to clone nil.
func (b bag) Clone() bag {
	out := bag{"cloned": nil}
	for k, v := range b {
		out[k] = append([]int(nil), v...)
	}
	return out
}

func TestCloneMethodsAreUsed(t *testing.T) {
	require.Equal(t, methodical{S: []int{1}, Calls: 1}, cloneOf(t, methodical{S: []int{1}}))
	require.Equal(t, viaPointer{S: []int{1}, Calls: 1}, cloneOf(t, viaPointer{S: []int{1}}))
	require.Nil(t, cloneOf(t, bag(nil)))
	require.Contains(t, cloneOf(t, bag{}), "cloned")
	type inside struct {
		A []methodical
		B *viaPointer
		C bag
	}
	got := cloneOf(t, inside{A: []methodical{{}, {}}, B: &viaPointer{}})
	require.Equal(t, inside{A: []methodical{{Calls: 1}, {Calls: 1}}, B: &viaPointer{Calls: 1}}, got)
}

func TestClonesOfTypesWithHiddenFields(t *testing.T) {
	src := []*big.Int{big.NewInt(7), nil}
	got := cloneOf(t, src)
	require.Equal(t, src, got)
	got[0].Add(got[0], big.NewInt(1))
	require.Equal(t, int64(7), src[0].Int64())

	k := cloneOf(t, keeper{b: []byte("kept")})
	k.b[0] = 'x'
}

func TestWhatCannotBeClonedIsRefused(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{cloneErr[struct{ A []any }](), ".A[]: interface {}: it cannot be copied"},
		{cloneErr[struct{ F func() }](), ".F: func(): it cannot be copied"},
		{cloneErr[linked.List](), "it may refer to itself"},
		{cloneErr[map[*int]int](), "a copy cannot have the same keys"},
		{cloneErr[struct{ P sync.Pool }](), "it cannot be copied"},
	} {
		require.ErrorIs(t, tt.err, codec.ErrType)
		require.ErrorContains(t, tt.err, tt.want)
	}
}

func cloneErr[V any]() error {
	_, err := codec.OwnerOf[V](nil, true)
	return err
}

func TestCloningACyclicValueEnds(t *testing.T) {
	type ring struct {
		Prev, Next *ring
		Data       []int
	}
	a, b := &ring{}, &ring{}
	a.Prev, a.Next, b.Prev, b.Next = b, b, a, a
	got := cloneOf(t, *a)
	require.NotSame(t, b, got.Prev)
	c, err := codec.For[ring]()
	require.NoError(t, err)
	_, err = c.Append(nil, &got)
	require.ErrorIs(t, err, wire.ErrDepth)
}

// chained is a list that is longer than deep if it is long: a pointer counts
// for nothing when it is written, a struct and a slice count for one each.
type chained struct {
	Next *chained
	Kids []chained
	Map  map[string]*chained
	Tail []int
}

func TestWhatCanBeEncodedIsClonedToTheEnd(t *testing.T) {
	type link struct {
		most int // links that can be encoded
		of   func(*chained) chained
	}
	for name, link := range map[string]link{
		"pointers": {wire.MaxDepth - 2, func(c *chained) chained { return chained{Next: c} }},
		"slices":   {wire.MaxDepth/2 - 1, func(c *chained) chained { return chained{Kids: []chained{*c, {Tail: []int{1}}}} }},
		"maps":     {wire.MaxDepth/2 - 1, func(c *chained) chained { return chained{Map: map[string]*chained{"": c}} }},
	} {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{1, link.most * 3 / 4, link.most} {
				v := chained{Tail: []int{1}}
				for range n {
					next := v
					v = link.of(&next)
					v.Tail = []int{1}
				}
				requireIndependent(t, v)
			}
		})
	}
}

// requireIndependent writes to every part of a clone of v.
func requireIndependent(t *testing.T, v chained) {
	t.Helper()
	before := ours(t, &v)
	got := cloneOf(t, v)
	require.Equal(t, before, ours(t, &got))
	overwrite(&got)
	require.Equal(t, before, ours(t, &v))
}

func overwrite(c *chained) {
	for ; c != nil; c = c.Next {
		if len(c.Tail) > 0 {
			c.Tail[0]++
		}
		for i := range c.Kids {
			overwrite(&c.Kids[i])
		}
		for _, m := range c.Map {
			overwrite(m)
		}
		c.Tail = append(c.Tail, 7)
	}
}

// Only a codec of the program's own writes such values.
func TestWhatIsTooDeepToEncodeIsClonedToo(t *testing.T) {
	const depth = 200_000
	var v chained
	for range depth {
		next := v
		v = chained{Next: &next}
	}
	v.Kids = []chained{{Tail: []int{1}}}
	got := cloneOf(t, v)
	got.Kids[0].Tail[0] = 2
	require.Equal(t, 1, v.Kids[0].Tail[0])
	a, b := &v, &got
	for range depth {
		require.True(t, a != b)
		a, b = a.Next, b.Next
	}
	require.Nil(t, b.Next)
}

func TestACyclicValueIsClonedInItsShape(t *testing.T) {
	a, b := &chained{Tail: []int{1}}, &chained{Tail: []int{2}}
	a.Next, b.Next = b, a
	a.Kids = []chained{{Next: a}, {Next: b}}
	a.Kids[0].Kids = a.Kids
	a.Map = map[string]*chained{"a": a, "b": b}
	b.Map = a.Map
	got := cloneOf(t, a)
	require.NotSame(t, a, got)
	require.NotSame(t, b, got.Next)
	require.Same(t, got, got.Next.Next)
	require.Same(t, got, got.Kids[0].Next)
	require.Same(t, got.Next, got.Kids[1].Next)
	require.Same(t, &got.Kids[0], &got.Kids[0].Kids[0])
	require.Same(t, got, got.Map["a"])
	require.Same(t, got.Next, got.Next.Map["b"])
	got.Next.Tail[0] = 7
	got.Map["c"] = nil
	require.Equal(t, 2, b.Tail[0])
	require.Len(t, b.Map, 2)
}
