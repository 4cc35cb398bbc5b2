package codec

import (
	"encoding"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"unsafe"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/heapstate/heapstate/internal/wire"
)

// opaque is the codec of a type with methods of its own.
type opaque struct {
	fam    *family
	append func(b []byte, p unsafe.Pointer) ([]byte, error)
	decode func(r *wire.Reader, p unsafe.Pointer)
}

// msgpMarshaler and msgpUnmarshaler are what github.com/tinylib/msgp generates.
type (
	msgpMarshaler   interface{ MarshalMsg([]byte) ([]byte, error) }
	msgpUnmarshaler interface{ UnmarshalMsg([]byte) ([]byte, error) }
)

// family is one pair of methods by which a type may bring its own codec.
type family struct {
	kind     string
	encName  string
	decName  string
	enc, dec reflect.Type
	// method finds the encoding method; its name is a constant in it, so that
	// the linker need not keep every method of every type.
	method func(reflect.Type) (reflect.Method, bool)
	append func(b []byte, v any) ([]byte, error)
	decode func(data []byte, v any) error
	// nils says that a nil map or slice, and nil data, are written as nil
	// without asking the type, as msgpack/v5 does.
	nils bool
	// bin says that the type reads and writes bytes, not a msgpack value.
	bin bool
}

// families is in the order in which msgpack/v5 prefers them; msgp, which it does
// not know, comes before those that are not about msgpack.
var families = []*family{
	{
		kind: "msgpack", encName: "EncodeMsgpack", decName: "DecodeMsgpack",
		enc: reflect.TypeFor[msgpack.CustomEncoder](), dec: reflect.TypeFor[msgpack.CustomDecoder](),
		method: func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("EncodeMsgpack") },
		append: appendCustom, decode: decodeCustom, nils: true,
	},
	{
		kind: "msgpack", encName: "MarshalMsgpack", decName: "UnmarshalMsgpack",
		enc: reflect.TypeFor[msgpack.Marshaler](), dec: reflect.TypeFor[msgpack.Unmarshaler](),
		method: func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MarshalMsgpack") },
		append: func(b []byte, v any) ([]byte, error) {
			data, err := v.(msgpack.Marshaler).MarshalMsgpack()
			return append(b, data...), err
		},
		decode: func(data []byte, v any) error { return v.(msgpack.Unmarshaler).UnmarshalMsgpack(data) },
		nils:   true,
	},
	{
		kind: "msgpack", encName: "MarshalMsg", decName: "UnmarshalMsg",
		enc: reflect.TypeFor[msgpMarshaler](), dec: reflect.TypeFor[msgpUnmarshaler](),
		method: func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MarshalMsg") },
		append: func(b []byte, v any) ([]byte, error) { return v.(msgpMarshaler).MarshalMsg(b) },
		decode: func(data []byte, v any) error {
			rest, err := v.(msgpUnmarshaler).UnmarshalMsg(data)
			return whole(len(rest), err)
		},
	},
	{
		kind: "binary", encName: "MarshalBinary", decName: "UnmarshalBinary",
		enc: reflect.TypeFor[encoding.BinaryMarshaler](), dec: reflect.TypeFor[encoding.BinaryUnmarshaler](),
		method: func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MarshalBinary") },
		append: func(b []byte, v any) ([]byte, error) {
			data, err := v.(encoding.BinaryMarshaler).MarshalBinary()
			return appendData(b, data, err)
		},
		decode: func(data []byte, v any) error { return v.(encoding.BinaryUnmarshaler).UnmarshalBinary(data) },
		nils:   true, bin: true,
	},
	{
		kind: "text", encName: "MarshalText", decName: "UnmarshalText",
		enc: reflect.TypeFor[encoding.TextMarshaler](), dec: reflect.TypeFor[encoding.TextUnmarshaler](),
		method: func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MarshalText") },
		append: func(b []byte, v any) ([]byte, error) {
			data, err := v.(encoding.TextMarshaler).MarshalText()
			return appendData(b, data, err)
		},
		decode: func(data []byte, v any) error { return v.(encoding.TextUnmarshaler).UnmarshalText(data) },
		nils:   true, bin: true,
	},
}

