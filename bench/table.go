package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// table prints rows of a fixed width as they come.
type table struct {
	w      io.Writer
	headed bool
}

func newTable(w io.Writer) *table { return &table{w: w} }

func (t *table) note(format string, args ...any) { fmt.Fprintf(t.w, format+"\n", args...) }

const rowFormat = "%-34s %14s %14s %9s  %s\n"

// row prints one comparison; target says what the ratio or the number should be.
func (t *table) row(name, base, ours, ratio, target string) {
	if !t.headed {
		t.headed = true
		fmt.Fprintf(t.w, rowFormat, "what", "base", "heapstate", "ratio", "target")
		fmt.Fprintln(t.w, strings.Repeat("-", 86))
	}
	fmt.Fprintf(t.w, rowFormat, name, base, ours, ratio, target)
}

// compare prints two durations for n operations each.
func (t *table) compare(name string, base, ours []time.Duration, n int, target string) {
	b, o := median(base), median(ours)
	t.row(name, each(b, n), each(o, n), times(float64(o)/float64(b)), target)
}

// faster prints two durations for two amounts of bytes, and how many times faster ours is.
func (t *table) faster(name string, base, ours []time.Duration, baseBytes, ourBytes int, target string) {
	b, o := median(base), median(ours)
	t.row(name, rate(b, baseBytes), rate(o, ourBytes), times(float64(b)/float64(o)), target)
}

func each(d time.Duration, n int) string { return fmt.Sprintf("%.1f ns", float64(d)/float64(n)) }

func rate(d time.Duration, bytes int) string {
	return fmt.Sprintf("%.0f MB/s", float64(bytes)/1e6/d.Seconds())
}

func times(x float64) string { return fmt.Sprintf("%.2fx", x) }

func micros(d time.Duration) string { return fmt.Sprintf("%.1f us", float64(d)/1e3) }

// median returns the middle of a list that has one, the upper one of two.
func median[T int | float64 | time.Duration](list []T) T {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// turns lets two sides take turns, each after a collection.
func turns(rounds int, base, ours func()) (b, o []time.Duration) {
	for range rounds {
		collect()
		b = append(b, timed(base))
		collect()
		o = append(o, timed(ours))
	}
	return b, o
}
