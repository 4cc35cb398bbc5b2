package primary_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

var errBoom = errors.New("boom")

// failingWriter fails once it has taken n bytes; short makes it say so without
// an error.
type failingWriter struct {
	n     int
	short bool
}

func (w *failingWriter) Write(p []byte) (int, error) {
	if len(p) <= w.n {
		w.n -= len(p)
		return len(p), nil
	}
	if w.short {
		return w.n, nil
	}
	return w.n, errBoom
}

func TestWriteObjectFailsWithItsWriter(t *testing.T) {
	defer goleak.VerifyNone(t)
	src, h := goldenSource(), testHeader(goldenSource().r, primary.None)
	whole, _ := encode(t, h, src, 1)
	for n := range whole {
		for _, workers := range []int{1, 4} {
			_, err := primary.WriteObject(t.Context(), &failingWriter{n: n}, h, src, primary.WriteOptions{Parallelism: workers})
			require.ErrorIs(t, err, errBoom, "writer that fails after %d of %d bytes", n, len(whole))
			_, err = primary.WriteObject(t.Context(), &failingWriter{n: n, short: true}, h, src, primary.WriteOptions{Parallelism: workers})
			require.ErrorIs(t, err, io.ErrShortWrite, "writer that stops after %d of %d bytes", n, len(whole))
		}
	}
}

func TestPutObjectLeavesNothingOfAFailingSource(t *testing.T) {
	defer goleak.VerifyNone(t)
	r := keygroups.Range{First: 10, End: 40}
	dir := t.TempDir()
	store, err := primary.OpenDir(dir)
	require.NoError(t, err)
	for group := range r.All() {
		for _, workers := range []int{1, 3, 64} {
			src := randomSource(r, 2000, uint64(group))
			src.before = func(g int) error {
				if g == group {
					return errBoom
				}
				return nil
			}
			_, err := primary.PutObject(t.Context(), store, "job/a", testHeader(r, primary.S2), src, primary.WriteOptions{Parallelism: workers})
			require.ErrorIs(t, err, errBoom)
			require.ErrorContains(t, err, "key group")
			_, err = store.Size(t.Context(), "job/a")
			require.ErrorIs(t, err, primary.ErrNotExist)
		}
	}
	require.NoError(t, store.Close())
	require.Empty(t, files(t, dir))
}

func TestWriteObjectTurnsAPanicIntoAnError(t *testing.T) {
	defer goleak.VerifyNone(t)
	src := goldenSource()
	src.before = func(g int) error {
		if g == 50 {
			panic("ouch")
		}
		return nil
	}
	_, err := primary.WriteObject(t.Context(), io.Discard, testHeader(src.r, primary.S2), src, primary.WriteOptions{Parallelism: 3})
	require.ErrorContains(t, err, "ouch")
}

func TestWriteObjectEndsWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, at := range []int{10, 11, 25, 39} {
		for _, workers := range []int{1, 3, 64} {
			src := randomSource(keygroups.Range{First: 10, End: 40}, 2000, 1)
			ctx, cancel := context.WithCancel(t.Context())
			src.before = func(g int) error {
				if g == at {
					cancel()
				}
				return nil
			}
			store := primary.NewMemory()
			_, err := primary.PutObject(ctx, store, "a", testHeader(src.r, primary.S2), src, primary.WriteOptions{Parallelism: workers})
			require.ErrorIs(t, err, context.Canceled)
			_, err = store.Size(t.Context(), "a")
			require.ErrorIs(t, err, primary.ErrNotExist)
		}
	}
}

func TestWriteObjectRefuses(t *testing.T) {
	for name, change := range map[string]func(*primary.Header){
		"no job":              func(h *primary.Header) { h.Job = "" },
		"no operator":         func(h *primary.Header) { h.Operator = "" },
		"M 0":                 func(h *primary.Header) { h.M = 0 },
		"M too large":         func(h *primary.Header) { h.M = keygroups.Max + 1 },
		"range beyond M":      func(h *primary.Header) { h.M = 60 },
		"negative task":       func(h *primary.Header) { h.Task = -1 },
		"task beyond M":       func(h *primary.Header) { h.Task = h.M },
		"unknown compression": func(h *primary.Header) { h.Compression = 3 },
		"another range":       func(h *primary.Header) { h.Range.End-- },
		"empty range":         func(h *primary.Header) { h.Range.End = h.Range.First },
		"a schema too large":  func(h *primary.Header) { h.Schema = make([]byte, 65<<20) },
	} {
		src := goldenSource()
		h := testHeader(src.r, primary.None)
		change(&h)
		var out bytes.Buffer
		_, err := primary.WriteObject(t.Context(), &out, h, src, primary.WriteOptions{})
		require.ErrorIs(t, err, primary.ErrInvalid, name)
		require.Zero(t, out.Len(), name)
	}
}

type entriesWithoutBytes struct{ *testSource }

func (entriesWithoutBytes) AppendGroup(dst []byte, _ int) ([]byte, uint64, error) { return dst, 1, nil }

func TestWriteObjectRefusesEntriesWithoutBytes(t *testing.T) {
	src := entriesWithoutBytes{goldenSource()}
	_, err := primary.WriteObject(t.Context(), io.Discard, testHeader(src.r, primary.S2), src, primary.WriteOptions{})
	require.ErrorIs(t, err, primary.ErrInvalid)
}

