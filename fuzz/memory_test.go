package fuzz

import (
	"runtime/metrics"
	"testing"
)

// allocated is the number of bytes taken from the heap so far.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// bounded runs decode, which gets n bytes of input, and fails if it takes more memory for them than a decoder may.
// slack is for what it takes whatever the input: buffers of decompressors, tables, the fuzzer itself.
func bounded(t *testing.T, n int, decode func()) {
	t.Helper()
	const (
		slack   = 16 << 20
		perByte = 512
	)
	before := allocated()
	decode()
	if took := allocated() - before; took > slack+perByte*uint64(n) {
		t.Fatalf("%d bytes of input took %d bytes of memory", n, took)
	}
}
