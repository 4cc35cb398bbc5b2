package heapbackend_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

func TestMisuseOfTimersIsRefused(t *testing.T) {
	mine, foreign := keyIn(t, 3, 0), keyIn(t, 6, 0)
	ops := map[string]func(x duo, k uint64) error{
		"Register": func(x duo, k uint64) error { return x.timers.Register(k, 1) },
		"Delete":   func(x duo, k uint64) error { return x.timers.Delete(k, 1) },
		"Has":      func(x duo, k uint64) error { x.timers.Has(k, 1); return x.b.Err() },
	}
	whatever := map[string]func(x duo) error{
		"Next": func(x duo) error { x.timers.Next(); return x.b.Err() },
		"Due":  func(x duo) error { require.Empty(t, x.due(100)); return x.b.Err() },
		"All": func(x duo) error {
			for range x.timers.All() {
				t.Fatal("a timer of a broken backend")
			}
			return x.b.Err()
		},
	}
	for name, op := range ops {
		whatever[name] = func(x duo) error { return op(x, mine) }
		x := newDuo(t, part(2, 6))
		err := op(x, foreign)
		require.ErrorIs(t, err, heapbackend.ErrGroup, name)
		require.ErrorContains(t, err, `"timers" is in group 6, this backend holds [2,6)`)
	}
	for name, op := range whatever {
		x := newDuo(t, part(2, 6))
		require.NoError(t, x.timers.Register(mine, 1))
		require.NoError(t, x.v.Update(mine, func(*int) { require.ErrorIs(t, op(x), heapbackend.ErrConcurrent, name) }))
		require.ErrorIs(t, op(x), heapbackend.ErrConcurrent)
		x = newDuo(t, part(2, 6))
		require.NoError(t, x.timers.Register(mine, 1))
		s := capture(t, x.b)
		require.NoError(t, x.b.Close())
		require.ErrorIs(t, op(x), heapbackend.ErrClosed, name)
		require.Zero(t, x.timers.Len())
		require.Equal(t, uint64(1), s.Entries(3))
	}
}

func TestTimersCostTheSameWhateverTheirNumber(t *testing.T) {
	t.Run("capture", func(t *testing.T) {
		requireFlat(t, 16<<10, func(size int) (func(), func()) {
			x := newDuo(t, whole()).fill(t, size)
			var s *heapbackend.Snapshot
			return func() { s = capture(t, x.b) }, func() { s.Release() }
		})
	})
	t.Run("adopt", func(t *testing.T) {
		requireFlat(t, 32<<10, func(size int) (func(), func()) {
			s := capture(t, newDuo(t, whole()).fill(t, size).b)
			return func() { restore(t, newDuo(t, whole()).b, s, adopted) }, func() {}
		})
	})
	t.Run("register after a capture", func(t *testing.T) {
		requireFlat(t, 32<<10, func(size int) (func(), func()) {
			x := newDuo(t, whole()).fill(t, size)
			s, i := capture(t, x.b), uint64(0)
			return func() { i++; require.NoError(t, x.timers.Register(i, 500)) }, func() {
				s.Release()
				s = capture(t, x.b)
			}
		})
	})
	x := newDuo(t, whole()).fill(t, 10_000)
	for name, f := range map[string]func(){
		"Register": func() { _ = x.timers.Register(5, 5) },
		"Delete":   func() { _ = x.timers.Delete(5, 6) },
		"Has":      func() { x.timers.Has(5, 5) },
		"Next":     func() { x.timers.Next() },
	} {
		require.Zero(t, testing.AllocsPerRun(100, f), name)
	}
	require.Less(t, testing.AllocsPerRun(1, func() { x.due(4) }), 100.0)
}
