package child

import (
	"context"
	"sync"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// sealCounter tells when every task's local copies of a checkpoint are complete,
// in every format: the supervisor waits for it before it breaks something, so
// that the demonstration shows where state comes from and not a race. It is
// also an example of a format made from another one.
type sealCounter struct {
	copies int // of one checkpoint: tasks x formats
	sealed func(checkpoint uint64)

	mu     sync.Mutex
	counts map[uint64]int // guarded by mu; by checkpoint, those that are not complete
}

func newSealCounter(copies int, sealed func(uint64)) *sealCounter {
	return &sealCounter{copies: copies, sealed: sealed, counts: map[uint64]int{}}
}

// watch returns the format, watched.
func (c *sealCounter) watch(f localcopy.Format) localcopy.Format { return watchedFormat{f, c} }

func (c *sealCounter) add(checkpoint uint64) {
	c.mu.Lock()
	c.counts[checkpoint]++
	complete := c.counts[checkpoint] == c.copies
	if complete {
		for id := range c.counts {
			if id <= checkpoint {
				delete(c.counts, id)
			}
		}
	}
	c.mu.Unlock()
	if complete {
		c.sealed(checkpoint)
	}
}

type watchedFormat struct {
	localcopy.Format
	counter *sealCounter
}

// Begin is the format's, with a writer that is watched.
func (f watchedFormat) Begin(ctx context.Context, m localcopy.Meta, s *heapbackend.Snapshot) (localcopy.Writer, error) {
	w, err := f.Format.Begin(ctx, m, s)
	if err != nil {
		return nil, err
	}
	return &watchedWriter{w, m.Checkpoint, f.counter}, nil
}

type watchedWriter struct {
	localcopy.Writer
	checkpoint uint64
	counter    *sealCounter
}

// Seal is the writer's; what it seals is counted.
func (w *watchedWriter) Seal(ctx context.Context, twin []primary.Segment) (localcopy.Copy, error) {
	c, err := w.Writer.Seal(ctx, twin)
	if err == nil {
		w.counter.add(w.checkpoint)
	}
	return c, err
}
