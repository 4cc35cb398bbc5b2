package primary

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A frame is how a small msgpack value is kept on its own: the header of an
// object, a manifest, a claim. Numbers are little-endian.
//
//	 0        8          12        20              20+n        24+n
//	+--------+----------+---------+---------------+-----------+
//	| magic  | version  | n       | n bytes       | CRC-32C   |
//	| 8      | uint32   | uint64  | msgpack       | uint32    |
//	+--------+----------+---------+---------------+-----------+
//
// The checksum is of all that is before it.
const (
	frameHead = 20
	frameTail = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendFrame appends a frame whose body is what body appends.
func appendFrame(dst []byte, magic string, version uint32, body func([]byte) []byte) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, version)
	dst = binary.LittleEndian.AppendUint64(dst, 0) // the length, set below
	at := len(dst)
	dst = body(dst)
	binary.LittleEndian.PutUint64(dst[at-8:], uint64(len(dst)-at))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// openFrame returns the body of the frame that is the whole of b, aliasing it.
// Its errors are a *CorruptError without object, and ErrVersion.
func openFrame(b []byte, magic string, version uint32) ([]byte, error) {
	if len(b) < frameHead+frameTail || string(b[:8]) != magic {
		return nil, corruptAt(0, "magic number or length is wrong", nil)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != version {
		return nil, fmt.Errorf("%w: %d, this build reads %d", ErrVersion, v, version)
	}
	end := len(b) - frameTail
	if n := binary.LittleEndian.Uint64(b[12:]); n != uint64(end-frameHead) {
		return nil, corruptAt(12, "length is wrong", nil)
	}
	if crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return nil, corruptAt(int64(end), "checksum does not match", nil)
	}
	return b[frameHead:end:end], nil
}

func corruptAt(off int64, reason string, err error) *CorruptError {
	return &CorruptError{Group: NoGroup, Offset: off, Reason: reason, Err: err}
}
