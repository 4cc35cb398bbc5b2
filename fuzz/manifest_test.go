package fuzz

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// golden adds the golden files of primary that match pattern to the seeds.
func golden(f *testing.F, pattern string, add func(b []byte)) {
	f.Helper()
	names, err := filepath.Glob(filepath.Join("..", "primary", "testdata", pattern))
	require.NoError(f, err)
	require.NotEmpty(f, names)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(f, err)
		add(b)
	}
}

// someManifests are manifests of every shape: no operators, no groups, several objects, chains of deltas.
func someManifests() []*primary.Manifest {
	id := func(b byte) uuid.UUID { return uuid.UUID{15: b} }
	segment := func(kind primary.SegmentKind, group, object int) primary.SegmentRef {
		return primary.SegmentRef{Object: object, Segment: primary.Segment{
			Group: group, Kind: kind, Offset: 80, Length: 40, Raw: 41, CRC: 1 << 31, Digest: 1 << 63, Entries: 3,
		}}
	}
	created := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	return []*primary.Manifest{
		{Job: "j", M: 1},
		{Job: "orders", Sequence: 9, Checkpoint: 7, Savepoint: true, Created: created, M: keygroups.Max, Seed: 1 << 63},
		{Job: "orders", Sequence: 3, Checkpoint: 3, Created: created, M: 128, Operators: []primary.Operator{
			{Name: "empty"},
			{Name: "totals", Tasks: []primary.TaskState{
				{Task: 0, Range: keygroups.Range{First: 0, End: 64}, Attempt: id(1), Allocation: id(2), Position: []byte{9}},
				{
					Task: 1, Range: keygroups.Range{First: 64, End: 128}, Attempt: id(3), Allocation: id(4),
					Schema: []byte{0x90}, Compression: primary.Zstd, Objects: []string{"orders/a", "orders/b"},
					Groups: []primary.GroupState{
						{Group: 70, Segments: []primary.SegmentRef{segment(primary.Base, 70, 0), segment(primary.Delta, 70, 1)}},
						{Group: 127, Segments: []primary.SegmentRef{segment(primary.Base, 127, 1)}},
					},
				},
			}},
		}},
		{Job: "orders", Sequence: 4, Checkpoint: 4, Created: created, M: 128, Operators: []primary.Operator{
			{Name: "sources", Tasks: []primary.TaskState{{ // operator state
				Task: 1, Range: keygroups.Range{First: 64, End: 128}, Attempt: id(3), Objects: []string{"orders/a"},
				Groups: []primary.GroupState{{Group: 129, Segments: []primary.SegmentRef{segment(primary.Base, 129, 0)}}},
			}}},
		}},
	}
}

// wrongManifests break one rule each.
func wrongManifests() (wrong []*primary.Manifest) {
	for _, spoil := range []func(m *primary.Manifest, second *primary.TaskState){
		func(m *primary.Manifest, _ *primary.TaskState) { m.Job = "" },
		func(m *primary.Manifest, _ *primary.TaskState) { m.M = 0 },
		func(m *primary.Manifest, _ *primary.TaskState) { m.M = 100 },
		func(m *primary.Manifest, _ *primary.TaskState) { m.M = keygroups.Max + 1 },
		func(m *primary.Manifest, _ *primary.TaskState) { slices.Reverse(m.Operators) },
		func(m *primary.Manifest, _ *primary.TaskState) { m.Operators[0].Name = m.Operators[1].Name },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Task = 0 },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Range.First-- },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Range.End = s.Range.First },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Groups[0].Group = 0 },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Groups[1].Group = 128 },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Groups[1].Group = 130 },
		func(_ *primary.Manifest, s *primary.TaskState) { slices.Reverse(s.Groups) },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Groups[1] = s.Groups[0] },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Groups[1].Segments = nil },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Groups[1].Segments[0].Kind = primary.Delta },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Groups[0].Segments[1].Kind = primary.Base },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Groups[1].Segments[0].Object = 2 },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Groups[1].Segments[0].Raw = 0 },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Groups[1].Segments[0].Offset = math.MaxInt64 },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Objects[0] = "../etc" },
		func(_ *primary.Manifest, s *primary.TaskState) { s.Compression = 3 },
	} {
		m := someManifests()[2]
		spoil(m, &m.Operators[1].Tasks[1])
		wrong = append(wrong, m)
	}
	return wrong
}

func TestWrongManifestsAreRefused(t *testing.T) {
	for i, m := range wrongManifests() {
		_, err := primary.DecodeManifest(m.Append(nil))
		require.ErrorIs(t, err, primary.ErrCorrupt, "manifest %d", i)
	}
	for _, m := range someManifests() {
		_, err := primary.DecodeManifest(m.Append(nil))
		require.NoError(t, err)
	}
}

// requireSound checks what a restore relies on in a manifest: written again here, so that Check is not its own judge.
func requireSound(t *testing.T, m *primary.Manifest) {
	require.NotEmpty(t, m.Job)
	require.True(t, 1 <= m.M && m.M <= keygroups.Max)
	operator := ""
	for _, o := range m.Operators {
		require.Less(t, operator, o.Name)
		operator = o.Name
		task, end := -1, 0
		for _, s := range o.Tasks {
			require.True(t, task < s.Task && s.Task < m.M)
			require.True(t, end <= s.Range.First && s.Range.First < s.Range.End && s.Range.End <= m.M)
			task, end = s.Task, s.Range.End
			requireSoundTask(t, m.M, &s)
		}
	}
}

func requireSoundTask(t *testing.T, m int, s *primary.TaskState) {
	require.LessOrEqual(t, s.Compression, primary.None)
	for _, name := range s.Objects {
		require.NoError(t, primary.CheckName(name))
	}
	group := s.Range.First - 1
	for _, g := range s.Groups {
		require.True(t, group < g.Group && (s.Range.Contains(g.Group) || g.Group == m+s.Task))
		group = g.Group
		require.NotEmpty(t, g.Segments)
		for i, seg := range g.Segments {
			require.Equal(t, i == 0, seg.Kind == primary.Base)
			require.True(t, 0 <= seg.Object && seg.Object < len(s.Objects))
			require.Equal(t, g.Group, seg.Group)
			require.True(t, seg.Offset >= 0 && seg.Length > 0 && seg.Raw > 0 && seg.Offset <= math.MaxInt64-seg.Length)
		}
	}
}

// FuzzManifest: what decodes is valid, and encodes to bytes that decode to the same; what does not is a typed error.
func FuzzManifest(f *testing.F) {
	golden(f, "manifest-*.bin", func(b []byte) { f.Add(b) })
	for _, m := range append(someManifests(), wrongManifests()...) {
		f.Add(m.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkManifest(t, b)
		checkManifest(t, sealFrame(manifestMark, b))
	})
}

func checkManifest(t *testing.T, b []byte) {
	var m *primary.Manifest
	var err error
	bounded(t, len(b), func() { m, err = primary.DecodeManifest(b) })
	if err != nil {
		require.True(t, errors.Is(err, primary.ErrCorrupt) || errors.Is(err, primary.ErrVersion), "not a typed error: %v", err)
		return
	}
	require.NoError(t, m.Check())
	requireSound(t, m)
	again := m.Append(nil)
	m2, err := primary.DecodeManifest(again)
	require.NoError(t, err)
	require.Equal(t, m, m2)
	require.True(t, bytes.Equal(again, m2.Append(nil)), "the encoding is not stable")
}
