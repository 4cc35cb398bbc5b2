package codec

import (
	"fmt"
	"time"
	"unsafe"

	"github.com/heapstate/heapstate/internal/wire"
)

// append runs the program of n over the value at p, which lies below depth
// containers.
//
// Safety: p points to a value of n.rt, and every op was derived from that
// type's own layout, so each access is of the field's type and inside the
// value. Nothing is written through p.
func (n *node) append(b []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	if depth+n.nest > wire.MaxDepth {
		return b, errDepth()
	}
	for i := range n.ops {
		o := &n.ops[i]
		f := unsafe.Add(p, o.off)
		switch o.kind {
		case opBool:
			b = wire.AppendBool(b, *(*bool)(f))
		case opInt:
			b = wire.AppendInt(b, int64(*(*int)(f)))
		case opInt8:
			b = wire.AppendInt(b, int64(*(*int8)(f)))
		case opInt16:
			b = wire.AppendInt(b, int64(*(*int16)(f)))
		case opInt32:
			b = wire.AppendInt(b, int64(*(*int32)(f)))
		case opInt64:
			b = wire.AppendInt(b, *(*int64)(f))
		case opUint:
			b = wire.AppendUint(b, uint64(*(*uint)(f)))
		case opUint8:
			b = wire.AppendUint(b, uint64(*(*uint8)(f)))
		case opUint16:
			b = wire.AppendUint(b, uint64(*(*uint16)(f)))
		case opUint32:
			b = wire.AppendUint(b, uint64(*(*uint32)(f)))
		case opUint64:
			b = wire.AppendUint(b, *(*uint64)(f))
		case opFloat32:
			b = wire.AppendFloat32(b, *(*float32)(f))
		case opFloat64:
			b = wire.AppendFloat64(b, *(*float64)(f))
		case opTime:
			b = wire.AppendTime(b, *(*time.Time)(f))
		case opByteArray:
			b = wire.AppendBytes(b, unsafe.Slice((*byte)(f), o.n))
		case opHead:
			b = wire.AppendArrayLen(b, o.n)
		case opString:
			s := *(*string)(f)
			if uint64(len(s)) > wire.MaxLen {
				return b, fits(len(s))
			}
			b = wire.AppendString(b, s)
		default:
			var err error
			if b, err = o.append(b, f, depth+int(o.nest)); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}

// append encodes what may be nil, nested or opaque.
func (o *op) append(b []byte, f unsafe.Pointer, depth int) ([]byte, error) {
	switch o.kind {
	case opBytes:
		s := *(*[]byte)(f)
		if s == nil {
			return wire.AppendNil(b), nil
		}
		if err := fits(len(s)); err != nil {
			return b, err
		}
		return wire.AppendBytes(b, s), nil
	case opPointer:
		p := *(*unsafe.Pointer)(f)
		if p == nil {
			return wire.AppendNil(b), nil
		}
		return o.ref.elem.appendTarget(b, p, depth)
	case opSlice:
		s := *(*sliceHeader)(f)
		if s.ptr == nil {
			return wire.AppendNil(b), nil
		}
		return o.ref.appendItems(b, s.ptr, s.len, depth)
	case opArray:
		return o.ref.appendItems(b, f, o.n, depth)
	case opMap:
		return o.ref.appendMap(b, f, depth)
	case opStruct:
		return o.ref.append(b, f, depth)
	}
	return o.ref.opaque.append(b, f)
}

// appendItems encodes count elements that lie one after the other from p.
func (n *node) appendItems(b []byte, p unsafe.Pointer, count, depth int) ([]byte, error) {
	if err := fits(count); err != nil {
		return b, err
	}
	if depth++; depth > wire.MaxDepth {
		return b, errDepth()
	}
	b = wire.AppendArrayLen(b, count)
	size := n.elem.rt.Size()
	for i := range count {
		var err error
		if b, err = n.elem.append(b, unsafe.Add(p, uintptr(i)*size), depth); err != nil {
			return b, err
		}
	}
	return b, nil
}

// fits reports whether msgpack can express a length of n.
func fits(n int) error {
	if uint64(n) > wire.MaxLen {
		return fmt.Errorf("%w: a length above 2^32-1", wire.ErrRange)
	}
	return nil
}

func errDepth() error {
	return fmt.Errorf("%w: more than %d containers", wire.ErrDepth, wire.MaxDepth)
}
