package recovery

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary"
)

// faultStore counts reads of objects, and lets a test fail or spoil what goes through it.
type faultStore struct {
	primary.Store
	objectReads atomic.Int64
	writers     atomic.Int64 // created and neither committed nor aborted

	mu     sync.Mutex
	away   error // if not nil, what every call is answered with
	create func(name string) error
	read   func(name string, p []byte, off int64) error // after the bytes were read
	commit func(ctx context.Context, name string) error
	write  func(name string) error
}

func newFaultStore() *faultStore { return &faultStore{Store: primary.NewMemory()} }

func (s *faultStore) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func isObject(name string) bool {
	return strings.Contains(name, "/objects/") || strings.Contains(name, "/savepoints/") && !strings.HasSuffix(name, "/manifest")
}

func (s *faultStore) Create(ctx context.Context, name string) (primary.Writer, error) {
	s.mu.Lock()
	create, commit, write, away := s.create, s.commit, s.write, s.away
	s.mu.Unlock()
	if away != nil {
		return nil, away
	}
	if create != nil {
		if err := create(name); err != nil {
			return nil, err
		}
	}
	w, err := s.Store.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	s.writers.Add(1)
	end := sync.OnceFunc(func() { s.writers.Add(-1) })
	return &faultWriter{Writer: w, s: s, name: name, commit: commit, write: write, end: end}, nil
}

type faultWriter struct {
	primary.Writer
	s      *faultStore
	name   string
	commit func(ctx context.Context, name string) error
	write  func(name string) error
	end    func()
}

func (w *faultWriter) Write(p []byte) (int, error) {
	if w.write != nil {
		if err := w.write(w.name); err != nil {
			return 0, err
		}
	}
	return w.Writer.Write(p)
}

func (w *faultWriter) Commit(ctx context.Context) error {
	defer w.end()
	if err := w.s.gone(); err != nil {
		return errors.Join(err, w.Writer.Abort())
	}
	if w.commit != nil {
		if err := w.commit(ctx, w.name); err != nil {
			return errors.Join(err, w.Writer.Abort())
		}
		ctx = context.WithoutCancel(ctx) // it was handed on before its context ended
	}
	return w.Writer.Commit(ctx)
}

func (w *faultWriter) Abort() error {
	defer w.end()
	return w.Writer.Abort()
}

func (s *faultStore) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	if isObject(name) {
		s.objectReads.Add(1)
	}
	if err := s.gone(); err != nil {
		return err
	}
	err := s.Store.ReadAt(ctx, name, p, off)
	s.mu.Lock()
	read := s.read
	s.mu.Unlock()
	if err == nil && read != nil {
		return read(name, p, off)
	}
	return err
}

func (s *faultStore) gone() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.away
}

func (s *faultStore) Size(ctx context.Context, name string) (int64, error) {
	if err := s.gone(); err != nil {
		return 0, err
	}
	return s.Store.Size(ctx, name)
}

func (s *faultStore) Delete(ctx context.Context, name string) error {
	if err := s.gone(); err != nil {
		return err
	}
	return s.Store.Delete(ctx, name)
}

func (s *faultStore) List(ctx context.Context, prefix string) iter.Seq2[primary.Info, error] {
	return func(yield func(primary.Info, error) bool) {
		if err := s.gone(); err != nil {
			yield(primary.Info{}, err)
			return
		}
		s.Store.List(ctx, prefix)(yield)
	}
}

// objects lists the names of all task objects.
func (s *faultStore) objects(t *testing.T) []string {
	var out []string
	for info, err := range s.List(context.Background(), "") {
		require.NoError(t, err)
		if isObject(info.Name) {
			out = append(out, info.Name)
		}
	}
	return out
}
