package heapbackend

import (
	"iter"

	"github.com/heapstate/heapstate/heapbackend/internal/timeline"
)

// TimersView is Timers as they were at a capture. It is free to all goroutines until the snapshot's handle is released;
// then it holds nothing.
type TimersView[K comparable] struct {
	f    *frozenTimers[K]
	snap *Snapshot
}

// Name returns the name the state is registered under.
func (w *TimersView[K]) Name() string { return w.f.state.info.name }

// Has reports whether a timer was registered. O(log timers of a group).
func (w *TimersView[K]) Has(k K, at Timestamp) bool {
	release, err := w.snap.hold()
	if err != nil {
		return false
	}
	defer release()
	x, group := w.f.state.item(k, at)
	return group < uint(len(w.f.trees)) && w.f.trees[group].Has(&x)
}

// Len returns the number of timers. O(key groups).
func (w *TimersView[K]) Len() (n int) {
	release, err := w.snap.hold()
	if err != nil {
		return 0
	}
	defer release()
	for i := range w.f.trees {
		n += w.f.trees[i].Len()
	}
	return n
}

// Next returns the earliest time of any timer, and whether there was one. O(key groups).
func (w *TimersView[K]) Next() (at Timestamp, ok bool) {
	release, err := w.snap.hold()
	if err != nil {
		return 0, false
	}
	defer release()
	var first head
	for i := range w.f.trees {
		if x := w.f.trees[i].First(); x != nil {
			if h := (head{Timestamp(x.At), true}); h.before(first) {
				first = h
			}
		}
	}
	return first.at, first.any
}

// All yields every timer, key group by key group, each group in the order of times: always in the same order.
func (w *TimersView[K]) All() iter.Seq2[K, Timestamp] {
	return func(yield func(K, Timestamp) bool) {
		if release, err := w.snap.hold(); err == nil {
			defer release()
			w.f.all(yield)
		}
	}
}

// InGroup is All for one key group; a group that the snapshot does not hold has no timers.
func (w *TimersView[K]) InGroup(group int) iter.Seq2[K, Timestamp] {
	return func(yield func(K, Timestamp) bool) {
		if release, err := w.snap.hold(); err == nil {
			defer release()
			w.f.inGroup(group, yield)
		}
	}
}

// frozenTimers is Timers in a snapshot. It reads only what never changes of its state.
type frozenTimers[K comparable] struct {
	state *Timers[K]
	trees []timeline.Frozen[K] // by group, from first
	first int
}

func (f *frozenTimers[K]) all(yield func(K, Timestamp) bool) {
	more := true
	for i := 0; i < len(f.trees) && more; i++ {
		f.trees[i].All(func(x *timeline.Item[K]) bool {
			more = yield(x.Key, Timestamp(x.At))
			return more
		})
	}
}

func (f *frozenTimers[K]) inGroup(group int, yield func(K, Timestamp) bool) {
	if i := group - f.first; i >= 0 && i < len(f.trees) {
		f.trees[i].All(func(x *timeline.Item[K]) bool { return yield(x.Key, Timestamp(x.At)) })
	}
}
