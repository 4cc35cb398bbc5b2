package primary_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

var update = flag.Bool("update", false, "write the golden files that are missing")

var compressions = []primary.Compression{primary.S2, primary.Zstd, primary.None}

// testSource has a block of given bytes for some key groups.
type testSource struct {
	r      keygroups.Range
	blocks map[int][]byte
	record int                   // bytes per entry; 0 means 4
	before func(group int) error // called first, if not nil
}

func (s *testSource) Range() keygroups.Range { return s.r }

func (s *testSource) AppendGroup(dst []byte, group int) ([]byte, uint64, error) {
	if s.before != nil {
		if err := s.before(group); err != nil {
			return dst, 0, err
		}
	}
	return append(dst, s.blocks[group]...), uint64(len(s.blocks[group]) / cmp.Or(s.record, 4)), nil
}

func testHeader(r keygroups.Range, c primary.Compression) primary.Header {
	return primary.Header{
		Job: "orders", Operator: "totals", Task: 3, Attempt: uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
		Checkpoint: 42, M: 128, Range: r, Seed: 0xfeedfacecafebeef, Schema: []byte("\x91\xa3abc"), Compression: c,
	}
}

// randomSource has blocks that compress somewhat, up to size bytes, in about
// three quarters of its key groups.
func randomSource(r keygroups.Range, size int, seed uint64) *testSource {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := &testSource{r: r, blocks: make(map[int][]byte)}
	for g := range r.All() {
		if rng.IntN(4) == 0 {
			continue
		}
		b := make([]byte, 4+rng.IntN(size))
		for i := range b {
			b[i] = byte(rng.IntN(1 + i%7*5))
		}
		s.blocks[g] = b
	}
	return s
}

func encode(t require.TestingT, h primary.Header, s primary.Source, parallelism int) ([]byte, *primary.Index) {
	var buf bytes.Buffer
	index, err := primary.WriteObject(context.Background(), &buf, h, s, primary.WriteOptions{Parallelism: parallelism})
	require.NoError(t, err)
	return buf.Bytes(), index
}

// readWhole reads everything in an object that can be read.
func readWhole(b []byte) (*primary.Index, map[int][]byte, error) {
	ctx := context.Background()
	r := primary.ReaderAt("object", bytes.NewReader(b))
	index, err := primary.ReadIndex(ctx, r, int64(len(b)))
	if err != nil {
		return nil, nil, err
	}
	blocks := make(map[int][]byte)
	for _, seg := range index.Segments {
		if blocks[seg.Group], err = primary.ReadBlock(ctx, r, seg, index.Header.Compression); err != nil {
			return nil, nil, err
		}
	}
	return index, blocks, nil
}

// requireTyped makes sure that err tells corrupt bytes from other trouble, a newer format too.
func requireTyped(t *testing.T, err error, format string, args ...any) {
	t.Helper()
	if !errors.Is(err, primary.ErrCorrupt) || errors.Is(err, primary.ErrVersion) {
		require.Fail(t, fmt.Sprintf("%v is no typed error", err), fmt.Sprintf(format, args...))
	}
}

func TestObjectRoundTrip(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, r := range []keygroups.Range{{First: 0, End: 128}, {First: 43, End: 86}, {First: 127, End: 128}} {
		for _, c := range compressions {
			for _, size := range []int{1, 300, 100_000} {
				src := randomSource(r, size, 1)
				var first []byte
				for _, parallelism := range []int{1, 2, 3, 16, 1000, 0} {
					h := testHeader(r, c)
					b, written := encode(t, h, src, parallelism)
					if first == nil {
						first = b
					}
					require.True(t, bytes.Equal(first, b), "bytes differ with parallelism %d", parallelism)
					index, blocks, err := readWhole(b)
					require.NoError(t, err)
					require.Equal(t, written, index)
					require.Equal(t, h, index.Header)
					require.Equal(t, src.blocks, blocks)
					require.Equal(t, int64(len(b)), index.Size)
				}
			}
		}
	}
}

