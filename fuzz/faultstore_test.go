package fuzz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/primary"
)

// seamStore puts the seam before a store of any kind. A call that hangs or is slow ends with its context, as the
// contract wants it.
type seamStore struct {
	primary.Store
	seam *seam
	root string
}

// do makes a call, or what the seam leaves of it.
func (s *seamStore) do(ctx context.Context, op, name string, size int, effect func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	answer := make(chan error, 1)
	go func() { answer <- s.seam.reached(op, s.root+"/"+name, size) }() // ends with the sleep or the process
	var err error
	select {
	case err = <-answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	late, ok := err.(vfs.Late)
	if err != nil && !ok {
		return err
	}
	if err := effect(); err != nil {
		return err
	}
	if late.Wait == nil {
		return late.Err
	}
	go func() { late.Wait(); answer <- late.Err }() // likewise
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		if op == "commit" {
			return fmt.Errorf("%w: %w", primary.ErrUncertain, ctx.Err())
		}
		return ctx.Err()
	}
}

func (s *seamStore) Create(ctx context.Context, name string) (w primary.Writer, err error) {
	err = s.do(ctx, "create", name, 0, func() error {
		w, err = s.Store.Create(ctx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &seamWriter{Writer: w, store: s, name: name}, nil
}

func (s *seamStore) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	err := s.do(ctx, "readat", name, len(p), func() error { return s.Store.ReadAt(ctx, name, p, off) })
	if short := (vfs.Short{}); errors.As(err, &short) { // filled whole or an error: half of it is an error
		return short.Err
	}
	return err
}

func (s *seamStore) Size(ctx context.Context, name string) (n int64, err error) {
	err = s.do(ctx, "size", name, 0, func() error {
		n, err = s.Store.Size(ctx, name)
		return err
	})
	return n, err
}

// List answers late with what was there early, as a listing may.
func (s *seamStore) List(ctx context.Context, prefix string) iter.Seq2[primary.Info, error] {
	return func(yield func(primary.Info, error) bool) {
		var found []primary.Info
		err := s.do(ctx, "list", prefix, 0, func() error {
			for info, err := range s.Store.List(ctx, prefix) {
				if err != nil {
					return err
				}
				found = append(found, info)
			}
			return nil
		})
		for _, info := range found {
			if !yield(info, nil) {
				return
			}
		}
		if err != nil {
			yield(primary.Info{}, err)
		}
	}
}

func (s *seamStore) Delete(ctx context.Context, name string) error {
	return s.do(ctx, "delete", name, 0, func() error { return s.Store.Delete(ctx, name) })
}

type seamWriter struct {
	primary.Writer
	store  *seamStore
	name   string
	failed error
}

func (w *seamWriter) Write(p []byte) (n int, err error) {
	if w.failed != nil {
		return 0, w.failed
	}
	err = w.store.do(context.Background(), "write", w.name, len(p), func() error {
		n, err = w.Writer.Write(p)
		return err
	})
	if short := (vfs.Short{}); errors.As(err, &short) {
		n, _ = w.Writer.Write(p[:short.N])
		err = errors.Join(io.ErrShortWrite, short.Err)
	}
	w.failed = err
	return n, err
}

func (w *seamWriter) Commit(ctx context.Context) error {
	err := w.failed
	if err == nil {
		err = w.store.do(ctx, "commit", w.name, 0, func() error { return w.Writer.Commit(ctx) })
	}
	_ = w.Writer.Abort() // does nothing after a commit
	return err
}
