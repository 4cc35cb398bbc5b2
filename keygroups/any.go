package keygroups

import (
	"reflect"
	"sync"
	"unsafe"

	"github.com/zeebo/xxh3"
)

// types caches what was derived: reflect.Type to *keyType. It grows with the
// number of key types in the program, not with the number of keys.
var types sync.Map

// HashAny returns what Hasher.Hash returns for a key of key's dynamic type: the
// untyped twin, for records whose key type is known only at run time. Keys of
// type string, int, int64 and uint64 cost little more than in a Hasher; others
// are copied to the heap, one allocation each.
//
// A nil interface is ErrNilKey; a type that cannot be a key, a pointer that is
// nil included, is ErrKeyType.
func HashAny(key any, seed uint64) (uint64, error) {
	switch k := key.(type) {
	case string:
		return xxh3.HashStringSeed(k, seed), nil
	case uint64:
		return hash8(k, flipOf(seed)), nil
	case int64:
		return hash8(uint64(k), flipOf(seed)), nil
	case int:
		return hash8(uint64(k), flipOf(seed)), nil
	}
	t, p, err := dynamic(key)
	if err != nil {
		return 0, err
	}
	c := newCore(t, seed)
	return c.hash(p), nil
}

// AppendAny appends what Hasher.Append appends for a key of key's dynamic type.
// Errors are those of HashAny; dst is then returned as it came.
func AppendAny(dst []byte, key any) ([]byte, error) {
	t, p, err := dynamic(key)
	if err != nil {
		return dst, err
	}
	return t.append(dst, p), nil
}

// dynamic returns the type of key and a pointer to a copy of it.
func dynamic(key any) (*keyType, unsafe.Pointer, error) {
	v := reflect.ValueOf(key)
	if !v.IsValid() {
		return nil, nil, ErrNilKey
	}
	t, err := cachedType(v.Type())
	if err != nil {
		return nil, nil, err
	}
	at := reflect.New(v.Type())
	at.Elem().Set(v)
	return t, at.UnsafePointer(), nil
}

// cachedType is keyTypeOf, remembered. Refused types are not: they are a bug
// that a program meets once.
func cachedType(t reflect.Type) (*keyType, error) {
	if known, ok := types.Load(t); ok {
		return known.(*keyType), nil
	}
	derived, err := keyTypeOf(t, littleEndian)
	if err != nil {
		return nil, err
	}
	known, _ := types.LoadOrStore(t, derived)
	return known.(*keyType), nil
}
