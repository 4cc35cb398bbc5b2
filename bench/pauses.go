package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
)

// pauses measures captures and adoptions at several sizes.
func pauses(t *table, o options) error {
	for n := min(o.n, 10_000); ; n = min(10*n, o.n) {
		if err := pausesAt(t, o, uintKeys(n)); err != nil {
			return err
		}
		if n == o.n {
			return nil
		}
	}
}

func pausesAt(t *table, o options, keys []uint64) error {
	b, v, err := newState[uint64]()
	if err != nil {
		return err
	}
	for _, k := range keys {
		must(v.Put(k, total{}))
	}
	touched := drawn(keys, len(keys)/100)
	var held *heapbackend.Snapshot
	var captures, adopts []time.Duration
	for range 10 * o.rounds {
		for _, k := range touched {
			must(v.Put(k, total{}))
		}
		old := held
		captures = append(captures, timed(func() { held, err = b.Capture() }))
		if err != nil {
			return err
		}
		if old != nil {
			old.Release()
		}
	}
	for range 10 * o.rounds {
		fresh, _, err := newState[uint64]()
		if err != nil {
			return err
		}
		adopts = append(adopts, timed(func() { err = adopt(fresh, held) }))
		if err != nil {
			return err
		}
	}
	held.Release()
	slices.Sort(captures)
	slices.Sort(adopts)
	t.row(fmt.Sprintf("capture, n=%d", len(keys)), "worst "+micros(captures[len(captures)-1]), micros(median(captures)), "", "<= 20 us")
	t.row(fmt.Sprintf("adopt, n=%d", len(keys)), "worst "+micros(adopts[len(adopts)-1]), micros(median(adopts)), "", "<= 100 us")
	return b.Close()
}

// adopt takes over every key group of a snapshot.
func adopt(b *heapbackend.Backend[uint64], s *heapbackend.Snapshot) error {
	staged := make([]*heapbackend.Staged, 0, groups)
	for g := range s.Range().All() {
		st, err := b.StageSnapshot(s, g)
		if err != nil {
			return err
		}
		staged = append(staged, st)
	}
	return b.Install(staged)
}
