package heapbackend_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

func TestATimestampIsMilliseconds(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 8_900_000, time.FixedZone("", 3600))
	require.Equal(t, heapbackend.Timestamp(at.UnixMilli()), heapbackend.TimestampOf(at))
	require.Equal(t, at.Truncate(time.Millisecond).UTC(), heapbackend.TimestampOf(at).Time())
	require.Equal(t, heapbackend.Timestamp(-1), heapbackend.TimestampOf(time.Unix(0, -1)), "rounded down")
	for _, far := range []heapbackend.Timestamp{heapbackend.MinTimestamp + 2000, heapbackend.MaxTimestamp - 2000} {
		require.Equal(t, far, heapbackend.TimestampOf(far.Time()))
	}
}

func TestATimestampSaturates(t *testing.T) {
	require.Equal(t, heapbackend.MaxTimestamp, heapbackend.TimestampOf(time.Unix(math.MaxInt64/1000+1, 0)))
	require.Equal(t, heapbackend.MinTimestamp, heapbackend.TimestampOf(time.Unix(math.MinInt64/1000-1, 0)))
	for _, c := range []struct {
		at   heapbackend.Timestamp
		d    time.Duration
		want heapbackend.Timestamp
	}{
		{5, time.Second, 1005},
		{5, -time.Second, -995},
		{5, 999 * time.Microsecond, 5},
		{heapbackend.MaxTimestamp, time.Millisecond, heapbackend.MaxTimestamp},
		{heapbackend.MaxTimestamp - 1, time.Hour, heapbackend.MaxTimestamp},
		{heapbackend.MinTimestamp, -time.Millisecond, heapbackend.MinTimestamp},
		{heapbackend.MinTimestamp, time.Millisecond, heapbackend.MinTimestamp + 1},
		{heapbackend.MaxTimestamp, -time.Millisecond, heapbackend.MaxTimestamp - 1},
		{heapbackend.MaxTimestamp, 0, heapbackend.MaxTimestamp},
	} {
		require.Equal(t, c.want, c.at.Add(c.d))
	}
}
