package heapbackend_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// BenchmarkTTL compares operations on a Value with a TTL with those on one without, on present keys that do not expire; with
// the wall clock, with a clock that costs nothing, without clean-up, and with reads that extend.
func BenchmarkTTL(b *testing.B) {
	now := heapbackend.Timestamp(1000)
	fixed := func() heapbackend.Timestamp { return now }
	for _, kind := range []struct {
		name string
		ttl  heapbackend.TTL
	}{
		{"wall", heapbackend.TTL{After: time.Hour}},
		{"fixed", heapbackend.TTL{After: time.Hour, Clock: fixed}},
		{"fixed,cleanup=none", heapbackend.TTL{After: time.Hour, Clock: fixed, Cleanup: -1}},
		{"fixed,onread", heapbackend.TTL{After: time.Hour, Clock: fixed, OnRead: true}},
	} {
		b.Run("clock="+kind.name, func(b *testing.B) { benchTTL(b, kind.ttl) })
	}
}

func benchTTL(b *testing.B, ttl heapbackend.TTL) {
	keys := uintKeys(*benchKeys)
	_, without := newTotals[uint64](b)
	backend, _ := newTotals[uint64](b)
	with, err := heapbackend.NewValue(backend, "aging", heapbackend.Options[total]{TTL: &ttl})
	require.NoError(b, err)
	for _, k := range keys {
		require.NoError(b, without.Put(k, total{}))
		require.NoError(b, with.Put(k, total{}))
	}
	probe := keys[:min(len(keys), 1<<18)]
	for op, run := range map[string]func(v *heapbackend.Value[uint64, total]) func(uint64){
		"get": func(v *heapbackend.Value[uint64, total]) func(uint64) { return func(k uint64) { v.Get(k) } },
		"put": func(v *heapbackend.Value[uint64, total]) func(uint64) {
			return func(k uint64) { _ = v.Put(k, total{}) }
		},
		"update": func(v *heapbackend.Value[uint64, total]) func(uint64) {
			return func(k uint64) { _ = v.Update(k, func(x *total) { x.N++ }) }
		},
	} {
		b.Run(fmt.Sprintf("op=%s", op), func(b *testing.B) {
			var base, state []time.Duration
			for b.Loop() {
				base = append(base, timed(func() { each(probe, run(without)) }))
				state = append(state, timed(func() { each(probe, run(with)) }))
			}
			report(b, base, state, len(probe))
		})
	}
}
