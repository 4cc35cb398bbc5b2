package heapbackend_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// trio is a backend with a state of each kind.
type trio struct {
	b *heapbackend.Backend[uint64]
	v *heapbackend.Value[uint64, int]
	l *heapbackend.List[uint64, int]
	m *heapbackend.Map[uint64, string, int]
}

func newTrio(t testing.TB, cfg heapbackend.Config) trio {
	b := backend[uint64](t, cfg)
	return trio{b, valueOf[int](t, b, "v"), listOf[int](t, b, "l"), mapOf[string, int](t, b, "m")}
}

// writes are all operations that can fail.
func (x trio) writes(k uint64) map[string]func() error {
	return map[string]func() error{
		"Value.Put":    func() error { return x.v.Put(k, 1) },
		"Value.Update": func() error { return x.v.Update(k, func(*int) {}) },
		"Value.Delete": func() error { return x.v.Delete(k) },
		"List.Append":  func() error { return x.l.Append(k, 1) },
		"List.Set":     func() error { return x.l.Set(k, 1) },
		"List.Clear":   func() error { return x.l.Set(k) },
		"List.Delete":  func() error { return x.l.Delete(k) },
		"Map.Put":      func() error { return x.m.Put(k, "a", 1) },
		"Map.Update":   func() error { return x.m.Update(k, "a", func(*int) {}) },
		"Map.Remove":   func() error { return x.m.Remove(k, "a") },
		"Map.Delete":   func() error { return x.m.Delete(k) },
	}
}

// reads are all operations that cannot, with whether they found anything.
func (x trio) reads(k uint64) map[string]func() bool {
	return map[string]func() bool{
		"Value.Get":   func() bool { _, ok := x.v.Get(k); return ok },
		"Value.All":   func() bool { n := 0; x.v.All()(func(uint64, int) bool { n++; return true }); return n > 0 },
		"List.Get":    func() bool { n := 0; x.l.Get(k)(func(int) bool { n++; return true }); return n > 0 },
		"List.Len":    func() bool { return x.l.Len(k) > 0 },
		"Map.Get":     func() bool { _, ok := x.m.Get(k, "a"); return ok },
		"Map.Len":     func() bool { return x.m.Len(k) > 0 },
		"Map.Entries": func() bool { n := 0; x.m.Entries(k)(func(string, int) bool { n++; return true }); return n > 0 },
	}
}

// others are the operations on the whole backend.
func (x trio) others() map[string]func() error {
	return map[string]func() error{
		"Capture":  func() error { _, err := x.b.Capture(); return err },
		"Install":  func() error { return x.b.Install(nil) },
		"NewValue": func() error { _, err := heapbackend.NewValue[int](x.b, "another"); return err },
	}
}

func (x trio) filled(t testing.TB, k uint64) trio {
	require.NoError(t, x.v.Put(k, 1))
	require.NoError(t, x.l.Append(k, 1))
	require.NoError(t, x.m.Put(k, "a", 1))
	return x
}

// requireRefused requires that the backend refuses all use because of cause.
func requireRefused(t *testing.T, x trio, k uint64, cause error) {
	t.Helper()
	for name, f := range x.writes(k) {
		require.ErrorIs(t, f(), cause, name)
	}
	for name, f := range x.others() {
		require.ErrorIs(t, f(), cause, name)
	}
	for name, f := range x.reads(k) {
		require.False(t, f(), name)
	}
	_, err := x.b.StageEmpty(x.b.Config().Range.First)
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, x.b.Err(), cause)
}

func TestUseFromASecondGoroutineIsRefused(t *testing.T) {
	for name := range newTrio(t, whole()).writes(1) {
		t.Run(name, func(t *testing.T) {
			x := newTrio(t, whole()).filled(t, 1)
			inside, done := make(chan struct{}), make(chan error)
			go func() {
				<-inside
				done <- x.writes(1)[name]()
			}()
			require.NoError(t, x.v.Update(1, func(*int) {
				close(inside)
				require.ErrorIs(t, <-done, heapbackend.ErrConcurrent)
			}))
			requireRefused(t, x, 1, heapbackend.ErrConcurrent)
		})
	}
}

