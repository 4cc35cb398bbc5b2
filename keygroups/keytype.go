package keygroups

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// maxDepth bounds how deep arrays and structs may nest in a key type.
const maxDepth = 32

// littleEndian tells whether integers lie in memory as they are encoded.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// keyType is all that is known of a type of keys.
type keyType struct {
	name  string  // see Hasher.Type
	kind  kind    // how its keys are hashed
	exact bool    // no floats inside: == is equality of encodings
	size  uintptr // bytes in memory
	program
}

// keyTypeOf derives the encoding of the keys of type t, or says why there is
// none. With little, integers are copied as they lie in memory.
func keyTypeOf(t reflect.Type, little bool) (*keyType, error) {
	d := deriver{root: t, little: little, exact: true}
	if err := d.walk(t, 0, 0, ""); err != nil {
		return nil, err
	}
	if t.Kind() == reflect.String {
		d.ops[0].code = opText
	}
	k := &keyType{name: d.name.String(), exact: d.exact, size: t.Size(), program: d.finish()}
	k.kind = kindOf(t, k)
	return k, nil
}

// kindOf chooses the way to hash keys of the type. All ways give the same hash,
// that of the encoding; a special one only avoids writing the encoding down.
func kindOf(t reflect.Type, k *keyType) kind {
	flat := len(k.ops) == 1 && k.ops[0].code == opRaw && uintptr(k.ops[0].n) == k.size
	switch {
	case t.Kind() == reflect.String:
		return kindString
	case t.Kind() == reflect.Float32:
		return kindFloat32
	case t.Kind() == reflect.Float64:
		return kindFloat64
	case !flat:
		return kindEncoded
	case k.size == 8:
		return kind8
	case k.size == 4:
		return kind4
	case k.size == 16:
		return kind16
	}
	return kindFlat
}

// deriver builds the program and the name of a type in one walk over it.
type deriver struct {
	root   reflect.Type
	little bool
	exact  bool
	name   strings.Builder
	ops    []op
}

// walk adds the type t, which lies at the offset off of the key and is called
// path in errors.
func (d *deriver) walk(t reflect.Type, off uintptr, depth int, path string) error {
	if depth > maxDepth {
		return d.refuse(path, fmt.Sprintf("nested more than %d deep", maxDepth))
	}
	switch t.Kind() {
	case reflect.Array:
		return d.array(t, off, depth, path)
	case reflect.Struct:
		return d.structure(t, off, depth, path)
	}
	code, ok := leaf(t.Kind())
	if !ok {
		return d.refuse(path, "of kind "+t.Kind().String())
	}
	d.exact = d.exact && code != opFloat32 && code != opFloat64
	d.name.WriteString(t.Kind().String())
	d.add(op{code: code, off: off, n: int(t.Size())})
	return nil
}

// leaf returns the opcode for a kind that has no parts, if it can be a key.
func leaf(k reflect.Kind) (opcode, bool) {
	switch k {
	case reflect.Bool, reflect.Int8, reflect.Uint8:
		return opRaw, true
	case reflect.Int16, reflect.Uint16:
		return opWord16, true
	case reflect.Int32, reflect.Uint32:
		return opWord32, true
	case reflect.Int64, reflect.Uint64:
		return opWord64, true
	case reflect.Int:
		return opInt, true
	case reflect.Uint:
		return opUint, true
	case reflect.Float32:
		return opFloat32, true
	case reflect.Float64:
		return opFloat64, true
	case reflect.String:
		return opString, true
	}
	return 0, false
}

// array adds an array: its elements one after another.
func (d *deriver) array(t reflect.Type, off uintptr, depth int, path string) error {
	d.name.WriteString("[" + strconv.Itoa(t.Len()) + "]")
	whole := d.ops
	d.ops = nil
	if err := d.walk(t.Elem(), 0, depth+1, path+"[]"); err != nil {
		return err
	}
	elem := d.finish()
	d.ops = whole
	stride := t.Elem().Size()
	switch {
	case t.Len() == 0 || len(elem.ops) == 0:
	case len(elem.ops) == 1 && elem.ops[0].code == opRaw && uintptr(elem.ops[0].n) == stride:
		d.add(op{code: opRaw, off: off, n: t.Len() * int(stride)})
	default:
		d.add(op{code: opArray, off: off, n: t.Len(), stride: stride, elem: &elem})
	}
	return nil
}

// structure adds a struct: its fields one after another, without padding.
func (d *deriver) structure(t reflect.Type, off uintptr, depth int, path string) error {
	d.name.WriteString("struct{")
	for i := range t.NumField() {
		f := t.Field(i)
		name := strings.TrimPrefix(path+"."+f.Name, ".")
		if f.Name == "_" {
			return d.refuse(name, "a blank field")
		}
		if i > 0 {
			d.name.WriteString("; ")
		}
		d.name.WriteString(f.Name + " ")
		if err := d.walk(f.Type, off+f.Offset, depth+1, name); err != nil {
			return err
		}
	}
	d.name.WriteString("}")
	return nil
}

// add adds one op. Words that lie in memory as they are encoded become bytes,
// and bytes that follow others join them.
func (d *deriver) add(o op) {
	word := o.code == opWord16 || o.code == opWord32 || o.code == opWord64
	wide := (o.code == opInt || o.code == opUint) && o.n == 8
	if d.little && (word || wide) {
		o.code = opRaw
	}
	if last := len(d.ops) - 1; o.code == opRaw && last >= 0 {
		before := &d.ops[last]
		if before.code == opRaw && before.off+uintptr(before.n) == o.off {
			before.n += o.n
			return
		}
	}
	d.ops = append(d.ops, o)
}

// finish returns the program of the ops added so far.
func (d *deriver) finish() program {
	g := program{ops: d.ops}
	for _, o := range d.ops {
		switch o.code {
		case opInt, opUint:
			g.fixed += 8
		case opText, opString:
			g.varies = true
		case opArray:
			if g.varies = g.varies || o.elem.varies; !o.elem.varies {
				g.fixed += o.n * o.elem.fixed
			}
		default:
			g.fixed += o.n
		}
	}
	return g
}

// refuse says which part of the type cannot be in a key.
func (d *deriver) refuse(path, what string) error {
	if path == "" {
		return fmt.Errorf("%w: %v is %s", ErrKeyType, d.root, what)
	}
	return fmt.Errorf("%w: %v: %s is %s", ErrKeyType, d.root, path, what)
}
