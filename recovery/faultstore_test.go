package recovery

import (
	"context"
	"errors"
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
	create, commit, write := s.create, s.commit, s.write
	s.mu.Unlock()
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
	return &faultWriter{Writer: w, name: name, commit: commit, write: write, end: sync.OnceFunc(func() { s.writers.Add(-1) })}, nil
}

type faultWriter struct {
	primary.Writer
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
	if w.commit != nil {
		if err := w.commit(ctx, w.name); err != nil {
			return errors.Join(err, w.Writer.Abort())
		}
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
	err := s.Store.ReadAt(ctx, name, p, off)
	s.mu.Lock()
	read := s.read
	s.mu.Unlock()
	if err == nil && read != nil {
		return read(name, p, off)
	}
	return err
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
