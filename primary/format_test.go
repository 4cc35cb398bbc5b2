package primary_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/zeebo/xxh3"
)

// A reader written from docs/format.md alone, with another msgpack library. It
// shares nothing with the package but the files.

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func foreignFrame(t *testing.T, b []byte, magic string) []byte {
	require.Equal(t, magic, string(b[:8]))
	require.Equal(t, uint32(1), binary.LittleEndian.Uint32(b[8:]))
	n := binary.LittleEndian.Uint64(b[12:])
	require.Len(t, b, int(20+n+4))
	require.Equal(t, checksum(b[:20+n]), binary.LittleEndian.Uint32(b[20+n:]))
	return b[20 : 20+n]
}

type (
	foreignHeader struct {
		_msgpack      struct{} `msgpack:",as_array"`
		Job, Operator string
		Task          int
		Attempt       []byte
		Checkpoint    uint64
		M, First, End int
		Seed          uint64
		Compression   int
		Schema        []byte
	}
	foreignSegment struct {
		_msgpack                         struct{} `msgpack:",as_array"`
		Group, Kind, Offset, Length, Raw int
		CRC                              uint32
		Digest, Entries                  uint64
	}
	foreignManifest struct {
		_msgpack             struct{} `msgpack:",as_array"`
		Job                  string
		Sequence, Checkpoint uint64
		Savepoint            bool
		Created              time.Time
		M                    int
		Seed                 uint64
		Operators            []foreignOperator
	}
	foreignOperator struct {
		_msgpack struct{} `msgpack:",as_array"`
		Name     string
		Tasks    []foreignTask
	}
	foreignTask struct {
		_msgpack            struct{} `msgpack:",as_array"`
		Task, First, End    int
		Attempt, Allocation []byte
		Schema              []byte
		Compression         int
		Position            []byte
		Objects             []string
		Groups              []foreignGroup
	}
	foreignGroup struct {
		_msgpack struct{} `msgpack:",as_array"`
		Group    int
		Segments []foreignSegment // field 0 is the object's index
	}
)

func unpack(t *testing.T, b []byte, v any) {
	r := bytes.NewReader(b)
	require.NoError(t, msgpack.NewDecoder(r).Decode(v))
	require.Zero(t, r.Len(), "bytes after the value")
}

func decompress(t *testing.T, b []byte, compression int) []byte {
	switch compression {
	case 0:
		raw, err := io.ReadAll(s2.NewReader(bytes.NewReader(b)))
		require.NoError(t, err)
		return raw
	case 1:
		d, err := zstd.NewReader(bytes.NewReader(b))
		require.NoError(t, err)
		defer d.Close()
		raw, err := io.ReadAll(d)
		require.NoError(t, err)
		return raw
	}
	return b
}

func TestObjectIsWhatTheFormatSays(t *testing.T) {
	for compression, name := range []string{"s2", "zstd", "none"} {
		b, err := os.ReadFile("testdata/object-v1-" + name + ".bin")
		require.NoError(t, err)
		tail := b[len(b)-56:]
		require.Equal(t, "hsobjend", string(tail[48:]))
		require.Equal(t, uint32(1), binary.LittleEndian.Uint32(tail[40:]))
		require.Equal(t, checksum(tail[:44]), binary.LittleEndian.Uint32(tail[44:]))
		require.Equal(t, uint64(len(b)), binary.LittleEndian.Uint64(tail[16:]))
		at, length := binary.LittleEndian.Uint64(tail), binary.LittleEndian.Uint64(tail[8:])
		require.Equal(t, uint64(len(b)-56), at+length)
		require.Equal(t, checksum(b[at:at+length]), binary.LittleEndian.Uint32(tail[36:]))

		start := int(binary.LittleEndian.Uint64(tail[24:]))
		var h foreignHeader
		unpack(t, foreignFrame(t, b[:start], "\x89hsobj\r\n"), &h)
		id := uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
		require.Equal(t, foreignHeader{
			Job: "orders", Operator: "totals", Task: 3, Attempt: id[:], Checkpoint: 42, M: 128, First: 43, End: 86,
			Seed: 0xfeedfacecafebeef, Compression: compression, Schema: []byte("\x91\xa3abc"),
		}, h)

		var segments []foreignSegment
		unpack(t, b[at:at+length], &segments)
		require.Len(t, segments, int(binary.LittleEndian.Uint32(tail[32:])))
		require.Len(t, segments, 4)
		for i, s := range segments {
			require.Equal(t, []int{43, 50, 51, 85}[i], s.Group)
			require.Equal(t, start, s.Offset)
			start += s.Length
			stored := b[s.Offset : s.Offset+s.Length]
			require.Equal(t, s.CRC, checksum(stored))
			raw := decompress(t, stored, compression)
			require.Len(t, raw, s.Raw)
			require.Equal(t, s.Digest, xxh3.Hash(raw))
			requireRecords(t, raw, s.Entries)
		}
		require.Equal(t, int(at), start)
	}
}

// requireRecords reads a block of one value state.
func requireRecords(t *testing.T, block []byte, entries uint64) {
	var state struct {
		_msgpack struct{} `msgpack:",as_array"`
		Index    int
		Entries  uint64
		Records  []byte
	}
	unpack(t, block, &state)
	require.Equal(t, entries, state.Entries)
	require.Zero(t, state.Index)
	d := msgpack.NewDecoder(bytes.NewReader(state.Records))
	for range state.Entries {
		record, err := d.DecodeSlice()
		require.NoError(t, err)
		require.Equal(t, []any{"key", int8(1)}, record)
	}
	_, err := d.PeekCode()
	require.ErrorIs(t, err, io.EOF)
}

func TestManifestIsWhatTheFormatSays(t *testing.T) {
	b, err := os.ReadFile("testdata/manifest-v1.bin")
	require.NoError(t, err)
	var m foreignManifest
	unpack(t, foreignFrame(t, b, "\x89hsman\r\n"), &m)
	want := testManifest()
	require.Equal(t, want.Job, m.Job)
	require.Equal(t, want.Sequence, m.Sequence)
	require.Equal(t, want.Checkpoint, m.Checkpoint)
	require.True(t, m.Savepoint)
	require.True(t, want.Created.Equal(m.Created))
	require.Equal(t, want.M, m.M)
	require.Equal(t, want.Seed, m.Seed)
	require.Len(t, m.Operators, 2)
	require.Equal(t, foreignOperator{Name: "empty", Tasks: []foreignTask{}}, m.Operators[0])
	task, wantTask := m.Operators[1].Tasks[0], want.Operators[1].Tasks[0]
	require.Equal(t, wantTask.Attempt[:], task.Attempt)
	require.Equal(t, wantTask.Allocation[:], task.Allocation)
	require.Equal(t, []any{0, 0, 43, 1}, []any{task.Task, task.First, task.End, task.Compression})
	require.Equal(t, wantTask.Schema, task.Schema)
	require.Equal(t, wantTask.Position, task.Position)
	require.Equal(t, wantTask.Objects, task.Objects)
	ref := func(object, kind, offset int) foreignSegment {
		return foreignSegment{Group: object, Kind: kind, Offset: offset, Length: 300, Raw: 70_000, CRC: 0xdeadbeef, Digest: 0xfeedfacecafebeef, Entries: 1234}
	}
	require.Equal(t, []foreignGroup{
		{Group: 0, Segments: []foreignSegment{ref(0, 0, 100)}},
		{Group: 42, Segments: []foreignSegment{ref(0, 0, 400), ref(1, 1, 90)}},
	}, task.Groups)
}
