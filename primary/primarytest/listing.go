package primarytest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary"
)

// scattered are names whose order differs if elements are compared instead of
// whole names: '-' and '.' come before '/'.
func scattered() []string {
	list := []string{
		"a-b/c", "a.b", "a/b", "a/b-c", "a/c.d/e", "a/c/d", "a/c/e", "a0", "aa", "A", "_", "Z/z", "z", "0/1/2", "00", ".x", "-",
		"a_b/x", "..x/y", "a...",
	}
	slices.Sort(list)
	return list
}

func fill(t *testing.T, s primary.Store, list []string) {
	for i, name := range list {
		put(t, s, name, pattern(i))
	}
}

func testListOrder(t *testing.T, s primary.Store) {
	require.Empty(t, names(t, s, ""))
	want := scattered()
	fill(t, s, want)
	require.Equal(t, want, names(t, s, ""))
	i := 0
	for info, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		require.Equal(t, primary.Info{Name: want[i], Size: int64(i)}, info)
		i++
	}
}

func testListPrefix(t *testing.T, s primary.Store) {
	all := scattered()
	fill(t, s, all)
	for _, prefix := range []string{"a", "a/", "a/c", "a/c/", "a/c/d", "a/c/dd", "a-", ".", "..", "..x/", "b", "b/c/", "Z/z", "Z/z/", "0/1/", "z/"} {
		want := []string{}
		for _, name := range all {
			if strings.HasPrefix(name, prefix) {
				want = append(want, name)
			}
		}
		require.Equal(t, want, names(t, s, prefix), "prefix %q", prefix)
	}
}

func testListStop(t *testing.T, s primary.Store) {
	fill(t, s, scattered())
	for stop := range 5 {
		n := 0
		for _, err := range s.List(t.Context(), "") {
			require.NoError(t, err)
			if n++; n > stop {
				break
			}
		}
		require.Equal(t, stop+1, n)
	}
}

// testListStays lists while other objects come and go.
func testListStays(t *testing.T, s primary.Store) {
	stay := numbered("job/%d/stays", 10)
	fill(t, s, stay)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, name := range numbered("job/%d/goes", 2) {
		wg.Go(func() {
			for ctx.Err() == nil {
				if tryPut(ctx, s, name, nil) != nil {
					return
				}
				_ = s.Delete(ctx, name) // it may go or stay: the listing must not mind
			}
		})
	}
	for range 20 {
		seen := slices.DeleteFunc(names(t, s, "job/"), func(n string) bool { return strings.HasSuffix(n, "/goes") })
		require.Equal(t, stay, seen)
	}
	stop()
	wg.Wait()
}

func testContext(t *testing.T, s primary.Store) {
	put(t, s, "a", []byte("x"))
	w, err := s.Create(t.Context(), "b")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Create(ctx, "c")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, w.Commit(ctx), context.Canceled)
	require.NoError(t, w.Abort())
	require.ErrorIs(t, s.ReadAt(ctx, "a", make([]byte, 1), 0), context.Canceled)
	_, err = s.Size(ctx, "a")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.Delete(ctx, "a"), context.Canceled)
	n := 0
	for _, err := range s.List(ctx, "") {
		require.ErrorIs(t, err, context.Canceled)
		n++
	}
	require.Equal(t, 1, n, "an error is yielded once")
	require.Equal(t, []string{"a"}, names(t, s, ""))
}

func testNamesRefused(t *testing.T, s primary.Store) {
	put(t, s, "a/b", []byte("x"))
	bad := []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/..", "../a", "a/../b", "a b", "a\\b", "a:b", "a*", "a~", "tmp~", "tmp~/x",
		"é", "a\x00", "a\nb", "\xff", "a/b/", "C:", "a%2fb", "a+b", "a@b",
		strings.Repeat("a", primary.MaxNameElement+1), strings.Repeat("a/", primary.MaxName/2) + "ab",
	}
	for _, name := range bad {
		_, err := s.Create(t.Context(), name)
		require.ErrorIs(t, err, primary.ErrName, "create %q", name)
		require.ErrorIs(t, s.ReadAt(t.Context(), name, make([]byte, 1), 0), primary.ErrName, "read %q", name)
		_, err = s.Size(t.Context(), name)
		require.ErrorIs(t, err, primary.ErrName, "size %q", name)
		require.ErrorIs(t, s.Delete(t.Context(), name), primary.ErrName, "delete %q", name)
	}
	for _, prefix := range []string{"/", "/a", "a//", "../", "./", "a/../", "a b", "tmp~", "a/*", "..//"} {
		n := 0
		for _, err := range s.List(t.Context(), prefix) {
			require.ErrorIs(t, err, primary.ErrName, "list %q", prefix)
			n++
		}
		require.Equal(t, 1, n, "list %q", prefix)
	}
	require.Equal(t, []string{"a/b"}, names(t, s, ""))
}

func testNamesTaken(t *testing.T, s primary.Store) {
	list := []string{
		"a", "...", ".a", "-", "_", "a.b-c_D9", "x/y/z/0/1/2/3/4/5/6/7/8/9", "tmp/x", ".tmp/x",
		strings.Repeat("n", primary.MaxNameElement),
		strings.Repeat("d", primary.MaxNameElement) + "/" + strings.Repeat("e", primary.MaxNameElement),
		strings.Repeat("f/", primary.MaxName/2-1) + "gg",
	}
	slices.Sort(list)
	for i, name := range list {
		require.NoError(t, primary.CheckName(name))
		put(t, s, name, pattern(i+1))
	}
	require.Equal(t, list, names(t, s, ""))
	for i, name := range list {
		require.Equal(t, pattern(i+1), get(t, s, name), name)
	}
}
