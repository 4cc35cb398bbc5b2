// Package latency counts how long something took, by size class, and tells quantiles.
//
// A [Histogram] has 32 classes for every doubling, so a quantile is at most 1/32 above what it should be, whatever the range.
// Recording is a few instructions; the memory is fixed, some 15 kB. Histograms add up: tasks keep one each, and send the
// difference from time to time.
package latency
