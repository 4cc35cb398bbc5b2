package keygroups

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// opcode says how one piece of a key goes from memory to its encoding.
type opcode uint8

const (
	opRaw     opcode = iota // n bytes, as they are in memory
	opWord16                // 16-bit integer
	opWord32                // 32-bit integer
	opWord64                // 64-bit integer
	opInt                   // int: 4 or 8 bytes in memory, 8 in the encoding
	opUint                  // uint: likewise
	opFloat32               // float32, -0 and NaN made canonical
	opFloat64               // float64, likewise
	opText                  // a string that is the whole key: its bytes alone
	opString                // a string inside a key: uvarint length, then its bytes
	opArray                 // n elements, stride bytes apart, by the program elem
)

// op is one step of a program.
type op struct {
	code   opcode
	off    uintptr // offset in the key's memory
	n      int     // bytes of opRaw, elements of opArray
	stride uintptr // of opArray
	elem   *program
}

// program encodes the keys of one type. It is derived once from the type and
// never changes, so it may be run from any goroutine.
//
// Invariant: every op reads inside the memory of the type it was derived from,
// at an offset, width and type that reflect reported for a field or element of
// it. A pointer to a live value of that type is therefore all that unsafe needs.
type program struct {
	ops    []op
	fixed  int  // bytes of the encoding outside opText, opString and varying arrays
	varies bool // whether there are such pieces
}

// append appends the encoding of the key at p. It keeps neither.
func (g *program) append(dst []byte, p unsafe.Pointer) []byte {
	for i := range g.ops {
		o := &g.ops[i]
		at := unsafe.Add(p, o.off)
		switch o.code {
		case opRaw:
			dst = appendRaw(dst, at, o.n)
		case opWord16:
			dst = binary.LittleEndian.AppendUint16(dst, *(*uint16)(at))
		case opWord32:
			dst = binary.LittleEndian.AppendUint32(dst, *(*uint32)(at))
		case opWord64:
			dst = binary.LittleEndian.AppendUint64(dst, *(*uint64)(at))
		case opInt:
			dst = binary.LittleEndian.AppendUint64(dst, uint64(*(*int)(at)))
		case opUint:
			dst = binary.LittleEndian.AppendUint64(dst, uint64(*(*uint)(at)))
		case opFloat32:
			dst = binary.LittleEndian.AppendUint32(dst, bits32(*(*float32)(at)))
		case opFloat64:
			dst = binary.LittleEndian.AppendUint64(dst, bits64(*(*float64)(at)))
		case opText:
			dst = append(dst, *(*string)(at)...)
		case opString:
			s := *(*string)(at)
			dst = binary.AppendUvarint(dst, uint64(len(s)))
			dst = append(dst, s...)
		case opArray:
			for e := range o.n {
				dst = o.elem.append(dst, unsafe.Add(at, uintptr(e)*o.stride))
			}
		}
	}
	return dst
}

// appendRaw appends the n bytes at p. The short lengths that most fields have
// are spared the call of a copy.
func appendRaw(dst []byte, p unsafe.Pointer, n int) []byte {
	switch n {
	case 1:
		return append(dst, *(*byte)(p))
	case 4:
		return binary.LittleEndian.AppendUint32(dst, load4(p))
	case 8:
		return binary.LittleEndian.AppendUint64(dst, load8(p))
	}
	return append(dst, unsafe.Slice((*byte)(p), n)...)
}

// size returns a number of bytes that is enough for the encoding of the key at
// p, and exact but for the lengths of strings, counted at their widest.
func (g *program) size(p unsafe.Pointer) int {
	size := g.fixed
	if !g.varies {
		return size
	}
	for i := range g.ops {
		o := &g.ops[i]
		at := unsafe.Add(p, o.off)
		switch {
		case o.code == opText || o.code == opString:
			size += binary.MaxVarintLen64 + len(*(*string)(at))
		case o.code == opArray && o.elem.varies:
			for e := range o.n {
				size += o.elem.size(unsafe.Add(at, uintptr(e)*o.stride))
			}
		}
	}
	return size
}

// equal reports whether the keys at a and b have the same encoding.
func (g *program) equal(a, b unsafe.Pointer) bool {
	for i := range g.ops {
		if !g.ops[i].equal(a, b) {
			return false
		}
	}
	return true
}

// equal reports whether the piece that o encodes is the same in both keys.
func (o *op) equal(a, b unsafe.Pointer) bool {
	a, b = unsafe.Add(a, o.off), unsafe.Add(b, o.off)
	switch o.code {
	case opRaw:
		return string(unsafe.Slice((*byte)(a), o.n)) == string(unsafe.Slice((*byte)(b), o.n))
	case opWord16:
		return *(*uint16)(a) == *(*uint16)(b)
	case opWord32:
		return *(*uint32)(a) == *(*uint32)(b)
	case opWord64:
		return *(*uint64)(a) == *(*uint64)(b)
	case opInt, opUint:
		return *(*uint)(a) == *(*uint)(b)
	case opFloat32:
		return bits32(*(*float32)(a)) == bits32(*(*float32)(b))
	case opFloat64:
		return bits64(*(*float64)(a)) == bits64(*(*float64)(b))
	case opText, opString:
		return *(*string)(a) == *(*string)(b)
	default: // opArray
		for e := range o.n {
			step := uintptr(e) * o.stride
			if !o.elem.equal(unsafe.Add(a, step), unsafe.Add(b, step)) {
				return false
			}
		}
		return true
	}
}

// The one NaN of each width: quiet, positive, no payload.
const (
	nan32 = 0x7fc00000
	nan64 = 0x7ff8000000000000
)

// bits32 returns the bits of f, with +0 for both zeros and nan32 for every NaN.
func bits32(f float32) uint32 {
	switch {
	case f == 0:
		return 0
	case f != f:
		return nan32
	}
	return math.Float32bits(f)
}

// bits64 returns the bits of f, with +0 for both zeros and nan64 for every NaN.
func bits64(f float64) uint64 {
	switch {
	case f == 0:
		return 0
	case f != f:
		return nan64
	}
	return math.Float64bits(f)
}
