package codec

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"

	"github.com/heapstate/heapstate/internal/wire"
)

// scalars are the leaves of generated types.
var scalars = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](),
	reflect.TypeFor[int32](), reflect.TypeFor[int64](), reflect.TypeFor[uint](), reflect.TypeFor[uint8](),
	reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[float32](),
	reflect.TypeFor[float64](), reflect.TypeFor[string](), timeType, uuidType, reflect.TypeFor[[]byte](),
	reflect.TypeFor[[5]byte](), reflect.TypeFor[map[string]string](),
}

// drawType draws a type nested at most depth deep.
func drawType(t *rapid.T, depth int) reflect.Type {
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth == 0 {
		kind = 0
	}
	switch kind {
	case 1:
		return reflect.SliceOf(drawType(t, depth-1))
	case 2:
		return reflect.ArrayOf(rapid.SampledFrom([]int{0, 1, 3, 17}).Draw(t, "len"), drawType(t, depth-1))
	case 3:
		elem := drawType(t, depth-1)
		if k := elem.Kind(); k != reflect.Pointer && k != reflect.Slice && k != reflect.Map {
			return reflect.PointerTo(elem)
		}
		return elem
	case 4:
		return reflect.MapOf(rapid.SampledFrom(scalars[1:14]).Draw(t, "key"), drawType(t, depth-1))
	case 5:
		fields := make([]reflect.StructField, rapid.IntRange(0, 5).Draw(t, "fields"))
		for i := range fields {
			fields[i] = reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: drawType(t, depth-1)}
		}
		return reflect.StructOf(fields)
	}
	return rapid.SampledFrom(scalars).Draw(t, "scalar")
}

// drawValue fills v. Maps msgpack/v5 does not sort get one entry at most.
func drawValue(t *rapid.T, v reflect.Value) {
	switch v.Type() {
	case timeType:
		v.Set(reflect.ValueOf(time.Unix(rapid.Int64Range(-1e10, 1e11).Draw(t, "sec"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC()))
		return
	case uuidType:
		v.Set(reflect.ValueOf(uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))))
		return
	}
	switch k := v.Kind(); {
	case k == reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case v.CanInt():
		v.SetInt(rapid.Int64().Draw(t, "int") >> (64 - v.Type().Bits()))
	case v.CanUint():
		v.SetUint(rapid.Uint64().Draw(t, "uint") >> (64 - v.Type().Bits()))
	case v.CanFloat():
		v.SetFloat(float64(float32(rapid.Float64().Draw(t, "float"))))
	case k == reflect.String:
		v.SetString(rapid.String().Draw(t, "string"))
	case k == reflect.Struct:
		for i := range v.NumField() {
			drawValue(t, v.Field(i))
		}
	case k == reflect.Array:
		for i := range v.Len() {
			drawValue(t, v.Index(i))
		}
	case rapid.Bool().Draw(t, "nil"):
	case k == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, "n"), 3))
		for i := range v.Len() {
			drawValue(t, v.Index(i))
		}
	case k == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		drawValue(t, v.Elem())
	case k == reflect.Map:
		drawMap(t, v)
	}
}

func drawMap(t *rapid.T, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	most := 1
	if v.Type() == reflect.TypeFor[map[string]string]() {
		most = 4
	}
	for range rapid.IntRange(0, most).Draw(t, "entries") {
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		drawValue(t, key)
		drawValue(t, elem)
		v.SetMapIndex(key, elem)
	}
}

// TestGeneratedTypes draws types and values of them, and demands the bytes of
// msgpack/v5, the value back, a clone that is equal, and a schema that comes
// back; and that no damaged encoding makes the decoder panic.
func TestGeneratedTypes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rt := drawType(t, 4)
		v := reflect.New(rt)
		drawValue(t, v.Elem())
		n, err := root{rt: rt}.derive()
		require.NoError(t, err, "%s", rt)
		got, err := n.append(nil, v.UnsafePointer(), 0)
		require.NoError(t, err)

		var want bytes.Buffer
		e := msgpack.NewEncoder(&want)
		e.UseArrayEncodedStructs(true)
		e.UseCompactInts(true)
		e.SetSortMapKeys(true)
		require.NoError(t, e.EncodeValue(v.Elem()))
		require.Equal(t, want.Bytes(), got, "%s", rt)
		require.GreaterOrEqual(t, len(got), n.min)

		r := wire.NewReader(got)
		back := reflect.New(rt)
		n.decode(r, back.UnsafePointer(), 0)
		require.NoError(t, r.Err(), "%s", rt)
		require.Zero(t, r.Len())
		require.Equal(t, v.Elem().Interface(), back.Elem().Interface())

		checkClone(t, n, v, got)
		checkOwner(t, n, v, got)
		checkSchema(t, n.schema)
		checkDamaged(t, n, got)
	})
}

