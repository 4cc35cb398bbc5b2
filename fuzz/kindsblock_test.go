package fuzz

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// kindsBlockTask is a task whose clock stands: at the beginning of time, when nothing has expired, or when some has.
func kindsBlockTask(t require.TestingT, groups byte, late bool) *kindsTask {
	now := heapbackend.MinTimestamp
	if late {
		now = 1000
	}
	return newKindsTask(t, blockConfig(groups), heapbackend.TTL{After: kindsAfter, Clock: func() heapbackend.Timestamp { return now }})
}

// someKindsBlock is a schema and the first block of a task with something in every state, of n keys.
func someKindsBlock(tb testing.TB, groups byte, late bool, n int) (schema, block []byte) {
	tb.Helper()
	k := kindsBlockTask(tb, groups, late)
	for i := range n {
		s := kindsSpot(i, i/2)
		require.NoError(tb, k.sums.Add(s, int64(i)))
		require.NoError(tb, k.accs.Add(s, 3))
		require.NoError(tb, k.notes.Append(s, 1, int64(i)<<40))
		require.NoError(tb, k.sums.Add(kindsSpot(i, 4), -1))
		require.NoError(tb, k.timers.Register(s, heapbackend.Timestamp(i-2)))
		require.NoError(tb, k.values.Put(s.Key, int64(i)))
		require.NoError(tb, k.maps.Put(s.Key, s.Namespace, 5))
		require.NoError(tb, k.maps.Put(s.Key, "other", int64(i)))
	}
	s, err := k.backend.Capture()
	require.NoError(tb, err)
	defer s.Release()
	block, _, err = s.AppendGroup(nil, 0)
	require.NoError(tb, err)
	return s.Schema(), block
}

// FuzzKindsBlock stages any bytes as the block of a key group of states in namespaces, timers and states whose content
// expires, under any schema. It promises what FuzzGroupBlock does.
func FuzzKindsBlock(f *testing.F) {
	for groups := range byte(2) {
		for _, n := range []int{0, 1, 9} {
			for _, late := range []bool{false, true} {
				schema, block := someKindsBlock(f, groups, late, n)
				f.Add(schema, block, groups, byte(0), false)
				f.Add(schema, block, groups, byte(0), true)
				f.Add(schema, block, byte(1), byte(1), false) // its keys are another group's
			}
		}
		schema, block := someBlock(f, groups, hasAll)
		f.Add(schema, block, groups, byte(0), false) // all of it is carried along
	}
	f.Fuzz(func(t *testing.T, schema, block []byte, groups, group byte, late bool) {
		checkKindsBlock(t, schema, block, groups, int(group)%blockConfig(groups).M, late)
	})
}

func checkKindsBlock(t *testing.T, schema, block []byte, groups byte, group int, late bool) {
	one, other := kindsBlockTask(t, groups, late), kindsBlockTask(t, groups, late)
	var staged *heapbackend.Staged
	var err error
	bounded(t, len(schema)+len(block), func() { staged, err = one.backend.StageBlock(schema, group, block) })
	if err != nil {
		requireBlockError(t, err)
		return
	}
	require.NoError(t, one.backend.Install([]*heapbackend.Staged{staged}))
	s, err := one.backend.Capture()
	require.NoError(t, err)
	defer s.Release()
	own, n, err := s.AppendGroup(nil, group)
	require.NoError(t, err)
	require.Equal(t, n, s.Entries(group))
	if require.LessOrEqual(t, n, staged.Entries()); !late {
		require.Equal(t, staged.Entries(), n)
	}
	again, err := other.backend.StageBlock(s.Schema(), group, own)
	require.NoError(t, err, "its own bytes")
	require.NoError(t, other.backend.Install([]*heapbackend.Staged{again}))
	require.Equal(t, n, again.Entries())
	before := one.seen(t, one.loops())
	loops, _ := one.loopsAt(t, s)
	require.Equal(t, before, one.seen(t, loops), "the snapshot")
	require.Equal(t, before, other.seen(t, other.loops()), "from its own bytes")
	requireIndexed(t, before)
	changeKinds(t, one, before)
	now, _, err := s.AppendGroup(nil, group)
	require.NoError(t, err)
	require.Equal(t, string(own), string(now), "a write reached a snapshot")
}

// requireIndexed requires that the index of namespaces follows from the content.
func requireIndexed(t *testing.T, v kindsSeen) {
	want := map[string][]string{}
	listSpaces(want, "sums/", v.sums)
	listSpaces(want, "accs/", v.accs)
	listSpaces(want, "notes/", v.notes)
	require.Equal(t, want, v.spaces)
}

// changeKinds writes to everything a task holds: what was decoded is as good as what was put.
func changeKinds(t *testing.T, k *kindsTask, v kindsSeen) {
	for s, x := range v.sums {
		require.NoError(t, k.sums.Add(s, 1))
		got, ok := k.sums.Get(s)
		require.True(t, ok)
		require.Equal(t, x+1, got)
		require.NoError(t, k.scope.Merge(k.sums, s.Key, "merged", s.Namespace))
	}
	for s := range v.accs {
		require.NoError(t, k.accs.Delete(s))
	}
	for s := range v.notes {
		require.NoError(t, k.notes.Append(s, 1))
	}
	fired := 0
	for s, at := range k.timers.Due(heapbackend.MaxTimestamp) {
		require.True(t, v.timers[alarm{s, at}])
		fired++
	}
	require.Len(t, v.timers, fired)
	for key, x := range v.values {
		require.NoError(t, k.values.Update(key, func(y *int64) { require.Equal(t, x, *y); *y++ }))
	}
	for s := range v.maps {
		require.NoError(t, k.maps.Remove(s.Key, s.Namespace))
	}
	require.Zero(t, k.accs.Keys()+k.timers.Len())
	requireIndexed(t, k.seen(t, k.loops()))
}
