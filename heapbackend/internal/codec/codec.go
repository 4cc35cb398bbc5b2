package codec

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/heapstate/heapstate/internal/wire"
)

// ErrType says that a type cannot be encoded, cloned or converted. The message
// names the path to the part that is refused, such as "Total.Next.f".
var ErrType = errors.New("codec: unsupported type")

// Codec encodes and decodes values of V. It is immutable and safe for
// concurrent use.
type Codec[V any] struct {
	enc *node
	// dec reads the bytes: enc itself, or a node that reads an older layout.
	dec *node
}

// roots holds the finished node of every type a codec was derived for, by root.
// Invariant: a node in it never changes.
var roots sync.Map

// root names a codec: a type, and whether its values are keys.
type root struct {
	rt  reflect.Type
	key bool
}

// For returns the codec of V, derived once per type. The error is ErrType.
func For[V any]() (*Codec[V], error) { return codecOf[V](root{rt: reflect.TypeFor[V]()}) }

// ForKey returns the codec of keys of type K: scalars, strings, and arrays and
// structs of these. Keys that differ by == have different bytes, whatever the
// author of K meant for other purposes: all fields of a struct are written, also
// unexported and embedded ones, each as itself, and tags and methods of K are
// not looked at. Otherwise, and for plain types in particular, the bytes are
// those of For. The error is ErrType.
func ForKey[K comparable]() (*Codec[K], error) {
	return codecOf[K](root{rt: reflect.TypeFor[K](), key: true})
}

func codecOf[V any](of root) (*Codec[V], error) {
	n, err := of.derive()
	if err != nil {
		return nil, err
	}
	return &Codec[V]{enc: n, dec: n}, nil
}

func (of root) derive() (*node, error) {
	if n, ok := roots.Load(of); ok {
		return n.(*node), nil
	}
	if of.key && !comparableByBytes(of.rt) {
		return nil, refuse(rootPath(of.rt), of.rt, "a key must not hold a pointer: equal keys would come back different")
	}
	d := deriver{seen: map[reflect.Type]*node{}, key: of.key}
	n, err := d.derive(of.rt, rootPath(of.rt), 0)
	if err != nil {
		return nil, err
	}
	if err := d.small(); err != nil {
		return nil, err
	}
	if err := d.probe(); err != nil {
		return nil, err
	}
	kept, _ := roots.LoadOrStore(of, n)
	return kept.(*node), nil
}

// Append appends the encoding of *v to dst, and returns dst unextended with an
// error that matches wire.ErrDepth (nested too deep, or cyclic), wire.ErrRange
// (longer than msgpack can express), ErrType (a type's own method wrote
// something other than one value, or what it would not read back), or that the
// type's own method returned.
// Equal values have equal bytes. It allocates only to grow dst, for map
// entries, and in a type's own methods.
func (c *Codec[V]) Append(dst []byte, v *V) ([]byte, error) {
	b, err := c.enc.append(dst, unsafe.Pointer(v), 0)
	if err != nil {
		return dst, fmt.Errorf("codec: encode %s: %w", c.enc.rt, err)
	}
	return b, nil
}

// Decode reads one value from r into *v, which must be the zero value. Nothing
// in *v aliases the bytes of r. After an error *v holds whatever was read
// before it, and r stays failed. Memory taken is at most the size of one
// element for each byte present. Nothing is allocated for a pointer-free type
// without methods of its own.
func (c *Codec[V]) Decode(r *wire.Reader, v *V) error {
	c.dec.decode(r, unsafe.Pointer(v), 0)
	if err := r.Err(); err != nil {
		return fmt.Errorf("codec: decode %s: %w", c.dec.rt, err)
	}
	return nil
}

// Type returns the schema of what Append writes. The caller must not change it.
func (c *Codec[V]) Type() *Type { return c.enc.schema }
