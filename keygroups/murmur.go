package keygroups

import "math/bits"

// Murmur is the step by which Flink spreads a key's 32-bit hash code before it
// takes the key group: one round of MurmurHash3 and its finalizer, then made
// non-negative (the absolute value; 0 for the smallest int32, which has none).
// It serves programs that must agree with Flink on who owns a key; the keys of
// this library are grouped by Hasher and Of.
func Murmur(hash32 int32) int32 {
	c := uint32(hash32) * 0xcc9e2d51
	c = bits.RotateLeft32(c, 15) * 0x1b873593
	c = bits.RotateLeft32(c, 13)*5 + 0xe6546b64
	c ^= 4 // the length in bytes of the hashed int
	c = (c ^ c>>16) * 0x85ebca6b
	c = (c ^ c>>13) * 0xc2b2ae35
	return magnitude(int32(c ^ c>>16))
}

// magnitude is |c|, and 0 for the int32 that has no magnitude.
func magnitude(c int32) int32 {
	switch {
	case c >= 0:
		return c
	case c == -1<<31:
		return 0
	default:
		return -c
	}
}

// FlinkGroup returns the key group, 0..m-1, that Flink gives a key whose
// hashCode is hash32: Murmur(hash32) mod m. For the hash code, see the key's
// Java type: that of a Long is int32(v ^ v>>>32), for example.
//
// The caller has validated m; for an m below 1 the result is 0.
func FlinkGroup(hash32 int32, m int) int {
	if m < 1 {
		return 0
	}
	return int(Murmur(hash32)) % m
}
