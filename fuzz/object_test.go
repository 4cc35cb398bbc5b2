package fuzz

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// blocks is a primary.Source: the blocks of the key groups from its first on.
type blocks struct {
	first int
	list  [][]byte
}

func (s blocks) Range() keygroups.Range {
	return keygroups.Range{First: s.first, End: s.first + len(s.list)}
}

func (s blocks) AppendGroup(dst []byte, group int) (block []byte, entries uint64, err error) {
	b := s.list[group-s.first]
	return append(dst, b...), uint64(len(b)), nil
}

// operatorBlocks are blocks of which the last is the operator state of the header's task.
type operatorBlocks struct{ blocks }

func (s operatorBlocks) Range() keygroups.Range {
	r := s.blocks.Range()
	return keygroups.Range{First: r.First, End: r.End - 1}
}

func (s operatorBlocks) Blocks() iter.Seq[int] {
	h := s.header(primary.None)
	return slices.Values(append(slices.Collect(s.Range().All()), h.M+h.Task))
}

func (s operatorBlocks) AppendGroup(dst []byte, group int) (block []byte, entries uint64, err error) {
	return s.blocks.AppendGroup(dst, min(group, s.Range().End))
}

func (s blocks) header(c primary.Compression) primary.Header {
	return primary.Header{
		Job: "orders", Operator: "totals", Task: 1, Attempt: uuid.UUID{7}, Checkpoint: 42, M: 32, Range: s.Range(),
		Seed: 99, Schema: []byte{0x90}, Compression: c,
	}
}

func writeObject(tb testing.TB, s blocks, c primary.Compression) []byte {
	tb.Helper()
	return writeSource(tb, s, s.header(c))
}

func writeSource(tb testing.TB, s primary.Source, h primary.Header) []byte {
	tb.Helper()
	h.Range = s.Range()
	var b bytes.Buffer
	_, err := primary.WriteObject(context.Background(), &b, h, s, primary.WriteOptions{Parallelism: 1})
	require.NoError(tb, err)
	return b.Bytes()
}

var compressions = []primary.Compression{primary.S2, primary.Zstd, primary.None}

// FuzzObject: whatever bytes are read as an object, the answer is an index that makes sense and blocks that are what it
// says, or a typed error.
func FuzzObject(f *testing.F) {
	golden(f, "object-*.bin", func(b []byte) { f.Add(b) })
	some := blocks{first: 3, list: [][]byte{nil, []byte("a"), bytes.Repeat([]byte("state"), 100)}}
	for _, c := range compressions {
		f.Add(writeObject(f, some, c))
		f.Add(writeSource(f, operatorBlocks{some}, some.header(c)))
		f.Add(writeObject(f, blocks{list: [][]byte{nil}}, c))
	}
	// Every bit of an index and a trailer, and of a header.
	small := writeObject(f, blocks{first: 1, list: [][]byte{[]byte("a"), nil, []byte("b")}}, primary.None)
	tasked := operatorBlocks{blocks{first: 1, list: [][]byte{[]byte("a"), []byte("b")}}}
	for _, object := range [][]byte{small, writeSource(f, tasked, tasked.header(primary.None))} {
		for at := range object {
			b := bytes.Clone(object)
			b[at] ^= 1 << (at % 8)
			f.Add(b)
			b = bytes.Clone(object)
			b[at]--
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkObject(t, b)
		if sealed := sealObject(b); sealed != nil {
			checkObject(t, sealed)
		}
	})
}

func checkObject(t *testing.T, b []byte) {
	r := primary.ReaderAt("object", bytes.NewReader(b))
	var idx *primary.Index
	var err error
	bounded(t, len(b), func() { idx, err = primary.ReadIndex(t.Context(), r, int64(len(b))) })
	if err != nil {
		requireTyped(t, err)
		return
	}
	h := &idx.Header
	require.NotEmpty(t, h.Job)
	require.True(t, 0 <= h.Range.First && h.Range.First < h.Range.End && h.Range.End <= h.M && h.M <= keygroups.Max)
	last, end := h.Range.First-1, int64(0)
	for _, seg := range idx.Segments {
		require.Greater(t, seg.Group, last)
		require.True(t, h.Range.Contains(seg.Group) || seg.Group == h.M+h.Task)
		require.GreaterOrEqual(t, seg.Offset, end)
		last, end = seg.Group, seg.Offset+seg.Length
		require.LessOrEqual(t, end, idx.Size)
		checkBlock(t, r, b, seg, h.Compression)
	}
}

