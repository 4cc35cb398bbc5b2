package localcopy

import (
	"context"
	"fmt"
	"sync"

	"github.com/heapstate/heapstate/internal/vfs"
)

// fileRoot opens the tree of the file format when it is first needed.
type fileRoot struct {
	open func() (vfs.FS, error)
	disk *disk

	mu      sync.Mutex // guards current; never held during I/O
	current *tree      // nil before the first open, after a failed one, and after the root was lost
}

// tree is one opening of the root. FS and err are set before done is closed.
type tree struct {
	vfs.FS
	err  error
	done chan struct{}
}

// get returns the tree, opening it if need be. All callers share one open, on a goroutine that ends with it; a caller
// whose ctx ends does not wait for a disk that hangs.
func (r *fileRoot) get(ctx context.Context) (*tree, error) {
	r.mu.Lock()
	t := r.current
	if t == nil {
		t = &tree{done: make(chan struct{})}
		r.current = t
		go r.run(t)
	}
	r.mu.Unlock()
	select {
	case <-t.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if t.err != nil {
		return nil, fmt.Errorf("localcopy: open directory: %w", t.err)
	}
	return t, ctx.Err()
}

func (r *fileRoot) run(t *tree) {
	leave := r.disk.enter()
	fsys, err := r.open()
	leave()
	t.FS, t.err = watchedFS{fsys, r.disk}, err
	if t.err != nil {
		r.forget(t)
	}
	close(t.done)
}

// forget makes the next get open the root anew: it may have been removed. The old one is left to those who still use
// it.
func (r *fileRoot) forget(t *tree) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == t {
		r.current = nil
	}
}
