package wire

import (
	"encoding/binary"
	"math"
	"time"
)

// The first byte of every item that is not a fixint, fixmap, fixarray or fixstr.
const (
	codeNil      = 0xc0
	codeFalse    = 0xc2
	codeTrue     = 0xc3
	codeBin8     = 0xc4
	codeBin16    = 0xc5
	codeBin32    = 0xc6
	codeExt8     = 0xc7
	codeExt16    = 0xc8
	codeExt32    = 0xc9
	codeFloat32  = 0xca
	codeFloat64  = 0xcb
	codeUint8    = 0xcc
	codeUint16   = 0xcd
	codeUint32   = 0xce
	codeUint64   = 0xcf
	codeInt8     = 0xd0
	codeInt16    = 0xd1
	codeInt32    = 0xd2
	codeInt64    = 0xd3
	codeFixExt1  = 0xd4
	codeFixExt4  = 0xd6
	codeFixExt8  = 0xd7
	codeFixExt16 = 0xd8
	codeStr8     = 0xd9
	codeStr16    = 0xda
	codeStr32    = 0xdb
	codeArray16  = 0xdc
	codeArray32  = 0xdd
	codeMap16    = 0xde
	codeMap32    = 0xdf

	fixMap   = 0x80
	fixArray = 0x90
	fixStr   = 0xa0
	negFix   = 0xe0

	extTime = 0xff // extension type -1
)

// MaxLen is the longest string, byte string, array or map msgpack can express,
// in bytes, bytes, elements and pairs. The appenders do not check it: a caller
// that can hold more must.
const MaxLen = math.MaxUint32

// MaxInt is the size in bytes of the longest encoded integer.
const MaxInt = 9

// AppendNil appends nil to b, one byte.
func AppendNil(b []byte) []byte { return append(b, codeNil) }

// AppendBool appends v to b, one byte.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, codeTrue)
	}
	return append(b, codeFalse)
}

// AppendUint appends v to b in its shortest form, 1 to 9 bytes.
func AppendUint(b []byte, v uint64) []byte {
	if v < 0x80 {
		return append(b, byte(v))
	}
	return appendUint(b, v)
}

func appendUint(b []byte, v uint64) []byte {
	switch {
	case v <= math.MaxUint8:
		return append(b, codeUint8, byte(v))
	case v <= math.MaxUint16:
		return append(b, codeUint16, byte(v>>8), byte(v))
	case v <= math.MaxUint32:
		return append(b, codeUint32, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return append(b, codeUint64, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32),
		byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// AppendInt appends v to b in its shortest form, 1 to 9 bytes. A non-negative
// v has the bytes of AppendUint.
func AppendInt(b []byte, v int64) []byte {
	if uint64(v) < 0x80 {
		return append(b, byte(v))
	}
	return appendInt(b, v)
}

func appendInt(b []byte, v int64) []byte {
	switch {
	case v >= 0:
		return appendUint(b, uint64(v))
	case v >= -32:
		return append(b, byte(v))
	case v >= math.MinInt8:
		return append(b, codeInt8, byte(v))
	case v >= math.MinInt16:
		return append(b, codeInt16, byte(v>>8), byte(v))
	case v >= math.MinInt32:
		return append(b, codeInt32, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return append(b, codeInt64, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32),
		byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// AppendFloat32 appends v to b, 5 bytes; every bit pattern survives.
func AppendFloat32(b []byte, v float32) []byte {
	return binary.BigEndian.AppendUint32(append(b, codeFloat32), math.Float32bits(v))
}

// AppendFloat64 appends v to b, 9 bytes; every bit pattern survives.
func AppendFloat64(b []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, codeFloat64), math.Float64bits(v))
}

// AppendString appends v to b as str, with a header of 1 to 5 bytes. v need not
// be UTF-8. len(v) must be at most MaxLen.
func AppendString(b []byte, v string) []byte {
	if n := len(v); n < 32 {
		b = append(b, fixStr|byte(n))
	} else {
		b = appendLen(b, n, codeStr8, codeStr16, codeStr32)
	}
	return append(b, v...)
}

// AppendBytes appends v to b as bin, with a header of 2 to 5 bytes. A nil v is
// an empty byte string: a caller that tells the two apart writes AppendNil.
// len(v) must be at most MaxLen.
func AppendBytes(b, v []byte) []byte {
	return append(AppendBytesLen(b, len(v)), v...)
}

// AppendBytesLen appends to b the header of a byte string of n bytes, which the
// caller appends next. n must be in [0, MaxLen].
func AppendBytesLen(b []byte, n int) []byte {
	return appendLen(b, n, codeBin8, codeBin16, codeBin32)
}

// AppendArrayLen appends to b the header of an array of n elements, which the
// caller appends next. n must be in [0, MaxLen].
func AppendArrayLen(b []byte, n int) []byte {
	if n < 16 {
		return append(b, fixArray|byte(n))
	}
	return appendLen16(b, n, codeArray16, codeArray32)
}

// AppendMapLen appends to b the header of a map of n pairs, which the caller
// appends next, each key before its value. n must be in [0, MaxLen].
func AppendMapLen(b []byte, n int) []byte {
	if n < 16 {
		return append(b, fixMap|byte(n))
	}
	return appendLen16(b, n, codeMap16, codeMap32)
}

// AppendTime appends the instant t to b as a timestamp extension of 6, 10 or 15
// bytes, the shortest that holds it. Location and monotonic reading are not
// written.
func AppendTime(b []byte, t time.Time) []byte {
	sec, nsec := uint64(t.Unix()), uint64(t.Nanosecond())
	switch {
	case sec>>34 != 0:
		b = append(b, codeExt8, 12, extTime)
		b = binary.BigEndian.AppendUint32(b, uint32(nsec))
		return binary.BigEndian.AppendUint64(b, sec)
	case nsec == 0 && sec <= math.MaxUint32:
		b = append(b, codeFixExt4, extTime)
		return binary.BigEndian.AppendUint32(b, uint32(sec))
	}
	b = append(b, codeFixExt8, extTime)
	return binary.BigEndian.AppendUint64(b, nsec<<34|sec)
}

// appendLen appends a header whose length takes 1, 2 or 4 bytes.
func appendLen(b []byte, n int, code8, code16, code32 byte) []byte {
	if n <= math.MaxUint8 {
		return append(b, code8, byte(n))
	}
	return appendLen16(b, n, code16, code32)
}

// appendLen16 appends a header whose length takes 2 or 4 bytes.
func appendLen16(b []byte, n int, code16, code32 byte) []byte {
	if n <= math.MaxUint16 {
		return append(b, code16, byte(n>>8), byte(n))
	}
	return append(b, code32, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}
