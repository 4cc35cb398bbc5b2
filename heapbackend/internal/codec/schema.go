package codec

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/heapstate/heapstate/internal/wire"
)

// Type is the schema of a value: what its bytes mean, without the Go type.
//
// A recursive type is a cyclic graph of Types. A Type is not changed once built
// and may be shared.
type Type struct {
	// Kind is one of
	//
	//	bool int int8 int16 int32 int64 uint uint8 uint16 uint32 uint64
	//	float32 float64 string time
	//	bytes      bin or nil
	//	bytearray  bin of Len bytes
	//	pointer    nil or Elem
	//	slice      nil or an array of Elem
	//	array      an array of Len Elem
	//	map        nil or a map of Key to Elem
	//	struct     an array of Fields
	//	msgpack    one value, written by methods of the Go type Name
	//	binary     bin, written by MarshalBinary of the Go type Name
	//	text       bin, written by MarshalText of the Go type Name
	Kind string
	// Name is the Go type of a struct ("" if it has no name) or of a type that
	// encodes itself.
	Name string
	// Elem and Key are nil where Kind has none.
	Elem, Key *Type
	// Len is how many elements an array, or bytes a bytearray, holds.
	Len int
	// Fields are the fields of a struct in the order of their values.
	Fields []Field
}

// Field is one field of a struct.
type Field struct {
	Name string
	Type *Type
}

// shape says which parts a kind has.
type shape struct{ elem, key, length, fields, named bool }

var shapes = map[string]shape{
	"bytes": {}, "time": {}, "bytearray": {length: true},
	"pointer": {elem: true}, "slice": {elem: true}, "array": {elem: true, length: true},
	"map": {elem: true, key: true}, "struct": {fields: true, named: true},
	"msgpack": {named: true}, "binary": {named: true}, "text": {named: true},
}

func init() {
	for _, basic := range basics {
		shapes[basic.kind] = shape{}
	}
}

// composite reports whether t has parts, and so may be part of itself.
func (t *Type) composite() bool {
	s := shapes[t.Kind]
	return s.elem || s.fields
}

// kindRef stands in bytes for a composite that was written before.
const kindRef = "ref"

// Append appends t to dst as one msgpack value, an array of its kind and then
// what that kind has, in the order name, length, key, element, fields; fields
// are an array of alternating names and types. The second time a composite
// comes up, and each time after, it is ["ref", n] for the n-th composite begun,
// counted from 0. Types that are Equal and have equal names have equal bytes if
// they share alike.
func (t *Type) Append(dst []byte) []byte {
	return t.append(dst, map[*Type]int{})
}

func (t *Type) append(dst []byte, seen map[*Type]int) []byte {
	s := shapes[t.Kind]
	if t.composite() {
		if i, ok := seen[t]; ok {
			dst = wire.AppendString(wire.AppendArrayLen(dst, 2), kindRef)
			return wire.AppendUint(dst, uint64(i))
		}
		seen[t] = len(seen)
	}
	dst = wire.AppendString(wire.AppendArrayLen(dst, s.items()), t.Kind)
	if s.named {
		dst = wire.AppendString(dst, t.Name)
	}
	if s.length {
		dst = wire.AppendUint(dst, uint64(t.Len))
	}
	if s.key {
		dst = t.Key.append(dst, seen)
	}
	if s.elem {
		dst = t.Elem.append(dst, seen)
	}
	if s.fields {
		dst = wire.AppendArrayLen(dst, 2*len(t.Fields))
		for _, f := range t.Fields {
			dst = f.Type.append(wire.AppendString(dst, f.Name), seen)
		}
	}
	return dst
}

// items returns how many items the array of a type of this shape has.
func (s shape) items() int {
	n := 1
	for _, has := range []bool{s.elem, s.key, s.length, s.fields, s.named} {
		if has {
			n++
		}
	}
	return n
}

// ReadType reads what Append wrote. It allocates in proportion to the bytes it
// reads, and refuses unknown kinds, wrong shapes and deep nesting; errors match
// those of package wire.
func ReadType(r *wire.Reader) (*Type, error) {
	t := (&typeReader{r: r}).read(0)
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("codec: read type: %w", err)
	}
	return t, nil
}

const (
	// maxComposites and maxFields bound one schema: what follows from a schema
	// costs time for each pair of an old and a new composite.
	maxComposites = 4096
	maxFields     = 16384
	// maxPairs and maxPairDepth bound how two schemas are walked together.
	maxPairs     = 4 * maxComposites
	maxPairDepth = 4 * maxTypeDepth
)

type typeReader struct {
	r      *wire.Reader
	seen   []*Type
	fields int
}

