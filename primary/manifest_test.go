package primary_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

func testSegment(object, group int, kind primary.SegmentKind, off int64) primary.SegmentRef {
	return primary.SegmentRef{Object: object, Segment: primary.Segment{
		Group: group, Kind: kind, Offset: off, Length: 300, Raw: 70_000, CRC: 0xdeadbeef, Digest: 0xfeedfacecafebeef, Entries: 1234,
	}}
}

// testManifest has everything a manifest can have, in small.
func testManifest() *primary.Manifest {
	return &primary.Manifest{
		Job: "orders", Sequence: 7, Checkpoint: 42, Savepoint: true, M: 128, Seed: 0xfeedfacecafebeef,
		Created: time.Date(2026, 11, 23, 5, 30, 0, 123456789, time.UTC),
		Operators: []primary.Operator{
			{Name: "empty"},
			{Name: "totals", Tasks: []primary.TaskState{
				{
					Task: 0, Range: keygroups.Range{First: 0, End: 43}, Attempt: uuid.UUID{1}, Allocation: uuid.UUID{2},
					Schema: []byte("\x91\xa3abc"), Compression: primary.Zstd, Position: []byte{1, 2, 3},
					Objects: []string{"orders/objects/00000000000000000041/totals-0-a", "orders/objects/00000000000000000042/totals-0-a"},
					Groups: []primary.GroupState{
						{Group: 0, Segments: []primary.SegmentRef{testSegment(0, 0, primary.Base, 100)}},
						{Group: 42, Segments: []primary.SegmentRef{testSegment(0, 42, primary.Base, 400), testSegment(1, 42, primary.Delta, 90)}},
					},
				},
				{Task: 2, Range: keygroups.Range{First: 86, End: 128}},
			}},
		},
	}
}

func TestManifestRoundTrip(t *testing.T) {
	for _, m := range []*primary.Manifest{testManifest(), {Job: "j", M: 1, Created: time.Unix(0, 0).UTC()}, {Job: "j", M: keygroups.Max}} {
		require.NoError(t, m.Check())
		b := m.Append(nil)
		got, err := primary.DecodeManifest(b)
		require.NoError(t, err)
		require.Equal(t, m, got)
		require.Equal(t, b, got.Append(nil))
		require.Equal(t, append([]byte("before"), b...), m.Append([]byte("before")))
	}
}

func TestManifestKeepsNothingOfItsBytes(t *testing.T) {
	b := testManifest().Append(nil)
	got, err := primary.DecodeManifest(b)
	require.NoError(t, err)
	for i := range b {
		b[i] = 0xff
	}
	require.Equal(t, testManifest(), got)
}

func TestManifestGolden(t *testing.T) {
	want := golden(t, "manifest-v1.bin", testManifest().Append(nil))
	m, err := primary.DecodeManifest(want)
	require.NoError(t, err)
	require.Equal(t, testManifest(), m)
	require.Equal(t, want, m.Append(nil))
}

func TestManifestEveryPrefixFails(t *testing.T) {
	b := golden(t, "manifest-v1.bin", nil)
	for n := range b {
		_, err := primary.DecodeManifest(b[:n:n])
		requireTyped(t, err, "first %d of %d bytes", n, len(b))
	}
	_, err := primary.DecodeManifest(append(slices.Clone(b), 0))
	requireTyped(t, err, "a byte more")
}

func TestManifestEveryFlippedByteFails(t *testing.T) {
	b := golden(t, "manifest-v1.bin", nil)
	for i := range b {
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			bad := slices.Clone(b)
			bad[i] ^= flip
			_, err := primary.DecodeManifest(bad)
			requireTyped(t, err, "byte %d ^ %#x", i, flip)
		}
	}
}

// TestManifestRules breaks one rule at a time: Check says so, and bytes that say
// so are corrupt.
func TestManifestRules(t *testing.T) {
	task := func(m *primary.Manifest) *primary.TaskState { return &m.Operators[1].Tasks[0] }
	group := func(m *primary.Manifest) *primary.GroupState { return &task(m).Groups[1] }
	for name, change := range map[string]func(*primary.Manifest){
		"no job":                    func(m *primary.Manifest) { m.Job = "" },
		"M 0":                       func(m *primary.Manifest) { m.M = 0 },
		"M too large":               func(m *primary.Manifest) { m.M = keygroups.Max + 1 },
		"M below the ranges":        func(m *primary.Manifest) { m.M = 127 },
		"operators out of order":    func(m *primary.Manifest) { slices.Reverse(m.Operators) },
		"operator twice":            func(m *primary.Manifest) { m.Operators[0].Name = "totals" },
		"operator without name":     func(m *primary.Manifest) { m.Operators[0].Name = "" },
		"tasks out of order":        func(m *primary.Manifest) { slices.Reverse(m.Operators[1].Tasks) },
		"task twice":                func(m *primary.Manifest) { m.Operators[1].Tasks[1].Task = 0 },
		"task beyond M":             func(m *primary.Manifest) { m.Operators[1].Tasks[1].Task = 128 },
		"ranges overlap":            func(m *primary.Manifest) { m.Operators[1].Tasks[1].Range.First = 42 },
		"range empty":               func(m *primary.Manifest) { m.Operators[1].Tasks[1].Range.First = 128 },
		"object name":               func(m *primary.Manifest) { task(m).Objects[1] = "../x" },
		"compression":               func(m *primary.Manifest) { task(m).Compression = 3 },
		"two lengths uncompressed":  func(m *primary.Manifest) { task(m).Compression = primary.None },
		"key groups out of order":   func(m *primary.Manifest) { slices.Reverse(task(m).Groups) },
		"key group outside range":   func(m *primary.Manifest) { task(m).Range.End = 42 },
		"key group without segment": func(m *primary.Manifest) { group(m).Segments = nil },
		"object index":              func(m *primary.Manifest) { group(m).Segments[1].Object = 2 },
		"delta first":               func(m *primary.Manifest) { group(m).Segments[0].Kind = primary.Delta },
		"base second":               func(m *primary.Manifest) { group(m).Segments[1].Kind = primary.Base },
		"kind":                      func(m *primary.Manifest) { group(m).Segments[1].Kind = 2 },
		"no length":                 func(m *primary.Manifest) { group(m).Segments[0].Length = 0 },
		"no raw length":             func(m *primary.Manifest) { group(m).Segments[0].Raw = 0 },
		"end overflows":             func(m *primary.Manifest) { group(m).Segments[0].Offset = 1<<63 - 100 },
	} {
		m := testManifest()
		change(m)
		require.ErrorIs(t, m.Check(), primary.ErrInvalid, name)
		_, err := primary.DecodeManifest(m.Append(nil))
		require.ErrorIs(t, err, primary.ErrCorrupt, name)
	}
	m := testManifest()
	m.Operators[1].Tasks[0].Groups[0].Segments[0].Group = 1
	require.ErrorIs(t, m.Check(), primary.ErrInvalid, "segment of another key group")
	m = testManifest()
	m.Operators[1].Tasks[0].Groups[0].Segments[0].Object = -1
	require.ErrorIs(t, m.Check(), primary.ErrInvalid, "negative object index")
}