func TestObjectOfEmptyTask(t *testing.T) {
	b, _ := encode(t, testHeader(keygroups.Range{First: 5, End: 9}, primary.S2), &testSource{r: keygroups.Range{First: 5, End: 9}}, 2)
	index, blocks, err := readWhole(b)
	require.NoError(t, err)
	require.Empty(t, index.Segments)
	require.Empty(t, blocks)
}

// TestObjectLargeBlock crosses the chunks of S2 and the first guess of the
// decompressor, with bytes that compress hardly and extremely.
func TestObjectLargeBlock(t *testing.T) {
	noise := make([]byte, 3<<20+5)
	rng := rand.NewChaCha8([32]byte{})
	_, _ = rng.Read(noise)
	r := keygroups.Range{First: 0, End: 3}
	src := &testSource{r: r, blocks: map[int][]byte{0: noise, 1: make([]byte, 40<<20), 2: append(make([]byte, 9<<20), noise...)}}
	for _, c := range compressions {
		b, _ := encode(t, testHeader(r, c), src, 2)
		_, blocks, err := readWhole(b)
		require.NoError(t, err)
		for g, want := range src.blocks {
			require.True(t, bytes.Equal(want, blocks[g]), "%v key group %d", c, g)
		}
	}
}

func goldenSource() *testSource {
	s := &testSource{r: keygroups.Range{First: 43, End: 86}, blocks: map[int][]byte{}, record: 6}
	for _, g := range []int{43, 50, 51, 85} {
		// One state, index 0, one record ["key", 1].
		s.blocks[g] = append([]byte("\x93\x00\x08\xc4\x30"), bytes.Repeat([]byte("\x92\xa3key\x01"), 8)...)
	}
	return s
}

func golden(t *testing.T, name string, made []byte) []byte {
	path := filepath.Join("testdata", name)
	want, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && *update {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(path, made, 0o666))
		return made
	}
	require.NoError(t, err)
	return want
}

// TestObjectGolden reads every object ever written and writes the uncompressed
// one again to the same bytes. What a compressor makes of the same input may
// differ between its versions and between processors; reading it back must not.
func TestObjectGolden(t *testing.T) {
	for _, c := range compressions {
		t.Run(c.String(), func(t *testing.T) {
			src, h := goldenSource(), testHeader(keygroups.Range{First: 43, End: 86}, c)
			made, _ := encode(t, h, src, 2)
			want := golden(t, "object-v1-"+c.String()+".bin", made)
			if c == primary.None {
				require.Equal(t, want, made)
			}
			index, blocks, err := readWhole(want)
			require.NoError(t, err)
			require.Equal(t, h, index.Header)
			require.Equal(t, src.blocks, blocks)
		})
	}
}

func TestObjectEveryPrefixFails(t *testing.T) {
	for _, c := range compressions {
		b := golden(t, "object-v1-"+c.String()+".bin", nil)
		for n := range b {
			_, _, err := readWhole(b[:n:n])
			requireTyped(t, err, "%v: first %d of %d bytes", c, n, len(b))
		}
		_, _, err := readWhole(append(slices.Clone(b), 0))
		requireTyped(t, err, "%v: a byte more", c)
	}
}

func TestObjectEveryFlippedByteFails(t *testing.T) {
	for _, c := range compressions {
		b := golden(t, "object-v1-"+c.String()+".bin", nil)
		for i := range b {
			for _, flip := range []byte{0x01, 0x80, 0xff} {
				bad := slices.Clone(b)
				bad[i] ^= flip
				_, _, err := readWhole(bad)
				requireTyped(t, err, "%v: byte %d of %d ^ %#x", c, i, len(b), flip)
			}
		}
	}
}

// recorder remembers the ranges read.
type recorder struct {
	primary.RangeReader
	mu    sync.Mutex
	spans [][2]int64
}

func (r *recorder) ReadAt(ctx context.Context, p []byte, off int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, [2]int64{off, off + int64(len(p))})
	return r.RangeReader.ReadAt(ctx, p, off)
}

