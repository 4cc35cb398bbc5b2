package heapbackend_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// generations restores one backend from the other as often as there are ways; none registers a state.
func generations(t *testing.T, s *heapbackend.Snapshot, hows []way) *heapbackend.Snapshot {
	for _, how := range hows {
		b := backend[uint64](t, whole())
		restore(t, b, s, how)
		next := capture(t, b)
		require.Equal(t, blocksOf(t, s), blocksOf(t, next))
		require.Equal(t, s.Schema(), next.Schema())
		s.Release()
		require.NoError(t, b.Close())
		s = next
	}
	return s
}

func TestUnregisteredStatesAreCarriedAndClaimed(t *testing.T) {
	for i := range 27 {
		hows := []way{adopted, decoded, mixed}
		pick := []way{hows[i%3], hows[i/3%3], hows[i/9%3]}
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			source := filledTrio(t, 300)
			want := maps.Collect(source.v.All())
			s := generations(t, capture(t, source.b), pick)
			x := backend[uint64](t, whole())
			restore(t, x, s, pick[0])
			v, l := valueOf[int](t, x, "v"), listOf[int](t, x, "l")
			m := mapOf[string, int](t, x, "m")
			requireTrio(t, trio{x, v, l, m}, want)
			// What was claimed is a state like any other.
			require.NoError(t, v.Put(1, 77))
			require.NoError(t, l.Append(1, 77))
			require.NoError(t, m.Put(1, "b", 77))
			require.NoError(t, source.b.Err())
			last := newTrio(t, whole())
			restore(t, last.b, capture(t, x), mixed)
			want[1] = 77
			got := maps.Collect(last.v.All())
			require.Equal(t, want, got)
			require.Equal(t, []int{1, 1, 77}, slices.Collect(last.l.Get(1)))
			require.Equal(t, 2, last.m.Len(1))
		})
	}
}

func requireTrio(t *testing.T, x trio, want map[uint64]int) {
	t.Helper()
	require.Equal(t, want, maps.Collect(x.v.All()))
	for k, n := range want {
		require.Equal(t, []int{n, 1}, slices.Collect(x.l.Get(k)))
		got, ok := x.m.Get(k, "a")
		require.True(t, ok)
		require.Equal(t, n, got)
	}
	require.Equal(t, []int{len(want), len(want)}, []int{x.l.Keys(), x.m.Keys()})
}

func TestStatesRegisteredBeforeTheRestoreTakeOverFromCarriedOnes(t *testing.T) {
	for name, how := range ways {
		source := filledTrio(t, 300)
		want := maps.Collect(source.v.All())
		s := generations(t, capture(t, source.b), []way{adopted, mixed})
		x := newTrio(t, whole())
		restore(t, x.b, s, how)
		s.Release()
		requireTrio(t, x, want)
		require.NoError(t, x.v.Put(1, -1), name)
	}
}

func TestSomeGroupsCarriedSomeReplaced(t *testing.T) {
	source := filledTrio(t, 300)
	s := capture(t, source.b)
	want := blocksOf(t, s)
	b := backend[uint64](t, whole())
	restore(t, b, s, mixed)
	empty, err := b.StageEmpty(3)
	require.NoError(t, err)
	require.NoError(t, b.Install([]*heapbackend.Staged{empty}))
	want[3] = nil
	after := capture(t, b)
	require.Equal(t, want, blocksOf(t, after))
	require.Zero(t, after.Entries(3))
	staged, err := adopted(b, s, 3)
	require.NoError(t, err)
	require.NoError(t, b.Install([]*heapbackend.Staged{staged}))
	require.Equal(t, blocksOf(t, s), blocksOf(t, capture(t, b)))
	require.Equal(t, want, blocksOf(t, after), "a snapshot keeps what it carried")
}

func TestClaimingWithAnotherTypeLeavesTheStateCarried(t *testing.T) {
	for name, how := range ways {
		s := capture(t, filledTrio(t, 100).b)
		b := backend[uint64](t, whole())
		restore(t, b, s, how)
		_, err := heapbackend.NewValue[string](b, "v")
		var schema *heapbackend.SchemaError
		require.ErrorAs(t, err, &schema, name)
		require.Equal(t, "v", schema.State)
		require.Equal(t, "Value[uint64, string]", schema.Registered)
		require.Equal(t, "Value[uint64, int]", schema.Written)
		require.Equal(t, blocksOf(t, s), blocksOf(t, capture(t, b)))
		require.Equal(t, 100, valueOf[int](t, b, "v").Keys())
	}
}

func TestRefuseUnknown(t *testing.T) {
	cfg := whole()
	cfg.RefuseUnknown = true
	s := capture(t, filledTrio(t, 100).b)
	for name, how := range ways {
		b := backend[uint64](t, cfg)
		valueOf[int](t, b, "v")
		listOf[int](t, b, "l")
		_, err := stage(b, s, how)
		require.ErrorIs(t, err, heapbackend.ErrUnknownState, name)
		require.ErrorContains(t, err, `"m"`)
		require.NoError(t, b.Err())
		mapOf[string, int](t, b, "m")
		restore(t, b, s, how)
		require.Equal(t, entriesOf(t, s), entriesOf(t, capture(t, b)))
	}
}

func TestAStateCannotBeCarriedWithTwoTypes(t *testing.T) {
	one, two := backend[uint64](t, whole()), backend[uint64](t, whole())
	a, b := valueOf[int](t, one, "x"), valueOf[string](t, two, "x")
	for g := range testM {
		require.NoError(t, a.Put(keyIn(t, g, 0), 1))
		require.NoError(t, b.Put(keyIn(t, g, 0), "1"))
	}
	ints, texts := capture(t, one), capture(t, two)
	for name, how := range ways {
		carrier := backend[uint64](t, whole())
		first, err := how(carrier, ints, 0)
		require.NoError(t, err)
		second, err := how(carrier, texts, 1)
		require.NoError(t, err)
		require.ErrorIs(t, carrier.Install([]*heapbackend.Staged{first, second}), heapbackend.ErrSchema, name)
		require.NoError(t, carrier.Install([]*heapbackend.Staged{first}))
		require.ErrorIs(t, carrier.Install([]*heapbackend.Staged{second}), heapbackend.ErrSchema, name)
		require.Zero(t, capture(t, carrier).Entries(1))
		// Once nothing of the first type stays, the second is welcome.
		restore(t, carrier, texts, how)
		require.Equal(t, blocksOf(t, texts), blocksOf(t, capture(t, carrier)))
	}
}

func TestAStateRegisteredWhileItsGroupWasStagedIsNotLost(t *testing.T) {
	s := capture(t, filledTrio(t, 100).b)
	for name, how := range ways {
		b := backend[uint64](t, whole())
		staged, err := stage(b, s, how)
		require.NoError(t, err)
		valueOf[int](t, b, "v")
		require.ErrorIs(t, b.Install(staged), heapbackend.ErrMismatch, name)
		restore(t, b, s, how)
		require.Equal(t, entriesOf(t, s), entriesOf(t, capture(t, b)))
	}
}

// TestCarryingIsNotCopying claims a large state that was adopted twice unread: no entry is touched on the way.
func TestCarryingIsNotCopying(t *testing.T) {
	source := filledTrio(t, 20000)
	s := generations(t, capture(t, source.b), []way{adopted})
	allocs := testing.AllocsPerRun(5, func() {
		b := backend[uint64](t, whole())
		restore(t, b, s, adopted)
		if valueOf[int](t, b, "v").Keys() != 20000 {
			t.Fatal("keys are missing")
		}
	})
	require.Less(t, allocs, 1000.0)
}
