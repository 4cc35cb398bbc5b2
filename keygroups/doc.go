// Package keygroups says who owns a key: the stable hash of a key, the key group
// of a hash, and the range of key groups of each task.
//
//	key --Hasher--> hash --Of--> key group --TaskOf--> task
//
// # Words
//
// A key group is the atom of partitioning: state moves between tasks by whole key
// groups. There are M of them, 0..M-1; M, the max parallelism, is fixed for the
// life of a job and at most Max. A parallelism p, 1..M, shares them among p tasks:
// each owns a Range, an interval [First, End).
//
// # Ranges
//
// The arithmetic is Flink's, in integers:
//
//	task of a key group   group*p / M
//	first of a task       (task*M + p - 1) / p
//	end of a task         the first of the next task
//	default M             p + p/2, rounded up to a power of two, in 128..32768
//
// When p changes, Overlaps says which old tasks hold what a new task needs.
//
// # Hash and key group
//
// The hash of a key is XXH3-64, with the seed of the job, of the key's canonical
// encoding. Its key group is floor(hash*M / 2^64). Both are the same in every
// process, on every machine and in every version of this library: the rows of
// testdata/golden.tsv are checked by the tests and never change. The seed keeps
// a crowd of keys from being prepared in advance; it is not a secret that stands
// against somebody who can observe the hashes.
//
// Flink's own way from a 32-bit hash code to a key group is there as FlinkGroup.
//
// # Canonical encoding
//
// The encoding of a key depends on its type's structure only; names of types do
// not matter, so that uuid.UUID is [16]uint8. All integers are little-endian, and
// signed ones are in two's complement.
//
//	bool                           1 byte, 0 or 1
//	int8, uint8                    1 byte
//	int16, uint16                  2 bytes
//	int32, uint32                  4 bytes
//	int64, uint64                  8 bytes
//	int, uint                      8 bytes, sign- or zero-extended, on every machine
//	float32                        4 bytes: the IEEE 754 bits, with +0 (00000000)
//	                               for -0, and 7fc00000 for every NaN
//	float64                        8 bytes: the IEEE 754 bits, with +0 for -0, and
//	                               7ff8000000000000 for every NaN
//	string, the whole key          its bytes, nothing else
//	string, in an array or struct  its length in bytes as a uvarint, then its bytes
//	array                          its elements in order, nothing else
//	struct                         its fields in order, unexported and embedded ones
//	                               too, without padding, nothing else
//
// A uvarint has seven bits in each byte, the least significant first, and the
// high bit set in all bytes but the last (encoding/binary.AppendUvarint). So
// struct{A int32; B string}{-2, "hi"} is fe ff ff ff 02 68 69.
//
// Within one type, two keys have one encoding if and only if they are the same
// key: every piece has a fixed length or tells its length. The encoding does not
// name its type: int64(1) and uint64(1) have the same bytes and the same hash.
//
// All other types are ErrKeyType: interfaces, pointers, channels, complex numbers
// and uintptr, whose values mean nothing in another process or have no one
// encoding; structs with a blank field, which == ignores; and arrays and structs
// nested more than 32 deep.
//
// # Concurrency, cost and errors
//
// Everything here is a pure function of its arguments and may be called from any
// goroutine. NewHasher and the error paths allocate; Hash, Equal, Of, TaskOf and
// RangeOf do not. Keys whose memory is their encoding (integers, and arrays and
// structs of them without padding) are hashed where they lie; those of 4, 8 and
// 16 bytes, and strings, on a path of their own.
//
// Each error wraps one of the Err variables; no error contains a key.
package keygroups
