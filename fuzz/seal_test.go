package fuzz

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
)

// The parts of docs/format.md that the checksums are about. This is a second writing of them, on purpose.
const (
	frameHead    = 20
	frameTail    = 4
	trailerSize  = 56
	trailerMagic = "hsobjend"
	objectMagic  = "\x89hsobj\r\n"
	manifestMark = "\x89hsman\r\n"
	recordMagic  = "\x89hslog\r\n"
	version      = 1
)

func crc32c(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// frame returns body in a frame.
func frame(magic string, body []byte) []byte { return frameOf(magic, version, body) }

func frameOf(magic string, version uint32, body []byte) []byte {
	b := append([]byte(magic), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(b[8:], version)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(body)))
	b = append(b, body...)
	return binary.LittleEndian.AppendUint32(b, crc32c(b))
}

// sealFrame returns b as the frame it resembles: its middle, with everything around it put right.
func sealFrame(magic string, b []byte) []byte {
	if len(b) < frameHead+frameTail {
		return frame(magic, b)
	}
	return frame(magic, b[frameHead:len(b)-frameTail])
}

// sealRecord is sealFrame for a record of the commit log, of which there are two versions.
func sealRecord(b []byte) []byte {
	if len(b) < frameHead+frameTail {
		return frameOf(recordMagic, 2, b)
	}
	return frameOf(recordMagic, 1+uint32(b[8]+1)%2, b[frameHead:len(b)-frameTail])
}

// sealObject returns b as the object it resembles. Of the trailer the offset of the index, the length of the header and
// the number of segments are kept where they can be.
func sealObject(b []byte) []byte {
	if len(b) < frameHead+frameTail+1+trailerSize {
		return nil
	}
	b = bytes.Clone(b)
	at := len(b) - trailerSize
	t := b[at:]
	header := min(binary.LittleEndian.Uint64(t[24:]), uint64(at-1))
	header = max(header, frameHead+frameTail)
	index := min(max(binary.LittleEndian.Uint64(t), header), uint64(at-1))
	copy(b, sealFrame(objectMagic, b[:header]))
	binary.LittleEndian.PutUint64(t, index)
	binary.LittleEndian.PutUint64(t[8:], uint64(at)-index)
	binary.LittleEndian.PutUint64(t[16:], uint64(len(b)))
	binary.LittleEndian.PutUint64(t[24:], header)
	binary.LittleEndian.PutUint32(t[32:], arrayLen(b[index:at]))
	binary.LittleEndian.PutUint32(t[36:], crc32c(b[index:at]))
	binary.LittleEndian.PutUint32(t[40:], version)
	binary.LittleEndian.PutUint32(t[44:], crc32c(t[:44]))
	copy(t[48:], trailerMagic)
	return b
}

// arrayLen returns the length of the msgpack array that b begins with, or a number that no array has.
func arrayLen(b []byte) uint32 {
	switch {
	case len(b) > 0 && b[0]&0xf0 == 0x90:
		return uint32(b[0] & 0x0f)
	case len(b) > 2 && b[0] == 0xdc:
		return uint32(binary.BigEndian.Uint16(b[1:]))
	case len(b) > 4 && b[0] == 0xdd:
		return binary.BigEndian.Uint32(b[1:])
	}
	return math.MaxUint32
}
