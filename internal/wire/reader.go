package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// Errors a Reader reports, matched with errors.Is.
var (
	// ErrTruncated says the bytes end inside a value, or a length is larger
	// than the bytes still present can hold.
	ErrTruncated = errors.New("wire: truncated")
	// ErrType says the next item is not of the type that was asked for.
	ErrType = errors.New("wire: unexpected type")
	// ErrRange says a well-formed value does not fit what it is read into.
	ErrRange = errors.New("wire: value out of range")
	// ErrDepth says containers are nested deeper than MaxDepth.
	ErrDepth = errors.New("wire: nested too deep")
)

// MaxDepth bounds how many containers may be nested in one value.
const MaxDepth = 1000

// Reader takes msgpack items from the front of a byte slice.
//
// Its methods return the zero value once an error happened: look at Err before
// trusting what was read. A Reader never changes the slice, and only Bytes,
// Raw and Rest alias it. A Reader is not safe for concurrent use.
type Reader struct {
	b []byte
	// Invariant: 0 <= off <= len(b); off == len(b) once err is set, so that
	// the fast paths need no look at err.
	off int
	err error
}

// NewReader returns a Reader of b, which must not change while it is read.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Reset makes r read b from its start, forgetting any error.
func (r *Reader) Reset(b []byte) { *r = Reader{b: b} }

// Err returns the first error, or nil. Reaching the end is not an error.
func (r *Reader) Err() error { return r.err }

// Len returns how many bytes are left to read; 0 after an error.
func (r *Reader) Len() int { return len(r.b) - r.off }

// Rest returns the bytes left to read, aliasing the input; empty after an
// error. It consumes nothing.
func (r *Reader) Rest() []byte { return r.b[r.off:len(r.b):len(r.b)] }

// Fail makes err the error of r, unless r has one already, and ends reading.
// Nil changes nothing.
func (r *Reader) Fail(err error) {
	if err == nil {
		return
	}
	if r.err == nil {
		r.err = err
	}
	r.off = len(r.b)
}

// IsNil reports whether the next item is nil, and consumes it if it is. At the
// end of the input it reports false; the read that follows reports the error.
func (r *Reader) IsNil() bool {
	if r.off < len(r.b) && r.b[r.off] == codeNil {
		r.off++
		return true
	}
	return false
}

// Bool reads a boolean.
func (r *Reader) Bool() bool {
	at := r.off
	switch c := r.code(); {
	case r.err != nil:
	case c == codeTrue:
		return true
	case c != codeFalse:
		r.mistyped("a boolean", at)
	}
	return false
}

// Uint reads an integer of any width that is not negative; ErrRange if it is.
func (r *Reader) Uint() uint64 {
	if r.off < len(r.b) {
		if c := r.b[r.off]; c < 0x80 {
			r.off++
			return uint64(c)
		}
	}
	return r.wideUint()
}

func (r *Reader) wideUint() uint64 {
	at := r.off
	v, neg := r.integer()
	if neg {
		r.outOfRange("a negative integer", at)
		return 0
	}
	return v
}

// Int reads an integer of any width that fits int64; ErrRange if it does not.
func (r *Reader) Int() int64 {
	if r.off < len(r.b) {
		if c := int8(r.b[r.off]); c >= -32 {
			r.off++
			return int64(c)
		}
	}
	return r.wideInt()
}

func (r *Reader) wideInt() int64 {
	at := r.off
	v, neg := r.integer()
	if !neg && v > math.MaxInt64 {
		r.outOfRange("an integer above 2^63-1", at)
		return 0
	}
	return int64(v)
}

