// Package codec derives, once per Go type, how its values are written as
// msgpack, read back, described and deep-copied.
//
// # Words
//
// A node is the derived codec of one type, its program a flat list of ops over
// the memory of a value: read an int64 at offset 16, write an array header.
// Structs and short arrays are inlined in the program around them; pointers,
// slices and maps refer to the node of what they hold. A type is opaque if it
// encodes itself with methods of its own.
//
// # Bytes
//
// The bytes are those of github.com/vmihailenco/msgpack/v5 with
// UseArrayEncodedStructs(true), UseCompactInts(true) and SetSortMapKeys(true):
//
//	bool, integers, floats, string   the item; integers in the shortest form
//	[]byte, [N]byte                  bin, nil for a nil slice
//	time.Time                        timestamp extension; comes back in UTC
//	slice, array, struct             array; nil for a nil slice
//	map                              map, nil for a nil map
//	pointer                          nil or what it points to
//	EncodeMsgpack, MarshalMsgpack,   the one value the type writes
//	  MarshalMsg (tinylib/msgp)
//	MarshalBinary, MarshalText       bin of what the type writes
//
// They differ in two things. Every map has its keys sorted, strings and numbers
// by value and others by their bytes, where msgpack/v5 sorts three types of map
// only. So equal values have equal bytes, always, if the methods of opaque types
// keep to that. And MarshalBinary or MarshalText that returns nil for a value
// that is not zero, or that a pointer leads to, is written as an empty bin, where
// nil would be read as zero or as the nil pointer. A pointer that is held twice
// is written twice.
//
// The fields of a struct are the exported ones in order. `msgpack:"-"` leaves
// one out, `msgpack:"name"` names it in the schema, and an embedded struct is
// replaced by its fields unless it is opaque, tagged `msgpack:",noinline"` or
// has a field whose name is taken. What msgpack/v5 would lose or change in
// silence is refused when the codec is made: unexported fields (but _ fields),
// interned strings, pointers to what may itself be nil, embedded pointers, one
// half of a pair of methods, a struct encoded by the method of an embedded
// field, map keys that hold pointers or leave out a field. Interfaces, functions,
// channels, complex numbers and uintptr are refused too.
//
// What is written can be read. So encoding refuses a value that the methods of an
// opaque type write as nil, where nil does not stand for it, and a map with a key
// that its own methods read back as another: two keys may become one then. Such
// keys are decoded as they are encoded, for that.
//
// Keys of states are written as what they are made of, by ForKey: tags and
// methods are for values only, as keys that differ must have bytes that differ.
//
// # Owning
//
// An Owner makes values those of who keeps them: it copies what they refer to, as
// far as others may hold it, and brings them to what they would be if they had been
// written and read back. CheckKept refuses the types of which some values cannot be
// read back as they were, which For takes: older programs wrote them.
//
// # Reading
//
// Bytes are hostile: an integer that does not fit, a struct, array or byte array
// of another length, a map with the same key twice, nesting beyond wire.MaxDepth
// and a length the bytes cannot cover are errors, the last before anything is
// allocated. The methods of an opaque type are given one value whose lengths and
// nesting were checked, and its own copy of the bytes if it can hold on to them.
//
// Bytes of an older type are read through its schema: see Codec.From.
//
// # Concurrency and cost
//
// A Codec, a Type and an Owner are immutable and free to all. Deriving
// uses reflect; running uses it only to allocate and for maps. Pointer-free
// values are written and read without allocation.
//
// # Errors
//
// ErrType for types and for methods that misbehave, the errors of package wire
// for bytes and sizes.
package codec
