package cow

import "errors"

// ErrFull is returned for an insert when more keys than one page can hold agree in every bit of their hash that the
// table uses. With a seeded 64-bit hash this does not happen to keys that were not chosen for it.
var ErrFull = errors.New("cow: too many keys with one hash")

// Table is an extendible hash table of copy-on-write pages. It belongs to the goroutine that owns its space.
type Table[K comparable, V any] struct {
	directory
	pool      *Pool[K, V]
	rootEpoch uint64
}

// NewTable returns an empty table. It allocates no page before the first insert.
func NewTable[K comparable, V any](pool *Pool[K, V]) *Table[K, V] { return &Table[K, V]{pool: pool} }

// Len returns the number of entries. O(1).
func (t *Table[K, V]) Len() int { return t.n }

// Get returns the value of key, nil if it is absent. The value must not be written and is valid until the next write.
func (t *Table[K, V]) Get(hash uint64, key K) *V {
	return lookup(&t.directory, t.pool, hash, key)
}

func lookup[K comparable, V any](d *directory, pool *Pool[K, V], hash uint64, key K) *V {
	h := d.page(hash)
	if h == nil {
		return nil
	}
	i := homeOf(hash, h.groups)
	tag := tagOf(hash)
	for n := h.groups; ; {
		ctrl := *ctrlAt(h, i)
		for m := matchTag(ctrl, tag); m != 0; m &= m - 1 {
			s := slotAt[K, V](h, i*slotsPerGroup+firstOf(m))
			if s.key == key || pool.equal != nil && pool.equal(s.key, key) {
				return &s.val
			}
		}
		if matchEmpty(ctrl) != 0 {
			return nil
		}
		if n--; n == 0 {
			return nil
		}
		if i++; i == uint64(h.groups) {
			i = 0
		}
	}
}

// find is lookup on one page that says where the slot is.
func (t *Table[K, V]) find(h *header, hash uint64, key K) (slot uint64, ok bool) {
	i := homeOf(hash, h.groups)
	tag := tagOf(hash)
	for n := h.groups; ; {
		ctrl := *ctrlAt(h, i)
		for m := matchTag(ctrl, tag); m != 0; m &= m - 1 {
			at := i*slotsPerGroup + firstOf(m)
			if s := slotAt[K, V](h, at); s.key == key || t.pool.equal != nil && t.pool.equal(s.key, key) {
				return at, true
			}
		}
		if matchEmpty(ctrl) != 0 {
			return 0, false
		}
		if n--; n == 0 {
			return 0, false
		}
		if i++; i == uint64(h.groups) {
			i = 0
		}
	}
}

// Upsert returns the value of key for writing, inserting the zero value if it is absent. The pointer is valid until the
// next write to the table. fresh reports that no snapshot shares what the value refers to: if it is false and values
// hold references, the caller replaces them by copies before it writes through them.
func (t *Table[K, V]) Upsert(hash uint64, key K) (val *V, inserted, fresh bool, err error) {
	h := t.page(hash)
	if h == nil {
		h = t.pool.get(1, 0)
		t.one = h
		t.pages = 1
	}
	if at, ok := t.find(h, hash, key); ok {
		if h.epoch != t.pool.space.epoch {
			h = t.own(h, hash)
		}
		s := slotAt[K, V](h, at)
		if !t.pool.refs {
			return &s.val, false, true, nil
		}
		owned := ownedOf(h)
		fresh = *owned&ownedBit(at) != 0
		*owned |= ownedBit(at)
		return &s.val, false, fresh, nil
	}
	for h.count == h.groups*slotsPerGroup {
		if h, err = t.grow(h, hash); err != nil {
			return nil, false, false, err
		}
	}
	if h.epoch != t.pool.space.epoch {
		h = t.own(h, hash)
	}
	at := place(h, hash)
	*ownedOf(h) |= ownedBit(at)
	s := slotAt[K, V](h, at)
	*s = slot[K, V]{key: key} // a recycled page holds what it held
	t.n++
	return &s.val, true, true, nil
}

// Disown says that the value just written for key refers to what others may hold too: the next Upsert reports it as not
// fresh. It matters only where values hold references.
func (t *Table[K, V]) Disown(hash uint64, key K) {
	h := t.page(hash)
	if at, ok := t.find(h, hash, key); ok {
		*ownedOf(h) &^= ownedBit(at)
	}
}

// own returns page h ready to be written: itself, or the copy that takes its place if a snapshot may see it.
func (t *Table[K, V]) own(h *header, hash uint64) *header {
	s := t.pool.space
	if !s.Shared(h.epoch) {
		h.epoch = s.epoch
		return h
	}
	c := t.pool.copyOf(h)
	t.set(hash, c)
	t.pool.retire(h)
	return c
}

// Delete removes key and reports whether it was there.
func (t *Table[K, V]) Delete(hash uint64, key K) bool {
	h := t.page(hash)
	if h == nil {
		return false
	}
	at, ok := t.find(h, hash, key)
	if !ok {
		return false
	}
	if h.epoch != t.pool.space.epoch {
		h = t.own(h, hash)
	}
	c := ctrlAt(h, at/slotsPerGroup)
	full := matchEmpty(*c) == 0
	setTag(c, at%slotsPerGroup, 0x80)
	*slotAt[K, V](h, at) = slot[K, V]{}
	*ownedOf(h) &^= ownedBit(at)
	h.count--
	t.n--
	if homeOf(hash, h.groups) != at/slotsPerGroup {
		h.away--
	}
	if full && h.away > 0 {
		// Entries beyond may have passed through this group while it was full: put them where a lookup now expects them.
		h = t.rebuild(h, hash, h.groups)
	}
	t.shrink(h, hash)
	return true
}

// Clear removes every entry.
func (t *Table[K, V]) Clear() {
	for h := range t.all {
		t.pool.retire(h)
	}
	*t = Table[K, V]{pool: t.pool}
}