// A source that ends the goroutine it is called on must not make an object that lacks the key groups from there on.
func TestWriteObjectFailsWhenItsSourceEndsTheGoroutine(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, workers := range []int{1, 4} {
		src := goldenSource()
		src.before = func(group int) error {
			if group == src.r.First+1 {
				runtime.Goexit()
			}
			return nil
		}
		h, o := testHeader(src.r, primary.None), primary.WriteOptions{Parallelism: workers}
		_, err := primary.WriteObject(t.Context(), io.Discard, h, src, o)
		require.ErrorContains(t, err, "Goexit", "%d workers", workers)
	}
}

// brokenReader fails its nth read.
type brokenReader struct {
	primary.RangeReader
	n   int
	err error
}

func (r *brokenReader) Name() string { return "some/object" }

func (r *brokenReader) ReadAt(ctx context.Context, p []byte, off int64) error {
	if r.n--; r.n < 0 {
		return r.err
	}
	return r.RangeReader.ReadAt(ctx, p, off)
}

func TestReadErrorsAreNotCorruption(t *testing.T) {
	b, index := encode(t, testHeader(goldenSource().r, primary.S2), goldenSource(), 1)
	whole := primary.ReaderAt("", bytes.NewReader(b))
	for n := range 3 {
		_, err := primary.ReadIndex(t.Context(), &brokenReader{whole, n, errBoom}, int64(len(b)))
		require.ErrorIs(t, err, errBoom)
		require.NotErrorIs(t, err, primary.ErrCorrupt)
		require.ErrorContains(t, err, "some/object")
		_, err = primary.ReadIndex(t.Context(), &brokenReader{whole, n, io.ErrUnexpectedEOF}, int64(len(b)))
		require.ErrorIs(t, err, primary.ErrCorrupt)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
	_, err := primary.ReadBlock(t.Context(), &brokenReader{whole, 0, errBoom}, index.Segments[0], primary.S2)
	require.ErrorIs(t, err, errBoom)
	require.NotErrorIs(t, err, primary.ErrCorrupt)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = primary.ReadIndex(ctx, whole, int64(len(b)))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, primary.ErrCorrupt)
	_, err = primary.ReadIndex(t.Context(), primary.ReaderOf(primary.NewMemory(), "x"), 100)
	require.ErrorIs(t, err, primary.ErrNotExist)
	require.NotErrorIs(t, err, primary.ErrCorrupt)
}

func TestCorruptBlockIsNamed(t *testing.T) {
	b, index := encode(t, testHeader(goldenSource().r, primary.S2), goldenSource(), 1)
	seg := index.Segments[2]
	b[seg.Offset+3] ^= 1
	store := primary.NewMemory()
	w, err := store.Create(t.Context(), "job/objects/x")
	require.NoError(t, err)
	_, err = w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Commit(t.Context()))
	_, err = primary.ReadBlock(t.Context(), primary.ReaderOf(store, "job/objects/x"), seg, primary.S2)
	var corrupt *primary.CorruptError
	require.ErrorAs(t, err, &corrupt)
	require.Equal(t, "job/objects/x", corrupt.Object)
	require.Equal(t, 51, corrupt.Group)
	require.Equal(t, seg.Offset, corrupt.Offset)
	for i, other := range index.Segments {
		if i != 2 {
			_, err = primary.ReadBlock(t.Context(), primary.ReaderOf(store, "job/objects/x"), other, primary.S2)
			require.NoError(t, err, "a good block beside a bad one")
		}
	}
}

// TestWrongSegments reads good bytes with segments that lie about them.
func TestWrongSegments(t *testing.T) {
	for _, c := range compressions {
		b, index := encode(t, testHeader(goldenSource().r, c), goldenSource(), 1)
		r := primary.ReaderAt("x", bytes.NewReader(b))
		for name, change := range map[string]func(*primary.Segment){
			"raw too long":     func(s *primary.Segment) { s.Raw++ },
			"raw too short":    func(s *primary.Segment) { s.Raw-- },
			"raw far too long": func(s *primary.Segment) { s.Raw = 1 << 30 },
			"raw none":         func(s *primary.Segment) { s.Raw = 0 },
			"raw negative":     func(s *primary.Segment) { s.Raw = -1 },
			"length":           func(s *primary.Segment) { s.Length-- },
			"length hostile":   func(s *primary.Segment) { s.Length = 1 << 30 },
			"length none":      func(s *primary.Segment) { s.Length = 0 },
			"offset":           func(s *primary.Segment) { s.Offset++ },
			"offset negative":  func(s *primary.Segment) { s.Offset = -1 },
			"offset far":       func(s *primary.Segment) { s.Offset = 1<<63 - 2 },
			"crc":              func(s *primary.Segment) { s.CRC++ },
			"digest":           func(s *primary.Segment) { s.Digest++ },
			"kind":             func(s *primary.Segment) { s.Kind = 2 },
		} {
			seg := index.Segments[1]
			change(&seg)
			_, err := primary.ReadBlock(t.Context(), r, seg, c)
			require.ErrorIs(t, err, primary.ErrCorrupt, "%v: %s", c, name)
			require.True(t, strings.Contains(err.Error(), "key group 50"), err.Error())
		}
	}
	_, err := primary.ReadBlock(t.Context(), primary.ReaderAt("x", nil), primary.Segment{}, 7)
	require.ErrorIs(t, err, primary.ErrVersion)
}
