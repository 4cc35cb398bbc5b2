package main

import (
	"slices"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
)

// written is a state that is captured again and again; of its snapshots the newest is held.
type written struct {
	b    *heapbackend.Backend[uint64]
	v    *heapbackend.Value[uint64, total]
	held *heapbackend.Snapshot
}

func newWritten(keys []uint64) (*written, error) {
	b, v, err := newState[uint64]()
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		must(v.Put(k, total{}))
	}
	return &written{b: b, v: v}, nil
}

// capture takes a snapshot and releases the one before.
func (w *written) capture() {
	s, err := w.b.Capture()
	must(err)
	w.release()
	w.held = s
}

func (w *written) release() {
	if w.held != nil {
		w.held.Release()
		w.held = nil
	}
}

func (w *written) update(keys []uint64) {
	v := w.v
	for _, k := range keys {
		must(v.Update(k, func(x *total) { x.N++ }))
	}
}

// tax compares updates right after a capture with the same updates when there is no snapshot.
func tax(t *table, o options, keys []uint64) error {
	random := drawn(keys, o.n)
	for _, lane := range []struct {
		name, target string
		keys         []uint64
	}{
		{"n/10 updates after a capture", "<= 2.00x", random[:o.n/10]},
		{"n updates after a capture", "<= 1.25x", random},
		{"n updates of 1 % after a capture", "<= 1.10x", drawn(keys[:o.n/100], o.n)},
	} {
		w, err := newWritten(keys)
		if err != nil {
			return err
		}
		// Two intervals make the pages that later ones recycle.
		w.capture()
		w.update(lane.keys)
		w.capture()
		w.update(lane.keys)
		var without, with []time.Duration
		for range o.rounds {
			collect()
			w.capture()
			with = append(with, timed(func() { w.update(lane.keys) }))
			w.release()
			collect()
			without = append(without, timed(func() { w.update(lane.keys) }))
			w.capture() // back to where captures follow one another
			w.update(lane.keys)
		}
		t.compare(lane.name, without, with, len(lane.keys), lane.target)
		w.release()
		if err := w.b.Close(); err != nil {
			return err
		}
	}
	return nil
}

// singles times every put on its own, after a capture and with no snapshot.
func singles(t *table, o options, keys []uint64) error {
	w, err := newWritten(keys)
	if err != nil {
		return err
	}
	random := drawn(keys, o.n/10)
	for range 2 {
		w.capture()
		w.update(random)
	}
	var with, without spread
	for range o.rounds {
		w.capture()
		withoutCollector(func() { with.add(w.puts(random)) })
		w.release()
		withoutCollector(func() { without.add(w.puts(random)) })
		w.capture()
		w.update(random)
	}
	t.row("single put, p50", nanos(without.p50), nanos(with.p50), "", "")
	t.row("single put, p99.9", nanos(without.p999), nanos(with.p999), "", "")
	t.row("single put, slowest", nanos(without.max), nanos(with.max), "", "<= 20000 ns")
	w.release()
	return w.b.Close()
}

// puts returns how long each put took.
func (w *written) puts(keys []uint64) []time.Duration {
	took, v := make([]time.Duration, len(keys)), w.v
	for i, k := range keys {
		start := time.Now()
		must(v.Put(k, total{Sum: uint64(i)}))
		took[i] = time.Since(start)
	}
	return took
}

// spread is, for several rounds, how durations were spread in each.
type spread struct{ p50, p999, max []time.Duration }

func (s *spread) add(took []time.Duration) {
	slices.Sort(took)
	s.p50 = append(s.p50, took[len(took)/2])
	s.p999 = append(s.p999, took[len(took)*999/1000])
	s.max = append(s.max, took[len(took)-1])
}

func nanos(list []time.Duration) string { return each(median(list), 1) }
