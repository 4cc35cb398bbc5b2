package cow

import "unsafe"

// stampBytes is the size of a stamp.
const stampBytes = unsafe.Sizeof(int64(0))

// Pages with a stamp for each slot, one type for each size as for those without. They begin like the page types do, so that
// everything but the stamps is found at the same place.
type (
	stamped1[K comparable, V any] struct {
		header
		words  [1 + 1]uint64
		slots  [1 * slotsPerGroup]slot[K, V]
		stamps [1 * slotsPerGroup]int64
	}
	stamped2[K comparable, V any] struct {
		header
		words  [2 + 1]uint64
		slots  [2 * slotsPerGroup]slot[K, V]
		stamps [2 * slotsPerGroup]int64
	}
	stamped3[K comparable, V any] struct {
		header
		words  [3 + 1]uint64
		slots  [3 * slotsPerGroup]slot[K, V]
		stamps [3 * slotsPerGroup]int64
	}
	stamped4[K comparable, V any] struct {
		header
		words  [4 + 1]uint64
		slots  [4 * slotsPerGroup]slot[K, V]
		stamps [4 * slotsPerGroup]int64
	}
	stamped6[K comparable, V any] struct {
		header
		words  [6 + 1]uint64
		slots  [6 * slotsPerGroup]slot[K, V]
		stamps [6 * slotsPerGroup]int64
	}
	stamped8[K comparable, V any] struct {
		header
		words  [8 + 1]uint64
		slots  [8 * slotsPerGroup]slot[K, V]
		stamps [8 * slotsPerGroup]int64
	}
	stamped16[K comparable, V any] struct {
		header
		words  [16 + 1]uint64
		slots  [16 * slotsPerGroup]slot[K, V]
		stamps [16 * slotsPerGroup]int64
	}
	stamped64[K comparable, V any] struct {
		header
		words  [64 + 1]uint64
		slots  [64 * slotsPerGroup]slot[K, V]
		stamps [64 * slotsPerGroup]int64
	}
	stamped256[K comparable, V any] struct {
		header
		words  [256 + 1]uint64
		slots  [256 * slotsPerGroup]slot[K, V]
		stamps [256 * slotsPerGroup]int64
	}
	stamped1024[K comparable, V any] struct {
		header
		words  [1024 + 1]uint64
		slots  [1024 * slotsPerGroup]slot[K, V]
		stamps [1024 * slotsPerGroup]int64
	}
)

// newStamped is newPage for pools with stamps.
func newStamped[K comparable, V any](n uint16) *header {
	var h *header
	switch n {
	case 1:
		h = &new(stamped1[K, V]).header
	case 2:
		h = &new(stamped2[K, V]).header
	case 3:
		h = &new(stamped3[K, V]).header
	case 4:
		h = &new(stamped4[K, V]).header
	case 6:
		h = &new(stamped6[K, V]).header
	case 8:
		h = &new(stamped8[K, V]).header
	case 16:
		h = &new(stamped16[K, V]).header
	case 64:
		h = &new(stamped64[K, V]).header
	case 256:
		h = &new(stamped256[K, V]).header
	default:
		h = &new(stamped1024[K, V]).header
		n = maxGroups
	}
	h.groups = n
	return h
}

// stampAt returns the stamp of slot i of a page that newStamped made.
//
// unsafe: as slotAt. The slots of a page take a multiple of 8 bytes, being a multiple of 8 in number, so the stamps follow
// without a gap; a field of size zero is padded only where it is the last, which slots is not.
func stampAt[K comparable, V any](p *header, i uint64) *int64 {
	base := unsafe.Sizeof(header{}) + 8 + uintptr(p.groups)*(8+slotsPerGroup*unsafe.Sizeof(slot[K, V]{}))
	return (*int64)(unsafe.Add(unsafe.Pointer(p), base+uintptr(i)*stampBytes))
}

// stampsOf returns all stamps of the page.
//
// unsafe: as stampAt.
func stampsOf[K comparable, V any](p *header) []int64 {
	return unsafe.Slice(stampAt[K, V](p, 0), int(p.groups)*slotsPerGroup)
}

