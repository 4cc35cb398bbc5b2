package heapbackend_test

import (
	"errors"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/wire"
)

// hostileStates registers what the blocks of these tests hold.
func hostileStates(t testing.TB) (*heapbackend.Backend[uint64], *heapbackend.Value[uint64, bag], *heapbackend.List[uint64, string], *heapbackend.Map[uint64, string, point]) {
	b := backend[uint64](t, whole())
	v, l := valueOf[bag](t, b, "bags"), listOf[string](t, b, "logs")
	return b, v, l, mapOf[string, point](t, b, "points")
}

// hostileSource is a snapshot whose group 3 holds some of everything.
func hostileSource(t testing.TB) *heapbackend.Snapshot {
	b, v, l, m := hostileStates(t)
	for i := range 4 {
		k := keyIn(t, 3, i)
		require.NoError(t, v.Put(k, bagOf(i)))
		require.NoError(t, l.Append(k, "one", "two"))
		require.NoError(t, m.Put(k, "k", pointOf(i)))
		require.NoError(t, m.Put(k, "l", pointOf(i)))
	}
	return capture(t, b)
}

// part3 is one state's part of a block.
func part3(state, entries uint64, records ...byte) []byte {
	b := wire.AppendArrayLen(nil, 3)
	b = wire.AppendUint(b, state)
	b = wire.AppendUint(b, entries)
	return wire.AppendBytes(b, records)
}

func record(k uint64, rest ...byte) []byte {
	return append(wire.AppendUint(wire.AppendArrayLen(nil, 2), k), rest...)
}

// claim is a block of one state (0 a value, 1 a map) that says it holds that many entries, and has bytes enough.
func claim(state int, k uint64, entries int) []byte {
	filler := slices.Repeat([]byte{0xc0}, 3*entries)
	if state == 0 {
		return part3(0, uint64(entries), filler...)
	}
	return part3(1, 1, append(record(k, wire.AppendArrayLen(nil, 2*entries)...), filler...)...)
}

// tryBlock stages a block that may be anything: it is refused with an error a caller can test for, or what it holds is
// installed, read and written.
func tryBlock(t *testing.T, schema []byte, block []byte) (refused bool) {
	t.Helper()
	b, v, l, m := hostileStates(t)
	staged, err := b.StageBlock(schema, 3, block)
	if err != nil {
		require.True(t, errors.Is(err, heapbackend.ErrCorrupt) || errors.Is(err, heapbackend.ErrSchema) ||
			errors.Is(err, heapbackend.ErrMismatch), "%v", err)
		require.NoError(t, b.Err())
		for g, block := range blocksOf(t, capture(t, b)) {
			require.Empty(t, block, "group %d", g)
		}
		return true
	}
	require.NoError(t, b.Install([]*heapbackend.Staged{staged}))
	s := capture(t, b)
	_, n, err := s.AppendGroup(nil, 3)
	require.NoError(t, err)
	require.Equal(t, staged.Entries(), n)
	again, _, _, _ := hostileStates(t)
	restore(t, again, s, decoded)
	for k := range maps.Collect(v.All()) {
		require.NoError(t, v.Update(k, func(x *bag) { change(x, 1) }))
	}
	for k := range maps.Collect(l.All()) {
		require.NoError(t, l.Append(k, "more"))
	}
	for k := range maps.Collect(m.All()) {
		require.NoError(t, m.Put(k, "more", point{}))
	}
	return false
}

func TestEveryPrefixOfABlockIsRefused(t *testing.T) {
	s := hostileSource(t)
	block := blocksOf(t, s)[3]
	whole := 0
	for i := range block {
		if i == 0 {
			continue // an empty group
		}
		if !tryBlock(t, s.Schema(), block[:i:i]) {
			whole++
		}
	}
	require.Equal(t, 2, whole, "only a prefix that ends with a state's part is a block")
	require.False(t, tryBlock(t, s.Schema(), block))
	require.True(t, tryBlock(t, s.Schema(), append(slices.Clone(block), 0)), "trailing bytes")
}

func TestEveryFlippedByteOfABlock(t *testing.T) {
	s := hostileSource(t)
	block := blocksOf(t, s)[3]
	refused := 0
	for i := range block {
		for _, mask := range []byte{0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff} {
			flipped := slices.Clone(block)
			flipped[i] ^= mask
			if tryBlock(t, s.Schema(), flipped) {
				refused++
			}
		}
	}
	require.Greater(t, refused, len(block)*9/2)
}

func TestEveryPrefixOfASchemaIsRefused(t *testing.T) {
	s := hostileSource(t)
	block := blocksOf(t, s)[3]
	for i := range s.Schema() {
		require.True(t, tryBlock(t, s.Schema()[:i:i], block), "%d bytes", i)
	}
	require.True(t, tryBlock(t, append(slices.Clone(s.Schema()), 0xc0), block), "trailing bytes")
}

func TestEveryFlippedByteOfASchema(t *testing.T) {
	s := hostileSource(t)
	block := blocksOf(t, s)[3]
	for i := range s.Schema() {
		for _, mask := range []byte{0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff} {
			flipped := slices.Clone(s.Schema())
			flipped[i] ^= mask
			tryBlock(t, flipped, block)
		}
	}
}

