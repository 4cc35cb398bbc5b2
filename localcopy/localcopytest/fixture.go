package localcopytest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// What every task of the suite looks like: it owns [first, end) of maxGroups key groups, and one of them is empty.
const (
	maxGroups  = 16
	first, end = 4, 12
	emptyGroup = 7
	seed       = 20
	perGroup   = 20
	// The task is the second of three, and has operator state: one more block, above the key groups.
	index, tasks  = 1, 3
	operatorGroup = maxGroups + index
)

// task is a backend with some state, and a plain map of the same.
type task struct {
	t       *testing.T
	meta    localcopy.Meta
	hasher  keygroups.Hasher[uint64]
	backend *heapbackend.Backend[uint64]
	counts  *states
	parts   *heapbackend.OperatorList[string]
	want    map[uint64]int64
}

// newTask returns a task of a job and an allocation of its own, with perGroup entries in each group but the empty one.
func newTask(t *testing.T) *task {
	t.Helper()
	k := &task{t: t, want: map[uint64]int64{}}
	k.meta = localcopy.Meta{
		Owner:   localcopy.Owner{Job: "orders", Operator: "Total/sum", Task: index, Allocation: uuid.New()},
		Attempt: uuid.New(), M: maxGroups, Seed: seed, Range: keygroups.Range{First: first, End: end},
	}
	k.backend, k.counts, k.hasher = newBackend(t, k.meta.Range)
	k.parts = newParts(t, k.backend)
	require.NoError(t, k.parts.Append("first"))
	k.meta.Schema = k.backend.Schema()
	have := map[int]int{}
	for key := uint64(0); len(have) < end-first-1 || slices.Min(slices.Collect(maps.Values(have))) < perGroup; key++ {
		if g := k.group(key); k.meta.Range.Contains(g) && g != emptyGroup && have[g] < perGroup {
			have[g]++
			k.put(key, int64(key)*3)
		}
	}
	return k
}

func newBackend(t *testing.T, r keygroups.Range) (
	*heapbackend.Backend[uint64], *states, keygroups.Hasher[uint64],
) {
	t.Helper()
	hasher, err := keygroups.NewHasher[uint64](seed)
	require.NoError(t, err)
	b, err := heapbackend.New[uint64](heapbackend.Config{M: maxGroups, Range: r, Seed: seed, Task: index, Tasks: tasks})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b, newStates(t, b), hasher
}

// newParts registers the operator state. A backend without it carries it.
func newParts(t *testing.T, b *heapbackend.Backend[uint64]) *heapbackend.OperatorList[string] {
	t.Helper()
	parts, err := heapbackend.NewSplitList[string](b, "parts")
	require.NoError(t, err)
	return parts
}

func (k *task) group(key uint64) int { return keygroups.Of(k.hasher.Hash(key), maxGroups) }

func (k *task) put(key uint64, v int64) {
	k.t.Helper()
	require.NoError(k.t, k.counts.Put(key, v))
	k.want[key] = v
}

// grow writes every entry again with another value, and leaves no page as it was.
func (k *task) grow(by int64) {
	k.t.Helper()
	for _, key := range slices.Sorted(maps.Keys(k.want)) {
		k.put(key, k.want[key]+by)
	}
	require.NoError(k.t, k.parts.Append(fmt.Sprint(by)))
}

// moment is what a checkpoint saw: the snapshot, the primary object written from it, and the entries.
type moment struct {
	meta     localcopy.Meta
	snapshot *heapbackend.Snapshot
	twin     []primary.Segment
	want     map[uint64]int64
	parts    []string
}

// capture takes a snapshot for a checkpoint and writes its primary. The snapshot is released when the test ends.
func (k *task) capture(checkpoint uint64) moment {
	k.t.Helper()
	s, err := k.backend.Capture()
	require.NoError(k.t, err)
	k.t.Cleanup(s.Release)
	m := moment{meta: k.meta, snapshot: s, want: maps.Clone(k.want), parts: slices.Collect(k.parts.All())}
	m.meta.Checkpoint = checkpoint
	m.twin = twinOf(k.t, m.meta, s)
	return m
}

