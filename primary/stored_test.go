package primary_test

import (
	"encoding/binary"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// Readers in other languages have decompressors that are stricter, or smaller, than those used here. docs/format.md
// tells them what writers keep to; a new release of a compressor must not change that unseen.

// storedBlocks writes blocks on both sides of every length at which a compressor may do something else, some that
// compress and some that do not, and calls check with each as it is stored.
func storedBlocks(t *testing.T, c primary.Compression, check func(stored []byte, raw int)) {
	lengths := []int{1, 255, 256, 1024, 1025, 1<<17 + 1, 1 << 20, 1<<20 + 1, 4 << 20, 4<<20 + 1}
	s := &testSource{r: keygroups.Range{End: 2 * len(lengths)}, blocks: map[int][]byte{}}
	noise := uint64(1)
	for i, n := range lengths {
		plain, random := pattern(n), make([]byte, n)
		for j := range random {
			noise = noise*6364136223846793005 + 1442695040888963407
			random[j] = byte(noise >> 56)
		}
		s.blocks[2*i], s.blocks[2*i+1] = plain, random
	}
	object, index := encode(t, testHeader(s.r, c), s, 0)
	require.Len(t, index.Segments, len(s.blocks))
	for _, seg := range index.Segments {
		check(object[seg.Offset:seg.Offset+seg.Length], int(seg.Raw))
	}
}

func TestZstdFramesAreWhatTheFormatSays(t *testing.T) {
	const window = 4 << 20
	storedBlocks(t, primary.Zstd, func(stored []byte, raw int) {
		var h zstd.Header
		require.NoError(t, h.Decode(stored))
		require.False(t, h.Skippable)
		require.False(t, h.HasCheckSum, "a checksum of the contents, %d bytes", raw)
		require.Zero(t, h.DictionaryID)
		require.Equal(t, 1024 < raw && raw <= window, h.SingleSegment, "a single segment of %d bytes", raw)
		require.LessOrEqual(t, h.WindowSize, uint64(window), "window for %d bytes", raw)
		require.Equal(t, raw >= 256, h.HasFCS, "the length of %d bytes", raw)
		if h.HasFCS {
			require.Equal(t, uint64(raw), h.FrameContentSize)
		}
		at, last := h.HeaderSize, false
		for !last {
			block := uint32(stored[at]) | uint32(stored[at+1])<<8 | uint32(stored[at+2])<<16
			last = block&1 == 1
			if at += 3 + int(block>>3); block>>1&3 == 1 { // one byte that repeats
				at += 1 - int(block>>3)
			}
		}
		require.Len(t, stored, at, "one frame for %d bytes", raw)
	})
}

func TestS2StreamsAreWhatTheFormatSays(t *testing.T) {
	const most = 1 << 20
	storedBlocks(t, primary.S2, func(stored []byte, raw int) {
		const identifier = "\xff\x06\x00\x00S2sTwO"
		require.Equal(t, identifier, string(stored[:len(identifier)]))
		total := 0
		for rest := stored[len(identifier):]; len(rest) > 0; {
			kind, n := rest[0], int(rest[1])|int(rest[2])<<8|int(rest[3])<<16
			contents := n - 4
			if require.LessOrEqual(t, kind, byte(1), "a chunk of type %#x", kind); kind == 0 {
				v, _ := binary.Uvarint(rest[8:])
				contents = int(v)
			}
			require.LessOrEqual(t, contents, most)
			total, rest = total+contents, rest[4+n:]
		}
		require.Equal(t, raw, total)
	})
}
