package codec

import (
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/internal/wire"
)

const (
	// maxTypeDepth bounds how deep a type may nest, recursion not counted.
	maxTypeDepth = 100
	// maxUnroll is the largest program an array is unrolled into.
	maxUnroll = 16
	// maxMin caps node.min, so that products of it never overflow.
	maxMin = 1 << 30
)

// deriver derives the nodes of one root type.
type deriver struct {
	// seen holds every node by its type, also while it is being derived: that
	// is how a recursive type finds itself.
	seen map[reflect.Type]*node
	// key says that the root is a key: then tags and methods do not count.
	key bool
}

// basics maps the kinds without structure to their op and schema kind.
var basics = map[reflect.Kind]struct {
	op   opKind
	kind string
	min  int
}{
	reflect.Bool: {opBool, "bool", 1}, reflect.String: {opString, "string", 1},
	reflect.Int: {opInt, "int", 1}, reflect.Uint: {opUint, "uint", 1},
	reflect.Int8: {opInt8, "int8", 1}, reflect.Uint8: {opUint8, "uint8", 1},
	reflect.Int16: {opInt16, "int16", 1}, reflect.Uint16: {opUint16, "uint16", 1},
	reflect.Int32: {opInt32, "int32", 1}, reflect.Uint32: {opUint32, "uint32", 1},
	reflect.Int64: {opInt64, "int64", 1}, reflect.Uint64: {opUint64, "uint64", 1},
	reflect.Float32: {opFloat32, "float32", 5}, reflect.Float64: {opFloat64, "float64", 9},
}

var (
	timeType = reflect.TypeFor[time.Time]()
	uuidType = reflect.TypeFor[uuid.UUID]()
)

// derive returns the node of rt, found at path below depth other types.
func (d *deriver) derive(rt reflect.Type, path string, depth int) (*node, error) {
	if n, ok := d.seen[rt]; ok {
		return n, nil
	}
	if depth > maxTypeDepth {
		return nil, refuse(path, rt, fmt.Sprintf("nested more than %d types deep", maxTypeDepth))
	}
	n := &node{rt: rt, min: 1, schema: &Type{}, plain: pointerFree(rt)}
	d.seen[rt] = n
	if !d.key {
		if done, err := n.special(path); done || err != nil {
			return n, err
		}
	}
	if basic, ok := basics[rt.Kind()]; ok {
		n.leaf(basic.op, basic.kind, 0, basic.min)
		return n, nil
	}
	return n, d.composite(n, path, depth+1)
}

// special derives n if its type is one that is not written as what it is made
// of, and reports whether it is.
func (n *node) special(path string) (bool, error) {
	switch n.rt {
	case timeType:
		n.leaf(opTime, "time", 0, 6)
		return true, nil
	case uuidType: // its own methods write the same bytes, with allocations
		n.byteArray(n.rt.Len())
		return true, nil
	}
	fam, err := familyOf(n.rt, path)
	if fam != nil && err == nil {
		n.setOpaque(fam)
	}
	return fam != nil, err
}

// composite derives n from the types it is made of.
func (d *deriver) composite(n *node, path string, depth int) error {
	switch n.rt.Kind() {
	case reflect.Slice:
		if n.rt.Elem().Kind() == reflect.Uint8 {
			n.leaf(opBytes, "bytes", 0, 1)
			return nil
		}
		return d.reference(n, opSlice, "slice", path+"[]", depth)
	case reflect.Array:
		if n.rt.Elem().Kind() == reflect.Uint8 {
			n.byteArray(n.rt.Len())
			return nil
		}
		return d.array(n, path+"[]", depth)
	case reflect.Pointer:
		switch n.rt.Elem().Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			return refuse(path, n.rt, "nil and a pointer to nil would have the same bytes")
		}
		return d.reference(n, opPointer, "pointer", path, depth)
	case reflect.Map:
		return d.mapping(n, path, depth)
	case reflect.Struct:
		return d.structure(n, path, depth)
	case reflect.Interface:
		return refuse(path, n.rt, "an interface does not say which type to read back")
	}
	return refuse(path, n.rt, "it cannot be written down")
}

