package main

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// total is the value: 24 bytes without pointers.
type total struct{ Sum, N, Last uint64 }

const (
	groups = 128
	seed   = 42
)

// sink keeps what the lanes read.
var sink uint64

// uintKeys returns n different keys in random order, the same at every run.
func uintKeys(n int) []uint64 {
	r := rand.New(rand.NewPCG(1, 2))
	keys := make([]uint64, 0, n)
	seen := make(map[uint64]struct{}, n)
	for len(keys) < n {
		k := r.Uint64()
		if _, ok := seen[k]; !ok {
			seen[k] = struct{}{}
			keys = append(keys, k)
		}
	}
	return keys
}

func textKeys(n int) []string {
	keys := make([]string, n)
	for i, k := range uintKeys(n) {
		b := binary.LittleEndian.AppendUint64(nil, k)
		keys[i] = string(append(b, "customer"...))
	}
	return keys
}

// shuffled returns the keys in another order.
func shuffled[K any](keys []K) []K {
	out := make([]K, len(keys))
	for to, from := range rand.New(rand.NewPCG(3, 4)).Perm(len(keys)) {
		out[to] = keys[from]
	}
	return out
}

// drawn returns n keys drawn from keys, with repetitions.
func drawn[K any](keys []K, n int) []K {
	r := rand.New(rand.NewPCG(5, 6))
	out := make([]K, n)
	for i := range out {
		out[i] = keys[r.IntN(len(keys))]
	}
	return out
}

// newState returns an empty backend and its one state.
func newState[K comparable]() (*heapbackend.Backend[K], *heapbackend.Value[K, total], error) {
	b, err := heapbackend.New[K](heapbackend.Config{M: groups, Range: keygroups.Range{End: groups}, Seed: seed})
	if err != nil {
		return nil, nil, err
	}
	v, err := heapbackend.NewValue[total](b, "totals")
	return b, v, err
}

// must panics: in this program an error of the library is a bug of one of the two.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
