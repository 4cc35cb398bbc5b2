package codec

import (
	"fmt"
	"math"
	"reflect"
	"time"
	"unsafe"

	"github.com/heapstate/heapstate/internal/wire"
)

// decode runs the program of n, reading the value at p, which lies below depth
// containers. Errors stick to r: after one, reads return zero values.
//
// Safety: as for append; every store is through a pointer of the field's own
// type, so write barriers are kept.
func (n *node) decode(r *wire.Reader, p unsafe.Pointer, depth int) {
	if depth+n.nest > wire.MaxDepth {
		r.Fail(errDepth())
		return
	}
	for i := range n.ops {
		o := &n.ops[i]
		f := unsafe.Add(p, o.off)
		switch o.kind {
		case opInt64:
			*(*int64)(f) = r.Int()
		case opUint64:
			*(*uint64)(f) = r.Uint()
		case opFloat64:
			*(*float64)(f) = r.Float64()
		case opString:
			*(*string)(f) = r.String()
		case opHead:
			if got := r.ArrayLen(); got != o.n && r.Err() == nil {
				r.Fail(fmt.Errorf("%w: %d items where the type has %d", wire.ErrType, got, o.n))
			}
		case opByteArray:
			s := r.Bytes()
			if len(s) != o.n && r.Err() == nil {
				r.Fail(fmt.Errorf("%w: %d bytes where the type has %d", wire.ErrType, len(s), o.n))
			}
			copy(unsafe.Slice((*byte)(f), o.n), s)
		case opUint32:
			v := r.Uint()
			if v > math.MaxUint32 {
				r.Fail(fmt.Errorf("%w: an integer above %d", wire.ErrRange, uint32(math.MaxUint32)))
				return
			}
			*(*uint32)(f) = uint32(v)
		case opInt32:
			v := r.Int()
			if int64(int32(v)) != v {
				r.Fail(fmt.Errorf("%w: an integer of more than 32 bits", wire.ErrRange))
				return
			}
			*(*int32)(f) = int32(v)
		case opBool:
			*(*bool)(f) = r.Bool()
		case opFloat32:
			*(*float32)(f) = r.Float32()
		case opTime:
			*(*time.Time)(f) = r.Time()
		default:
			if o.kind < opUint32 {
				o.decodeNarrow(r, f)
			} else {
				o.decode(r, f, depth+int(o.nest))
			}
			if r.Err() != nil {
				return
			}
		}
	}
}

// decodeNarrow reads an integer that may not fit its type.
func (o *op) decodeNarrow(r *wire.Reader, f unsafe.Pointer) {
	switch o.kind {
	case opInt:
		*(*int)(f) = int(signed(r, math.MinInt, math.MaxInt))
	case opInt8:
		*(*int8)(f) = int8(signed(r, math.MinInt8, math.MaxInt8))
	case opInt16:
		*(*int16)(f) = int16(signed(r, math.MinInt16, math.MaxInt16))
	case opUint:
		*(*uint)(f) = uint(unsigned(r, math.MaxUint))
	case opUint8:
		*(*uint8)(f) = uint8(unsigned(r, math.MaxUint8))
	case opUint16:
		*(*uint16)(f) = uint16(unsigned(r, math.MaxUint16))
	}
}

func signed(r *wire.Reader, low, high int64) int64 {
	v := r.Int()
	if v < low || v > high {
		r.Fail(fmt.Errorf("%w: an integer outside [%d, %d]", wire.ErrRange, low, high))
		return 0
	}
	return v
}

func unsigned(r *wire.Reader, high uint64) uint64 {
	v := r.Uint()
	if v > high {
		r.Fail(fmt.Errorf("%w: an integer above %d", wire.ErrRange, high))
		return 0
	}
	return v
}

// decode reads what may be nil, nested or opaque.
func (o *op) decode(r *wire.Reader, f unsafe.Pointer, depth int) {
	switch o.kind {
	case opBytes:
		if !r.IsNil() {
			*(*[]byte)(f) = exactly(r.Bytes())
		}
	case opPointer:
		if !r.IsNil() {
			elem := o.ref.elem
			p := reflect.New(elem.rt).UnsafePointer()
			*(*unsafe.Pointer)(f) = p
			elem.decode(r, p, depth)
		}
	case opSlice:
		if !r.IsNil() {
			o.ref.decodeSlice(r, (*sliceHeader)(f), depth)
		}
	case opArray:
		if got := r.ArrayLen(); got != o.n && r.Err() == nil {
			r.Fail(fmt.Errorf("%w: %d items where the type has %d", wire.ErrType, got, o.n))
		}
		o.ref.decodeItems(r, f, o.n, depth)
	case opMap:
		if !r.IsNil() {
			o.ref.decodeMap(r, f, depth)
		}
	case opStruct:
		o.ref.decode(r, f, depth)
	case opSkip:
		r.Skip()
	case opOpaque:
		o.ref.opaque.decode(r, f)
	}
}

// exactly returns a copy without spare capacity.
func exactly(b []byte) []byte {
	c := make([]byte, len(b))
	copy(c, b)
	return c
}

func (n *node) decodeSlice(r *wire.Reader, s *sliceHeader, depth int) {
	count := r.ArrayLen()
	if !room(r, count, n.elem.min) {
		return
	}
	v := reflect.MakeSlice(n.rt, count, count)
	*s = sliceHeader{ptr: v.UnsafePointer(), len: count, cap: count}
	n.decodeItems(r, s.ptr, count, depth)
}

// decodeItems reads count elements that lie one after the other from p.
func (n *node) decodeItems(r *wire.Reader, p unsafe.Pointer, count, depth int) {
	if depth++; depth > wire.MaxDepth {
		r.Fail(errDepth())
	}
	size := n.elem.rt.Size()
	for i := 0; i < count && r.Err() == nil; i++ {
		n.elem.decode(r, unsafe.Add(p, uintptr(i)*size), depth)
	}
}

// room reports whether count things of at least size bytes each can be left in
// r, and fails r if not: it is asked before anything is allocated for them.
func room(r *wire.Reader, count, size int) bool {
	if r.Err() == nil && uint64(count)*uint64(size) > uint64(r.Len()) {
		r.Fail(fmt.Errorf("%w: %d items of at least %d bytes in %d bytes",
			wire.ErrTruncated, count, size, r.Len()))
	}
	return r.Err() == nil
}
