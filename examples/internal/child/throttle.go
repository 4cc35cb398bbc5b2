package child

import (
	"sync"
	"sync/atomic"
)

// throttle holds the sources once a given amount of the input has been read,
// so that what happens "at a quarter of the input" happens there on a fast
// machine too. Sources that wait still send barriers.
type throttle struct {
	reached func() // called, on a source's goroutine, each time the limit stops a source

	mu    sync.Mutex
	limit int64         // guarded by mu
	open  chan struct{} // guarded by mu; closed when limit has been raised or a task starts over
	tasks []atomic.Int64
}

func newThrottle(tasks int, limit int64, reached func()) *throttle {
	return &throttle{reached: reached, limit: limit, open: make(chan struct{}), tasks: make([]atomic.Int64, tasks)}
}

// read is how much of the input has been read by all tasks.
func (t *throttle) read() int64 {
	var n int64
	for i := range t.tasks {
		n += t.tasks[i].Load()
	}
	return n
}

// setLimit moves the limit. A limit of the whole input or more holds nobody.
func (t *throttle) setLimit(limit int64) {
	t.mu.Lock()
	t.limit = limit
	t.mu.Unlock()
	t.wake()
}

func (t *throttle) wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.open)
	t.open = make(chan struct{})
}

// task returns the control of a task's new source, from whose positions the task's count begins anew.
func (t *throttle) task(index int) *Control {
	t.tasks[index].Store(0)
	t.wake()
	return &Control{throttle: t, index: index}
}

// Control is how one source is held, and where it says how far it is. It belongs
// to the source's goroutine.
type Control struct {
	throttle *throttle
	index    int
}

// Ready is nil while the limit has not been reached, else a channel that is
// closed when that may have changed.
func (t *Control) Ready() <-chan struct{} {
	t.throttle.mu.Lock()
	open, held := t.throttle.open, t.throttle.read() >= t.throttle.limit
	t.throttle.mu.Unlock()
	if !held {
		return nil
	}
	t.throttle.reached()
	return open
}

// Advance counts an amount of the input as read.
func (t *Control) Advance(amount int64) { t.throttle.tasks[t.index].Add(amount) }
