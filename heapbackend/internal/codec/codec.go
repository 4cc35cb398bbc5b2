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

// roots holds the finished node of every type a codec was derived for, by
// reflect.Type. Invariant: a node in it never changes.
var roots sync.Map

// For returns the codec of V, derived once per type. The error is ErrType.
func For[V any]() (*Codec[V], error) {
	n, err := rootOf(reflect.TypeFor[V]())
	if err != nil {
		return nil, err
	}
	return &Codec[V]{enc: n, dec: n}, nil
}

func rootOf(rt reflect.Type) (*node, error) {
	if n, ok := roots.Load(rt); ok {
		return n.(*node), nil
	}
	d := deriver{seen: map[reflect.Type]*node{}}
	n, err := d.derive(rt, rootPath(rt), 0)
	if err != nil {
		return nil, err
	}
	if err := d.probe(); err != nil {
		return nil, err
	}
	kept, _ := roots.LoadOrStore(rt, n)
	return kept.(*node), nil
}

// Append appends the encoding of *v to dst, and returns dst unextended with an
// error that matches wire.ErrDepth (nested too deep, or cyclic), wire.ErrRange
// (longer than msgpack can express), ErrType (a type's own method wrote
// something other than one value), or that the type's own method returned.
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
