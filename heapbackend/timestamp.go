package heapbackend

import (
	"math"
	"time"
)

// Timestamp is a point in time in milliseconds since the Unix epoch: the time of an event, a watermark, when a timer is due.
type Timestamp int64

const (
	// MinTimestamp is before all other timestamps.
	MinTimestamp Timestamp = math.MinInt64
	// MaxTimestamp is after all other timestamps: the watermark of a source that has ended.
	MaxTimestamp Timestamp = math.MaxInt64
)

// TimestampOf returns the timestamp of t, rounded down to the millisecond; of a time too far away for one it is
// MinTimestamp or MaxTimestamp.
func TimestampOf(t time.Time) Timestamp {
	const second = 1000
	switch s := t.Unix(); {
	case s >= math.MaxInt64/second:
		return MaxTimestamp
	case s <= math.MinInt64/second:
		return MinTimestamp
	}
	return Timestamp(t.UnixMilli())
}

// Time returns t as a time in UTC.
func (t Timestamp) Time() time.Time { return time.UnixMilli(int64(t)).UTC() }

// Add returns t+d, d cut to whole milliseconds, but no less than MinTimestamp and no more than MaxTimestamp.
func (t Timestamp) Add(d time.Duration) Timestamp {
	ms := Timestamp(d.Milliseconds())
	switch sum := t + ms; {
	case ms > 0 && sum < t:
		return MaxTimestamp
	case ms < 0 && sum > t:
		return MinTimestamp
	default:
		return sum
	}
}
