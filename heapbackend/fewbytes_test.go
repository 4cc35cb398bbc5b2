package heapbackend_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// frame takes 64 KiB of memory, of which nothing has to be in the bytes of a type before it.
type frame struct {
	N      int
	Pixels [8192]int64
}

func TestFewBytesUnderAnotherSchemaDoNotTakeMuchMemory(t *testing.T) {
	source := backend[uint64](t, part(3, 4))
	k := keyIn(t, 3, 0)
	require.NoError(t, valueOf[[]struct{}](t, source, "frames").Put(k, make([]struct{}, 4000)))
	s := capture(t, source)
	block, _, err := s.AppendGroup(nil, 3)
	require.NoError(t, err)
	require.Less(t, len(s.Schema())+len(block), 4100)

	b := backend[uint64](t, part(3, 4))
	valueOf[[]frame](t, b, "frames")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = b.StageBlock(s.Schema(), 3, block)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, heapbackend.ErrSchema)
	require.ErrorContains(t, err, "new fields take")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	_, err = b.StageSnapshot(s, 3)
	require.ErrorIs(t, err, heapbackend.ErrSchema, "no more than its bytes")
}