// read reads one type below depth others; nil after an error.
func (tr *typeReader) read(depth int) *Type {
	r := tr.r
	items := r.ArrayLen()
	kind := r.String()
	if kind == kindRef && items == 2 {
		return tr.ref()
	}
	s, ok := shapes[kind]
	switch {
	case r.Err() != nil:
		return nil
	case depth > 2*maxTypeDepth:
		r.Fail(fmt.Errorf("%w: a type of more than %d types", wire.ErrDepth, 2*maxTypeDepth))
		return nil
	case !ok || items != s.items():
		r.Fail(fmt.Errorf("%w: no such kind of type", wire.ErrType))
		return nil
	}
	t := &Type{Kind: kind}
	if t.composite() {
		if len(tr.seen) == maxComposites {
			r.Fail(fmt.Errorf("%w: a type of more than %d types", wire.ErrDepth, maxComposites))
			return nil
		}
		tr.seen = append(tr.seen, t)
	}
	tr.parts(t, s, depth+1)
	return t
}

func (tr *typeReader) ref() *Type {
	i := tr.r.Uint()
	if i >= uint64(len(tr.seen)) {
		tr.r.Fail(fmt.Errorf("%w: a reference to a type not yet begun", wire.ErrRange))
		return nil
	}
	return tr.seen[i]
}

func (tr *typeReader) parts(t *Type, s shape, depth int) {
	r := tr.r
	if s.named {
		t.Name = r.String()
	}
	if s.length {
		n := r.Uint()
		if t.Len = int(n); t.Len < 0 || uint64(t.Len) != n {
			r.Fail(fmt.Errorf("%w: an array length", wire.ErrRange))
		}
	}
	if s.key {
		t.Key = tr.read(depth)
	}
	if s.elem {
		t.Elem = tr.read(depth)
	}
	if s.fields {
		n := r.ArrayLen()
		if n%2 != 0 {
			r.Fail(fmt.Errorf("%w: a field without a type", wire.ErrType))
		}
		if tr.fields += n / 2; tr.fields > maxFields {
			r.Fail(fmt.Errorf("%w: a type of more than %d fields", wire.ErrDepth, maxFields))
		}
		for i := 0; i < n/2 && r.Err() == nil; i++ {
			t.Fields = append(t.Fields, Field{Name: r.String(), Type: tr.read(depth)})
		}
	}
}

// Equal reports whether t and o describe the same bytes. Names of structs do
// not matter; names of fields, and of types that encode themselves, do. Two nil
// types are equal. Types so entangled that no Go type has them are not.
func (t *Type) Equal(o *Type) bool { return t.equal(o, map[[2]*Type]bool{}, 0) }

// equal takes what is in seen for equal: a difference shows up elsewhere.
func (t *Type) equal(o *Type, seen map[[2]*Type]bool, depth int) bool {
	if t == o || t == nil || o == nil {
		return t == o
	}
	if t.Kind != o.Kind || t.Len != o.Len || t.Kind != "struct" && t.Name != o.Name {
		return false
	}
	if !t.composite() {
		return true
	}
	pair := [2]*Type{t, o}
	if seen[pair] {
		return true
	}
	if seen[pair] = true; len(seen) > maxPairs || depth > maxPairDepth {
		return false
	}
	return t.Key.equal(o.Key, seen, depth+1) && t.Elem.equal(o.Elem, seen, depth+1) &&
		slices.EqualFunc(t.Fields, o.Fields, func(a, b Field) bool {
			return a.Name == b.Name && a.Type.equal(b.Type, seen, depth+1)
		})
}

// maxString bounds String in bytes, roughly: shared types are spelled out each
// time, and bytes that are not ours may share beyond all measure.
const maxString = 4096

// String describes t as Go would write it: "main.Total{Sum int64; N uint32}",
// "map[string][]float64". A struct that was spelled out before is its name.
func (t *Type) String() string {
	if t == nil {
		return "nothing"
	}
	var b strings.Builder
	t.write(&b, map[*Type]bool{})
	return b.String()
}

func (t *Type) write(b *strings.Builder, seen map[*Type]bool) {
	if b.Len() > maxString {
		b.WriteString("...")
		return
	}
	if t.composite() && seen[t] {
		b.WriteString(cmp.Or(t.Name, "..."))
		return
	}
	seen[t] = true
	switch t.Kind {
	case "bytes":
		b.WriteString("[]byte")
	case "bytearray":
		b.WriteString("[" + strconv.Itoa(t.Len) + "]byte")
	case "time":
		b.WriteString("time.Time")
	case "pointer":
		b.WriteByte('*')
	case "slice":
		b.WriteString("[]")
	case "array":
		b.WriteString("[" + strconv.Itoa(t.Len) + "]")
	case "map":
		b.WriteString("map[")
		t.Key.write(b, seen)
		b.WriteByte(']')
	case "struct":
		t.writeStruct(b, seen)
	default:
		b.WriteString(cmp.Or(t.Name, t.Kind))
	}
	if t.Elem != nil {
		t.Elem.write(b, seen)
	}
	if t.Kind != "struct" {
		delete(seen, t) // spelled out again unless it holds itself
	}
}

func (t *Type) writeStruct(b *strings.Builder, seen map[*Type]bool) {
	b.WriteString(cmp.Or(t.Name, "struct"))
	for i, f := range t.Fields {
		b.WriteString([]string{"{", "; "}[min(i, 1)])
		b.WriteString(f.Name + " ")
		f.Type.write(b, seen)
	}
	if len(t.Fields) == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
}
