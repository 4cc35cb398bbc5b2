package codec

import (
	"reflect"
	"sync"
	"unsafe"

	"github.com/heapstate/heapstate/internal/wire"
)

// opKind says what one op reads or writes.
type opKind uint8

const (
	opBool opKind = iota
	opInt
	opInt8
	opInt16
	opInt32
	opInt64
	opUint
	opUint8
	opUint16
	opUint32
	opUint64
	opFloat32
	opFloat64
	opString
	opTime
	opBytes     // []byte
	opByteArray // [n]byte
	opHead      // the array header of a struct or an array of n items
	opPointer   // the kinds from here on use ref
	opSlice
	opMap
	opArray  // an array too long to unroll
	opStruct // a struct with too many ops to inline
	opOpaque // a type with methods of its own
	opSkip   // one value read and dropped; never encoded
)

// op is one step of a program: what lies off bytes into the value.
type op struct {
	kind opKind
	// nest counts the headers before this op in the same program whose items
	// are not all written yet: the containers this op is nested in.
	nest uint16
	n    int
	off  uintptr
	ref  *node
}

// node is the derived codec of one type: a flat program over the memory of a
// value, in which structs and short arrays are inlined. References lead to the
// node of what they refer to, so a recursive type is a cyclic graph of nodes.
type node struct {
	rt     reflect.Type
	schema *Type
	ops    []op
	// nest is the largest number of containers the program itself nests.
	nest int
	// min is the fewest bytes a value takes, at least 1.
	min int

	elem, key *node         // of pointers, slices, arrays and maps
	fields    []*node       // of structs
	layout    []structField // where fields are
	length    int           // of arrays
	opaque    opaque        // of types with methods of their own
	order     keyOrder      // of maps
	ownKeys   bool          // of maps: keys, or parts of them, are opaque
	scratch   sync.Pool
	plain     bool // holds no pointer at all
}

// maxInline is the largest program that is copied into the one around it.
const maxInline = 64

// place appends the program of n, off bytes in and below nest containers, to
// ops.
func (n *node) place(ops []op, off uintptr, nest int) []op {
	if len(n.ops) > maxInline {
		return append(ops, op{kind: opStruct, off: off, nest: uint16(nest), ref: n})
	}
	for _, o := range n.ops {
		o.off += off
		o.nest += uint16(nest)
		ops = append(ops, o)
	}
	return ops
}

// sliceHeader is the memory of a slice.
//
// Safety: it mirrors the layout every Go compiler of this module uses (checked
// by a test against reflect), and its pointer field is typed as one, so the
// collector sees every load and store.
type sliceHeader struct {
	ptr      unsafe.Pointer
	len, cap int
}

// at returns the memory at p as a settable value of the type of n.
func (n *node) at(p unsafe.Pointer) reflect.Value { return reflect.NewAt(n.rt, p).Elem() }

// headLen returns how many bytes the header of an array of n items takes.
func headLen(n int) int { return len(wire.AppendArrayLen(nil, n)) }
