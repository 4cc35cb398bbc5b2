package codec

import (
	"encoding/binary"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"

	"github.com/heapstate/heapstate/internal/wire"
)

// folded writes names that differ in case alike.
type folded string

func (f folded) MarshalText() ([]byte, error) { return []byte(strings.ToLower(string(f))), nil }

func (f *folded) UnmarshalText(b []byte) error {
	*f = folded(b)
	return nil
}

// unfolded writes names as they are, and reads those that differ in case alike.
type unfolded string

func (u unfolded) MarshalText() ([]byte, error) { return []byte(u), nil }

func (u *unfolded) UnmarshalText(b []byte) error {
	*u = unfolded(strings.ToLower(string(b)))
	return nil
}

// status prints all values but one alike, as enumerations do.
type status int

func (s status) MarshalText() ([]byte, error) {
	if s == 1 {
		return []byte("ok"), nil
	}
	return []byte("unknown"), nil
}

func (s *status) UnmarshalText(b []byte) error {
	*s = 0
	if string(b) == "ok" {
		*s = 1
	}
	return nil
}

// bound is a number or infinity, which it writes as nil.
type bound struct {
	Infinite bool
	N        int
}

func (b bound) EncodeMsgpack(e *msgpack.Encoder) error {
	if b.Infinite {
		return e.EncodeNil()
	}
	return e.EncodeInt(int64(b.N))
}

func (b *bound) DecodeMsgpack(d *msgpack.Decoder) (err error) {
	b.N, err = d.DecodeInt()
	return err
}

// packed is bound with the other pair of methods.
type packed struct{ bound }

func (p packed) MarshalMsgpack() ([]byte, error) {
	if p.Infinite {
		return []byte{0xc0}, nil
	}
	return msgpack.Marshal(p.N)
}

func (p *packed) UnmarshalMsgpack(b []byte) error { return msgpack.Unmarshal(b, &p.N) }

// generatedNil writes nil, and is given it, with the methods of tinylib/msgp.
type generatedNil struct{ Infinite bool }

func (g *generatedNil) MarshalMsg(b []byte) ([]byte, error) {
	if g.Infinite {
		return wire.AppendNil(b), nil
	}
	return wire.AppendInt(b, 1), nil
}

func (g *generatedNil) UnmarshalMsg(b []byte) ([]byte, error) {
	g.Infinite = b[0] == 0xc0
	return b[1:], nil
}

// flags needs no bytes for one of its values, which is not zero.
type flags struct{ On bool }

func (f flags) MarshalBinary() ([]byte, error) {
	if f.On {
		return nil, nil
	}
	return []byte{0}, nil
}

func (f *flags) UnmarshalBinary(b []byte) error {
	f.On = len(b) == 0
	return nil
}

// fixed returns no bytes for some of its values, and takes only some.
type fixed struct{ Valid, Panics bool }

func (f fixed) MarshalText() ([]byte, error) {
	if f.Valid {
		return []byte{1}, nil
	}
	return nil, nil
}

func (f *fixed) UnmarshalText(b []byte) error {
	f.Valid = b[0] == 1
	return nil
}

// count is an honest key with methods of its own.
type count uint32

func (c count) MarshalBinary() ([]byte, error) {
	return binary.BigEndian.AppendUint32(nil, uint32(c)), nil
}

func (c *count) UnmarshalBinary(b []byte) error {
	*c = count(binary.BigEndian.Uint32(b))
	return nil
}

// trip encodes a value and, if it can be, demands that it comes back, and all of it.
func trip[V any](t require.TestingT, v V) (V, error) {
	c, err := For[V]()
	require.NoError(t, err)
	var back V
	b, err := c.Append([]byte("kept"), &v)
	if err != nil {
		require.Equal(t, "kept", string(b))
		return back, err
	}
	r := wire.NewReader(b[4:])
	require.NoError(t, c.Decode(r, &back), "% x", b)
	require.Zero(t, r.Len())
	return back, nil
}

func comesBack[V any](t *testing.T, values ...V) {
	t.Helper()
	for _, v := range values {
		back, err := trip(t, v)
		require.NoError(t, err)
		require.Equal(t, v, back)
	}
}

func isRefused[V any](t *testing.T, want string, values ...V) {
	t.Helper()
	for _, v := range values {
		_, err := trip(t, v)
		require.ErrorIs(t, err, ErrType, "%+v", v)
		require.ErrorContains(t, err, want)
	}
}

func TestMapKeysThatWouldNotComeBackAreNotWritten(t *testing.T) {
	const want = "one to one"
	isRefused(t, want, map[folded]int{"Go": 1, "GO": 2}, map[folded]int{"Go": 1})
	isRefused(t, want, map[unfolded]int{"Go": 1, "GO": 2})
	isRefused(t, want, map[status]int{7: 1, 8: 2}, map[status]int{7: 1})
	isRefused(t, want, map[[1]struct{ Name folded }]bool{{{"a"}}: true, {{"A"}}: true})
	isRefused(t, want, []map[string]map[folded]int{{"x": {"A": 1}}})
	comesBack(t, map[folded]int{"go": 1, "rust": 2})
	comesBack(t, map[status]int{0: 1, 1: 2})
	comesBack(t, map[count]string{0: "a", 1: "b", math.MaxUint32: "c"})
	comesBack(t, map[[2]count]string{{0, 1}: "a", {1, 0}: "b"})
	comesBack(t, map[uuid.UUID]int{{1}: 1})
	comesBack(t, map[fixed]int{{}: 1, {Valid: true}: 2}, map[fixed]int{})
}

