// Package wire holds the msgpack primitives that every format of this module
// is built from: appenders that write one item to a byte slice, and a Reader
// that takes one item at a time from a byte slice it does not trust.
//
// # Words
//
// An item is one msgpack header with its own payload: an integer, a string, or
// the header of an array or a map. A value is an item with everything nested
// in it. A container is an array or a map.
//
// # Bytes written
//
// Appenders always choose the shortest form: the bytes are those of
// github.com/vmihailenco/msgpack/v5 with UseCompactInts(true), and a value has
// exactly one encoding. A non-negative signed integer is written as an
// unsigned one. Byte strings are bin, text is str, instants are the timestamp
// extension (type -1).
//
//	positive fixint  0xxxxxxx                 0 .. 127
//	negative fixint  111xxxxx                 -32 .. -1
//	fixmap           1000nnnn                 n pairs
//	fixarray         1001nnnn                 n elements
//	fixstr           101nnnnn  n bytes
//	nil, false, true c0 c2 c3
//	bin 8/16/32      c4 c5 c6  length  bytes
//	ext 8/16/32      c7 c8 c9  length  type  bytes
//	float 32/64      ca cb     IEEE 754, big endian
//	uint 8..64       cc cd ce cf
//	int 8..64        d0 d1 d2 d3
//	fixext 1..16     d4 .. d8  type  bytes
//	str 8/16/32      d9 da db  length  bytes
//	array 16/32      dc dd     length
//	map 16/32        de df     length
//
// # Bytes read
//
// A Reader accepts every width of every item, and treats each byte as hostile:
// it never panics, never reads past its slice, and refuses a length that the
// bytes still present cannot hold before anything is allocated for it. Nesting
// is bounded by MaxDepth. The first error sticks: later calls return zero
// values, so a decoder may read a whole record and look at Err once.
//
// # Concurrency and cost
//
// Appenders are pure. A Reader belongs to one goroutine. Nothing allocates but
// growing the destination, String, and the making of an error.
//
// # Errors
//
// ErrTruncated, ErrType, ErrRange and ErrDepth, matched with errors.Is. The
// message gives the byte offset and never a value.
package wire
