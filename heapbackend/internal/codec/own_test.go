package codec_test

import (
	"math/big"
	"net"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

func ownerOf[V any](t testing.TB) *codec.Owner[V] {
	o, err := codec.OwnerOf[V](nil, true)
	require.NoError(t, err)
	return o
}

// requireAsRead requires that a value that was taken is what reading it back gives.
func requireAsRead[V any](t *testing.T, v V) {
	t.Helper()
	o, c := ownerOf[V](t), codecOf[V](t)
	o.Take(&v)
	b, err := c.Append(nil, &v)
	require.NoError(t, err)
	var back V
	require.NoError(t, c.Decode(wire.NewReader(b), &back))
	require.Equal(t, back, v)
}

func TestWhatWasTakenIsWhatIsRead(t *testing.T) {
	zoned := time.Date(2024, 1, 1, 0, 30, 0, 1, time.FixedZone("CET", 3600))
	now := time.Now()
	four := net.IPv4(10, 0, 0, 1).To4()
	requireAsRead(t, zoned)
	requireAsRead(t, now)
	requireAsRead(t, time.Time{})
	requireAsRead(t, &zoned)
	requireAsRead(t, []time.Time{zoned, now})
	requireAsRead(t, map[float64]time.Time{1: zoned, 2: now})
	requireAsRead(t, [20]time.Time{3: now})
	type visit struct {
		At    time.Time
		From  net.IP
		_     [2]byte
		Steps []struct{ At *time.Time }
		Hosts map[string][]net.IP
		Last  *visit
	}
	v := visit{At: zoned, From: four, Steps: []struct{ At *time.Time }{{&now}, {}}}
	v.Hosts = map[string][]net.IP{"a": {four, nil, {}}, "b": nil, "c": {}}
	v.Last = &visit{At: now, From: net.IP{}, Hosts: map[string][]net.IP{}}
	requireAsRead(t, v)
	requireAsRead(t, four)
	requireAsRead(t, net.IP{})
	requireAsRead(t, net.ParseIP("2001:db8::1"))
	requireAsRead(t, []*big.Int{big.NewInt(-7), nil, {}})
	require.Equal(t, "CET", zoned.Location().String(), "what was given stays as it was")
	require.Len(t, four, 4)
}

func TestWhatAnUpdateLeavesIsWhatIsRead(t *testing.T) {
	type visit struct {
		At   time.Time
		More []time.Time
	}
	o := ownerOf[visit](t)
	now := time.Now()
	var v visit
	var held codec.Held
	for range 5 {
		o.Before(&v, &held)
		v.At, v.More = now, append(v.More, now)
		o.After(&v, &held)
		require.Equal(t, now.UTC().Round(0), v.At)
		require.Equal(t, now.UTC().Round(0), v.More[len(v.More)-1])
	}
}

// copies counts the times that an update leaves other memory in place than the program did.
func copies(t *testing.T, n int, v *[]int, o *codec.Owner[[]int], change func(i int)) (copied int) {
	var held codec.Held
	for i := range n {
		o.Before(v, &held)
		change(i)
		left := unsafe.SliceData(*v)
		o.After(v, &held)
		if left != unsafe.SliceData(*v) {
			copied++
		}
	}
	return copied
}

func TestOnlyWhatIsNewIsCopied(t *testing.T) {
	o := ownerOf[[]int](t)
	var v []int
	require.Less(t, copies(t, 10_000, &v, o, func(i int) { v = append(v, i) }), 40, "an append is O(1) amortised")
	require.Len(t, v, 10_000)
	require.Zero(t, copies(t, 1000, &v, o, func(i int) { v[i]++ }))
	require.Zero(t, copies(t, 1000, &v, o, func(int) { v = v[1:] }))
	require.Zero(t, copies(t, 1000, &v, o, func(int) { v = v[:len(v)-1] }))
	require.Zero(t, copies(t, 1, &v, o, func(int) { v = v[:0] }))
	require.Less(t, copies(t, 10, &v, o, func(int) { v = nil }), 1)
	theirs := []int{1, 2}
	require.Equal(t, 1, copies(t, 1, &v, o, func(int) { v = theirs }))
	v[0] = 9
	require.Equal(t, 1, theirs[0])
}

type account struct {
	Items []int
	Tags  map[string]int
	Next  *struct{ Items []int }
}

func TestWhatAPointerLeadsToIsLeftWhereItIs(t *testing.T) {
	o := ownerOf[*account](t)
	v := &account{Items: []int{1}, Tags: map[string]int{}, Next: &struct{ Items []int }{[]int{1}}}
	o.Take(&v)
	was, inner := v, v.Next
	var held codec.Held
	update := func(fn func()) float64 {
		return testing.AllocsPerRun(1, func() {
			o.Before(&v, &held)
			fn()
			o.After(&v, &held)
		})
	}
	require.Zero(t, update(func() { v.Items[0]++; v.Next.Items[0]++; v.Tags["a"]++ }))
	require.Same(t, was, v)
	require.Same(t, inner, v.Next)
	theirs := []int{7}
	update(func() { v.Next.Items, v.Items = theirs, append(v.Items, 1) })
	theirs[0] = 8
	require.Equal(t, []int{7}, v.Next.Items)
	require.Equal(t, len(v.Items), cap(v.Items), "a copy of the pointer reaches it")
	update(func() { v.Next.Items = v.Items })
	v.Items[0] = 100
	require.NotEqual(t, 100, v.Next.Items[0], "what is held twice is copied")
	update(func() { v.Next = nil })
	update(func() { v = nil })
	require.Nil(t, v)
}

func TestWhatTheProgramCopiesIsCopiedWhenItChanged(t *testing.T) {
	calls := 0
	clone := func(dst, src *plainParts) {
		calls++
		*dst = plainParts{slices.Clone(src.A), src.B}
	}
	o, err := codec.OwnerOf(clone, false)
	require.NoError(t, err)
	v := plainParts{A: []int{1}}
	var held codec.Held
	update := func(fn func()) {
		o.Before(&v, &held)
		fn()
		o.After(&v, &held)
	}
	update(func() { v.A[0]++ })
	require.Zero(t, calls)
	theirs := []int{3}
	update(func() { v.A = theirs })
	require.Equal(t, 1, calls)
	theirs[0]++
	require.Equal(t, []int{3}, v.A)
	for i := range 1000 {
		update(func() { v.A = append(v.A, i) })
	}
	require.Less(t, calls, 30)
	calls = 0
	update(func() { v.B = calls })
	update(func() { v.B = &v })
	require.Equal(t, 2, calls)
}

type plainParts struct {
	A []int
	B any
}

func TestTypesThatLoseSomethingAreFound(t *testing.T) {
	type left struct {
		Items []struct {
			_     [4]byte
			Cache string `msgpack:"-"`
		}
	}
	type none struct {
		_msgpack struct{}  `msgpack:",as_array"`
		Lock     [0]func() `msgpack:"-"`
		A        int
	}
	_ = none{}._msgpack
	require.ErrorContains(t, codec.CheckKept[left](), "left.Items[].Cache")
	require.ErrorIs(t, codec.CheckKept[map[string]*big.Float](), codec.ErrType)
	require.ErrorIs(t, codec.CheckKept[big.Float](), codec.ErrType)
	require.NoError(t, codec.CheckKept[none]())
	require.NoError(t, codec.CheckKept[chained]())
	require.NoError(t, codec.CheckKept[*big.Int]())
	require.NoError(t, codec.CheckKept[time.Time]())
}

func TestTypesThatBoundTheirDepth(t *testing.T) {
	require.False(t, codec.Recursive[int]())
	require.False(t, codec.Recursive[account]())
	require.False(t, codec.Recursive[[2]account]())
	require.False(t, codec.Recursive[time.Time]())
	require.True(t, codec.Recursive[chained]())
	require.True(t, codec.Recursive[map[string][]*chained]())
	type tree []tree
	require.True(t, codec.Recursive[tree]())
}

// buffer writes itself, and reads itself with room to spare.
type buffer struct {
	Data   []byte
	hidden []byte
}

func (b buffer) MarshalBinary() ([]byte, error) { return append([]byte{}, b.Data...), nil }

func (b *buffer) UnmarshalBinary(data []byte) error {
	b.Data, b.hidden = append(make([]byte, 0, 2*len(data)), data...), make([]byte, 0, 8)
	return nil
}

// hoop is a type with methods of its own that may lead to itself.
type hoop struct {
	Next  *hoop
	Items []int
}

func (h hoop) Clone() hoop { return h }

func (hoop) MarshalBinary() ([]byte, error)     { return []byte{}, nil }
func (*hoop) UnmarshalBinary(data []byte) error { return nil }

func TestWhatAProgramCanReachInATypeWithMethodsHasNoRoom(t *testing.T) {
	type holder struct {
		To    *buffer
		Some  []buffer
		Named map[string]buffer
		Led   map[string]*buffer
	}
	full := func(v holder) {
		for _, b := range []buffer{*v.To, v.Some[0], v.Named["a"], *v.Led["a"]} {
			require.Equal(t, []byte{1, 2, 3}, b.Data)
			require.Equal(t, 3, cap(b.Data))
			require.Equal(t, 8, cap(b.hidden), "what it keeps to itself stays as it is")
		}
	}
	room := func() buffer {
		return buffer{append(make([]byte, 0, 8), 1, 2, 3), make([]byte, 0, 8)}
	}
	one, two := room(), room()
	o, c := ownerOf[holder](t), codecOf[holder](t)
	v := holder{&one, []buffer{room()}, map[string]buffer{"a": room()}, map[string]*buffer{"a": &two}}
	o.Tidy(&v)
	full(v)
	b, err := c.Append(nil, &v)
	require.NoError(t, err)
	var back holder
	require.NoError(t, c.Decode(wire.NewReader(b), &back))
	require.True(t, o.Loose())
	o.Tidy(&back)
	full(back)
	var held codec.Held
	o.Before(&v, &held)
	v.To.Data = append(v.To.Data[:2], 3, 4)[:3]
	o.After(&v, &held)
	require.Equal(t, 3, cap(v.To.Data))

	cyclic := &hoop{Items: make([]int, 1, 2)}
	cyclic.Next = cyclic
	ownerOf[*hoop](t).Tidy(&cyclic)
}
