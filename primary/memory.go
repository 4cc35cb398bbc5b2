package primary

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
)

// Memory is a [Store] in the memory of the process: for tests, and for jobs whose
// state need not outlive them. Its zero value is not usable; see NewMemory.
type Memory struct {
	mu      sync.RWMutex // guards objects
	objects map[string][]byte
	// Invariant: a slice in objects is never written to again.
}

var (
	_ Store        = (*Memory)(nil)
	_ BatchDeleter = (*Memory)(nil)
)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{objects: make(map[string][]byte)} }

func (m *Memory) begin(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return CheckName(name)
}

// Create is part of Store.
func (m *Memory) Create(ctx context.Context, name string) (Writer, error) {
	if err := m.begin(ctx, name); err != nil {
		return nil, err
	}
	return &memoryWriter{store: m, name: name}, nil
}

func (m *Memory) get(ctx context.Context, name string) ([]byte, error) {
	if err := m.begin(ctx, name); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	b, ok := m.objects[name]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNotExist, name)
	}
	return b, nil
}

// ReadAt is part of Store.
func (m *Memory) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	b, err := m.get(ctx, name)
	if err != nil {
		return err
	}
	if off < 0 {
		return fmt.Errorf("%w: offset %d", ErrInvalid, off)
	}
	if copy(p, b[min(off, int64(len(b))):]) < len(p) {
		return fmt.Errorf("primary: read %s: %w", name, io.ErrUnexpectedEOF)
	}
	return nil
}

// Size is part of Store.
func (m *Memory) Size(ctx context.Context, name string) (int64, error) {
	b, err := m.get(ctx, name)
	return int64(len(b)), err
}

// List is part of Store. It yields what was there when it began.
func (m *Memory) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		err := CheckPrefix(prefix)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(Info{}, err)
			return
		}
		for _, info := range m.infos(prefix) {
			if err := ctx.Err(); err != nil {
				yield(Info{}, err)
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (m *Memory) infos(prefix string) []Info {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var infos []Info
	for name, b := range m.objects {
		if strings.HasPrefix(name, prefix) {
			infos = append(infos, Info{Name: name, Size: int64(len(b))})
		}
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return infos
}

// Delete is part of Store.
func (m *Memory) Delete(ctx context.Context, name string) error {
	if err := m.begin(ctx, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, name)
	return nil
}

// DeleteAll is part of BatchDeleter.
func (m *Memory) DeleteAll(ctx context.Context, names []string) error {
	return deleteAll(ctx, m, names)
}

// memoryWriter writes one object of a Memory.
type memoryWriter struct {
	store *Memory // nil once ended
	name  string
	buf   bytes.Buffer
}

func (w *memoryWriter) Write(p []byte) (int, error) {
	if w.store == nil {
		return 0, fmt.Errorf("primary: write %s: %w", w.name, ErrClosed)
	}
	return w.buf.Write(p)
}

func (w *memoryWriter) Commit(ctx context.Context) error {
	store := w.store
	if store == nil {
		return fmt.Errorf("primary: commit %s: %w", w.name, ErrClosed)
	}
	b := bytes.Clone(w.buf.Bytes()) // without the buffer's spare capacity
	w.end()
	if err := ctx.Err(); err != nil {
		return err
	}
	store.mu.Lock()
	defer store.mu.Unlock()
	if _, ok := store.objects[w.name]; ok {
		return fmt.Errorf("%w: %s", ErrExist, w.name)
	}
	store.objects[w.name] = b
	return nil
}

func (w *memoryWriter) Abort() error {
	w.end()
	return nil
}

func (w *memoryWriter) end() {
	w.store = nil
	w.buf = bytes.Buffer{}
}
