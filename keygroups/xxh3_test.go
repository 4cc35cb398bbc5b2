package keygroups

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"
)

// interesting are words whose bits make carries, shifts and rotations show.
func interesting() []uint64 {
	words := []uint64{0, 1, 2, 255, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 63, math.MaxUint64, 0x0123456789abcdef}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		words = append(words, random.Uint64())
	}
	return words
}

func TestShortPathsEqualTheReference(t *testing.T) {
	words := interesting()
	for _, seed := range words {
		for i, v := range words {
			w := words[len(words)-1-i]
			four := binary.LittleEndian.AppendUint32(nil, uint32(v))
			eight := binary.LittleEndian.AppendUint64(nil, v)
			sixteen := binary.LittleEndian.AppendUint64(eight[:8:8], w)
			require.Equal(t, xxh3.HashSeed(four, seed), hash4(uint32(v), flipOf(seed)), "4 bytes: v=%#x seed=%#x", v, seed)
			require.Equal(t, xxh3.HashSeed(eight, seed), hash8(v, flipOf(seed)), "8 bytes: v=%#x seed=%#x", v, seed)
			require.Equal(t, xxh3.HashSeed(sixteen, seed), hash16(v, w, seed), "16 bytes: v=%#x w=%#x seed=%#x", v, w, seed)
		}
	}
}
