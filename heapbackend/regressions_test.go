package heapbackend_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// An Aggregator that makes what it is given the accumulator of two keys: neither the other key nor a snapshot sees what is
// added to one of them later.
func TestAnAccumulatorIsNeverSharedWithWhatWasAdded(t *testing.T) {
	b := backend[string](t, whole())
	keep := heapbackend.Aggregator[[]int, []int, []int]{
		Add: func(acc *[]int, in []int) {
			if *acc == nil {
				*acc = in
				return
			}
			(*acc)[0] += in[0]
		},
		Result: func(acc []int) []int { return slices.Clone(acc) },
	}
	accs, err := heapbackend.NewAggregating(b, "accs", keep)
	require.NoError(t, err)
	event := []int{1}
	require.NoError(t, accs.Add("k1", event))
	snap := capture(t, b)
	defer snap.Release()
	before := blocksOf(t, snap)
	require.NoError(t, accs.Add("k2", event))
	require.NoError(t, accs.Add("k2", []int{5}))
	require.Equal(t, before, blocksOf(t, snap))
	k1, _ := accs.Get("k1")
	k2, _ := accs.Get("k2")
	require.Equal(t, [][]int{{1}, {6}}, [][]int{k1, k2})
}

// A migration of operator state that fails is the program's fault, not a corrupt block.
func TestAFailedMigrationOfOperatorStateIsASchemaError(t *testing.T) {
	old := backend[string](t, whole())
	list, err := heapbackend.NewSplitList[int](old, "list")
	require.NoError(t, err)
	require.NoError(t, list.Append(1))
	rules, err := heapbackend.NewBroadcast[string, int](old, "rules")
	require.NoError(t, err)
	require.NoError(t, rules.Put("r", 1))
	snap := capture(t, old)
	defer snap.Release()
	own, ok := old.Config().OperatorGroup()
	require.True(t, ok)
	boom := errors.New("boom")
	fails := heapbackend.Options[int]{Version: 1, Migrations: []heapbackend.Migration{
		heapbackend.Migrate(0, func(int) (int, error) { return 0, boom }),
	}}
	for name, register := range map[string]func(b *heapbackend.Backend[string]) error{
		"list": func(b *heapbackend.Backend[string]) error {
			_, err := heapbackend.NewSplitList(b, "list", fails)
			return err
		},
		"rules": func(b *heapbackend.Backend[string]) error {
			_, err := heapbackend.NewBroadcast[string](b, "rules", fails)
			return err
		},
	} {
		for _, how := range ways {
			b := backend[string](t, whole())
			require.NoError(t, register(b))
			_, err := how(b, snap, own)
			require.ErrorIs(t, err, heapbackend.ErrSchema, name)
			require.ErrorIs(t, err, boom, name)
			require.NotErrorIs(t, err, heapbackend.ErrCorrupt, name)
		}
	}
}

func agingList(t *testing.T, b *heapbackend.Backend[string], now *heapbackend.Timestamp) (*heapbackend.Namespaces[string, int], *heapbackend.List[heapbackend.NamespacedKey[string, int], int]) {
	ns := namespaces[int](t, b)
	list, err := heapbackend.NewList(ns, "list", heapbackend.Options[int]{TTL: &heapbackend.TTL{
		After: 10 * time.Millisecond, ReturnExpired: true, Cleanup: -1,
		Clock: func() heapbackend.Timestamp { return *now },
	}})
	require.NoError(t, err)
	return ns, list
}

func TestAGroupOfAnotherTaskYieldsNothingWithATTLEither(t *testing.T) {
	b := backend[string](t, part(2, 4))
	now := heapbackend.Timestamp(1)
	_, list := agingList(t, b, &now)
	for g := range testM {
		require.Empty(t, maps.Collect(list.InGroup(g)))
	}
	require.NoError(t, b.Err())
}

func TestAViewListsNoNamespaceWhoseContentHadExpired(t *testing.T) {
	b := backend[string](t, whole())
	now := heapbackend.Timestamp(1)
	ns, list := agingList(t, b, &now)
	require.NoError(t, list.Append(heapbackend.In("k", 1), 7))
	now = 100
	require.NoError(t, list.Append(heapbackend.In("k", 2), 8))
	snap := capture(t, b)
	defer snap.Release()
	view, err := list.At(snap)
	require.NoError(t, err)
	require.Equal(t, []int{2}, slices.Collect(ns.Of(view, "k")))
}

func TestMergingWhatHasExpiredRemovesIt(t *testing.T) {
	b := backend[string](t, whole())
	now := heapbackend.Timestamp(1)
	ns, list := agingList(t, b, &now)
	require.NoError(t, list.Append(heapbackend.In("k", 1), 7))
	now = 100
	require.NoError(t, ns.Merge(list, "k", 2, 1))
	require.Empty(t, slices.Collect(ns.Of(list, "k")))
	require.Empty(t, slices.Collect(list.Get(heapbackend.In("k", 1))))
}

func TestNamespacesOfAnotherBackendAreRefused(t *testing.T) {
	one, two := backend[string](t, whole()), backend[string](t, whole())
	ns := namespaces[int](t, one)
	sums := reducing(t, namespaces[int](t, two), "sums", add)
	require.NoError(t, sums.Add(heapbackend.In("k", 1), 1))
	require.Empty(t, slices.Collect(ns.Of(sums, "k")))
	require.ErrorIs(t, ns.Merge(sums, "k", 2, 1), heapbackend.ErrMismatch)
	require.Equal(t, keygroups.Range{End: testM}, two.Config().Range)
}

// The clock may reach the end of time in the middle of a merge: what is merged is gone then, and nothing else.
func TestAMergeAtTheEndOfTimeIsSafe(t *testing.T) {
	b := backend[string](t, whole())
	ns := namespaces[int](t, b)
	reads, end := 0, 1<<30
	sums, err := heapbackend.NewReducing(ns, "sums", add, heapbackend.Options[int64]{TTL: &heapbackend.TTL{
		After: time.Second, Cleanup: 100, Clock: func() heapbackend.Timestamp {
			if reads++; reads > end {
				return heapbackend.MaxTimestamp
			}
			return 1
		},
	}})
	require.NoError(t, err)
	require.NoError(t, sums.Add(heapbackend.In("k", 1), 1))
	end = reads + 1
	require.NoError(t, ns.Merge(sums, "k", 2, 1))
	require.NoError(t, b.Err())
	_, ok := sums.Get(heapbackend.In("k", 2))
	require.False(t, ok)
}
