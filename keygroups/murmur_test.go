package keygroups_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
)

func TestMurmurAndFlinkGroupAreFlinks(t *testing.T) {
	for _, row := range []struct {
		hash   int32
		murmur int32
		group  int // of 128
	}{
		{0, 593689054, 94},
		{1, 68075478, 86},
		{-1, 1982413648, 80},
		{42, 1134849565, 29},
		{97, 1455541201, 81},
		{math.MaxInt32, 1653689534, 62},
		{math.MinInt32, 1718298732, 108},
	} {
		require.Equal(t, row.murmur, keygroups.Murmur(row.hash), "murmur of %d", row.hash)
		require.Equal(t, row.group, keygroups.FlinkGroup(row.hash, 128), "group of %d", row.hash)
	}
}

// preimageOfMinInt32 is the one hash code whose mixed bits are MinInt32; see
// TestMurmurOfTheHashWithoutMagnitudeIsZero.
const preimageOfMinInt32 = int32(-2089875627)

func TestMurmurOfTheHashWithoutMagnitudeIsZero(t *testing.T) {
	require.Zero(t, keygroups.Murmur(preimageOfMinInt32))
	require.Zero(t, keygroups.FlinkGroup(preimageOfMinInt32, 128))
}

func TestMurmurIsNeverNegative(t *testing.T) {
	for hash := int64(math.MinInt32); hash <= math.MaxInt32; hash += 9973 {
		if got := keygroups.Murmur(int32(hash)); got < 0 {
			t.Fatalf("murmur of %d is %d", hash, got)
		}
	}
}

func TestFlinkGroupOfNoGroups(t *testing.T) {
	require.Zero(t, keygroups.FlinkGroup(42, 0))
	require.Zero(t, keygroups.FlinkGroup(42, -1))
}