// stampOf returns the stamp of the value v of page p.
//
// unsafe: v points into a slot of p, so its distance from the first one is less than the slots' size and tells which; slots
// without any size are all one, of the only key there can be.
func stampOf[K comparable, V any](p *header, v *V) *int64 {
	distance := uintptr(unsafe.Pointer(v)) - uintptr(unsafe.Pointer(slotAt[K, V](p, 0)))
	return stampAt[K, V](p, uint64(distance/max(1, unsafe.Sizeof(slot[K, V]{}))))
}

// StampOf returns the stamp of the value v, which Get or Upsert with that hash returned and no write has followed. The pool
// must have stamps. A stamp is 0 when its entry was inserted; it is written only after Upsert. O(1).
func (t *Table[K, V]) StampOf(hash uint64, v *V) *int64 { return stampOf[K](t.page(hash), v) }

// StampOf returns the stamp of the value v, which Get with that hash returned. It must not be written. O(1).
func (f *Frozen[K, V]) StampOf(hash uint64, v *V) int64 { return *stampOf[K](f.page(hash), v) }

// Stamp sets the stamp of a key that is present, and nothing else: whether its value is shared stays as it was. The pool
// must have stamps. O(1); it copies the page if a snapshot may see it.
func (t *Table[K, V]) Stamp(hash uint64, key K, stamp int64) {
	h := t.page(hash)
	at, _ := t.find(h, hash, key)
	if h.epoch != t.pool.space.epoch {
		h = t.own(h, hash)
	}
	*stampAt[K, V](h, at) = stamp
}

// Each yields every entry once with its stamp, 0 if the pool has none, in the order of All. The values must not be written.
func (f *Frozen[K, V]) Each(yield func(key K, v *V, stamp int64) bool) {
	stamp := int64(0)
	for h := range f.all {
		for at := range h.used {
			if f.pool.stamped {
				stamp = *stampAt[K, V](h, at)
			}
			if s := slotAt[K, V](h, at); !yield(s.key, &s.val, stamp) {
				return
			}
		}
	}
}

// Cursor is a place in a table. The zero value is the start; it stays usable whatever is written to the table, and for a
// table that takes the place of another.
type Cursor struct {
	page uint64 // index in the directory
	slot uint64
}

// AtStart reports whether the cursor has come round, or was never moved.
func (c Cursor) AtStart() bool { return c == Cursor{} }

// Next moves the cursor on by one entry, or past a place where there is none, and returns the entry if there was one. Behind
// the last entry it goes on with the first: AtStart then. A cursor that goes round while nothing is written meets every
// entry once; what a write moves between two steps may be met twice or left out. The stamp is 0 if the pool has none. O(1).
func (t *Table[K, V]) Next(c *Cursor) (key K, v *V, stamp int64, ok bool) {
	if c.page > t.mask {
		*c = Cursor{}
	}
	h := t.at(c.page)
	if h == nil || c.page>>h.depth != 0 || c.slot >= uint64(h.groups)*slotsPerGroup {
		t.turn(c)
		return key, nil, 0, false
	}
	group := c.slot / slotsPerGroup
	left := ^*ctrlAt(h, group) & highBits &^ (1<<(c.slot%slotsPerGroup*8) - 1)
	if left == 0 {
		c.slot = (group + 1) * slotsPerGroup
	} else {
		at := group*slotsPerGroup + firstOf(left)
		s := slotAt[K, V](h, at)
		key, v, ok = s.key, &s.val, true
		if t.pool.stamped {
			stamp = *stampAt[K, V](h, at)
		}
		c.slot = at + 1
	}
	if c.slot >= uint64(h.groups)*slotsPerGroup {
		t.turn(c)
	}
	return key, v, stamp, ok
}

// turn moves the cursor to the next page.
func (t *Table[K, V]) turn(c *Cursor) {
	if *c = (Cursor{page: c.page + 1}); c.page > t.mask {
		*c = Cursor{}
	}
}