func (d *deriver) reference(n *node, kind opKind, name, path string, depth int) error {
	n.leaf(kind, name, 0, 1)
	elem, err := d.derive(n.rt.Elem(), path, depth)
	if err != nil {
		return err
	}
	n.elem, n.schema.Elem = elem, elem.schema
	return nil
}

func (d *deriver) array(n *node, path string, depth int) error {
	elem, err := d.derive(n.rt.Elem(), path, depth)
	if err != nil {
		return err
	}
	n.setArray(elem)
	n.schema.Kind, n.schema.Len, n.schema.Elem = "array", n.length, elem.schema
	return nil
}

// setArray makes n the program of an array of elem, unrolled if it is short.
func (n *node) setArray(elem *node) {
	n.elem, n.length = elem, n.rt.Len()
	n.min = min(headLen(n.length)+capped(n.length, elem.min), maxMin)
	if n.length > maxUnroll || n.length*len(elem.ops) > maxUnroll {
		n.ops = []op{{kind: opArray, n: n.length, ref: n}}
		return
	}
	n.nest = 1 + elem.nest
	n.ops = []op{{kind: opHead, n: n.length}}
	for i := range n.length {
		n.ops = elem.place(n.ops, uintptr(i)*elem.rt.Size(), 1)
	}
}

func (d *deriver) structure(n *node, path string, depth int) error {
	list := fieldsOf
	if d.key {
		list = keyFieldsOf
	}
	fields, err := list(n.rt, path)
	if err != nil {
		return err
	}
	n.layout = fields
	n.schema.Kind, n.schema.Name = "struct", n.rt.String()
	if n.rt.Name() == "" {
		n.schema.Name = ""
	}
	n.min, n.nest = headLen(len(fields)), 1
	n.ops = []op{{kind: opHead, n: len(fields)}}
	for _, f := range fields {
		fn, err := d.derive(f.rt, path+"."+f.goName, depth)
		if err != nil {
			return err
		}
		n.schema.Fields = append(n.schema.Fields, Field{Name: f.name, Type: fn.schema})
		n.fields = append(n.fields, fn)
		n.ops = fn.place(n.ops, f.off, 1)
		n.min = min(n.min+fn.min, maxMin)
		n.nest = max(n.nest, 1+fn.inlineNest())
	}
	return nil
}

// inlineNest returns how many containers n adds to a program it is placed in.
func (n *node) inlineNest() int {
	if len(n.ops) > maxInline {
		return 0 // it counts its own when it runs
	}
	return n.nest
}

// leaf makes n a program of one op.
func (n *node) leaf(kind opKind, name string, length, least int) {
	n.ops = []op{{kind: kind, n: length, ref: n}}
	n.schema.Kind, n.schema.Len = name, length
	n.min = least
}

func (n *node) byteArray(length int) {
	head := len(wire.AppendBytesLen(nil, length))
	n.leaf(opByteArray, "bytes", length, min(head+length, maxMin))
	n.schema.Kind = "bytearray"
}

// capped returns a*b, at most maxMin. Both are at least 0, b at most maxMin.
func capped(a, b int) int {
	return int(min(uint64(min(a, maxMin))*uint64(b), maxMin))
}

// small refuses types whose schema ReadType would refuse.
func (d *deriver) small() error {
	composites, fields := 0, 0
	for rt, n := range d.seen {
		fields += len(n.schema.Fields)
		if n.schema.composite() {
			composites++
		}
		if composites > maxComposites || fields > maxFields {
			return refuse(rootPath(rt), rt, "it is made of too many types or fields")
		}
	}
	return nil
}

func rootPath(rt reflect.Type) string {
	if rt.Name() != "" && rt.PkgPath() != "" {
		return rt.Name()
	}
	return rt.String()
}

func refuse(path string, rt reflect.Type, why string) error {
	return fmt.Errorf("%w: %s: %s: %s", ErrType, path, rt, why)
}
