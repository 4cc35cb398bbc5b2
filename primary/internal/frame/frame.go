package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	// Head and Tail are the bytes before and after the body.
	Head = 20
	Tail = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrVersion: the frame is whole, and of a version that this build does not read.
var ErrVersion = errors.New("unsupported format version")

// DamageError says where a frame is wrong.
type DamageError struct {
	Offset int64
	Reason string
}

// Error names the reason.
func (e *DamageError) Error() string { return e.Reason }

// Append appends a frame whose body is what body appends.
func Append(dst []byte, magic string, version uint32, body func([]byte) []byte) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, version)
	dst = binary.LittleEndian.AppendUint64(dst, 0) // the length, set below
	at := len(dst)
	dst = body(dst)
	binary.LittleEndian.PutUint64(dst[at-8:], uint64(len(dst)-at))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// Open returns the body of the frame that is the whole of b, aliasing it, and its version, which is in 1..newest. The
// error is a *DamageError, or wraps ErrVersion.
func Open(b []byte, magic string, newest uint32) (body []byte, version uint32, err error) {
	if err := Check(b, magic, int64(len(b))); err != nil {
		return nil, 0, err
	}
	end := len(b) - Tail
	if crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return nil, 0, &DamageError{Offset: int64(end), Reason: "checksum does not match"}
	}
	version = binary.LittleEndian.Uint32(b[8:])
	if version < 1 || version > newest {
		return nil, 0, fmt.Errorf("%w: %d, this build reads up to %d", ErrVersion, version, newest)
	}
	return b[Head:end:end], version, nil
}

// Check tells from the first bytes, Head of them at the least, whether they begin a frame of size bytes in all. With it
// an object's length is believed before memory is taken for it. The error is a *DamageError.
func Check(b []byte, magic string, size int64) error {
	if size < Head+Tail || len(b) < Head || string(b[:8]) != magic {
		return &DamageError{Reason: "magic number or length is wrong"}
	}
	if n := binary.LittleEndian.Uint64(b[12:]); n != uint64(size-Head-Tail) {
		return &DamageError{Offset: 12, Reason: "length is wrong"}
	}
	return nil
}
