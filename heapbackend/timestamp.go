package heapbackend

import (
	"math"
	"time"
)

// Timestamp is a point in time in milliseconds since the Unix epoch: event time, the time of a timer, the time by which an
// entry expires.
type Timestamp int64

const (
	// MinTimestamp is before every other Timestamp.
	MinTimestamp Timestamp = math.MinInt64
	// MaxTimestamp is after every other Timestamp: the end of time.
	MaxTimestamp Timestamp = math.MaxInt64
)

// TimestampOf returns the time t rounded down to a millisecond. Times that a Timestamp cannot hold become the nearest it can.
func TimestampOf(t time.Time) Timestamp {
	switch sec := t.Unix(); {
	case sec > math.MaxInt64/1000-1:
		return MaxTimestamp
	case sec < math.MinInt64/1000:
		return MinTimestamp
	}
	return Timestamp(t.UnixMilli())
}

// Time returns t as a time in UTC.
func (t Timestamp) Time() time.Time { return time.UnixMilli(int64(t)).UTC() }

// Add returns t+d, with d cut to whole milliseconds, or the nearest Timestamp if there is none so large or small.
func (t Timestamp) Add(d time.Duration) Timestamp {
	ms := Timestamp(d.Milliseconds())
	switch {
	case ms > 0 && t > MaxTimestamp-ms:
		return MaxTimestamp
	case ms < 0 && t < MinTimestamp-ms:
		return MinTimestamp
	}
	return t + ms
}