func TestOneGroupReadsOnlyItsBlock(t *testing.T) {
	h := testHeader(keygroups.Range{First: 0, End: 128}, primary.S2)
	src := randomSource(h.Range, 3<<20, 2)
	src.blocks = map[int][]byte{3: src.blocks[3], 70: pattern(5 << 20), 71: pattern(10), 90: pattern(400_000)}
	b, _ := encode(t, h, src, 2)
	for _, group := range []int{70, 71} {
		r := &recorder{RangeReader: primary.ReaderAt("", bytes.NewReader(b))}
		index, err := primary.ReadIndex(t.Context(), r, int64(len(b)))
		require.NoError(t, err)
		require.Len(t, r.spans, 3, "reads of trailer, header and index")
		blocks, end := index.Segments[0].Offset, index.Segments[len(index.Segments)-1]
		for _, span := range r.spans {
			require.True(t, span[1] <= blocks || span[0] >= end.Offset+end.Length, "%v is in the blocks", span)
		}
		r.spans = nil
		i := slices.IndexFunc(index.Segments, func(s primary.Segment) bool { return s.Group == group })
		seg := index.Segments[i]
		_, err = primary.ReadBlock(t.Context(), r, seg, primary.S2)
		require.NoError(t, err)
		require.LessOrEqual(t, len(r.spans), 2)
		for _, span := range r.spans {
			require.True(t, span[0] >= seg.Offset && span[1] <= seg.Offset+seg.Length, "%v is not in %+v", span, seg)
		}
	}
}

func pattern(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(b)
	return b
}

// TestWriteHoldsOneBlockPerWorker counts the blocks that were begun and not yet
// written, while the writer is slower than any source.
func TestWriteHoldsOneBlockPerWorker(t *testing.T) {
	for _, workers := range []int{1, 2, 5} {
		var live, most atomic.Int64
		src := randomSource(keygroups.Range{First: 0, End: 128}, 1000, 3)
		for g := range src.r.All() {
			src.blocks[g] = pattern(100 + g)
		}
		src.before = func(int) error {
			n := live.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			return nil
		}
		o := primary.WriteOptions{Parallelism: workers, OnBlock: func(primary.Segment, []byte) { live.Add(-1) }}
		_, err := primary.WriteObject(t.Context(), yielding{}, testHeader(src.r, primary.None), src, o)
		require.NoError(t, err)
		require.LessOrEqual(t, most.Load(), int64(workers), "blocks held at once")
		require.Zero(t, live.Load())
	}
}

// yielding is a writer that lets everybody else run first.
type yielding struct{}

func (yielding) Write(p []byte) (int, error) {
	for range 50 {
		runtime.Gosched()
	}
	return len(p), nil
}

func TestOnBlockSeesEveryBlockInOrder(t *testing.T) {
	h := testHeader(keygroups.Range{First: 0, End: 128}, primary.Zstd)
	src := randomSource(h.Range, 5000, 4)
	var seen []primary.Segment
	o := primary.WriteOptions{Parallelism: 8, OnBlock: func(seg primary.Segment, raw []byte) {
		require.Equal(t, src.blocks[seg.Group], raw)
		seen = append(seen, seg)
	}}
	index, err := primary.WriteObject(t.Context(), io.Discard, h, src, o)
	require.NoError(t, err)
	require.Equal(t, index.Segments, seen)
}

func TestErrorsName(t *testing.T) {
	require.Equal(t, "primary: corrupt object \"a\" key group 7 at offset 9: because: cause",
		(&primary.CorruptError{Object: "a", Group: 7, Offset: 9, Reason: "because", Err: errors.New("cause")}).Error())
	require.Equal(t, "primary: corrupt at offset 0: because", (&primary.CorruptError{Group: primary.NoGroup, Reason: "because"}).Error())
	require.Equal(t, "compression(9) s2", fmt.Sprint(primary.Compression(9), " ", primary.S2))
}
