package primary

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary/internal/frame"
)

const (
	objectMagic   = "\x89hsobj\r\n"
	objectVersion = 1
	headerFields  = 11
	// maxHeader bounds the header in bytes; nearly all of it can be schema.
	maxHeader = 64 << 20
)

// check says whether h can be written, and whether what was read is a header.
func (h *Header) check() error {
	switch {
	case h.Job == "" || h.Operator == "":
		return errors.New("job or operator has no name")
	case h.M < 1 || h.M > keygroups.Max:
		return fmt.Errorf("max parallelism %d is not in 1..%d", h.M, keygroups.Max)
	case !rangeIn(h.Range, h.M):
		return fmt.Errorf("range %v is empty or not within %d key groups", h.Range, h.M)
	case h.Task < 0 || h.Task >= h.M:
		return fmt.Errorf("task %d is not in 0..%d", h.Task, h.M-1)
	case !h.Compression.valid():
		return fmt.Errorf("unknown %v", h.Compression)
	}
	return nil
}

func rangeIn(r keygroups.Range, m int) bool { return 0 <= r.First && r.First < r.End && r.End <= m }

// blockIn reports whether a task of that range has a block of that number: a key group, or its operator state.
func blockIn(group int, r keygroups.Range, m, task int) bool {
	return r.Contains(group) || group == m+task
}

func appendHeader(dst []byte, h *Header) []byte {
	return frame.Append(dst, objectMagic, objectVersion, func(b []byte) []byte {
		b = wire.AppendArrayLen(b, headerFields)
		b = wire.AppendString(b, h.Job)
		b = wire.AppendString(b, h.Operator)
		b = wire.AppendInt(b, int64(h.Task))
		b = wire.AppendBytes(b, h.Attempt[:])
		b = wire.AppendUint(b, h.Checkpoint)
		b = wire.AppendInt(b, int64(h.M))
		b = wire.AppendInt(b, int64(h.Range.First))
		b = wire.AppendInt(b, int64(h.Range.End))
		b = wire.AppendUint(b, h.Seed)
		b = wire.AppendUint(b, uint64(h.Compression))
		return wire.AppendBytes(b, h.Schema)
	})
}

// decodeHeader reads the frame that is the whole of b. Nothing in the result
// aliases b.
func decodeHeader(b []byte) (Header, error) {
	body, err := openFrame(b, objectMagic, objectVersion)
	if err != nil {
		return Header{}, err
	}
	r := wire.NewReader(body)
	var h Header
	readFields(r, headerFields)
	h.Job = r.String()
	h.Operator = r.String()
	h.Task = readInt(r)
	h.Attempt = readUUID(r)
	h.Checkpoint = r.Uint()
	h.M = readInt(r)
	h.Range = keygroups.Range{First: readInt(r), End: readInt(r)}
	h.Seed = r.Uint()
	h.Compression = readCompression(r)
	h.Schema = readBlob(r)
	readEnd(r)
	if err := r.Err(); err != nil {
		return Header{}, corruptAt(frame.Head, "header does not decode", err)
	}
	if err := h.check(); err != nil {
		return Header{}, corruptAt(frame.Head, "header makes no sense", err)
	}
	return h, nil
}

var (
	errFields   = errors.New("primary: wrong number of fields")
	errTrailing = errors.New("primary: bytes after the value")
)

// readFields reads the header of an array that must have n elements.
func readFields(r *wire.Reader, n int) {
	if have := r.ArrayLen(); r.Err() == nil && have != n {
		r.Fail(errFields)
	}
}

// readCount reads the header of an array whose elements take at least size
// bytes each, so that memory taken for them is bounded by the bytes present.
func readCount(r *wire.Reader, size int) int {
	n := r.ArrayLen()
	if n > r.Len()/size {
		r.Fail(fmt.Errorf("%w: array of %d in %d bytes", wire.ErrTruncated, n, r.Len()))
		return 0
	}
	return n
}

// readInt reads an int that is not negative and fits 32 bits: an index, a key
// group, a count.
func readInt(r *wire.Reader) int {
	v := r.Uint()
	if v > 1<<31-1 {
		r.Fail(fmt.Errorf("%w: %d", wire.ErrRange, v))
		return 0
	}
	return int(v)
}

// readInt64 reads an offset or a length.
func readInt64(r *wire.Reader) int64 {
	v := r.Int()
	if v < 0 {
		r.Fail(fmt.Errorf("%w: %d", wire.ErrRange, v))
		return 0
	}
	return v
}

func readUint32(r *wire.Reader) uint32 {
	v := r.Uint()
	if v > 1<<32-1 {
		r.Fail(fmt.Errorf("%w: %d", wire.ErrRange, v))
	}
	return uint32(v)
}

func readUUID(r *wire.Reader) (id uuid.UUID) {
	b := r.Bytes()
	if r.Err() == nil && len(b) != len(id) {
		r.Fail(fmt.Errorf("%w: uuid of %d bytes", wire.ErrRange, len(b)))
	}
	copy(id[:], b)
	return id
}

func readCompression(r *wire.Reader) Compression {
	v := r.Uint()
	if v > uint64(None) {
		r.Fail(fmt.Errorf("%w: compression %d", wire.ErrRange, v))
		return 0
	}
	return Compression(v)
}

// readBlob reads bytes of its own; none are nil.
func readBlob(r *wire.Reader) []byte {
	if b := r.Bytes(); len(b) > 0 {
		return bytes.Clone(b)
	}
	return nil
}

func readEnd(r *wire.Reader) {
	if r.Err() == nil && r.Len() != 0 {
		r.Fail(errTrailing)
	}
}
