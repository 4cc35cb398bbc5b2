package primary

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// s2Chunk is how much of a block one S2 chunk covers, and so what a pooled
// encoder or decoder buffers, in bytes.
const s2Chunk = 1 << 20

// The encoders and decoders are kept between blocks because each owns buffers of
// a megabyte or more. Those of zstd are safe for concurrent use and share their
// own pool of GOMAXPROCS.
var (
	s2Writers = sync.Pool{New: func() any {
		return s2.NewWriter(nil, s2.WriterConcurrency(1), s2.WriterBlockSize(s2Chunk))
	}}
	s2Readers = sync.Pool{New: func() any {
		return s2.NewReader(nil, s2.ReaderMaxBlockSize(s2Chunk))
	}}
	zstdEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
	})
	zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true))
	})
)

// compress appends the stored form of raw to dst[:0]. With None it returns raw.
func compress(dst, raw []byte, c Compression) ([]byte, error) {
	switch c {
	case None:
		return raw, nil
	case Zstd:
		enc, err := zstdEncoder()
		if err != nil {
			return nil, err
		}
		return enc.EncodeAll(raw, dst[:0]), nil
	}
	w := s2Writers.Get().(*s2.Writer)
	defer s2Writers.Put(w)
	buf := appendWriter{b: dst[:0]}
	w.Reset(&buf)
	defer w.Reset(nil) // the pool keeps no reference to the caller's memory
	if err := w.EncodeBuffer(raw); err != nil {
		return nil, err
	}
	err := w.Close()
	return buf.b, err
}

// appendWriter is a bytes.Buffer whose memory the caller keeps.
type appendWriter struct{ b []byte }

func (a *appendWriter) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

var errRawSize = errors.New("primary: decompressed length is wrong")

// decompress returns the block of exactly rawSize bytes that stored holds. It
// never makes more than that many, and takes memory as bytes come out, not as
// rawSize promises: a wrong rawSize costs a small multiple of what is there.
func decompress(stored []byte, rawSize int, c Compression) (raw []byte, err error) {
	switch c {
	case None:
		raw = stored
	case Zstd:
		raw, err = unzstd(stored, rawSize)
	default:
		raw, err = unS2(stored, rawSize)
	}
	if err != nil {
		return nil, err
	}
	if len(raw) != rawSize {
		return nil, fmt.Errorf("%w: %d, not %d", errRawSize, len(raw), rawSize)
	}
	return raw, nil
}

// firstGuess is how much memory a block gets before a byte of it is seen. Most
// compress far less than this, and never grow.
func firstGuess(stored []byte, rawSize int) int {
	return min(rawSize, 64<<10+32*len(stored))
}

// grow returns the next larger size, at most rawSize; it cannot overflow.
func grow(n, rawSize int) int {
	if n > rawSize/4 {
		return rawSize
	}
	return 4 * n
}

func unS2(stored []byte, rawSize int) ([]byte, error) {
	r := s2Readers.Get().(*s2.Reader)
	defer s2Readers.Put(r)
	r.Reset(bytes.NewReader(stored))
	defer r.Reset(nil)
	raw := make([]byte, firstGuess(stored, rawSize))
	for n := 0; ; {
		m, err := io.ReadFull(r, raw[n:])
		n += m
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return raw[:n], nil
		}
		if err != nil {
			return nil, err
		}
		if n == rawSize {
			return raw, atEnd(r)
		}
		grown := make([]byte, grow(n, rawSize))
		copy(grown, raw)
		raw = grown
	}
}

// atEnd makes sure that r has nothing more.
func atEnd(r io.Reader) error {
	var one [1]byte
	switch n, err := r.Read(one[:]); {
	case n > 0:
		return errRawSize
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}

func unzstd(stored []byte, rawSize int) ([]byte, error) {
	dec, err := zstdDecoder()
	if err != nil {
		return nil, err
	}
	for size := firstGuess(stored, rawSize); ; size = grow(size, rawSize) {
		raw, err := dec.DecodeAll(stored, make([]byte, 0, size))
		if !errors.Is(err, zstd.ErrDecoderSizeExceeded) || size == rawSize {
			return raw, err
		}
	}
}