func TestUseFromInsideUpdateIsRefused(t *testing.T) {
	updates := map[string]func(x trio, f func()) error{
		"Value": func(x trio, f func()) error { return x.v.Update(1, func(*int) { f() }) },
		"Map":   func(x trio, f func()) error { return x.m.Update(1, "a", func(*int) { f() }) },
	}
	for state, update := range updates {
		for name := range newTrio(t, whole()).writes(2) {
			x := newTrio(t, whole()).filled(t, 1)
			require.NoError(t, update(x, func() { require.ErrorIs(t, x.writes(2)[name](), heapbackend.ErrConcurrent, state+name) }))
			requireRefused(t, x, 1, heapbackend.ErrConcurrent)
		}
		for name := range newTrio(t, whole()).others() {
			x := newTrio(t, whole()).filled(t, 1)
			require.NoError(t, update(x, func() { require.ErrorIs(t, x.others()[name](), heapbackend.ErrConcurrent, state+name) }))
			requireRefused(t, x, 1, heapbackend.ErrConcurrent)
		}
		for name := range newTrio(t, whole()).reads(1) {
			x := newTrio(t, whole()).filled(t, 1)
			require.NoError(t, update(x, func() { require.False(t, x.reads(1)[name](), state+name) }))
			requireRefused(t, x, 1, heapbackend.ErrConcurrent)
		}
	}
}

func TestAnUpdateThatPanicsEndsTheBackend(t *testing.T) {
	x := newTrio(t, whole()).filled(t, 1)
	s := capture(t, x.b)
	require.PanicsWithValue(t, "mine", func() { _ = x.v.Update(1, func(*int) { panic("mine") }) })
	requireRefused(t, x, 1, heapbackend.ErrConcurrent)
	require.NoError(t, x.b.Close())
	restored := newTrio(t, whole())
	restore(t, restored.b, s, adopted)
	v, ok := restored.v.Get(1)
	require.True(t, ok)
	require.Equal(t, 1, v)
}

func TestAKeyOfAnotherTaskEndsTheBackend(t *testing.T) {
	mine, foreign := keyIn(t, 3, 0), keyIn(t, 6, 0)
	for name := range newTrio(t, part(2, 6)).writes(foreign) {
		if name == "Map.Remove" {
			continue // finds nothing to remove: below
		}
		t.Run(name, func(t *testing.T) {
			x := newTrio(t, part(2, 6)).filled(t, mine)
			err := x.writes(foreign)[name]()
			require.ErrorIs(t, err, heapbackend.ErrGroup)
			require.ErrorContains(t, err, "group 6")
			require.ErrorContains(t, err, "[2,6)")
			requireRefused(t, x, mine, heapbackend.ErrGroup)
		})
	}
	x := newTrio(t, part(2, 6)).filled(t, mine)
	require.ErrorIs(t, x.m.Remove(foreign, "a"), heapbackend.ErrGroup)
	x = newTrio(t, part(2, 6)).filled(t, mine)
	_, ok := x.v.Get(foreign)
	require.False(t, ok)
	requireRefused(t, x, mine, heapbackend.ErrGroup)
}

func TestCloseEndsTheBackendButNotItsSnapshots(t *testing.T) {
	x := newTrio(t, whole()).filled(t, 1)
	s := capture(t, x.b)
	want := blocksOf(t, s)
	view, err := x.v.At(s)
	require.NoError(t, err)
	require.NoError(t, x.b.Close())
	require.NoError(t, x.b.Close(), "again")
	requireRefused(t, x, 1, heapbackend.ErrClosed)
	_, err = x.b.StageBlock(s.Schema(), 0, nil)
	require.ErrorIs(t, err, heapbackend.ErrClosed)
	_, err = x.b.StageSnapshot(s, 0)
	require.ErrorIs(t, err, heapbackend.ErrClosed)
	require.Equal(t, want, blocksOf(t, s))
	v, ok := view.Get(1)
	require.True(t, ok)
	require.Equal(t, 1, v)
	s.Release()
}

func TestCloseOfABrokenBackend(t *testing.T) {
	x := newTrio(t, part(0, 1))
	require.ErrorIs(t, x.v.Put(keyIn(t, 1, 0), 1), heapbackend.ErrGroup)
	require.NoError(t, x.b.Close())
	requireRefused(t, x, keyIn(t, 0, 0), heapbackend.ErrClosed)
}

func TestALoopSurvivesACloseInItsBody(t *testing.T) {
	x := newTrio(t, whole())
	for k := range uint64(500) {
		require.NoError(t, x.v.Put(k, int(k)))
	}
	n := 0
	for k, v := range x.v.All() {
		require.Equal(t, int(k), v)
		require.NoError(t, x.b.Close())
		n++
	}
	require.Equal(t, 500, n)
}
