package localcopy_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/uuid"
	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// forge rewrites a copy so that each of its blocks is stored, followed by a hole, and described by what edit makes of
// the right segment. Every checksum is right.
func forge(t *testing.T, path string, stored []byte, hole int64, edit func(*primary.Segment)) {
	t.Helper()
	right, err := os.ReadFile(path)
	require.NoError(t, err)
	idx, err := primary.ReadIndex(t.Context(), primary.ReaderAt(path, bytes.NewReader(right)), int64(len(right)))
	require.NoError(t, err)
	head := int64(binary.LittleEndian.Uint64(right[len(right)-32:]))
	file, err := os.Create(path)
	require.NoError(t, err)
	write := func(b []byte, at int64) int64 {
		_, err := file.WriteAt(b, at)
		require.NoError(t, err)
		return at + int64(len(b))
	}
	at := write(right[:head], 0)
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	index := []byte{0xdc, 0, byte(len(idx.Segments))}
	for _, s := range idx.Segments {
		s.Offset, s.Length, s.CRC = at, int64(len(stored))+hole, crc32.Checksum(stored, castagnoli)
		edit(&s)
		index = append(index, 0x98)
		for _, v := range []uint64{
			uint64(s.Group), 0, uint64(s.Offset), uint64(s.Length), uint64(s.Raw), uint64(s.CRC), s.Digest, s.Entries,
		} {
			index = binary.BigEndian.AppendUint64(append(index, 0xcf), v)
		}
		at = write(stored, at) + hole
	}
	var trailer []byte
	for _, v := range []int64{at, int64(len(index)), at + int64(len(index)) + 56, head} {
		trailer = binary.LittleEndian.AppendUint64(trailer, uint64(v))
	}
	for _, v := range []uint32{uint32(len(idx.Segments)), crc32.Checksum(index, castagnoli), 1} {
		trailer = binary.LittleEndian.AppendUint32(trailer, v)
	}
	trailer = binary.LittleEndian.AppendUint32(trailer, crc32.Checksum(trailer, castagnoli))
	write(append(trailer, "hsobjend"...), write(index, at))
	require.NoError(t, file.Close())
}

// allocated returns how many bytes do takes from the heap.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func keepSegment(*primary.Segment) {}

// A file may claim to be of any size: holes in it cost its writer nothing.
func TestBlocksLongerThanTheirContentAreDamage(t *testing.T) {
	s, dir := newState(t), t.TempDir()
	s.write(localcopy.File(dir), 5)
	forge(t, onlyFile(t, dir), []byte("x"), 1<<36, keepSegment)
	took := allocated(func() {
		copies, err := localcopy.File(dir).Open(t.Context(), s.meta.Owner)
		require.ErrorIs(t, err, primary.ErrCorrupt)
		require.Empty(t, copies)
	})
	require.Less(t, took, uint64(1<<20))
	require.Empty(t, regularFiles(t, dir))
}

// A block that decompresses to more than its index says costs what the index says, in each of many loads at once.
func TestDecompressionBombTakesNoMemory(t *testing.T) {
	var bomb bytes.Buffer
	w := s2.NewWriter(&bomb, s2.WriterConcurrency(1), s2.WriterBlockSize(1<<20))
	for range 256 {
		_, err := w.Write(make([]byte, 1<<20))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	s, dir := newState(t), t.TempDir()
	f := localcopy.File(dir)
	s.write(f, 5)
	forge(t, onlyFile(t, dir), bomb.Bytes(), 0, func(seg *primary.Segment) { seg.Raw = max(seg.Raw, seg.Length) })
	copies, err := f.Open(t.Context(), s.meta.Owner)
	require.NoError(t, err)
	require.Len(t, copies, 1)
	b, _ := newBackend(t)
	took := allocated(func() {
		for _, g := range copies[0].Groups() {
			_, err := copies[0].Load(t.Context(), g.Group, b)
			require.ErrorIs(t, err, primary.ErrCorrupt)
		}
	})
	require.Less(t, took, uint64(32<<20), "%d groups of %d bytes claim 256 MiB each", len(copies[0].Groups()), bomb.Len())
}

// However many copies lie there, what a search keeps of them in memory is bounded, and the newest come first.
func TestSearchKeepsABoundedAmount(t *testing.T) {
	s, dir := newState(t), t.TempDir()
	f := localcopy.File(dir)
	s.write(f, 1)
	home := filepath.Dir(filepath.Dir(onlyFile(t, dir)))
	_, snapshot, _ := s.checkpoint(9, 9)
	for id := uint64(2); id < 8; id++ {
		header := primary.Header{
			Job: s.meta.Job, Operator: s.meta.Operator, Checkpoint: id, M: s.meta.M, Range: s.meta.Range, Seed: s.meta.Seed,
			Attempt: s.meta.Attempt, Schema: make([]byte, 24<<20),
		}
		var object bytes.Buffer
		_, err := primary.WriteObject(t.Context(), &object, header, snapshot, primary.WriteOptions{})
		require.NoError(t, err)
		rewrite(t, filepath.Join(home, fmt.Sprintf("chk-%020d", id), "sum.0."+uuid.NewString()+".copy"), object.Bytes())
	}
	copies, err := f.Open(t.Context(), s.meta.Owner)
	require.ErrorContains(t, err, "too many copies")
	require.Len(t, copies, 7, "all of them can be dropped")
	for i, c := range copies {
		require.Equal(t, i >= 4, len(c.Groups()) > 0, "checkpoint %d", c.Meta().Checkpoint)
		require.NoError(t, c.Drop(t.Context()))
	}
	require.Empty(t, regularFiles(t, dir))
}
