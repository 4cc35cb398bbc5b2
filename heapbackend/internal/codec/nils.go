package codec

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/heapstate/heapstate/internal/wire"
)

// nil in the bytes of a type with methods of its own is read as the zero value
// without asking them, and below a pointer as the nil pointer, as msgpack/v5
// does. So a type that writes anything else as nil must not be believed.

// wroteNil reports whether what was appended after before is nil.
func wroteNil(b []byte, before int) bool {
	r := wire.NewReader(b[min(before, len(b)):])
	return r.IsNil() && r.Len() == 0
}

// ownNil is told that the type's own method wrote nil, after before, for a value
// that nil does not stand for. Methods that return no bytes are written as no
// bytes, if they read that; the rest is refused.
func (n *node) ownNil(b []byte, before int) ([]byte, error) {
	fam := n.opaque.fam
	if fam.bin && n.readsNothing() {
		return wire.AppendBytes(b[:before], nil), nil
	}
	return b[:before], fmt.Errorf("%w: %s of %s wrote nil for a value that is not zero, or that a pointer leads to, "+
		"and nil is read back as zero, or as the nil pointer: write something else for it", ErrType, fam.encName, n.rt)
}

// readsNothing reports whether the decoding method, given no bytes, makes a
// value of which the encoding method again writes nil. It does not believe a
// method that panics.
func (n *node) readsNothing() (reads bool) {
	defer func() {
		if recover() != nil {
			reads = false
		}
	}()
	fam, v := n.opaque.fam, reflect.New(n.rt)
	if fam.decode([]byte{}, v.Interface()) != nil {
		return false
	}
	b, err := fam.append(nil, v.Interface())
	return err == nil && wroteNil(b, 0)
}

// appendTarget encodes what the pointer p, which is not nil, leads to.
func (n *node) appendTarget(b []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	before := len(b)
	b, err := n.append(b, p, depth)
	if err == nil && n.opaque.append != nil && wroteNil(b, before) {
		return n.ownNil(b, before)
	}
	return b, err
}
