package primary

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary/internal/frame"
)

// The end of an object: the index, a msgpack array with one array per segment,
// and the trailer, which has a fixed length and finds the rest. Numbers of the
// trailer are little-endian.
//
//	 0         8         16        24        32         36        40        44        48      56
//	+---------+---------+---------+---------+----------+---------+---------+---------+-------+
//	| index   | index   | object  | header  | segments | index   | version | trailer | magic |
//	| offset  | length  | length  | length  | uint32   | CRC-32C | uint32  | CRC-32C | 8     |
//	+---------+---------+---------+---------+----------+---------+---------+---------+-------+
//
// The trailer's checksum is of its first 44 bytes.
const (
	trailerSize   = 56
	trailerMagic  = "hsobjend"
	segmentFields = 8
	// minSegment is the least bytes one encoded segment can take.
	minSegment = 1 + segmentFields
	// maxSegment is the most bytes one can take, and maxSegments how many there can be: one a key group, and the
	// operator state. So memory for an index is bounded, however large the file that claims to be an object.
	maxSegment  = 5 + 9*segmentFields
	maxSegments = keygroups.Max + 1
)

type trailer struct {
	indexOffset, indexLength int64
	size, headerLength       int64
	segments                 uint32
	indexCRC                 uint32
}

func (t *trailer) append(dst []byte) []byte {
	start := len(dst)
	for _, v := range []int64{t.indexOffset, t.indexLength, t.size, t.headerLength} {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	dst = binary.LittleEndian.AppendUint32(dst, t.segments)
	dst = binary.LittleEndian.AppendUint32(dst, t.indexCRC)
	dst = binary.LittleEndian.AppendUint32(dst, objectVersion)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
	return append(dst, trailerMagic...)
}

// decodeTrailer reads b, trailerSize bytes from the end of an object of size
// bytes. What it returns lies within the object and adds up to it.
func decodeTrailer(b []byte, size int64) (trailer, error) {
	at := size - trailerSize
	if string(b[48:]) != trailerMagic {
		return trailer{}, corruptAt(at, "no trailer at the end", nil)
	}
	if crc32.Checksum(b[:44], castagnoli) != binary.LittleEndian.Uint32(b[44:]) {
		return trailer{}, corruptAt(at, "checksum of the trailer does not match", nil)
	}
	if v := binary.LittleEndian.Uint32(b[40:]); v != objectVersion {
		return trailer{}, fmt.Errorf("%w: %d, this build reads %d", ErrVersion, v, objectVersion)
	}
	t := trailer{
		indexOffset:  int64(binary.LittleEndian.Uint64(b)),
		indexLength:  int64(binary.LittleEndian.Uint64(b[8:])),
		size:         int64(binary.LittleEndian.Uint64(b[16:])),
		headerLength: int64(binary.LittleEndian.Uint64(b[24:])),
		segments:     binary.LittleEndian.Uint32(b[32:]),
		indexCRC:     binary.LittleEndian.Uint32(b[36:]),
	}
	switch {
	case t.size != size:
		return trailer{}, corruptAt(at, "object does not have the length it had", nil)
	case t.indexOffset < 0 || t.indexOffset > at || t.indexLength != at-t.indexOffset:
		return trailer{}, corruptAt(at, "index is not between the blocks and the trailer", nil)
	case t.segments > maxSegments || t.indexLength > 5+maxSegment*int64(t.segments):
		return trailer{}, corruptAt(at, "index is longer than its segments can be", nil)
	case t.headerLength < frame.Head+frame.Tail || t.headerLength > min(t.indexOffset, maxHeader):
		return trailer{}, corruptAt(at, "header is not before the index", nil)
	}
	return t, nil
}

func appendIndex(dst []byte, segments []Segment) []byte {
	dst = wire.AppendArrayLen(dst, len(segments))
	for i := range segments {
		dst = wire.AppendArrayLen(dst, segmentFields)
		dst = wire.AppendInt(dst, int64(segments[i].Group))
		dst = appendSegment(dst, &segments[i])
	}
	return dst
}

// appendSegment appends all fields but the key group: what an index and a
// manifest have in common.
func appendSegment(dst []byte, s *Segment) []byte {
	dst = wire.AppendUint(dst, uint64(s.Kind))
	dst = wire.AppendInt(dst, s.Offset)
	dst = wire.AppendInt(dst, s.Length)
	dst = wire.AppendInt(dst, s.Raw)
	dst = wire.AppendUint(dst, uint64(s.CRC))
	dst = wire.AppendUint(dst, s.Digest)
	return wire.AppendUint(dst, s.Entries)
}

func readSegment(r *wire.Reader, group int) Segment {
	s := Segment{Group: group}
	kind := r.Uint()
	if kind > uint64(Delta) {
		r.Fail(fmt.Errorf("%w: segment kind %d", wire.ErrRange, kind))
	}
	s.Kind = SegmentKind(kind)
	s.Offset = readInt64(r)
	s.Length = readInt64(r)
	s.Raw = readInt64(r)
	s.CRC = readUint32(r)
	s.Digest = r.Uint()
	s.Entries = r.Uint()
	return s
}

// maxStored is the most bytes that a block of raw bytes can take. No compression
// adds more than a few bytes to each of its chunks. A block that claims more is not
// read: reading takes as much memory as it claims. Negative if raw is beyond reason.
func maxStored(raw int64) int64 { return raw + raw/64 + 1024 }

// check says whether s can be a segment at all.
func (s *Segment) check(c Compression) error {
	switch {
	case s.Kind > Delta:
		return fmt.Errorf("unknown segment kind %d", s.Kind)
	case s.Offset < 0 || s.Length < 1 || s.Raw < 1 || s.Offset > math.MaxInt64-s.Length:
		return errors.New("offset or length of a segment is out of range")
	case s.Length > maxStored(s.Raw):
		return errors.New("segment takes more bytes than its content can")
	case c == None && s.Length != s.Raw:
		return errors.New("segment is not compressed and has two lengths")
	}
	return nil
}

// decodeIndex reads the index b of an object with header h and checks that its
// segments are in order and fill the space between header and index.
func decodeIndex(b []byte, h *Header, t *trailer) ([]Segment, error) {
	if crc32.Checksum(b, castagnoli) != t.indexCRC {
		return nil, corruptAt(t.indexOffset, "checksum of the index does not match", nil)
	}
	r := wire.NewReader(b)
	n := readCount(r, minSegment)
	if r.Err() == nil && (n != int(t.segments) || n > h.Range.Len()+1) {
		return nil, corruptAt(t.indexOffset, "number of segments is wrong", nil)
	}
	segments := make([]Segment, 0, n)
	next, group := t.headerLength, h.Range.First-1
	for range n {
		readFields(r, segmentFields)
		s := readSegment(r, readInt(r))
		if r.Err() != nil {
			break
		}
		if err := s.check(h.Compression); err != nil {
			return nil, corruptAt(t.indexOffset, "index makes no sense", err)
		}
		if s.Group <= group || !blockIn(s.Group, h.Range, h.M, h.Task) || s.Offset != next {
			return nil, corruptAt(t.indexOffset, "segments are not in order", nil)
		}
		next, group = s.Offset+s.Length, s.Group
		segments = append(segments, s)
	}
	readEnd(r)
	if err := r.Err(); err != nil {
		return nil, corruptAt(t.indexOffset, "index does not decode", err)
	}
	if next != t.indexOffset {
		return nil, corruptAt(next, "bytes that belong to no segment", nil)
	}
	return segments, nil
}
