package primary

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary/internal/frame"
)

// allocated runs f and returns how many bytes it took from the heap.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// forged is an object whose checksums are right and whose contents lie.
type forged struct {
	header  Header
	head    []byte // replaces the encoded header
	blocks  []byte
	index   []byte
	trailer func(*trailer)
}

func (f forged) bytes() []byte {
	b := f.head
	if b == nil {
		b = appendHeader(nil, &f.header)
	}
	t := trailer{headerLength: int64(len(b))}
	b = append(b, f.blocks...)
	t.indexOffset, t.indexLength = int64(len(b)), int64(len(f.index))
	t.indexCRC = crc32.Checksum(f.index, castagnoli)
	t.segments = uint32(wire.NewReader(f.index).ArrayLen())
	b = append(b, f.index...)
	t.size = int64(len(b)) + trailerSize
	if f.trailer != nil {
		f.trailer(&t)
	}
	return t.append(b)
}

func forgedHeader() Header {
	return Header{Job: "j", Operator: "o", M: 128, Range: keygroups.Range{First: 0, End: 128}, Attempt: uuid.UUID{1}, Compression: None}
}

func goodSegment(group int, off, n int64) Segment {
	return Segment{Group: group, Offset: off, Length: n, Raw: n}
}

func TestForgedObjectsAreRefused(t *testing.T) {
	h := forgedHeader()
	start := int64(len(appendHeader(nil, &h)))
	seg := func(change func(*Segment)) []byte {
		s := goodSegment(5, start, 10)
		change(&s)
		return appendIndex(nil, []Segment{s})
	}
	block := make([]byte, 10)
	two := []Segment{goodSegment(5, start, 4), goodSegment(6, start+4, 6)}
	swapped := []Segment{goodSegment(6, start, 4), goodSegment(5, start+4, 6)}
	same := []Segment{goodSegment(5, start, 4), goodSegment(5, start+4, 6)}
	overlap := []Segment{goodSegment(5, start, 10), goodSegment(6, start+4, 6)}
	gap := []Segment{goodSegment(5, start, 3), goodSegment(6, start+4, 6)}

	good := forged{header: h, blocks: block, index: appendIndex(nil, two)}.bytes()
	_, err := ReadIndex(t.Context(), ReaderAt("", bytes.NewReader(good)), int64(len(good)))
	require.NoError(t, err, "the forger's own work")

	for name, f := range map[string]forged{
		"segments not ascending":      {index: appendIndex(nil, swapped)},
		"key group twice":             {index: appendIndex(nil, same)},
		"segments overlap":            {index: appendIndex(nil, overlap)},
		"gap between segments":        {index: appendIndex(nil, gap)},
		"bytes after the segments":    {index: seg(func(s *Segment) { s.Length, s.Raw = 9, 9 })},
		"segment before the blocks":   {index: seg(func(s *Segment) { s.Offset-- })},
		"segment into the index":      {index: seg(func(s *Segment) { s.Length, s.Raw = 11, 11 })},
		"segment without bytes":       {blocks: []byte{}, index: seg(func(s *Segment) { s.Length, s.Raw = 0, 0 })},
		"segment of huge length":      {index: seg(func(s *Segment) { s.Length, s.Raw = math.MaxInt64, math.MaxInt64 })},
		"two lengths, no compression": {index: seg(func(s *Segment) { s.Raw = 11 })},
		"key group beyond the range":  {index: seg(func(s *Segment) { s.Group = 132 })},
		"operator of another task":    {index: seg(func(s *Segment) { s.Group = 129 })},
		"unknown kind":                {index: seg(func(s *Segment) { s.Kind = 2 })},
		"bytes after the index":       {index: append(appendIndex(nil, two), 0)},
		"index that is no array":      {index: []byte{0x01}},
		"index without end":           {index: []byte{0xdd, 0xff, 0xff, 0xff, 0xff}},
		"index of empty arrays":       {index: bytes.Repeat([]byte{0x91}, 100)},
		"segment count":               {index: appendIndex(nil, two), trailer: func(t *trailer) { t.segments++ }},
		"index offset negative":       {index: appendIndex(nil, two), trailer: func(t *trailer) { t.indexOffset = -1 }},
		"index offset far":            {index: appendIndex(nil, two), trailer: func(t *trailer) { t.indexOffset = math.MaxInt64 }},
		"index length huge":           {index: appendIndex(nil, two), trailer: func(t *trailer) { t.indexLength = math.MaxInt64 }},
		"index longer than segments":  {index: append(appendIndex(nil, two), make([]byte, 200)...)},
		"segments beyond the format":  {index: appendIndex(nil, two), trailer: func(t *trailer) { t.segments = maxSegments + 1 }},
		"index length negative":       {index: appendIndex(nil, two), trailer: func(t *trailer) { t.indexLength = -5 }},
		"header length huge":          {index: appendIndex(nil, two), trailer: func(t *trailer) { t.headerLength = math.MaxInt64 }},
		"header length negative":      {index: appendIndex(nil, two), trailer: func(t *trailer) { t.headerLength = -1 }},
		"header length short":         {index: appendIndex(nil, two), trailer: func(t *trailer) { t.headerLength-- }},
		"size":                        {index: appendIndex(nil, two), trailer: func(t *trailer) { t.size++ }},
	} {
		f.header = h
		if f.blocks == nil {
			f.blocks = block
		}
		b := f.bytes()
		_, err := ReadIndex(t.Context(), ReaderAt("", bytes.NewReader(b)), int64(len(b)))
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}

func TestForgedHeadersAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Header){
		"no job": func(h *Header) { h.Job = "" }, "M": func(h *Header) { h.M = 1 << 20 }, "M 0": func(h *Header) { h.M = 0 },
		"range": func(h *Header) { h.Range.End = 129 }, "empty range": func(h *Header) { h.Range.First = 128 },
		"task": func(h *Header) { h.Task = 128 }, "compression": func(h *Header) { h.Compression = 3 },
	} {
		h := forgedHeader()
		change(&h)
		_, err := decodeHeader(appendHeader(nil, &h))
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
	framed := func(body ...byte) []byte {
		return frame.Append(nil, objectMagic, objectVersion, func(b []byte) []byte { return append(b, body...) })
	}
	h := forgedHeader()
	whole, err := openFrame(appendHeader(nil, &h), objectMagic, objectVersion)
	require.NoError(t, err)
	_, err = decodeHeader(framed(whole...))
	require.NoError(t, err)
	_, err = decodeHeader(framed(append(whole, 0)...))
	require.ErrorIs(t, err, ErrCorrupt, "bytes after the header")
	for n := range whole {
		_, err = decodeHeader(framed(whole[:n]...))
		require.ErrorIs(t, err, ErrCorrupt, "first %d bytes of the header", n)
	}
	_, err = decodeHeader(frame.Append(nil, objectMagic, objectVersion+1, func(b []byte) []byte { return append(b, whole...) }))
	require.ErrorIs(t, err, ErrVersion)
	require.NotErrorIs(t, err, ErrCorrupt)
}

