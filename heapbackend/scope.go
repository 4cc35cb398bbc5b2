package heapbackend

import (
	"bytes"
	"fmt"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/keygroups"
)

// Scope is what a state is registered in, and says what its keys are: a *Backend[K], whose keys are K, or the
// *Namespaces[K, N] of one, whose keys are NamespacedKey[K, N]. There are no others.
type Scope[K comparable] interface {
	scope() *scopeOf[K]
}

// scopeOf is what a state needs to know of its scope.
type scopeOf[K comparable] struct {
	core      *core
	keys      keyCodec[K]
	keyType   string          // keygroups.Hasher.Type of the key, for the schema
	namespace string          // and of the namespace, if there is one
	index     func() index[K] // makes the index of a state, nil without namespaces
}

// keyCodec is how keys of one type are hashed, compared, written and read.
type keyCodec[K comparable] struct {
	// hasher hashes whole keys. Invariant: it is zero if and only if locate is set; a zero Hasher's HashWord is never ok.
	hasher   keygroups.Hasher[K]
	locate   func(K) (group, hash uint64) // hashes of what decides the key group and of all of it, where these differ
	equal    func(a, b K) bool            // nil when == is right
	order    func(a, b K) int             // the order of canonical encodings, 0 for keys that are one
	codec    *codec.Codec[K]
	pointers bool
}

func newKeyCodec[K comparable](h keygroups.Hasher[K]) (k keyCodec[K], err error) {
	if err := k.init(); err != nil {
		return k, err
	}
	k.hasher = h
	k.order = func(a, b K) int {
		if h.Equal(a, b) {
			return 0
		}
		return bytes.Compare(h.Append(nil, a), h.Append(nil, b))
	}
	if !h.Exact() {
		k.equal = h.Equal
	}
	return k, nil
}

// init sets what follows from the type alone.
func (k *keyCodec[K]) init() (err error) {
	if k.codec, err = codec.ForKey[K](); err != nil {
		return fmt.Errorf("%w: key: %w", ErrStateType, err)
	}
	k.pointers = !codec.PointerFree[K]()
	return nil
}

// hashes returns the hash that decides the key group of a key, and the one that places it in a table.
func (k *keyCodec[K]) hashes(key K) (group, hash uint64) {
	if k.locate != nil {
		return k.locate(key)
	}
	hash = k.hasher.Hash(key)
	return hash, hash
}

// hash returns the hash that places a key in a table.
func (k *keyCodec[K]) hash(key K) uint64 {
	_, hash := k.hashes(key)
	return hash
}

// same reports whether two keys are one.
func (k *keyCodec[K]) same(a, b K) bool { return a == b || k.equal != nil && k.equal(a, b) }
