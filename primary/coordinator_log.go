package primary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// logStore is a Store as the commit log wants it.
type logStore struct{ Store }

// Create is part of commitlog.Store.
func (s logStore) Create(ctx context.Context, name string, b []byte) error {
	return createObject(ctx, s.Store, name, b)
}

// Read is part of commitlog.Store.
func (s logStore) Read(ctx context.Context, name, magic string) ([]byte, error) {
	b, err := readFrame(ctx, s.Store, name, magic)
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		err = &commitlog.DamageError{Name: name, Offset: corrupt.Offset, Reason: corrupt.Reason, Err: corrupt.Err}
	}
	return b, err
}

// Holds is part of commitlog.Store.
func (s logStore) Holds(ctx context.Context, name string, b []byte) (bool, error) {
	got := make([]byte, len(b))
	err := s.ReadAt(ctx, name, got, 0)
	switch {
	case err == nil:
		return bytes.Equal(got, b), nil
	case errors.Is(err, ErrNotExist), errors.Is(err, ErrCorrupt), errors.Is(err, io.ErrUnexpectedEOF):
		return false, nil
	}
	return false, definite(err)
}

// Exists is part of commitlog.Store. What is no object is there all the same.
func (s logStore) Exists(ctx context.Context, name string) (bool, error) {
	_, err := s.Size(ctx, name)
	switch {
	case err == nil || errors.Is(err, ErrCorrupt):
		return true, nil
	case errors.Is(err, ErrNotExist):
		return false, nil
	}
	return false, definite(err)
}

// List is part of commitlog.Store.
func (s logStore) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for info, err := range s.Store.List(ctx, prefix) {
			if !yield(info.Name, err) {
				return
			}
		}
	}
}

// logError makes an error of the commit log one of this package.
func logError(job string, err error) error {
	var damage *commitlog.DamageError
	var foreign *commitlog.ForeignError
	switch {
	case errors.As(err, &foreign):
		stored := fmt.Sprintf("%q in %s", foreign.Job, foreign.Name)
		return &MismatchError{What: "job", Stored: stored, Given: fmt.Sprintf("%q", job)}
	case errors.As(err, &damage):
		return &CorruptError{
			Object: damage.Name, Group: NoGroup, Offset: damage.Offset, Reason: damage.Reason, Err: damage.Err,
		}
	case errors.Is(err, ErrLogLost):
		return &LogLostError{Job: job, Found: []string{commitlog.OriginName(job)}}
	}
	return err
}

// lookTimeout is how long a look takes at most when there is no time for it any more.
const lookTimeout = time.Second

// createObject makes a small object. ErrExist and ErrUncertain mean what they do in Writer.Commit; any other error that
// the object is not there. A store that answers a commit with a plain error although the object was made is found out:
// that is ErrUncertain too.
func createObject(ctx context.Context, store Store, name string, b []byte) error {
	w, err := store.Create(ctx, name)
	if err != nil {
		return fmt.Errorf("primary: create %s: %w", name, definite(err))
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("primary: write %s: %w", name, definite(errors.Join(err, w.Abort())))
	}
	err = w.Commit(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrExist) || errors.Is(err, ErrUncertain):
		return fmt.Errorf("primary: commit %s: %w", name, err)
	}
	err = fmt.Errorf("primary: commit %s: %w", name, err)
	if ctx.Err() != nil { // which may be all that went wrong
		look, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
		defer cancel()
		ctx = look
	}
	if absent, lookErr := isAbsent(ctx, store, name, b); !absent {
		return fmt.Errorf("%w: %w", ErrUncertain, errors.Join(err, definite(lookErr)))
	}
	return err
}

// isAbsent reports whether it is certain that no object of that name holds b.
func isAbsent(ctx context.Context, store Store, name string, b []byte) (bool, error) {
	size, err := store.Size(ctx, name)
	if errors.Is(err, ErrNotExist) {
		return true, nil
	}
	if err != nil || size != int64(len(b)) {
		return err == nil, err
	}
	got := make([]byte, size)
	err = store.ReadAt(ctx, name, got, 0)
	return errors.Is(err, ErrNotExist) || err == nil && !bytes.Equal(got, b), err
}

// definite hides the sentinels that only Commit may answer with.
func definite(err error) error {
	if errors.Is(err, ErrUncertain) || errors.Is(err, ErrExist) {
		return errors.New(err.Error())
	}
	return err
}
