package primary_test

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// operatorSource is a testSource that yields the blocks it has, in the order given.
type operatorSource struct {
	*testSource
	order []int
}

func (s operatorSource) Blocks() iter.Seq[int] { return slices.Values(s.order) }

// withOperator is a source that has operator state, of the task of testHeader.
func withOperator(r keygroups.Range, seed uint64) operatorSource {
	s := operatorSource{testSource: randomSource(r, 300, seed)}
	h := testHeader(r, primary.None)
	s.order = append(slices.Collect(r.All()), h.M+h.Task)
	s.blocks[h.M+h.Task] = []byte("operator")
	return s
}

func TestObjectHoldsOperatorStateBehindItsKeyGroups(t *testing.T) {
	r := keygroups.Range{First: 43, End: 86}
	for _, c := range compressions {
		h := testHeader(r, c)
		s := withOperator(r, 5)
		b, index := encode(t, h, s, 4)
		read, err := primary.ReadIndex(t.Context(), primary.ReaderAt("x", bytes.NewReader(b)), int64(len(b)))
		require.NoError(t, err)
		require.Equal(t, index, read)
		last := read.Segments[len(read.Segments)-1]
		require.Equal(t, h.M+h.Task, last.Group)
		require.EqualValues(t, 2, last.Entries)
		block, err := primary.ReadBlock(t.Context(), primary.ReaderAt("x", bytes.NewReader(b)), last, c)
		require.NoError(t, err)
		require.Equal(t, "operator", string(block))
	}
}

func TestObjectWithoutOperatorStateIsAsEver(t *testing.T) {
	r := keygroups.Range{First: 43, End: 86}
	h := testHeader(r, primary.Zstd)
	plain := randomSource(r, 300, 5)
	want, _ := encode(t, h, plain, 3)
	empty := withOperator(r, 5)
	empty.blocks[h.M+h.Task] = nil
	got, _ := encode(t, h, empty, 3)
	require.True(t, bytes.Equal(want, got), "operator state that holds nothing leaves a trace")
}

func TestObjectOfOneKeyGroupAndOperatorState(t *testing.T) {
	r := keygroups.Range{First: 5, End: 6}
	s := withOperator(r, 5)
	s.blocks[5] = []byte("keys")
	_, index := encode(t, testHeader(r, primary.S2), s, 1)
	require.Len(t, index.Segments, 2)
}

func TestObjectRefusesBlocksOfAnotherTask(t *testing.T) {
	r := keygroups.Range{First: 5, End: 8}
	for name, order := range map[string][]int{
		"another task":     {5, 6, 7, 130},
		"another range":    {5, 6, 7, 8},
		"not ascending":    {6, 5, 7},
		"twice":            {5, 6, 7, 131, 131},
		"operator first":   {131, 5, 6, 7},
		"a negative group": {-1, 5},
	} {
		s := operatorSource{randomSource(r, 30, 1), order}
		_, err := primary.WriteObject(context.Background(), &bytes.Buffer{}, testHeader(r, primary.None), s, primary.WriteOptions{})
		require.ErrorIs(t, err, primary.ErrInvalid, name)
	}
}

func TestManifestHoldsOperatorState(t *testing.T) {
	m := testManifest()
	ts := &m.Operators[1].Tasks[0]
	g := slices.Clone(ts.Groups[0].Segments[:1])
	g[0].Group = m.M + ts.Task
	ts.Groups = append(slices.Clone(ts.Groups), primary.GroupState{Group: g[0].Group, Segments: g})
	require.NoError(t, m.Check())
	got, err := primary.DecodeManifest(m.Append(nil))
	require.NoError(t, err)
	require.Equal(t, m, got)
	for _, wrong := range []int{m.M + ts.Task + 1, 2 * m.M, ts.Range.End} {
		at := len(ts.Groups) - 1
		ts.Groups[at].Group, ts.Groups[at].Segments[0].Group = wrong, wrong
		require.ErrorIs(t, m.Check(), primary.ErrInvalid, "block %d", wrong)
		_, err := primary.DecodeManifest(m.Append(nil))
		require.ErrorIs(t, err, primary.ErrCorrupt, "block %d", wrong)
	}
}
