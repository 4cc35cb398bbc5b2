package cow

import (
	"math/bits"
	"unsafe"
)

// The 64 bits of a hash, low to high: 7 bits tell the slots of a group apart, 16 choose the home group inside the page,
// 25 index the directory. The top 16 are left to the key group, which is computed from the most significant bits.
const (
	tagBits  = 7
	homeBits = 16
	dirShift = tagBits + homeBits
	maxDepth = 25
)

const (
	slotsPerGroup = 8
	// usualGroups is the size a page grows to before it splits; a larger page exists only where the hash cannot split it.
	usualGroups = 8
	// maxGroups bounds the one page that holds keys no bit of the hash tells apart.
	maxGroups = 1024
	// pageBytes is about how large a page may grow: copying one is the price of the first write after a capture.
	pageBytes = 4096

	emptyGroup uint64 = 0x8080808080808080
	lowBits    uint64 = 0x0101010101010101
	highBits   uint64 = 0x8080808080808080
)

// header stands at the start of every page. In memory behind it: one control word for each group, the owned word, and
// the slots, eight for each group. Header and control words of a usual page share one cache line or two neighbours, so
// that a lookup touches that and the slot.
//
// Invariant: count is the number of control bytes that are tags; away is how many of those lie outside their home
// group; epoch is at most the epoch of the space that owns the page.
type header struct {
	epoch  uint64 // when the page was last written
	count  uint16
	groups uint16
	away   uint16
	depth  uint8 // how many directory bits all keys of the page agree in
}

// slot is one entry.
type slot[K comparable, V any] struct {
	key K
	val V
}

// ctrlAt returns the control word of group i: byte j is 0x80 when slot j of the group is empty, else the tag of its
// hash. There is no third state: a delete never leaves a tombstone.
//
// unsafe: p points at the header of a page of p.groups groups (newPage is the only maker) and i is below p.groups; the
// size of header is a multiple of 8, so the words follow it without a gap, as the page types declare them.
func ctrlAt(p *header, i uint64) *uint64 {
	return (*uint64)(unsafe.Add(unsafe.Pointer(p), unsafe.Sizeof(header{})+uintptr(i)*8))
}

// ownedOf returns, for values that hold references, the slots whose value no other page version shares.
//
// unsafe: as ctrlAt; the word behind the control words.
func ownedOf(p *header) *uint64 { return ctrlAt(p, uint64(p.groups)) }

// slotAt returns slot i of the page, counted over all groups.
//
// unsafe: as ctrlAt, with i below p.groups*8. No Go type is aligned more strictly than 8, so the slots follow the owned
// word without a gap.
func slotAt[K comparable, V any](p *header, i uint64) *slot[K, V] {
	base := unsafe.Sizeof(header{}) + 8 + uintptr(p.groups)*8
	return (*slot[K, V])(unsafe.Add(unsafe.Pointer(p), base+uintptr(i)*unsafe.Sizeof(slot[K, V]{})))
}

// slotsOf returns all slots of the page.
//
// unsafe: as slotAt.
func slotsOf[K comparable, V any](p *header) []slot[K, V] {
	return unsafe.Slice(slotAt[K, V](p, 0), int(p.groups)*slotsPerGroup)
}

// wordsOf returns the control words and the owned word of the page.
//
// unsafe: as ctrlAt.
func wordsOf(p *header) []uint64 { return unsafe.Slice(ctrlAt(p, 0), int(p.groups)+1) }

// homeOf returns the group of a page of n groups where a key of that hash is looked for first.
func homeOf(hash uint64, n uint16) uint64 {
	return (hash >> tagBits & (1<<homeBits - 1)) * uint64(n) >> homeBits
}

func tagOf(hash uint64) uint64 { return hash & (1<<tagBits - 1) }

// matchTag sets the high bit of each byte of ctrl that equals tag. A byte above a true match may be set falsely, an
// empty one never: the caller compares keys anyway.
func matchTag(ctrl, tag uint64) uint64 {
	v := ctrl ^ lowBits*tag
	return (v - lowBits) &^ v & highBits
}

func matchEmpty(ctrl uint64) uint64 { return ctrl & highBits }

// firstOf returns the slot index of the lowest match.
func firstOf(match uint64) uint64 { return uint64(bits.TrailingZeros64(match)) >> 3 }

func setTag(ctrl *uint64, i, tag uint64) {
	shift := i * 8
	*ctrl = *ctrl&^(0xff<<shift) | tag<<shift
}

// place takes a slot for a key that is known to be absent from p, which has room.
func place(p *header, hash uint64) (slot uint64) {
	home := homeOf(hash, p.groups)
	for i := home; ; {
		c := ctrlAt(p, i)
		if m := matchEmpty(*c); m != 0 {
			at := firstOf(m)
			setTag(c, at, tagOf(hash))
			p.count++
			if i != home {
				p.away++
			}
			return i*slotsPerGroup + at
		}
		if i++; i == uint64(p.groups) {
			i = 0
		}
	}
}

// ownedBit is the bit of a slot in the owned word; slots of larger pages have none and count as shared.
func ownedBit(slot uint64) uint64 {
	if slot >= 64 {
		return 0
	}
	return 1 << slot
}