// TestHostileLengthsTakeLittleMemory gives every decoder small inputs, with right
// checksums, that announce enormous things.
func TestHostileLengthsTakeLittleMemory(t *testing.T) {
	const limit = 4 << 20 // what the pooled decompressors may take once
	h := forgedHeader()
	start := int64(len(appendHeader(nil, &h)))
	hugeArray := []byte{0xdd, 0xff, 0xff, 0xff, 0xff}
	manifest := func(body ...[]byte) func() error {
		b := frame.Append(nil, manifestMagic, manifestVersion, func(b []byte) []byte { return append(b, slices.Concat(body...)...) })
		return func() error { _, err := DecodeManifest(b); return err }
	}
	m := []byte{0x98, 0xa1, 'j', 0, 0, 0xc2, 0xd6, 0xff, 0, 0, 0, 0, 0x7f, 0} // all fields but the operators
	object := func(f forged) func() error {
		b := f.bytes()
		return func() error {
			_, err := ReadIndex(context.Background(), ReaderAt("", bytes.NewReader(b)), int64(len(b)))
			return err
		}
	}
	for name, do := range map[string]func() error{
		"index":          object(forged{header: h, index: hugeArray}),
		"index of bytes": object(forged{header: h, index: append([]byte{0xdd, 0, 0x0f, 0xff, 0xff}, make([]byte, 1<<20)...)}),
		"header":         object(forged{header: h, index: []byte{0x90}, trailer: func(t *trailer) { t.headerLength = 1 << 50 }}),
		"frame length": func() error {
			b := appendHeader(nil, &h)
			binary.LittleEndian.PutUint64(b[12:], 1<<60)
			end := len(b) - frame.Tail
			binary.LittleEndian.PutUint32(b[end:], crc32.Checksum(b[:end], castagnoli))
			_, err := decodeHeader(b)
			return err
		},
		"manifest":       manifest(hugeArray),
		"operators":      manifest(m, hugeArray),
		"many operators": manifest(m, []byte{0xdd, 0, 0x0f, 0, 0}, make([]byte, 1<<20)),
		"block":          func() error { return readForged(start, 1<<40, 1<<40, None, nil) },
		"block raw s2":   func() error { return readForged(0, 0, 1<<31-1, S2, []byte("\xff\x06\x00\x00S2sTwO")) },
		"block raw zstd": func() error {
			return readForged(0, 0, 1<<31-1, Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 1, 0, 0})
		},
	} {
		_ = do() // fills pools
		n := allocated(func() { require.ErrorIs(t, do(), ErrCorrupt, name) })
		require.Less(t, n, uint64(limit), "%s: bytes allocated", name)
	}
}