// familyOf returns the methods by which rt encodes itself, nil if it has none.
// It refuses a type that has but one half of a pair, and a struct that would be
// encoded as nothing but one of its embedded fields.
func familyOf(rt reflect.Type, path string) (*family, error) {
	if k := rt.Kind(); k == reflect.Pointer || k == reflect.Interface {
		return nil, nil // a pointer is nil or what it points to
	}
	enc := pick(rt, func(f *family) reflect.Type { return f.enc })
	dec := pick(rt, func(f *family) reflect.Type { return f.dec })
	switch {
	case enc == dec && enc != nil && promoted(rt, enc):
		return nil, refuse(path, rt, "the "+enc.encName+" of its embedded field would lose the other fields: "+
			"give the struct its own, or name the field")
	case enc == dec:
		return enc, nil
	case enc == nil:
		return nil, refuse(path, rt, "it has "+dec.decName+" but not "+dec.encName)
	case dec == nil:
		return nil, refuse(path, rt, "it has "+enc.encName+" but not "+enc.decName)
	}
	return nil, refuse(path, rt, "it would be written by "+enc.encName+" and read by "+dec.decName)
}

// pick returns the family msgpack/v5 chooses: methods on the value are looked
// for before those on its address.
func pick(rt reflect.Type, half func(*family) reflect.Type) *family {
	for _, t := range []reflect.Type{rt, reflect.PointerTo(rt)} {
		for _, f := range families {
			if t.Implements(half(f)) {
				return f
			}
		}
	}
	return nil
}

// promoted reports whether rt, a struct of several fields, has the encoding
// method of f only because it embeds a type that has it: then the method is one
// the compiler made.
func promoted(rt reflect.Type, f *family) bool {
	if rt.Kind() != reflect.Struct || rt.NumField() < 2 {
		return false
	}
	m, ok := f.method(rt)
	if !ok {
		m, _ = f.method(reflect.PointerTo(rt))
	}
	pc := m.Func.Pointer()
	file, _ := runtime.FuncForPC(pc).FileLine(pc)
	return strings.HasPrefix(file, "<autogenerated>")
}

// setOpaque makes n the codec that calls the methods of fam.
func (n *node) setOpaque(fam *family) {
	n.leaf(opOpaque, fam.kind, 0, 1)
	n.schema.Name = n.rt.String()
	n.opaque.fam = fam
	nils := fam.nils && nilable(n.rt)
	n.opaque.append = func(b []byte, p unsafe.Pointer) ([]byte, error) {
		v := reflect.NewAt(n.rt, p)
		if nils && v.Elem().IsNil() {
			return wire.AppendNil(b), nil
		}
		before := len(b)
		b, err := fam.append(b, v.Interface())
		if err == nil && !fam.bin {
			err = single(b, before, fam.encName)
		}
		if err == nil && fam.nils && wroteNil(b, before) && !v.Elem().IsZero() {
			return n.ownNil(b, before)
		}
		return b, err
	}
	n.opaque.decode = func(r *wire.Reader, p unsafe.Pointer) {
		if fam.nils && r.IsNil() {
			return
		}
		read := r.Raw
		if fam.bin {
			read = r.Bytes
		}
		data := read()
		if r.Err() != nil {
			return
		}
		if !n.plain { // the type may keep what it is given
			data = append([]byte{}, data...)
		}
		if err := fam.decode(data, reflect.NewAt(n.rt, p).Interface()); err != nil {
			r.Fail(fmt.Errorf("%s: %w", n.rt, err))
		}
	}
}

// single checks that a type's own method appended exactly one msgpack value:
// more would make what is around it unreadable.
func single(b []byte, before int, method string) error {
	if len(b) < before {
		return fmt.Errorf("%w: %s returned less than it was given", ErrType, method)
	}
	r := wire.NewReader(b[before:])
	r.Skip()
	if r.Err() != nil || r.Len() != 0 {
		return fmt.Errorf("%w: %s wrote %d bytes that are not one msgpack value: put them in an array",
			ErrType, method, len(b)-before)
	}
	return nil
}

func appendData(b, data []byte, err error) ([]byte, error) {
	if err != nil {
		return b, err
	}
	if data == nil {
		return wire.AppendNil(b), nil
	}
	return wire.AppendBytes(b, data), fits(len(data))
}

func whole(rest int, err error) error {
	if err == nil && rest != 0 {
		err = fmt.Errorf("%w: %d bytes of its value were not read", wire.ErrType, rest)
	}
	return err
}

// probe encodes the zero value of every type with methods of its own, so that
// one that does not write exactly one value is refused now and not at the first
// checkpoint. A method that fails or panics on a zero value says nothing.
func (d *deriver) probe() error {
	for rt, n := range d.seen {
		if n.opaque.append == nil {
			continue
		}
		if err := n.tryZero(); err != nil {
			return fmt.Errorf("%w (%s)", err, rt)
		}
	}
	return nil
}
