package main

import "fmt"

// store is one side of the access lanes: a map or a state. Its methods do what they say for all keys, in an order of
// their own for get, put and update.
type store interface {
	insert() // into a new, empty store, which the others then use
	get()
	put()
	update()
	drop() // lets go of everything
}

// sides are a map and a state with the same keys.
type sides struct{ base, ours store }

// access compares single operations, inserts and memory.
func access(t *table, o options, key string, s sides) error {
	base, ours := s.base, s.ours
	memory := func(s store) float64 {
		s.drop()
		before := liveHeap()
		s.insert()
		return (liveHeap() - before) / float64(o.n)
	}
	var baseBytes, ourBytes []float64
	for range min(3, o.rounds) {
		baseBytes = append(baseBytes, memory(base))
		ourBytes = append(ourBytes, memory(ours))
	}
	for _, lane := range []struct {
		name, target string
		of           func(store)
	}{
		{"get", "<= 1.10x", store.get},
		{"put", "<= 1.15x", store.put},
		{"update", "<= 0.80x", store.update},
		{"insert", "", store.insert},
	} {
		b, u := turns(o.rounds, func() { lane.of(base) }, func() { lane.of(ours) })
		t.compare(lane.name+" "+key, b, u, o.n, lane.target)
	}
	b, u := median(baseBytes), median(ourBytes)
	t.row("memory "+key, fmt.Sprintf("%.1f B", b), fmt.Sprintf("%.1f B", u), times(u/b), "<= 0.80x")
	base.drop()
	ours.drop()
	return nil
}
