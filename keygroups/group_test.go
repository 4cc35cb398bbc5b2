package keygroups_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
)

// groupByDefinition is floor(hash*m / 2^64), in arbitrary precision.
func groupByDefinition(hash uint64, m int) int {
	product := new(big.Int).Mul(new(big.Int).SetUint64(hash), big.NewInt(int64(m)))
	return int(product.Rsh(product, 64).Int64())
}

func TestOfIsTheDocumentedFormula(t *testing.T) {
	for _, m := range []int{1, 2, 3, 13, 127, 128, 129, 4096, 32767, 32768} {
		require.Zero(t, keygroups.Of(0, m))
		require.Equal(t, m-1, keygroups.Of(math.MaxUint64, m))
		for hash := uint64(1); hash < math.MaxUint64-1<<57; hash += 1<<57 + 12345 {
			require.Equal(t, groupByDefinition(hash, m), keygroups.Of(hash, m), "hash=%#x m=%d", hash, m)
		}
	}
}

func TestOfWithoutGroupsDoesNotPanic(t *testing.T) {
	require.NotPanics(t, func() { keygroups.Of(math.MaxUint64, 0); keygroups.Of(math.MaxUint64, -1) })
}

// Keys that count up, the commonest and the least random there are, must fall
// evenly into the groups, and within one group leave the low bits even too.
func TestSequentialKeysSpreadEvenly(t *testing.T) {
	const m, keys = 128, 1 << 20
	h, err := keygroups.NewHasher[uint64](7)
	require.NoError(t, err)
	var groups [m]int
	var low [256]int
	for k := range uint64(keys) {
		hash := h.Hash(k)
		group := keygroups.Of(hash, m)
		groups[group]++
		if group == 17 {
			low[hash&255]++
		}
	}
	requireEven(t, groups[:], keys)
	requireEven(t, low[:], groups[17])
}

// requireEven checks counts against a uniform distribution: chi squared within
// six standard deviations of its mean.
func requireEven(t *testing.T, counts []int, total int) {
	t.Helper()
	expected, chi := float64(total)/float64(len(counts)), 0.0
	for _, n := range counts {
		chi += (float64(n) - expected) * (float64(n) - expected) / expected
	}
	freedom := float64(len(counts) - 1)
	require.InDelta(t, freedom, chi, 6*math.Sqrt(2*freedom))
}
