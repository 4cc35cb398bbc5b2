package primary

import (
	"cmp"
	"context"
	"iter"
	"sync"
)

// op is one call of a store.
type op struct {
	kind string // create, commit, readat, size, list, delete
	name string
	n    int // from 1, over all calls
}

// hookStore lets a test look at, fail or delay every call. before may return an
// error to answer with instead; after may return one to answer with although the
// call took place.
type hookStore struct {
	Store
	mu            sync.Mutex
	calls         int
	returned      int
	before, after func(context.Context, op) error
}

func (h *hookStore) set(before, after func(context.Context, op) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls, h.before, h.after = 0, before, after
}

func (h *hookStore) do(ctx context.Context, kind, name string, call func() error) error {
	h.mu.Lock()
	h.calls++
	o, before, after := op{kind, name, h.calls}, h.before, h.after
	h.mu.Unlock()
	defer func() { // what the callbacks wrote can be read after set
		h.mu.Lock()
		h.returned++
		h.mu.Unlock()
	}()
	if before != nil {
		if err := before(ctx, o); err != nil {
			return err
		}
	}
	err := call()
	if after == nil {
		return err
	}
	return cmp.Or(err, after(ctx, o))
}

func (h *hookStore) Create(ctx context.Context, name string) (Writer, error) {
	var w Writer
	err := h.do(ctx, "create", name, func() (err error) {
		w, err = h.Store.Create(ctx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &hookWriter{Writer: w, h: h, name: name}, nil
}

type hookWriter struct {
	Writer
	h    *hookStore
	name string
}

func (w *hookWriter) Commit(ctx context.Context) error {
	return w.h.do(ctx, "commit", w.name, func() error { return w.Writer.Commit(ctx) })
}

func (h *hookStore) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	return h.do(ctx, "readat", name, func() error { return h.Store.ReadAt(ctx, name, p, off) })
}

func (h *hookStore) Size(ctx context.Context, name string) (n int64, err error) {
	err = h.do(ctx, "size", name, func() (err error) {
		n, err = h.Store.Size(ctx, name)
		return err
	})
	return n, err
}

func (h *hookStore) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		var infos []Info
		err := h.do(ctx, "list", prefix, func() error {
			for info, err := range h.Store.List(ctx, prefix) {
				if err != nil {
					return err
				}
				infos = append(infos, info)
			}
			return nil
		})
		for _, info := range infos {
			if err == nil && !yield(info, nil) {
				return
			}
		}
		if err != nil {
			yield(Info{}, err)
		}
	}
}

func (h *hookStore) Delete(ctx context.Context, name string) error {
	return h.do(ctx, "delete", name, func() error { return h.Store.Delete(ctx, name) })
}
