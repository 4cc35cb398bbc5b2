package recovery

import (
	"sync"
	"sync/atomic"
)

// style is how the tasks of a run take part in checkpoints, as far as any has.
type style struct {
	advances atomic.Bool // with Advance
	barriers atomic.Bool // with Checkpoint: an engine, with positions of its own
	once     sync.Once
	known    chan struct{} // closed when one of them is set
}

func (s *style) set(which *atomic.Bool) {
	if !which.Load() {
		which.Store(true)
		s.once.Do(func() { close(s.known) })
	}
}
