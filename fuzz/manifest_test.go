package fuzz

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
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
					Schema: []byte{0x90}, Compression: primary.None, Objects: []string{"orders/a", "orders/b"},
					Groups: []primary.GroupState{
						{Group: 70, Segments: []primary.SegmentRef{segment(primary.Base, 70, 0), segment(primary.Delta, 70, 1)}},
						{Group: 127, Segments: []primary.SegmentRef{segment(primary.Base, 127, 1)}},
					},
				},
			}},
		}},
	}
}

// FuzzManifest: what decodes is valid, and encodes to bytes that decode to the same; what does not is a typed error.
func FuzzManifest(f *testing.F) {
	golden(f, "manifest-*.bin", func(b []byte) { f.Add(b) })
	for _, m := range someManifests() {
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
	again := m.Append(nil)
	m2, err := primary.DecodeManifest(again)
	require.NoError(t, err)
	require.Equal(t, m, m2)
	require.True(t, bytes.Equal(again, m2.Append(nil)), "the encoding is not stable")
}
