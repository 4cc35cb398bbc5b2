package fuzz

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// operatorM is the number of key groups, and the most tasks, of the jobs whose operator state is fuzzed.
const operatorM = 8

// operatorTask is a backend with a state of each kind of operator state, or with none of them registered.
type operatorTask struct {
	backend *heapbackend.Backend[string]
	split   *heapbackend.OperatorList[note]
	union   *heapbackend.OperatorList[total]
	rules   *heapbackend.Broadcast[label, []int16]
}

func newOperatorTask(tb testing.TB, task, tasks int, registered bool) *operatorTask {
	tb.Helper()
	r, err := keygroups.RangeOf(operatorM, tasks, task)
	require.NoError(tb, err)
	b, err := heapbackend.New[string](heapbackend.Config{M: operatorM, Range: r, Seed: jobSeed, Task: task, Tasks: tasks})
	require.NoError(tb, err)
	k := &operatorTask{backend: b}
	if !registered {
		return k
	}
	k.split, err = heapbackend.NewSplitList[note](b, "split")
	require.NoError(tb, err)
	k.union, err = heapbackend.NewUnionList[total](b, "union")
	require.NoError(tb, err)
	k.rules, err = heapbackend.NewBroadcast[label, []int16](b, "rules")
	require.NoError(tb, err)
	return k
}

// someOperatorBlock is a schema and a block of operator state of one task of several.
func someOperatorBlock(tb testing.TB, task, tasks int) (schema, block []byte) {
	tb.Helper()
	k := newOperatorTask(tb, task, tasks, true)
	require.NoError(tb, k.split.Append(makeNotes(5, 3)...))
	require.NoError(tb, k.union.Append(total{Sum: 1}, total{N: 7}))
	require.NoError(tb, k.rules.Put(label("a"), []int16{1, -1}))
	require.NoError(tb, k.rules.Put(label("b"), nil))
	s, err := k.backend.Capture()
	require.NoError(tb, err)
	defer s.Release()
	block, _, err = s.AppendGroup(nil, operatorM+task)
	require.NoError(tb, err)
	return s.Schema(), block
}

// FuzzOperatorBlock stages any bytes as the operator state that one task left, under any schema, into every task of
// a job. What is accepted is shared out without loss, registered or not; what is not is a typed error.
func FuzzOperatorBlock(f *testing.F) {
	for _, old := range []int{1, 2, 5} {
		schema, block := someOperatorBlock(f, old-1, old)
		for _, tasks := range []byte{1, 2, 3} {
			f.Add(schema, block, byte(old-1), tasks)
		}
		f.Add(schema, block[:len(block)-1], byte(old-1), byte(2))
		f.Add(schema, block, byte(7), byte(2)) // of no such task
	}
	schema, block := someBlock(f, 0, hasAll)
	f.Add(schema, block, byte(0), byte(1)) // of a key group
	f.Fuzz(func(t *testing.T, schema, block []byte, old, tasks byte) {
		group, p := operatorM+int(old)%operatorM, 1+int(tasks)%operatorM
		checkShares(t, schema, block, group, p, true)
		checkShares(t, schema, block, group, p, false)
	})
}

// checkShares stages a block into every one of p tasks. It is that of old task group - M.
func checkShares(t *testing.T, schema, block []byte, group, p int, registered bool) {
	needed, err := heapbackend.OperatorBlocks(heapbackend.Config{M: operatorM, Tasks: p}, []heapbackend.OperatorBlock{{Group: group, Schema: schema}})
	require.NoError(t, err)
	require.NotEmpty(t, needed)
	var whole uint64
	var notes []note
	for task := range p {
		k := newOperatorTask(t, task, p, registered)
		var staged *heapbackend.Staged
		bounded(t, len(schema)+len(block), func() { staged, err = k.backend.StageBlock(schema, group, block) })
		if err != nil {
			requireBlockError(t, err)
			return
		}
		whole = staged.Entries()
		require.NoError(t, k.backend.Install([]*heapbackend.Staged{staged}))
		requireOwnBytes(t, k, task, p)
		if registered {
			notes = append(notes, slices.Collect(k.split.All())...)
			requireWritable(t, k)
		}
	}
	if registered && whole > 0 {
		requireWhole(t, schema, block, group, p, notes)
	}
}

// requireOwnBytes captures a task and restores another from its bytes: nothing changes.
func requireOwnBytes(t *testing.T, k *operatorTask, task, p int) {
	s, err := k.backend.Capture()
	require.NoError(t, err)
	defer s.Release()
	block, n, err := s.AppendGroup(nil, operatorM+task)
	if err != nil { // it has no operator state
		require.ErrorIs(t, err, heapbackend.ErrGroup)
		return
	}
	other := newOperatorTask(t, task, p, k.split != nil)
	staged, err := other.backend.StageBlock(s.Schema(), operatorM+task, block)
	require.NoError(t, err, "its own bytes")
	require.NoError(t, other.backend.Install([]*heapbackend.Staged{staged}))
	require.Equal(t, n, staged.Entries())
	if k.split != nil {
		require.Equal(t, slices.Collect(k.split.All()), slices.Collect(other.split.All()))
		require.Equal(t, slices.Collect(k.union.All()), slices.Collect(other.union.All()))
		require.Equal(t, maps.Collect(k.rules.All()), maps.Collect(other.rules.All()))
	}
}

// requireWritable writes to everything; what was captured before stays.
func requireWritable(t *testing.T, k *operatorTask) {
	s, err := k.backend.Capture()
	require.NoError(t, err)
	defer s.Release()
	view, err := k.split.At(s)
	require.NoError(t, err)
	before := slices.Collect(view.All())
	require.NoError(t, k.split.Append(note{1, "more"}))
	require.NoError(t, k.union.Set())
	for key := range k.rules.All() {
		require.NoError(t, k.rules.Remove(key))
	}
	require.Equal(t, before, slices.Collect(view.All()))
	require.Equal(t, len(before)+1, k.split.Len())
	require.Zero(t, k.union.Len()+k.rules.Len())
}

// requireWhole compares the shares of the split list, one after the other, with what a single task gets.
func requireWhole(t *testing.T, schema, block []byte, group, p int, shares []note) {
	k := newOperatorTask(t, 0, 1, true)
	staged, err := k.backend.StageBlock(schema, group, block)
	require.NoError(t, err)
	require.NoError(t, k.backend.Install([]*heapbackend.Staged{staged}))
	require.Equal(t, slices.Collect(k.split.All()), shares, "of %d tasks", p)
}
