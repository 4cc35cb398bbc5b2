package heapbackend_test

import (
	"bytes"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// wide returns a backend with that many states.
func wide(t *testing.T, states int) *heapbackend.Backend[uint64] {
	b := backend[uint64](t, whole())
	for i := range states {
		valueOf[uint64](t, b, fmt.Sprintf("state-%05d#00", i))
	}
	return b
}

func TestASchemaIsMadeWhenStatesHaveComeOrGone(t *testing.T) {
	same := func(a, b []byte) bool { return &a[0] == &b[0] }
	x := newTrio(t, whole())
	first, second := capture(t, x.b).Schema(), capture(t, x.b).Schema()
	require.True(t, same(first, second), "nothing has changed")
	require.True(t, same(first, x.b.Schema()))
	require.Equal(t, len(first), cap(first), "who appends to one does not write into another's")
	before := bytes.Clone(first)
	valueOf[uint64](t, x.b, "later")
	require.NotEqual(t, before, capture(t, x.b).Schema())
	require.Equal(t, before, first, "a snapshot keeps its own")

	source := filledTrio(t, 50)
	s := capture(t, source.b)
	b := backend[uint64](t, whole())
	none := b.Schema()
	restore(t, b, s, mixed)
	require.Equal(t, s.Schema(), b.Schema(), "carried states are described")
	m := mapOf[string, int](t, b, "m")
	claimed := b.Schema()
	require.NotEqual(t, s.Schema(), claimed, "a claimed state has moved to the front")
	require.Equal(t, claimed, capture(t, b).Schema())
	require.Equal(t, 50, m.Keys())
	var empty []*heapbackend.Staged
	for g := range testM {
		e, err := b.StageEmpty(g)
		require.NoError(t, err)
		empty = append(empty, e)
	}
	require.NoError(t, b.Install(empty))
	only := backend[uint64](t, whole())
	mapOf[string, int](t, only, "m")
	require.Equal(t, only.Schema(), b.Schema(), "what was carried is gone")
	require.NotEqual(t, none, b.Schema())
}

// TestTheCostOfASchemaIsPaidOnce counts what a block of a restore allocates beside few and beside many states.
func TestTheCostOfASchemaIsPaidOnce(t *testing.T) {
	count := func(states int) float64 {
		b := wide(t, states)
		schema := b.Schema()
		return testing.AllocsPerRun(20, func() {
			_, err := b.StageBlock(schema, 0, nil)
			require.NoError(t, err)
		})
	}
	require.InDelta(t, count(10), count(1000), 3)
}

// TestFewSchemasAreRemembered restores from more objects than a restore has, each with a schema of its own.
func TestFewSchemasAreRemembered(t *testing.T) {
	const objects = 60
	s := capture(t, wide(t, 2000))
	into := backend[uint64](t, whole())
	one := func(i int) {
		schema := bytes.ReplaceAll(s.Schema(), []byte("#00"), fmt.Appendf(nil, "#%02d", i))
		_, err := into.StageBlock(schema, 0, nil)
		require.NoError(t, err)
	}
	base := heapBytes()
	one(0)
	first := heapBytes() - base
	for i := range objects {
		one(i)
	}
	require.Less(t, heapBytes()-base, 20*first)
	require.NoError(t, into.Install(nil))
	require.Less(t, heapBytes()-base, first/2, "and none once they are installed")
	runtime.KeepAlive(into)
	runtime.KeepAlive(s)
}

// TestBlocksOfSeveralSchemasAreStagedAtOnce restores from the objects of two programs in turn, on several goroutines.
func TestBlocksOfSeveralSchemasAreStagedAtOnce(t *testing.T) {
	source := filledTrio(t, 100)
	s := capture(t, source.b)
	valueOf[uint64](t, source.b, "later")
	wider := capture(t, source.b)
	require.NotEqual(t, s.Schema(), wider.Schema())
	into := newTrio(t, whole())
	staged := make([]*heapbackend.Staged, testM)
	var workers sync.WaitGroup
	for g := range testM {
		workers.Go(func() {
			for i := range 20 {
				var err error
				from := []*heapbackend.Snapshot{s, wider}[(g+i)%2]
				if staged[g], err = decoded(into.b, from, g); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	require.NoError(t, into.b.Install(staged))
	require.Equal(t, maps.Collect(source.v.All()), maps.Collect(into.v.All()))
}
