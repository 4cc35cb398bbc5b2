package cow

// grow makes room in the full page h, for one more key of that hash: a page one size larger, or two where it was one. It
// returns the page the key belongs to then, which may be full again.
func (t *Table[K, V]) grow(h *header, hash uint64) (*header, error) {
	if h.groups < t.pool.most {
		return t.rebuild(h, hash, larger(h.groups, t.pool.most)), nil
	}
	// A directory far larger than its pages means that the hash does not spread these keys: a larger page is cheaper.
	if h.depth < maxDepth && (h.depth < t.depth || 1<<t.depth < 256*(t.pages+1)) {
		t.split(h, hash)
		return t.page(hash), nil
	}
	n := larger(h.groups, t.pool.most)
	if n == 0 {
		return nil, ErrFull
	}
	return t.rebuild(h, hash, n), nil
}

// rebuild replaces h by a page of n groups with the same entries, each as near its home as it can be.
func (t *Table[K, V]) rebuild(h *header, hash uint64, n uint16) *header {
	c := t.pool.get(n, h.depth)
	t.move(c, h)
	t.set(hash, c)
	t.pool.retire(h)
	return c
}

// used yields the slots of h that hold an entry.
func (h *header) used(yield func(slot uint64) bool) {
	for i := range uint64(h.groups) {
		for m := ^*ctrlAt(h, i) & highBits; m != 0; m &= m - 1 {
			if !yield(i*slotsPerGroup + firstOf(m)) {
				return
			}
		}
	}
}

// move copies the entries of from into to.
func (t *Table[K, V]) move(to, from *header) {
	owned := t.ownedIn(from)
	for at := range from.used {
		s := slotAt[K, V](from, at)
		carry(to, s, t.pool.hash(s.key), owned&ownedBit(at) != 0)
	}
}

// ownedIn returns the slots of h whose value no other page shares: none if a snapshot sees h, since the page that takes
// its place shares them all with it.
func (t *Table[K, V]) ownedIn(h *header) uint64 {
	if t.pool.space.Shared(h.epoch) {
		return 0
	}
	return *ownedOf(h)
}

// carry copies the entry s, and whether its value is its own, into page to.
func carry[K comparable, V any](to *header, s *slot[K, V], hash uint64, owned bool) {
	n := place(to, hash)
	*slotAt[K, V](to, n) = *s
	if owned {
		*ownedOf(to) |= ownedBit(n)
	}
}

// split replaces h by two pages that one more bit of the hash tells apart.
func (t *Table[K, V]) split(h *header, hash uint64) {
	if h.depth == t.depth {
		t.double()
	}
	bit := uint64(1) << (dirShift + h.depth)
	var hashes [usualGroups * slotsPerGroup]uint64
	ones := 0
	all := hashes[:0]
	for at := range h.used {
		x := t.pool.hash(slotAt[K, V](h, at).key)
		if x&bit != 0 {
			ones++
		}
		all = append(all, x)
	}
	zero := t.pool.get(t.sized(int(h.count)-ones), h.depth+1)
	one := t.pool.get(t.sized(ones), h.depth+1)
	n, owned := 0, t.ownedIn(h)
	for at := range h.used {
		to := zero
		if all[n]&bit != 0 {
			to = one
		}
		carry(to, slotAt[K, V](h, at), all[n], owned&ownedBit(at) != 0)
		n++
	}
	t.set(hash&^bit, zero)
	t.set(hash|bit, one)
	if zero.depth == t.depth {
		t.deep += 2
	}
	t.pages++
	t.pool.retire(h)
}

// sized returns the page size for n entries that are going to be more.
func (t *Table[K, V]) sized(n int) uint16 {
	want := uint16(n/slotsPerGroup + 1)
	if n <= int(t.pool.most)*slotsPerGroup {
		want = min(want, t.pool.most) // a page that comes out full is split again
	}
	for size := uint16(1); ; {
		if size >= want {
			return size
		}
		if size = larger(size, t.pool.most); size == 0 {
			return maxGroups
		}
	}
}

// shrink gives back what a page from which an entry was deleted no longer needs: the page itself, some of its groups, or
// the split that made it.
func (t *Table[K, V]) shrink(h *header, hash uint64) {
	switch {
	case h.count == 0 && t.depth == 0:
		t.one, t.pages = nil, 0
		t.pool.retire(h)
	case h.groups > 2 && h.count%slotsPerGroup == 0 && t.sized(int(h.count)+slotsPerGroup) < h.groups:
		h = t.rebuild(h, hash, t.sized(int(h.count)))
		t.merge(h, hash)
	case h.count%4 == 0:
		t.merge(h, hash)
	}
}

// merge joins h with the page it was split from while both fit well into one, and halves the directory when it can.
func (t *Table[K, V]) merge(h *header, hash uint64) {
	roomy := t.pool.most * slotsPerGroup * 5 / 8
	for h.depth > 0 {
		bit := uint64(1) << (dirShift + h.depth - 1)
		buddy := t.page(hash ^ bit)
		if buddy.depth != h.depth || h.count+buddy.count > roomy {
			return
		}
		c := t.pool.get(t.sized(int(h.count+buddy.count)), h.depth-1)
		t.move(c, h)
		t.move(c, buddy)
		t.set(hash, c)
		t.pool.retire(h)
		t.pool.retire(buddy)
		t.pages--
		if h.depth == t.depth {
			t.deep -= 2
		}
		h = c
		for t.depth > 0 && t.deep == 0 {
			t.halve()
		}
	}
}
