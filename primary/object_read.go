package primary

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/zeebo/xxh3"

	"github.com/heapstate/heapstate/primary/internal/frame"
)

// probeSize is the length in bytes from which ReadBlock makes sure that the end
// of a block is there before it takes memory for the whole.
const probeSize = 1 << 20

// ReadIndex reads what an object of size bytes says about itself: its trailer,
// its header and its index, in three ranged reads, and nothing of its blocks.
// What it returns has been checked: checksums match, key groups ascend within the
// header's range, and the segments lie one after the other between header and
// index. Memory taken is a small multiple of the header and index, which are no
// longer than size.
//
// Errors: a *CorruptError, which is ErrCorrupt; ErrVersion; and those of r as
// they are, unless it ends early, which is corrupt.
func ReadIndex(ctx context.Context, r RangeReader, size int64) (*Index, error) {
	index, err := readIndex(ctx, r, size)
	if err != nil {
		return nil, named(err, r)
	}
	return index, nil
}

func readIndex(ctx context.Context, r RangeReader, size int64) (*Index, error) {
	if size < frame.Head+frame.Tail+1+trailerSize {
		return nil, corruptAt(0, fmt.Sprintf("%d bytes are too short for an object", size), nil)
	}
	b, err := readRange(ctx, r, size-trailerSize, trailerSize)
	if err != nil {
		return nil, err
	}
	t, err := decodeTrailer(b, size)
	if err != nil {
		return nil, err
	}
	if b, err = readRange(ctx, r, 0, t.headerLength); err != nil {
		return nil, err
	}
	h, err := decodeHeader(b)
	if err != nil {
		return nil, err
	}
	if b, err = readRange(ctx, r, t.indexOffset, t.indexLength); err != nil {
		return nil, err
	}
	segments, err := decodeIndex(b, &h, &t)
	if err != nil {
		return nil, err
	}
	return &Index{Header: h, Segments: segments, Size: size}, nil
}

// ReadBlock reads the block of seg in one ranged read (two for one above a
// megabyte), verifies the checksum of the stored bytes, decompresses them to
// exactly seg.Raw bytes and verifies their digest. The result is the caller's.
// seg is not trusted: memory taken is bounded by what is there.
//
// Errors are those of ReadIndex, with the key group.
func ReadBlock(ctx context.Context, r RangeReader, seg Segment, c Compression) ([]byte, error) {
	raw, err := readBlock(ctx, r, seg, c)
	if err != nil {
		var corrupt *CorruptError
		if errors.As(err, &corrupt) {
			corrupt.Group = seg.Group
		}
		return nil, named(err, r)
	}
	return raw, nil
}

func readBlock(ctx context.Context, r RangeReader, seg Segment, c Compression) ([]byte, error) {
	if !c.valid() {
		return nil, fmt.Errorf("%w: %v", ErrVersion, c)
	}
	if err := seg.check(c); err != nil {
		return nil, corruptAt(seg.Offset, "segment makes no sense", err)
	}
	if seg.Length > probeSize {
		if _, err := readRange(ctx, r, seg.Offset+seg.Length-1, 1); err != nil {
			return nil, err
		}
	}
	if seg.Raw > math.MaxInt || seg.Length > math.MaxInt {
		return nil, fmt.Errorf("primary: block of %d bytes: %w", max(seg.Raw, seg.Length), errors.ErrUnsupported)
	}
	stored, err := readRange(ctx, r, seg.Offset, seg.Length)
	if err != nil {
		return nil, err
	}
	if crc32.Checksum(stored, castagnoli) != seg.CRC {
		return nil, corruptAt(seg.Offset, "checksum of the block does not match", nil)
	}
	raw, err := decompress(stored, int(seg.Raw), c)
	if err != nil {
		return nil, corruptAt(seg.Offset, "block does not decompress", err)
	}
	if xxh3.Hash(raw) != seg.Digest {
		return nil, corruptAt(seg.Offset, "digest of the block does not match", nil)
	}
	return raw, nil
}

// readRange reads n bytes at off; an object that ends before is corrupt.
func readRange(ctx context.Context, r RangeReader, off, n int64) ([]byte, error) {
	b := make([]byte, n)
	err := r.ReadAt(ctx, b, off)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil, corruptAt(off, "object ends early", err)
	}
	if err != nil {
		return nil, fmt.Errorf("primary: read at offset %d: %w", off, err)
	}
	return b, nil
}

// named adds to err the name of the object r reads, if r has one.
func named(err error, r RangeReader) error {
	n, ok := r.(interface{ Name() string })
	if !ok {
		return err
	}
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		corrupt.Object = n.Name()
		return err
	}
	return fmt.Errorf("object %q: %w", n.Name(), err)
}

// ReaderOf returns a reader of the object name in s. It opens nothing: whether
// the object exists shows when it is read.
func ReaderOf(s Store, name string) RangeReader { return storeReader{s, name} }

type storeReader struct {
	store Store
	name  string
}

func (r storeReader) Name() string { return r.name }

func (r storeReader) ReadAt(ctx context.Context, p []byte, off int64) error {
	return r.store.ReadAt(ctx, r.name, p, off)
}

// ReaderAt makes a reader of a file, or of anything else that is an
// io.ReaderAt. name stands for it in errors and may be "".
func ReaderAt(name string, r io.ReaderAt) RangeReader { return fileReader{r, name} }

type fileReader struct {
	r    io.ReaderAt
	name string
}

func (r fileReader) Name() string { return r.name }

func (r fileReader) ReadAt(ctx context.Context, p []byte, off int64) error {
	return readFull(ctx, r.r, p, off)
}

// readPiece is how much is read between two looks at the context, in bytes.
const readPiece = 8 << 20

// readFull fills p from off, or returns an error: io.ErrUnexpectedEOF if r ends
// before, ctx.Err(), or that of r.
func readFull(ctx context.Context, r io.ReaderAt, p []byte, off int64) error {
	if off < 0 {
		return fmt.Errorf("%w: offset %d", ErrInvalid, off)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		piece := p[:min(len(p), readPiece)]
		n, err := r.ReadAt(piece, off)
		if n == len(piece) {
			err = nil // an io.ReaderAt may report the end with the last bytes
		} else if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		p, off = p[n:], off+int64(n)
		if err != nil || len(p) == 0 {
			return err
		}
	}
}