// readForged reads stored as a block that claims to have raw bytes.
func readForged(off, length, raw int64, c Compression, stored []byte) error {
	seg := Segment{Offset: off, Length: max(length, int64(len(stored))), Raw: raw, CRC: crc32.Checksum(stored, castagnoli)}
	_, err := ReadBlock(context.Background(), ReaderAt("", bytes.NewReader(stored)), seg, c)
	return err
}

// TestBombs decompresses small inputs that become large: never more than Raw.
func TestBombs(t *testing.T) {
	bomb := make([]byte, 64<<20)
	for _, c := range []Compression{S2, Zstd} {
		stored, err := compress(nil, bomb, c)
		require.NoError(t, err)
		require.Less(t, len(stored), 1<<20)
		_, _ = decompress(stored, 1000, c)
		n := allocated(func() {
			_, err := decompress(stored, 1000, c)
			require.Error(t, err)
		})
		require.Less(t, n, uint64(3<<20), "%v: bytes allocated", c)
		raw, err := decompress(stored, len(bomb), c)
		require.NoError(t, err)
		require.Equal(t, xxh3.Hash(bomb), xxh3.Hash(raw))
	}
}

// TestS2BlocksAreAStandardStream reads a block with nothing of this package.
func TestS2BlocksAreAStandardStream(t *testing.T) {
	raw := bytes.Repeat([]byte("heapstate "), 300_000)
	stored, err := compress(nil, raw, S2)
	require.NoError(t, err)
	var out bytes.Buffer
	_, err = out.ReadFrom(s2.NewReader(bytes.NewReader(stored)))
	require.NoError(t, err)
	require.True(t, bytes.Equal(raw, out.Bytes()))
}

// sparse is an object of any size: its trailer, zeros before it.
type sparse struct {
	size int64
	tail []byte
}

func (s sparse) ReadAt(_ context.Context, p []byte, off int64) error {
	clear(p)
	if at := s.size - int64(len(s.tail)); off >= at {
		copy(p, s.tail[off-at:])
	}
	return nil
}

func TestSparseObjectTakesNoMemory(t *testing.T) {
	for name, change := range map[string]func(*trailer){
		"one segment":   func(t *trailer) { t.segments = 1 },
		"many segments": func(t *trailer) { t.segments = math.MaxUint32 },
	} {
		t.Run(name, func(t *testing.T) {
			const size = 1 << 40
			tr := trailer{size: size, indexOffset: frame.Head + frame.Tail, headerLength: frame.Head + frame.Tail}
			tr.indexLength = size - trailerSize - tr.indexOffset
			change(&tr)
			took := allocated(func() {
				_, err := ReadIndex(t.Context(), sparse{size, tr.append(nil)}, size)
				require.ErrorIs(t, err, ErrCorrupt)
			})
			require.Less(t, took, uint64(1<<20))
		})
	}
}

func TestBlockLongerThanItsContentIsNotRead(t *testing.T) {
	for _, c := range []Compression{S2, Zstd} {
		took := allocated(func() {
			s := Segment{Length: 1 << 38, Raw: 10}
			_, err := ReadBlock(t.Context(), sparse{size: 1 << 40}, s, c)
			require.ErrorIs(t, err, ErrCorrupt)
		})
		require.Less(t, took, uint64(1<<20), c)
		raw := make([]byte, 3<<20)
		_, _ = rand.Read(raw) // never fails
		for _, n := range []int{1, 100, len(raw)} {
			stored, err := compress(nil, raw[:n], c)
			require.NoError(t, err)
			require.LessOrEqual(t, int64(len(stored)), maxStored(int64(n)), "what does not compress")
		}
	}
}
