package keygroups

import (
	"encoding/binary"
	"math/bits"
	"reflect"
	"sync"
	"unsafe"

	"github.com/zeebo/xxh3"
)

// kind is the way keys of a type are hashed.
type kind uint8

const (
	kindEncoded kind = iota // encode, then hash the encoding
	kind8                   // 8 bytes of memory that are the encoding
	kind4                   // 4 such bytes
	kind16                  // 16 such bytes
	kindFlat                // any other number of such bytes
	kindString
	kindFloat32
	kindFloat64
)

// Hasher hashes and encodes the keys of one type with one seed. Make it with
// NewHasher; the zero Hasher must not be used. It is small and immutable: keep it
// by value, copy it, and use it from any number of goroutines at once.
type Hasher[K comparable] struct {
	core core
}

// core is a Hasher without its type parameter.
type core struct {
	flip uint64 // flipOf(seed)
	seed uint64
	kind kind // Invariant: equals t.kind; here to spare Hash a load
	t    *keyType
}

// NewHasher returns the hasher of the keys of type K with the given seed. A type
// that has no canonical encoding is ErrKeyType, with the part of it that is to
// blame. It allocates and walks the type: call it once, not per key.
func NewHasher[K comparable](seed uint64) (Hasher[K], error) {
	t, err := keyTypeOf(reflect.TypeFor[K](), littleEndian)
	if err != nil {
		return Hasher[K]{}, err
	}
	return Hasher[K]{core: newCore(t, seed)}, nil
}

func newCore(t *keyType, seed uint64) core {
	return core{flip: flipOf(seed), seed: seed, kind: t.kind, t: t}
}

// Hash returns the XXH3-64 hash, with the hasher's seed, of the canonical
// encoding of k. Keys that are Equal have the same hash, on every machine and in
// every version. It allocates nothing.
//
// The sizes are constants for each K, so of the branches below at most two are
// compiled for any type, and the first taken is always the same one.
func (h *Hasher[K]) Hash(k K) uint64 {
	p := unsafe.Pointer(&k) // used only while k lives, for as many bytes as k has
	if unsafe.Sizeof(k) == 8 && h.core.kind == kind8 {
		return hash8(load8(p), h.core.flip)
	}
	if unsafe.Sizeof(k) == unsafe.Sizeof("") && h.core.kind == kindString {
		return xxh3.HashStringSeed(textOf(p), h.core.seed)
	}
	if unsafe.Sizeof(k) == 4 && h.core.kind == kind4 {
		return hash4(load4(p), h.core.flip)
	}
	if unsafe.Sizeof(k) == 16 && h.core.kind == kind16 {
		return hash16(load8(p), load8(unsafe.Add(p, 8)), h.core.seed)
	}
	return h.core.hash(p)
}

// HashWord is Hash for a caller that cannot spare the call: it is inlined into
// generic code. It is ok only for keys that are 8 bytes of integers (int64 and
// uint64, int and uint on 64-bit machines, and arrays and structs that come to
// the same); when it is not, call Hash. One Hasher is always ok or never, and for
// a K of another size the compiler knows that it is not.
func (h *Hasher[K]) HashWord(k K) (hash uint64, ok bool) {
	if unsafe.Sizeof(k) != 8 || h.core.kind != kind8 {
		return 0, false
	}
	return hash8(load8(unsafe.Pointer(&k)), h.core.flip), true
}

// Append appends the canonical encoding of k to dst and returns the result. It
// is the encoding that the package documentation gives: stable, and different
// for any two keys of one type that are not Equal.
func (h *Hasher[K]) Append(dst []byte, k K) []byte {
	return h.core.t.append(dst, unsafe.Pointer(&k))
}

// Equal reports whether a and b are the same key, which is whether their
// canonical encodings are the same. It differs from == only where floats are:
// every NaN is one key. It allocates nothing.
func (h *Hasher[K]) Equal(a, b K) bool {
	if h.core.t.exact {
		return a == b
	}
	return h.core.t.equal(unsafe.Pointer(&a), unsafe.Pointer(&b))
}

// Exact reports whether Equal is ==, which it is for every type without floats.
func (h *Hasher[K]) Exact() bool { return h.core.t.exact }

// Seed returns the seed of the hasher.
func (h *Hasher[K]) Seed() uint64 { return h.core.seed }

// Type returns the stable name of the key type: its structure, with all named
// types resolved, such as "uint64", "string", "[16]uint8" (also for uuid.UUID) or
// "struct{A int32; B string}". Two types with one name have one encoding.
func (h *Hasher[K]) Type() string { return h.core.t.name }

// stackBytes is the longest encoding that is hashed without a pooled buffer.
const stackBytes = 128

// buffers holds *[]byte for encodings longer than stackBytes.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled is the capacity in bytes up to which a buffer returns to the pool.
const maxPooled = 64 << 10

// hash returns the hash of the key at p, of any kind.
func (c *core) hash(p unsafe.Pointer) uint64 {
	switch c.kind {
	case kind8:
		return hash8(load8(p), c.flip)
	case kind4:
		return hash4(load4(p), c.flip)
	case kind16:
		return hash16(load8(p), load8(unsafe.Add(p, 8)), c.seed)
	case kindFlat:
		return xxh3.HashSeed(unsafe.Slice((*byte)(p), c.t.size), c.seed)
	case kindString:
		return xxh3.HashStringSeed(textOf(p), c.seed)
	case kindFloat32:
		return hash4(bits32(*(*float32)(p)), c.flip)
	case kindFloat64:
		return hash8(bits64(*(*float64)(p)), c.flip)
	}
	if size := c.t.program.size(p); size > stackBytes {
		return c.hashLong(p, size)
	}
	var buffer [stackBytes]byte
	return xxh3.HashSeed(c.t.append(buffer[:0], p), c.seed)
}

// hashLong hashes an encoding of up to size bytes that is too long for the stack.
func (c *core) hashLong(p unsafe.Pointer, size int) uint64 {
	buffer := buffers.Get().(*[]byte)
	if cap(*buffer) < size {
		*buffer = make([]byte, 0, 1<<bits.Len(uint(size-1)))
	}
	hash := xxh3.HashSeed(c.t.append((*buffer)[:0], p), c.seed)
	if cap(*buffer) <= maxPooled {
		buffers.Put(buffer)
	}
	return hash
}

// load8 loads eight bytes, little-endian, from any address.
func load8(p unsafe.Pointer) uint64 { return binary.LittleEndian.Uint64((*[8]byte)(p)[:]) }

// load4 loads four bytes, little-endian, from any address.
func load4(p unsafe.Pointer) uint32 { return binary.LittleEndian.Uint32((*[4]byte)(p)[:]) }

// textOf returns the string at p without copying its bytes.
func textOf(p unsafe.Pointer) string { return *(*string)(p) }