// integer reads an integer of any form. neg says that v holds the two's
// complement of a negative one.
func (r *Reader) integer() (v uint64, neg bool) {
	if p := r.b[r.off:]; len(p) >= MaxInt { // the widest fits: no more checks
		switch p[0] {
		case codeUint8:
			r.off += 2
			return uint64(p[1]), false
		case codeUint16:
			r.off += 3
			return uint64(binary.BigEndian.Uint16(p[1:])), false
		case codeUint32:
			r.off += 5
			return uint64(binary.BigEndian.Uint32(p[1:])), false
		case codeUint64:
			r.off += 9
			return binary.BigEndian.Uint64(p[1:]), false
		}
	}
	at := r.off
	c := r.code()
	switch {
	case r.err != nil:
		return 0, false
	case c < 0x80:
		return uint64(c), false
	case c >= negFix:
		return uint64(int64(int8(c))), true
	case c >= codeUint8 && c <= codeUint64:
		return r.fixed(1 << (c - codeUint8)), false
	case c >= codeInt8 && c <= codeInt64:
		width := 1 << (c - codeInt8)
		shift := 64 - 8*width
		v = uint64(int64(r.fixed(width)<<shift) >> shift)
		return v, int64(v) < 0
	}
	r.mistyped("an integer", at)
	return 0, false
}

// Float32 reads a 32-bit float; ErrType for anything else, a 64-bit float
// included.
func (r *Reader) Float32() float32 {
	at := r.off
	switch c := r.code(); {
	case r.err != nil:
	case c == codeFloat32:
		return math.Float32frombits(uint32(r.fixed(4)))
	default:
		r.mistyped("a 32-bit float", at)
	}
	return 0
}

// Float64 reads a float of either width; ErrType for an integer.
func (r *Reader) Float64() float64 {
	at := r.off
	switch c := r.code(); {
	case r.err != nil:
	case c == codeFloat64:
		return math.Float64frombits(r.fixed(8))
	case c == codeFloat32:
		return float64(math.Float32frombits(uint32(r.fixed(4))))
	default:
		r.mistyped("a float", at)
	}
	return 0
}

// Time reads an instant written in any of the three timestamp forms. The result
// is in UTC, so that it is the same value on every machine.
func (r *Reader) Time() time.Time {
	at := r.off
	c := r.code()
	if r.err != nil {
		return time.Time{}
	}
	n, ok := r.extLen(c)
	if !ok || r.err == nil && n != 4 && n != 8 && n != 12 {
		r.mistyped("a timestamp", at)
	}
	body := r.take(n + 1)
	if r.err != nil {
		return time.Time{}
	}
	if body[0] != extTime {
		r.mistyped("a timestamp", at)
		return time.Time{}
	}
	sec, nsec := timestamp(body[1:])
	if nsec >= 1e9 {
		r.outOfRange("a timestamp of a second or more of nanoseconds", at)
		return time.Time{}
	}
	return time.Unix(sec, nsec).UTC()
}

// timestamp splits the 4, 8 or 12 bytes of a timestamp extension.
func timestamp(b []byte) (sec, nsec int64) {
	switch len(b) {
	case 4:
		return int64(binary.BigEndian.Uint32(b)), 0
	case 8:
		v := binary.BigEndian.Uint64(b)
		return int64(v & (1<<34 - 1)), int64(v >> 34)
	}
	return int64(binary.BigEndian.Uint64(b[4:])), int64(binary.BigEndian.Uint32(b))
}

// code takes one byte.
func (r *Reader) code() byte {
	if r.off >= len(r.b) {
		r.truncated()
		return 0
	}
	c := r.b[r.off]
	r.off++
	return c
}

// fixed takes a big-endian number of 1, 2, 4 or 8 bytes.
func (r *Reader) fixed(width int) uint64 {
	p := r.take(width)
	switch len(p) {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(p))
	case 4:
		return uint64(binary.BigEndian.Uint32(p))
	case 8:
		return binary.BigEndian.Uint64(p)
	}
	return 0 // truncated: the error is set
}

// take takes n bytes, aliasing the input, or sets ErrTruncated and returns nil.
func (r *Reader) take(n int) []byte {
	if n > len(r.b)-r.off {
		r.truncated()
		return nil
	}
	p := r.b[r.off : r.off+n : r.off+n]
	r.off += n
	return p
}

func (r *Reader) truncated() {
	r.fail(ErrTruncated, "input ends", r.off)
}

func (r *Reader) mistyped(want string, at int) {
	r.fail(ErrType, "want "+want, at)
}

func (r *Reader) outOfRange(have string, at int) {
	r.fail(ErrRange, "have "+have, at)
}

func (r *Reader) fail(err error, detail string, at int) {
	if r.err == nil {
		r.Fail(fmt.Errorf("%w: %s at byte %d of %d", err, detail, at, len(r.b)))
	}
}
