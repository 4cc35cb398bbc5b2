package query

import "math"

// Clock is what time it is on one task. It belongs to the task's goroutine; the
// harness moves it, before it calls Operator.Advance.
type Clock struct{ watermark, processing int64 }

// NewClock returns a clock at the beginning of time.
func NewClock() *Clock { return &Clock{math.MinInt64, math.MinInt64} }

// Watermark is the time below which no event will come, in milliseconds.
func (c *Clock) Watermark() int64 { return c.watermark }

// Processing is the time below which no event will arrive, in milliseconds.
func (c *Clock) Processing() int64 { return c.processing }

// Move moves the clock; a time that would go back stays. It reports whether either has moved.
func (c *Clock) Move(watermark, processing int64) bool {
	before := *c
	c.watermark, c.processing = max(c.watermark, watermark), max(c.processing, processing)
	return *c != before
}
