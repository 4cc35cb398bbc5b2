package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRunPrintsEveryRow(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(&out, options{n: minEntries, rounds: 1}))
	for _, want := range []string{
		"GOGC=", "get uint64", "put string16", "update uint64", "insert string16", "memory uint64", "capture, n=1000",
		"adopt, n=1000", "n/10 updates", "n updates of 1 %", "single put, p99.9", "encode string16", "decode uint64, 1 goroutines",
	} {
		require.Contains(t, out.String(), want)
	}
}

func TestRunRefusesWhatItCannotMeasure(t *testing.T) {
	require.Error(t, run(&bytes.Buffer{}, options{n: minEntries - 1, rounds: 1}))
	require.Error(t, run(&bytes.Buffer{}, options{n: minEntries, rounds: 0}))
}

func TestMedian(t *testing.T) {
	require.Equal(t, 2.0, median([]float64{3, 1, 2}))
	require.Equal(t, 3*time.Second, median([]time.Duration{3 * time.Second, time.Second}))
}