// twinOf writes the primary object of a snapshot and returns its segments.
func twinOf(t *testing.T, m localcopy.Meta, s *heapbackend.Snapshot) []primary.Segment {
	t.Helper()
	header := primary.Header{
		Job: m.Job, Operator: m.Operator, Task: m.Task, Attempt: m.Attempt, Checkpoint: m.Checkpoint,
		M: m.M, Range: m.Range, Seed: m.Seed, Schema: m.Schema, Compression: primary.Zstd,
	}
	idx, err := primary.WriteObject(t.Context(), &bytes.Buffer{}, header, s, primary.WriteOptions{})
	require.NoError(t, err)
	return idx.Segments
}

// write begins a copy and hands it every group of the task, or only the given ones.
func write(t *testing.T, f localcopy.Format, m moment, groups ...int) localcopy.Writer {
	t.Helper()
	w, err := f.Begin(t.Context(), m.meta, m.snapshot)
	require.NoError(t, err)
	if groups == nil {
		groups = slices.Collect(m.snapshot.Blocks())
	}
	for _, g := range groups {
		require.NoError(t, w.WriteGroup(t.Context(), g))
	}
	return w
}

// store writes and seals a copy.
func store(t *testing.T, f localcopy.Format, m moment, groups ...int) localcopy.Copy {
	t.Helper()
	c, err := write(t, f, m, groups...).Seal(t.Context(), m.twin)
	require.NoError(t, err)
	require.NotNil(t, c)
	return c
}

// open returns what the format finds for an owner, and its checkpoints.
func open(t *testing.T, f localcopy.Format, o localcopy.Owner) (copies []localcopy.Copy, checkpoints []uint64) {
	t.Helper()
	copies, err := f.Open(t.Context(), o)
	require.NoError(t, err)
	for _, c := range copies {
		checkpoints = append(checkpoints, c.Meta().Checkpoint)
	}
	return copies, checkpoints
}

// requireHolds loads every group of the copy that is in r, and the operator state, into a fresh backend, reads everything back, compares it with
// the moment's entries, and then writes and captures there: a recovered backend must work.
func requireHolds(t *testing.T, c localcopy.Copy, m moment, r keygroups.Range) {
	t.Helper()
	b, counts, hasher := newBackend(t, r)
	parts := newParts(t, b)
	var staged []*heapbackend.Staged
	held := map[int]bool{}
	for _, g := range c.Groups() {
		if !r.Contains(g.Group) && g.Group != operatorGroup {
			continue
		}
		s, err := c.Load(t.Context(), g.Group, b)
		require.NoError(t, err, "group %d", g.Group)
		staged, held[g.Group] = append(staged, s), true
	}
	require.NoError(t, b.Install(staged))
	want := map[uint64]int64{}
	for key, v := range m.want {
		if held[keygroups.Of(hasher.Hash(key), maxGroups)] {
			want[key] = v
		}
	}
	require.Equal(t, want, maps.Collect(counts.All()))
	counts.require(t, want)
	if held[operatorGroup] {
		require.Equal(t, m.parts, slices.Collect(parts.All()))
	} else {
		require.Zero(t, parts.Len())
	}
	require.NoError(t, parts.Append("more"))
	for key := range want {
		require.NoError(t, counts.Put(key, -1))
		want[key] = -1
	}
	counts.require(t, want)
	again, err := b.Capture()
	require.NoError(t, err)
	again.Release()
	require.NoError(t, b.Err())
}

// requireTwin checks that the groups of a copy say what the twin says, for the given groups of it or for all.
func requireTwin(t *testing.T, c localcopy.Copy, m moment, groups ...int) {
	t.Helper()
	var want []localcopy.GroupInfo
	for _, s := range m.twin {
		if groups == nil || slices.Contains(groups, s.Group) {
			want = append(want, localcopy.GroupInfo{Group: s.Group, Digest: s.Digest, Entries: s.Entries, Bytes: s.Raw})
		}
	}
	require.Equal(t, want, c.Groups())
	require.Equal(t, m.meta, c.Meta())
}
