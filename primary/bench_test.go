package primary_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// benchSource is 64 key groups of msgpack records like those of a small table:
// an integer key and a row of three numbers. Appending costs a copy, so that what
// is measured is the object and not the codec.
func benchSource(size int) *testSource {
	s := &testSource{r: keygroups.Range{First: 0, End: 64}, blocks: make(map[int][]byte), record: 20}
	x := uint64(1)
	for g := range s.r.All() {
		var b []byte
		for len(b) < size {
			x = x*6364136223846793005 + 1442695040888963407
			b = wire.AppendArrayLen(b, 2)
			b = wire.AppendUint(b, x>>20)
			b = wire.AppendArrayLen(b, 3)
			b = wire.AppendUint(b, x>>50)
			b = wire.AppendUint(b, 1000)
			b = wire.AppendFloat64(b, float64(x>>60))
		}
		s.blocks[g] = b
	}
	return s
}

func rawSize(s *testSource) (n int64) {
	for _, b := range s.blocks {
		n += int64(len(b))
	}
	return n
}

// BenchmarkWriteObject reports MB/s of decompressed blocks.
func BenchmarkWriteObject(b *testing.B) {
	for _, size := range []int{16 << 10, 1 << 20} {
		src := benchSource(size)
		for _, c := range compressions {
			for _, workers := range []int{1, 2} {
				b.Run(fmt.Sprintf("block=%dKiB/compression=%v/workers=%d", size>>10, c, workers), func(b *testing.B) {
					b.SetBytes(rawSize(src))
					b.ReportAllocs()
					h := testHeader(src.r, c)
					var stored int64
					for b.Loop() {
						index, err := primary.WriteObject(b.Context(), io.Discard, h, src, primary.WriteOptions{Parallelism: workers})
						require.NoError(b, err)
						stored = index.Size
					}
					b.ReportMetric(float64(rawSize(src))/float64(stored), "ratio")
				})
			}
		}
	}
}

// BenchmarkReadBlocks reads the index and every block, one after the other.
func BenchmarkReadBlocks(b *testing.B) {
	for _, size := range []int{16 << 10, 1 << 20} {
		src := benchSource(size)
		for _, c := range compressions {
			b.Run(fmt.Sprintf("block=%dKiB/compression=%v", size>>10, c), func(b *testing.B) {
				object, _ := encode(b, testHeader(src.r, c), src, 2)
				r := primary.ReaderAt("", bytes.NewReader(object))
				b.SetBytes(rawSize(src))
				b.ReportAllocs()
				for b.Loop() {
					index, err := primary.ReadIndex(b.Context(), r, int64(len(object)))
					require.NoError(b, err)
					for _, seg := range index.Segments {
						_, err := primary.ReadBlock(b.Context(), r, seg, c)
						require.NoError(b, err)
					}
				}
			})
		}
	}
}

// BenchmarkDirCommit is what one small object costs in a directory, fsyncs
// included.
func BenchmarkDirCommit(b *testing.B) {
	d, err := primary.OpenDir(b.TempDir())
	require.NoError(b, err)
	n := 0
	for b.Loop() {
		n++
		w, err := d.Create(b.Context(), fmt.Sprintf("job/log/%020d", n))
		require.NoError(b, err)
		_, err = w.Write(make([]byte, 4096))
		require.NoError(b, err)
		require.NoError(b, w.Commit(b.Context()))
	}
	require.NoError(b, d.Close())
}

// BenchmarkManifest encodes and decodes the manifest of 16 tasks with 128 key
// groups.
func BenchmarkManifest(b *testing.B) {
	m := testManifest()
	ranges, err := keygroups.Ranges(128, 16)
	require.NoError(b, err)
	m.Operators[1].Tasks = nil
	for i, r := range ranges {
		t := primary.TaskState{Task: i, Range: r, Objects: []string{"orders/objects/42/a"}}
		for g := range r.All() {
			t.Groups = append(t.Groups, primary.GroupState{Group: g, Segments: []primary.SegmentRef{testSegment(0, g, primary.Base, 100)}})
		}
		m.Operators[1].Tasks = append(m.Operators[1].Tasks, t)
	}
	encoded := m.Append(nil)
	b.Run("op=encode", func(b *testing.B) {
		b.SetBytes(int64(len(encoded)))
		b.ReportAllocs()
		for b.Loop() {
			encoded = m.Append(encoded[:0])
		}
	})
	b.Run("op=decode", func(b *testing.B) {
		b.SetBytes(int64(len(encoded)))
		b.ReportAllocs()
		for b.Loop() {
			_, err := primary.DecodeManifest(encoded)
			require.NoError(b, err)
		}
	})
}