// checkBlock reads a block as the index says, and once more with the checksum its bytes have, to get to what is
// behind it. Then the block is found out by its length or its digest, or is right.
func checkBlock(t *testing.T, r primary.RangeReader, b []byte, seg primary.Segment, c primary.Compression) {
	stored := b[seg.Offset : seg.Offset+seg.Length]
	asked := []primary.Segment{seg}
	if sum := crc32c(stored); sum != seg.CRC {
		seg.CRC = sum
		asked = append(asked, seg)
	}
	for _, seg := range asked {
		var raw []byte
		var err error
		bounded(t, len(b), func() { raw, err = primary.ReadBlock(t.Context(), r, seg, c) })
		if err != nil {
			requireTyped(t, err)
			continue
		}
		require.Equal(t, seg.Raw, int64(len(raw)))
		require.Equal(t, seg.Digest, xxh3.Hash(raw))
		require.Equal(t, seg.CRC, crc32c(stored))
		for _, wrong := range []primary.Segment{
			{CRC: seg.CRC ^ 1, Digest: seg.Digest, Raw: seg.Raw},
			{CRC: seg.CRC, Digest: seg.Digest ^ 1, Raw: seg.Raw},
			{CRC: seg.CRC, Digest: seg.Digest, Raw: seg.Raw + 1},
			{CRC: seg.CRC, Digest: seg.Digest, Raw: seg.Raw - 1},
		} {
			wrong.Group, wrong.Kind, wrong.Offset, wrong.Length = seg.Group, seg.Kind, seg.Offset, seg.Length
			_, err := primary.ReadBlock(t.Context(), r, wrong, c)
			require.ErrorIs(t, err, primary.ErrCorrupt)
		}
	}
}

func requireTyped(t *testing.T, err error) {
	t.Helper()
	for _, want := range []error{primary.ErrCorrupt, primary.ErrVersion, errors.ErrUnsupported} {
		if errors.Is(err, want) {
			return
		}
	}
	t.Fatalf("not a typed error: %v", err)
}

// FuzzObjectMutation: an object reads back as what was written; with one byte changed, bytes cut off or bytes added it
// does not read back as anything else.
func FuzzObjectMutation(f *testing.F) {
	f.Add([]byte("one\x00two\x00\x00three"), byte(0), uint32(17), byte(1), int16(0))
	f.Add(bytes.Repeat([]byte("abcdefgh"), 600), byte(1), uint32(400), byte(0x80), int16(0))
	f.Add([]byte("x"), byte(2), uint32(0), byte(0), int16(-1))
	f.Add([]byte(""), byte(0), uint32(0), byte(0), int16(1))
	for at := range uint32(300) {
		f.Add([]byte("one\x00two"), byte(at), at, byte(1)<<(at%8), int16(0))
	}
	f.Fuzz(func(t *testing.T, state []byte, compression byte, at uint32, flip byte, cut int16) {
		s := blocks{first: int(compression) % 8, list: bytes.SplitN(state, []byte{0}, 16)}
		c := compressions[int(compression)%len(compressions)]
		object := writeObject(t, s, c)
		read, err := readObject(t, object)
		require.NoError(t, err)
		for i, want := range s.list {
			require.Equal(t, string(want), string(read[s.first+i]))
		}
		changed := bytes.Clone(object)
		changed[int(at%uint32(len(changed)))] ^= flip
		switch {
		case cut < 0:
			changed = changed[:max(0, len(changed)+int(cut))]
		case cut > 0:
			changed = append(changed, make([]byte, cut)...)
		}
		if bytes.Equal(changed, object) {
			return
		}
		_, err = readObject(t, changed)
		require.Error(t, err, "changed at %d by %#x, cut %d, of %d bytes", at%uint32(len(object)), flip, cut, len(object))
		requireTyped(t, err)
	})
}

// readObject returns every block of an object, by key group.
func readObject(t *testing.T, b []byte) (map[int][]byte, error) {
	r := primary.ReaderAt("object", bytes.NewReader(b))
	idx, err := primary.ReadIndex(t.Context(), r, int64(len(b)))
	if err != nil {
		return nil, err
	}
	read := map[int][]byte{}
	for _, seg := range idx.Segments {
		if read[seg.Group], err = primary.ReadBlock(t.Context(), r, seg, idx.Header.Compression); err != nil {
			return nil, err
		}
	}
	return read, nil
}
