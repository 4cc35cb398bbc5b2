package primarytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary"
)

func testInvisible(t *testing.T, s primary.Store) {
	w, err := s.Create(t.Context(), "job/objects/a")
	require.NoError(t, err)
	absent(t, s, "job/objects/a")
	_, err = w.Write(pattern(100_000))
	require.NoError(t, err)
	absent(t, s, "job/objects/a")
	require.Empty(t, names(t, s, ""))
	require.NoError(t, w.Commit(t.Context()))
	require.Equal(t, []string{"job/objects/a"}, names(t, s, ""))
}

func testRoundTrip(t *testing.T, s primary.Store) {
	for _, size := range []int{0, 1, 511, 4096, 65_537, 3 << 20} {
		want := pattern(size)
		name := fmt.Sprintf("size/%d", size)
		w, err := s.Create(t.Context(), name)
		require.NoError(t, err)
		for piece, rest := 1, want; len(rest) > 0; piece = piece*3 + 1 {
			n, err := w.Write(rest[:min(piece, len(rest))])
			require.NoError(t, err)
			require.Equal(t, min(piece, len(rest)), n, "bytes written")
			rest = rest[n:]
		}
		require.NoError(t, w.Commit(t.Context()))
		require.True(t, string(want) == string(get(t, s, name)), "object of %d bytes is not what was written", size)
		got, err := s.Size(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, int64(size), got)
	}
}

func testWriteCopies(t *testing.T, s primary.Store) {
	w, err := s.Create(t.Context(), "a")
	require.NoError(t, err)
	b := []byte("abc")
	_, err = w.Write(b)
	require.NoError(t, err)
	copy(b, "xyz")
	require.NoError(t, w.Commit(t.Context()))
	copy(b, "123")
	got := get(t, s, "a")
	require.Equal(t, "abc", string(got))
	copy(got, "456")
	require.Equal(t, "abc", string(get(t, s, "a")))
}

func testRanges(t *testing.T, s primary.Store) {
	want := pattern(40)
	put(t, s, "a/b", want)
	for off := range len(want) + 1 {
		for n := range len(want) - off + 1 {
			p := make([]byte, n)
			require.NoError(t, s.ReadAt(t.Context(), "a/b", p, int64(off)), "%d bytes at %d", n, off)
			require.Equal(t, want[off:off+n], p, "%d bytes at %d", n, off)
		}
	}
}

func testReadBeyond(t *testing.T, s primary.Store) {
	put(t, s, "a", pattern(10))
	for _, test := range []struct {
		off int64
		n   int
	}{{0, 11}, {9, 2}, {10, 1}, {11, 1}, {1 << 40, 1}} {
		err := s.ReadAt(t.Context(), "a", make([]byte, test.n), test.off)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d bytes at %d of 10", test.n, test.off)
	}
	require.Error(t, s.ReadAt(t.Context(), "a", make([]byte, 1), -1), "negative offset")
}

func testMissing(t *testing.T, s primary.Store) {
	put(t, s, "a/b", []byte("x"))
	for _, name := range []string{"c", "a", "a/c", "a/b/c", "a/b/c/d", "a/bb"} {
		absent(t, s, name)
		require.ErrorIs(t, s.ReadAt(t.Context(), name, nil, 0), primary.ErrNotExist, "no bytes of %s", name)
	}
}

func testExist(t *testing.T, s primary.Store) {
	put(t, s, "log/1", []byte("first"))
	for _, b := range []string{"second", "", "first"} {
		require.ErrorIs(t, tryPut(t.Context(), s, "log/1", []byte(b)), primary.ErrExist)
		require.Equal(t, "first", string(get(t, s, "log/1")))
	}
	require.Equal(t, []string{"log/1"}, names(t, s, ""))
}

func testRace(t *testing.T, s primary.Store) {
	const rounds, writers = 20, 16
	for round := range rounds {
		name := fmt.Sprintf("log/%020d", round)
		var winner atomic.Int64
		var won, lost atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range writers {
			wg.Go(func() {
				<-start
				switch err := tryPut(t.Context(), s, name, pattern(i+1)); {
				case err == nil:
					won.Add(1)
					winner.Store(int64(i))
				case errors.Is(err, primary.ErrExist):
					lost.Add(1)
				}
			})
		}
		close(start)
		wg.Wait()
		require.Equal(t, int64(1), won.Load(), "writers of %s that won", name)
		require.Equal(t, int64(writers-1), lost.Load(), "writers of %s that got ErrExist", name)
		require.Equal(t, pattern(int(winner.Load())+1), get(t, s, name), "%s is not what its winner wrote", name)
	}
	require.Equal(t, numbered("log/%020d", rounds), names(t, s, ""))
}

func testAbort(t *testing.T, s primary.Store) {
	w, err := s.Create(t.Context(), "a/b")
	require.NoError(t, err)
	_, err = w.Write(pattern(1000))
	require.NoError(t, err)
	require.NoError(t, w.Abort())
	absent(t, s, "a/b")
	require.Empty(t, names(t, s, ""))
	put(t, s, "a/b", []byte("later"))
	require.NoError(t, w.Abort(), "a second Abort")
	require.Equal(t, "later", string(get(t, s, "a/b")))
}

func testEnded(t *testing.T, s primary.Store) {
	committed, err := s.Create(t.Context(), "a")
	require.NoError(t, err)
	require.NoError(t, committed.Commit(t.Context()))
	aborted, err := s.Create(t.Context(), "b")
	require.NoError(t, err)
	require.NoError(t, aborted.Abort())
	for _, w := range []primary.Writer{committed, aborted} {
		_, err := w.Write([]byte("x"))
		require.Error(t, err, "Write to an ended writer")
		require.Error(t, w.Commit(t.Context()), "Commit of an ended writer")
		require.NoError(t, w.Abort(), "Abort of an ended writer")
	}
	require.Equal(t, []string{"a"}, names(t, s, ""))
	require.Empty(t, get(t, s, "a"))
}

func testDelete(t *testing.T, s primary.Store) {
	put(t, s, "a/b/c", []byte("1"))
	put(t, s, "a/b/d", []byte("2"))
	for _, name := range []string{"a/b/e", "x", "x/y/z", "a", "a/b", "a/b/c/d"} {
		require.NoError(t, s.Delete(t.Context(), name), "delete of %s, which is not there", name)
	}
	require.Equal(t, []string{"a/b/c", "a/b/d"}, names(t, s, ""))
	require.NoError(t, s.Delete(t.Context(), "a/b/c"))
	absent(t, s, "a/b/c")
	require.NoError(t, s.Delete(t.Context(), "a/b/c"))
	require.Equal(t, []string{"a/b/d"}, names(t, s, ""))
	put(t, s, "a/b/c", []byte("3"))
	require.Equal(t, "3", string(get(t, s, "a/b/c")))
}

// testChurn has every writer lose its directory to the deletes of the others.
func testChurn(t *testing.T, s primary.Store) {
	const writers, rounds = 4, 40
	errs := make(chan error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			errs <- func() error {
				ctx := context.WithoutCancel(t.Context())
				for round := range rounds {
					name := fmt.Sprintf("job/objects/%d/%d", round, i)
					if err := tryPut(ctx, s, name, pattern(i)); err != nil {
						return fmt.Errorf("commit of %s: %w", name, err)
					}
					if err := s.Delete(ctx, name); err != nil {
						return fmt.Errorf("delete of %s: %w", name, err)
					}
				}
				return nil
			}()
		})
	}
	wg.Wait()
	for range writers {
		require.NoError(t, <-errs)
	}
	require.Empty(t, names(t, s, ""))
}
