package primarytest

import (
	"fmt"
	"iter"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// state is a task of 8 key groups, of which the odd ones are empty, with operator state.
type state struct{ header primary.Header }

func newState() state {
	return state{primary.Header{
		Job: "job", Operator: "operator", Task: 2, Attempt: uuid.UUID{1}, Checkpoint: 7, M: 32,
		Range: keygroups.Range{First: 16, End: 24}, Schema: []byte("schema"),
	}}
}

func (s state) operator() int { return s.header.M + s.header.Task }

// Range implements primary.Source.
func (s state) Range() keygroups.Range { return s.header.Range }

// Blocks implements primary.BlockSource.
func (s state) Blocks() iter.Seq[int] {
	return func(yield func(int) bool) {
		for g := range s.header.Range.All() {
			if !yield(g) {
				return
			}
		}
		yield(s.operator())
	}
}

// AppendGroup implements primary.Source.
func (s state) AppendGroup(dst []byte, group int) ([]byte, uint64, error) {
	if group%2 != 0 {
		return dst, 0, nil
	}
	return fmt.Appendf(dst, "block %d of a task, and some bytes more", group), 1, nil
}

// testBlocks keeps the state of a task in the store, and reads it block by block.
func testBlocks(t *testing.T, s primary.Store) {
	const name = "job/objects/7/operator-2"
	src := newState()
	wrote, err := primary.PutObject(t.Context(), s, name, src.header, src, primary.WriteOptions{})
	require.NoError(t, err)
	size, err := s.Size(t.Context(), name)
	require.NoError(t, err)
	read, err := primary.ReadIndex(t.Context(), primary.ReaderOf(s, name), size)
	require.NoError(t, err)
	require.Equal(t, wrote, read)
	var groups []int
	for _, seg := range read.Segments {
		groups = append(groups, seg.Group)
		got, err := primary.ReadBlock(t.Context(), primary.ReaderOf(s, name), seg, read.Header.Compression)
		require.NoError(t, err)
		want, _, err := src.AppendGroup(nil, seg.Group)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	}
	require.Equal(t, []int{16, 18, 20, 22, src.operator()}, groups, "key groups, then operator state")
}
