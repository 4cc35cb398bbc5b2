package keygroups

import "math/bits"

// The XXH3-64 paths for inputs of 4, 8 and 16 bytes, as the algorithm's
// specification has them (github.com/Cyan4973/xxHash, doc/xxhash_spec.md), for
// input that is already in registers. All other lengths are github.com/zeebo/xxh3,
// and the tests hold these three equal to it.

// Words of XXH3's default secret, named by the range of bytes they are xored from.
const (
	secret8to24  = 0x1cad21f72c81017c ^ 0xdb979083e96dd4de
	secret24to40 = 0x1f67b3b7a4a44072 ^ 0x78e5c0cc4ee679cb
	secret40to56 = 0x2172ffcc7dd05a82 ^ 0x8e2443f7744608b8
)

// flipOf is the part of the 4- and 8-byte paths that depends on the seed alone.
func flipOf(seed uint64) uint64 {
	seed ^= uint64(bits.ReverseBytes32(uint32(seed))) << 32
	return secret8to24 - seed
}

// hash8 hashes the eight bytes of v, little-endian.
func hash8(v, flip uint64) uint64 { return rrmxmx(bits.RotateLeft64(v, 32)^flip, 8) }

// hash4 hashes the four bytes of v, little-endian.
func hash4(v uint32, flip uint64) uint64 { return rrmxmx(uint64(v)*(1<<32+1)^flip, 4) }

// hash16 hashes the sixteen bytes of lo and hi, little-endian, lo first.
func hash16(lo, hi, seed uint64) uint64 {
	lo ^= secret24to40 + seed
	hi ^= secret40to56 - seed
	high, low := bits.Mul64(lo, hi)
	x := 16 + bits.ReverseBytes64(lo) + hi + (high ^ low)
	x = (x ^ x>>37) * 0x165667919e3779f9
	return x ^ x>>32
}

// rrmxmx is Pelle Evensen's mixer as XXH3 uses it, with the input's length.
func rrmxmx(x, length uint64) uint64 {
	x ^= bits.RotateLeft64(x, 49) ^ bits.RotateLeft64(x, 24)
	x *= 0x9fb21c651e98df25
	x ^= x>>35 + length
	x *= 0x9fb21c651e98df25
	return x ^ x>>28
}