// checkClone clones v, overwrites everything in the clone, and demands that v
// still encodes as data.
func checkClone(t *rapid.T, n *node, v reflect.Value, data []byte) {
	d := cloneDeriver{seen: map[cloneKey]*cloner{}}
	c, err := d.derive(n.rt, "", false, 0)
	require.NoError(t, err)
	if c == nil {
		return
	}
	twin := reflect.New(n.rt)
	twin.Elem().Set(v.Elem())
	c.unshare(&cloning{}, twin.UnsafePointer(), 0)
	require.Equal(t, v.Elem().Interface(), twin.Elem().Interface())
	scribble(twin.Elem())
	after, err := n.append(nil, v.UnsafePointer(), 0)
	require.NoError(t, err)
	require.Equal(t, data, after, "a write to the clone shows in the source")
}

// scribble overwrites everything that can be reached from v.
func scribble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() != timeType {
			for i := range v.NumField() {
				scribble(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			scribble(v.Index(i))
		}
		if v.Cap() > 0 { // what append would do
			v.Set(reflect.Append(v.Slice(0, 0), reflect.Zero(v.Type().Elem())))
		}
	case reflect.Array:
		for i := range v.Len() {
			scribble(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			scribble(v.Elem())
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			elem := reflect.New(v.Type().Elem()).Elem()
			elem.Set(v.MapIndex(k))
			scribble(elem)
			v.SetMapIndex(k, reflect.Value{})
		}
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.String:
		v.SetString(v.String() + "!")
	default:
		switch {
		case v.CanInt():
			v.SetInt(v.Int() ^ 1)
		case v.CanUint():
			v.SetUint(v.Uint() ^ 1)
		case v.CanFloat():
			v.SetFloat(math.Float64frombits(math.Float64bits(v.Float()) ^ 1<<63))
		}
	}
}

func checkSchema(t require.TestingT, schema *Type) {
	b := schema.Append(nil)
	r := wire.NewReader(b)
	back, err := ReadType(r)
	require.NoError(t, err)
	require.Zero(t, r.Len())
	require.True(t, schema.Equal(back) && back.Equal(schema))
	require.Equal(t, b, back.Append(nil))
	require.Equal(t, schema.String(), back.String())
}

// checkDamaged decodes every prefix of data and data with each byte flipped:
// prefixes fail, and what does not fail encodes again and reads back.
func checkDamaged(t require.TestingT, n *node, data []byte) {
	for i := range min(len(data), 300) { // the work is quadratic
		r := wire.NewReader(data[:i])
		n.decode(r, reflect.New(n.rt).UnsafePointer(), 0)
		require.ErrorIs(t, r.Err(), wire.ErrTruncated, "prefix of %d", i)

		hostile := bytes.Clone(data)
		hostile[i] ^= 0xff
		checkHostile(t, n, hostile)
		hostile[i] ^= 0xff ^ 1<<(i%8)
		checkHostile(t, n, hostile)
	}
}

// checkHostile demands that data is refused, or is a value that the codec
// writes and reads again.
func checkHostile(t require.TestingT, n *node, data []byte) {
	v := reflect.New(n.rt)
	r := wire.NewReader(data)
	if n.decode(r, v.UnsafePointer(), 0); r.Err() != nil {
		return
	}
	b, err := n.append(nil, v.UnsafePointer(), 0)
	require.NoError(t, err)
	r = wire.NewReader(b)
	twin := reflect.New(n.rt)
	n.decode(r, twin.UnsafePointer(), 0)
	require.NoError(t, r.Err())
	again, err := n.append(nil, twin.UnsafePointer(), 0)
	require.NoError(t, err)
	require.Equal(t, b, again)
}

func TestSliceHeaderIsTheOneOfTheCompiler(t *testing.T) {
	s := make([]int32, 3, 7)
	h := *(*sliceHeader)(unsafe.Pointer(&s))
	require.Equal(t, sliceHeader{ptr: unsafe.Pointer(&s[0]), len: 3, cap: 7}, h)
	require.Equal(t, unsafe.Sizeof(s), unsafe.Sizeof(h))
}