func TestBlocksThatNoBackendWrites(t *testing.T) {
	schema := hostileSource(t).Schema()
	k, other := keyIn(t, 3, 0), keyIn(t, 4, 0)
	nilBag := wire.AppendNil(wire.AppendNil(wire.AppendNil(wire.AppendArrayLen(nil, 3))))
	bagRecord := record(k, nilBag...)
	mapRecord := func(n int, rest ...byte) []byte { return record(k, append(wire.AppendArrayLen(nil, n), rest...)...) }
	entry := append(wire.AppendString(nil, "k"), wire.AppendBool(wire.AppendInt(wire.AppendInt(wire.AppendArrayLen(nil, 3), 1), 2), true)...)
	require.False(t, tryBlock(t, schema, part3(0, 1, bagRecord...)), "the records of this test are right")
	require.False(t, tryBlock(t, schema, part3(2, 1, mapRecord(2, entry...)...)), "and its maps")
	for name, block := range map[string][]byte{
		"key of another group":     part3(0, 1, record(other, nilBag...)...),
		"duplicate key":            part3(0, 2, append(slices.Clone(bagRecord), bagRecord...)...),
		"more entries than said":   part3(0, 1, append(slices.Clone(bagRecord), record(keyIn(t, 3, 1), nilBag...)...)...),
		"fewer entries than said":  part3(0, 2, bagRecord...),
		"no entries":               part3(0, 0),
		"no entries, but records":  part3(0, 0, bagRecord...),
		"more entries than bytes":  part3(0, 1<<40, bagRecord...),
		"most entries":             part3(0, math.MaxUint64, bagRecord...),
		"unknown state":            part3(3, 1, bagRecord...),
		"most states":              part3(math.MaxUint64, 1, bagRecord...),
		"states out of order":      append(part3(2, 1, mapRecord(2, entry...)...), part3(0, 1, bagRecord...)...),
		"a state twice":            append(part3(0, 1, bagRecord...), part3(0, 1, record(keyIn(t, 3, 1), nilBag...)...)...),
		"a part of two":            wire.AppendUint(wire.AppendUint(wire.AppendArrayLen(nil, 2), 0), 1),
		"a record of three":        part3(0, 1, append(wire.AppendArrayLen(nil, 3), append(bagRecord[1:], 0xc0)...)...),
		"a record of one":          part3(0, 1, wire.AppendUint(wire.AppendArrayLen(nil, 1), k)...),
		"trailing bytes":           part3(0, 1, append(slices.Clone(bagRecord), 0xc0)...),
		"an empty map":             part3(2, 1, mapRecord(0)...),
		"a map key without value":  part3(2, 1, mapRecord(1, wire.AppendString(nil, "k")...)...),
		"a map key twice":          part3(2, 1, mapRecord(4, append(slices.Clone(entry), entry...)...)...),
		"a map larger than bytes":  part3(2, 1, mapRecord(1<<30, entry...)...),
		"a list larger than bytes": part3(1, 1, record(k, 0xdd, 0xff, 0xff, 0xff, 0xff)...),
		"not msgpack":              {0xc1, 0xc1, 0xc1},
		"nil":                      {0xc0},
	} {
		t.Run(name, func(t *testing.T) {
			b, _, _, _ := hostileStates(t)
			_, err := b.StageBlock(schema, 3, block)
			require.ErrorIs(t, err, heapbackend.ErrCorrupt)
			require.True(t, tryBlock(t, schema, block))
		})
	}
}

func TestSchemasThatNoBackendWrites(t *testing.T) {
	one := appendInfo(nil, "x", "value", "uint64")
	for name, schema := range map[string][]byte{
		"empty":               {},
		"nil":                 {0xc0},
		"a state twice":       append(wire.AppendArrayLen(nil, 2), slices.Repeat(one, 2)...),
		"more than bytes":     append(wire.AppendArrayLen(nil, 1<<30), one...),
		"trailing bytes":      append(append(wire.AppendArrayLen(nil, 1), one...), 0xc0),
		"a type without kind": append(wire.AppendArrayLen(nil, 1), append(one[:len(one)-1:len(one)-1], 0x90)...),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := backend[uint64](t, whole()).StageBlock(schema, 3, nil)
			require.ErrorIs(t, err, heapbackend.ErrCorrupt)
		})
	}
	_, err := backend[uint64](t, whole()).StageBlock(append(wire.AppendArrayLen(nil, 1), one...), 3, nil)
	require.NoError(t, err)
	many := wire.AppendArrayLen(nil, heapbackend.MaxStates+1)
	for i := range heapbackend.MaxStates + 1 {
		many = appendInfo(many, stringKey(i), "value", "uint64")
	}
	_, err = backend[uint64](t, whole()).StageBlock(many, 3, nil)
	require.ErrorIs(t, err, heapbackend.ErrCorrupt)
}

// appendInfo describes a state with a codec of its own.
func appendInfo(dst []byte, name, kind, key string) []byte {
	dst = wire.AppendArrayLen(dst, 6)
	dst = wire.AppendString(wire.AppendString(wire.AppendString(dst, name), kind), key)
	return wire.AppendNil(wire.AppendString(wire.AppendNil(dst), "own/1"))
}
