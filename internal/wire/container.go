package wire

import "fmt"

// String reads a str or bin of any width into a string of its own.
func (r *Reader) String() string { return string(r.text()) }

// Bytes reads a bin or str of any width. The result aliases the input and has
// no spare capacity; it is not nil unless there is an error. nil is ErrType:
// ask IsNil first where it is allowed.
func (r *Reader) Bytes() []byte { return r.text() }

func (r *Reader) text() []byte {
	at := r.off
	c := r.code()
	if r.err != nil {
		return nil
	}
	if c&0xe0 == fixStr {
		return r.take(int(c & 0x1f))
	}
	var width int
	switch c {
	case codeStr8, codeBin8:
		width = 1
	case codeStr16, codeBin16:
		width = 2
	case codeStr32, codeBin32:
		width = 4
	default:
		r.mistyped("a string", at)
		return nil
	}
	n := r.length(width, 1)
	if r.err != nil {
		return nil
	}
	return r.take(n)
}

// ArrayLen reads the header of an array and returns its number of elements,
// which is never more than the bytes left: each takes one at least.
func (r *Reader) ArrayLen() int {
	at := r.off
	c := r.code()
	if r.err != nil {
		return 0
	}
	n, ok := r.arrayLen(c)
	if !ok {
		r.mistyped("an array", at)
	}
	return n
}

// MapLen reads the header of a map and returns its number of pairs, which is
// never more than half the bytes left.
func (r *Reader) MapLen() int {
	at := r.off
	c := r.code()
	if r.err != nil {
		return 0
	}
	n, ok := r.mapLen(c)
	if !ok {
		r.mistyped("a map", at)
	}
	return n
}

// Skip reads one whole value and drops it. Containers nested deeper than
// MaxDepth are ErrDepth.
func (r *Reader) Skip() { r.skip(0) }

// Pass is Skip for values nested to any depth. It is for bytes that are handed on
// unread; it takes no more stack for a deep value than for another.
func (r *Reader) Pass() {
	for left := 1; left > 0 && r.err == nil; left-- {
		n, _ := r.header()
		if left += n; left-1 > r.Len() {
			r.truncated()
		}
	}
}

// Raw reads one whole value and returns its bytes, which alias the input and
// have no spare capacity; nil on an error. Every length inside is known to be
// covered by bytes that are present, and the nesting to be at most MaxDepth.
func (r *Reader) Raw() []byte {
	start := r.off
	r.skip(0)
	if r.err != nil {
		return nil
	}
	return r.b[start:r.off:r.off]
}

func (r *Reader) skip(depth int) {
	at := r.off
	n, container := r.header()
	if !container {
		return
	}
	if depth++; depth > MaxDepth {
		r.Fail(fmt.Errorf("%w: more than %d containers at byte %d", ErrDepth, MaxDepth, at))
		return
	}
	for i := 0; i < n && r.err == nil; i++ {
		r.skip(depth)
	}
}

// header reads a whole scalar, or the header of a container, and returns how many
// values follow that are in it.
func (r *Reader) header() (n int, container bool) {
	at := r.off
	c := r.code()
	if r.err != nil || c < fixMap || c >= negFix {
		return 0, false
	}
	if n, ok := r.scalarLen(c); ok {
		r.take(n)
		return 0, false
	}
	if n, ok := r.arrayLen(c); ok {
		return n, true
	}
	if n, ok := r.mapLen(c); ok {
		return 2 * n, true
	}
	r.mistyped("a value", at)
	return 0, false
}

// scalarLen returns how many bytes follow the header that starts with c, and
// false if c starts a container or nothing at all.
func (r *Reader) scalarLen(c byte) (int, bool) {
	switch {
	case c&0xe0 == fixStr:
		return int(c & 0x1f), true
	case c == codeNil, c == codeFalse, c == codeTrue:
		return 0, true
	case c >= codeBin8 && c <= codeBin32:
		return r.length(1<<(c-codeBin8), 1), true
	case c == codeFloat32:
		return 4, true
	case c == codeFloat64:
		return 8, true
	case c >= codeUint8 && c <= codeUint64:
		return 1 << (c - codeUint8), true
	case c >= codeInt8 && c <= codeInt64:
		return 1 << (c - codeInt8), true
	case c >= codeStr8 && c <= codeStr32:
		return r.length(1<<(c-codeStr8), 1), true
	}
	if n, ok := r.extLen(c); ok {
		return n + 1, true
	}
	return 0, false
}

// extLen reads the length of the extension that starts with c, not counting its
// type byte; false if c starts none.
func (r *Reader) extLen(c byte) (int, bool) {
	switch {
	case c >= codeFixExt1 && c <= codeFixExt16:
		return 1 << (c - codeFixExt1), true
	case c >= codeExt8 && c <= codeExt32:
		return r.length(1<<(c-codeExt8), 1), true
	}
	return 0, false
}

// arrayLen reads the length of the array that starts with c; false if c starts
// none.
func (r *Reader) arrayLen(c byte) (int, bool) {
	switch {
	case c&0xf0 == fixArray:
		return r.bound(uint64(c&0x0f), 1), true
	case c == codeArray16:
		return r.length(2, 1), true
	case c == codeArray32:
		return r.length(4, 1), true
	}
	return 0, false
}

// mapLen reads the length of the map that starts with c; false if c starts none.
func (r *Reader) mapLen(c byte) (int, bool) {
	switch {
	case c&0xf0 == fixMap:
		return r.bound(uint64(c&0x0f), 2), true
	case c == codeMap16:
		return r.length(2, 2), true
	case c == codeMap32:
		return r.length(4, 2), true
	}
	return 0, false
}

// length reads a length of width bytes that counts things of at least size
// bytes each.
func (r *Reader) length(width, size int) int { return r.bound(r.fixed(width), size) }

// bound returns n, or 0 with ErrTruncated if n things of size bytes each are
// more than the bytes left.
func (r *Reader) bound(n uint64, size int) int {
	if n > uint64(r.Len()/size) {
		r.truncated()
		return 0
	}
	return int(n)
}
