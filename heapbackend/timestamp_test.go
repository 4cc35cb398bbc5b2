package heapbackend_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

func TestTimestampsSaturate(t *testing.T) {
	lowest, highest := heapbackend.MinTimestamp, heapbackend.MaxTimestamp
	require.Equal(t, heapbackend.Timestamp(1005), heapbackend.Timestamp(1000).Add(5*time.Millisecond+999))
	require.Equal(t, highest, (highest - 4).Add(5*time.Millisecond))
	require.Equal(t, highest, (highest - 5).Add(5*time.Millisecond))
	require.Equal(t, lowest, (lowest + 4).Add(-5*time.Millisecond))
	require.Equal(t, highest.Add(math.MinInt64), highest-math.MaxInt64/1_000_000)
	require.Equal(t, highest, heapbackend.TimestampOf(time.Unix(math.MaxInt64/1000, 0)))
	require.Equal(t, lowest, heapbackend.TimestampOf(time.Unix(math.MinInt64/1000-1, 0)))
	at := time.Date(2024, 5, 1, 12, 0, 0, 999_999, time.UTC)
	require.Equal(t, at.Truncate(time.Millisecond), heapbackend.TimestampOf(at).Time())
	require.Equal(t, heapbackend.Timestamp(-1), heapbackend.TimestampOf(time.Unix(0, -1)))
}