func TestFloatKeysComeBackWhateverTheirBits(t *testing.T) {
	back, err := trip(t, map[float64]int{math.NaN(): 1, -math.NaN(): 2, math.Copysign(0, -1): 3, math.Inf(1): 4})
	require.NoError(t, err)
	require.Len(t, back, 4)
	require.Equal(t, 3, back[0])
	pairs, err := trip(t, map[[2]float32]string{{float32(math.NaN()), 1}: "a", {float32(math.NaN()), 1}: "b"})
	require.NoError(t, err)
	require.Len(t, pairs, 2)
}

func TestMapKeysThatLeaveOutAFieldAreRefused(t *testing.T) {
	type tagged struct {
		ID    int
		Shard int `msgpack:"-"`
	}
	for _, rt := range []reflect.Type{
		reflect.TypeFor[map[tagged]int](), reflect.TypeFor[map[[2]tagged]int](),
		reflect.TypeFor[map[struct{ In struct{ T tagged } }]int](),
	} {
		_, err := root{rt: rt}.derive()
		require.ErrorIs(t, err, ErrType, "%s", rt)
	}
	comesBack(t, map[struct{ ID, _ int }]int{{ID: 1}: 1, {ID: 2}: 2})
}

func TestNilThatIsNotZeroIsNotWritten(t *testing.T) {
	const want = "wrote nil for a value that is not zero"
	isRefused(t, want, bound{Infinite: true}, bound{true, 1})
	isRefused(t, want, packed{bound{Infinite: true}})
	isRefused(t, want, &bound{Infinite: true})
	isRefused(t, want, &generatedNil{Infinite: true}) // it would be the nil pointer
	isRefused(t, want, []map[string]bound{{"x": {Infinite: true}}})
	isRefused(t, want, fixed{Panics: true})
	isRefused(t, want, &fixed{})
	isRefused(t, want, uuid.NullUUID{UUID: uuid.UUID{1}})
	isRefused(t, want, &uuid.NullUUID{})
}

func TestNilOfTheTypesOwnComesBack(t *testing.T) {
	comesBack(t, flags{true}, flags{false})
	comesBack(t, &flags{true}, &flags{false}, nil)
	comesBack(t, generatedNil{true}, generatedNil{})
	comesBack(t, fixed{}, fixed{Valid: true})
	comesBack(t, uuid.NullUUID{}, uuid.NullUUID{UUID: uuid.UUID{1}, Valid: true})
	comesBack(t, bound{}, bound{N: 7})
	comesBack(t, map[string]*flags{"on": {true}, "none": nil})
	c, err := For[*flags]()
	require.NoError(t, err)
	on := &flags{true}
	b, err := c.Append(nil, &on)
	require.NoError(t, err)
	require.Equal(t, "\xc4\x00", string(b), "no bytes, and not nil")
}

// ownWays are the leaves, and keys, of generated types that encode themselves in ways that lose something.
var ownWays = []reflect.Type{
	reflect.TypeFor[folded](), reflect.TypeFor[unfolded](), reflect.TypeFor[status](), reflect.TypeFor[count](),
	reflect.TypeFor[bound](), reflect.TypeFor[packed](), reflect.TypeFor[generatedNil](), reflect.TypeFor[flags](),
	reflect.TypeFor[fixed](), reflect.TypeFor[uuid.NullUUID](),
}

// TestWhatIsWrittenCanBeRead draws types made of such that encode themselves badly, and values of them: whatever is
// encoded without an error is decoded without one, to the last byte.
func TestWhatIsWrittenCanBeRead(t *testing.T) {
	plain := scalars
	scalars = append(scalars[:len(scalars):len(scalars)], ownWays...)
	defer func() { scalars = plain }()
	written := 0
	rapid.Check(t, func(t *rapid.T) {
		rt := drawType(t, 3)
		if rapid.Bool().Draw(t, "map") {
			rt = reflect.MapOf(rapid.SampledFrom(ownWays).Draw(t, "key"), rt)
		}
		n, err := root{rt: rt}.derive()
		require.NoError(t, err, "%s", rt)
		v := reflect.New(rt)
		drawValue(t, v.Elem())
		b, err := n.append(nil, v.UnsafePointer(), 0)
		if err != nil {
			require.ErrorIs(t, err, ErrType)
			return
		}
		written++
		back, r := reflect.New(rt), wire.NewReader(b)
		n.decode(r, back.UnsafePointer(), 0)
		require.NoError(t, r.Err(), "%s % x", rt, b)
		require.Zero(t, r.Len())
	})
	require.Positive(t, written)
}
