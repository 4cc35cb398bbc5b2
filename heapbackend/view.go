package heapbackend

// viewed is what a snapshot holds of one state: what every kind of view is made of.
type viewed[K comparable, E any] struct {
	f    *frozenKeyed[K, E]
	snap *Snapshot
}

// Name returns the name the state is registered under.
func (w *viewed[K, E]) Name() string { return w.f.state.info.name }

// Keys returns the number of keys the state held something for, 0 once the snapshot's handle is released.
// O(key groups); with a TTL what has not expired is counted once for each snapshot.
func (w *viewed[K, E]) Keys() (n int) {
	release, err := w.snap.hold()
	if err != nil {
		return 0
	}
	defer release()
	for i := range w.f.tables {
		n += int(w.f.entries(w.f.first + i))
	}
	return n
}

// owner implements State.
func (w *viewed[K, E]) owner() *core { return w.f.state.core }

// has implements State: what had expired at the capture is in the index and not in the view. The snapshot is held.
func (w *viewed[K, E]) has(k K) bool { return w.f.limits == nil || w.f.get(k).e != nil }

// held implements State.
func (w *viewed[K, E]) held(look func(index any) (hold bool)) (release func()) {
	release, err := w.snap.hold()
	if err != nil {
		return func() {}
	}
	look(w.f.index)
	return release
}
