package cow

import "unsafe"

// Pool makes and recycles the pages of all tables of one type that share a space: the tables of one state, one for each
// key group. Like the tables it belongs to the goroutine that owns the space.
type Pool[K comparable, V any] struct {
	space *Space
	hash  func(K) uint64
	equal func(a, b K) bool // nil when == is the equality of keys
	// refs: values hold references (slices, maps, pointers), so that a page copy shares them with the original.
	refs bool
	// clear: keys or values hold pointers of any kind, which a page kept for later must not keep alive.
	clear bool
	// most is the number of groups a page of this type grows to before it splits.
	most uint16

	free  [usualGroups + 1]stack // by number of groups: pages nobody can see
	dead  map[uint64]*stack      // by snapshot epoch: retired while that snapshot was the newest live one
	limbo []limbo                // dead lists of released snapshots, not yet sorted

	made, madeBefore int // pages copied in this and in the previous interval between captures
	idle             int // pages in free and limbo
	fresh            int // pages allocated in all
}

// limbo is the dead list of a snapshot that was released.
type limbo struct {
	stack stack
	epoch uint64
}

// PoolOptions says what the pool has to know about its types.
type PoolOptions[K comparable] struct {
	Hash       func(K) uint64    // required; must not change over the life of the tables
	Equal      func(a, b K) bool // nil: ==
	References bool              // values hold slices, maps or pointers that a user's write could reach
	Pointers   bool              // keys or values hold any pointer, strings included
}

// NewPool returns a pool whose tables follow the clock of space.
func NewPool[K comparable, V any](space *Space, o PoolOptions[K]) *Pool[K, V] {
	most := uint16(max(1, min(usualGroups, pageBytes/max(1, slotsPerGroup*unsafe.Sizeof(slot[K, V]{})))))
	if most > 4 {
		most &^= 1 // there are no pages of 5 and 7 groups
	}
	p := &Pool[K, V]{
		space: space, hash: o.Hash, equal: o.Equal, refs: o.References, clear: o.Pointers,
		most: most, dead: map[uint64]*stack{},
	}
	space.pools = append(space.pools, p)
	return p
}

// get returns an empty page of n groups, recycled if there is one.
func (p *Pool[K, V]) get(n uint16, depth uint8) *header {
	h := p.take(n)
	*h = header{epoch: p.space.epoch, groups: n, depth: depth}
	words := wordsOf(h)
	for i := range words {
		words[i] = emptyGroup
	}
	words[n] = 0
	return h
}

// copyOf returns a page with the content of old, recycled if there is one.
func (p *Pool[K, V]) copyOf(old *header) *header {
	p.made++
	h := p.take(old.groups)
	*h = *old
	h.epoch = p.space.epoch
	copy(wordsOf(h), wordsOf(old))
	*ownedOf(h) = 0
	copy(slotsOf[K, V](h), slotsOf[K, V](old))
	return h
}

// take returns a page of n groups with any content.
func (p *Pool[K, V]) take(n uint16) *header {
	if n <= usualGroups {
		if p.free[n].len() == 0 && len(p.limbo) > 0 {
			p.sort(n)
		}
		if h := p.free[n].pop(); h != nil {
			p.idle--
			return h
		}
	}
	p.fresh++
	return newPage[K, V](n)
}

// sortStep bounds how many retired pages one allocation looks at, so that no single write pays for a whole release.
const sortStep = 32

// sort moves pages out of limbo until one of n groups is free or the step is used up.
func (p *Pool[K, V]) sort(n uint16) {
	for range sortStep {
		last := len(p.limbo) - 1
		if last < 0 || p.free[n].len() > 0 {
			return
		}
		h := p.limbo[last].stack.pop()
		if h == nil {
			p.limbo[last] = limbo{}
			p.limbo = p.limbo[:last]
			continue
		}
		p.idle--
		p.settle(h, p.limbo[last].epoch)
	}
}

// settle files a page that was retired while the snapshot of that epoch was the newest: it is free unless a live
// snapshot, not newer than that one, can see it.
func (p *Pool[K, V]) settle(h *header, retired uint64) {
	if s := p.space.newestUpTo(retired); s >= h.epoch && s != 0 {
		p.deadOf(s).push(h)
		return
	}
	p.recycle(h)
}

func (p *Pool[K, V]) recycle(h *header) {
	if h.groups > usualGroups || p.idle >= p.keep() {
		return
	}
	if p.clear {
		clear(slotsOf[K, V](h))
	}
	p.free[h.groups].push(h)
	p.idle++
}

func (p *Pool[K, V]) deadOf(epoch uint64) *stack {
	s := p.dead[epoch]
	if s == nil {
		s = &stack{}
		p.dead[epoch] = s
	}
	return s
}

// retire takes back a page that its table no longer holds.
func (p *Pool[K, V]) retire(h *header) {
	switch s := p.space; {
	case h.epoch > s.frozen:
		p.recycle(h)
	case h.epoch <= s.floor:
		// Adopted from another space, which may still use it: only the collector knows.
	default:
		p.deadOf(s.frozen).push(h)
	}
}

// released is told by the space that a snapshot ended. O(1).
func (p *Pool[K, V]) released(epoch uint64) {
	s := p.dead[epoch]
	if s == nil {
		return
	}
	delete(p.dead, epoch)
	p.idle += s.len()
	p.limbo = append(p.limbo, limbo{stack: *s, epoch: epoch})
}

// captured ends an interval: what is idle beyond the need of the last two intervals is given back.
func (p *Pool[K, V]) captured() {
	keep := p.keep()
	p.madeBefore, p.made = p.made, 0
	for p.idle > keep {
		n := p.drop()
		if n == 0 {
			return
		}
		p.idle -= n
	}
}

// keep is how many idle pages are worth their memory: what the writes after a capture needed lately.
func (p *Pool[K, V]) keep() int { return max(p.made, p.madeBefore) + stackChunk }

// drop lets go of one chunk of idle pages and says how many they were.
func (p *Pool[K, V]) drop() int {
	for i := range p.limbo {
		if n := p.limbo[i].stack.dropChunk(); n > 0 {
			return n
		}
	}
	for i := range p.free {
		if n := p.free[i].dropChunk(); n > 0 {
			return n
		}
	}
	return 0
}

func (p *Pool[K, V]) close() {
	p.free, p.dead, p.limbo, p.idle = [usualGroups + 1]stack{}, map[uint64]*stack{}, nil, 0
}

// stackChunk is how many pages one chunk of a stack holds.
const stackChunk = 510

// stack is a stack of pages in chunks: push, pop and taking over a whole stack are O(1) and never copy.
type stack struct {
	top *stackNode
	n   int
}

type stackNode struct {
	next  *stackNode
	n     int
	pages [stackChunk]*header
}

func (s *stack) len() int { return s.n }

func (s *stack) push(h *header) {
	if s.top == nil || s.top.n == stackChunk {
		s.top = &stackNode{next: s.top}
	}
	s.top.pages[s.top.n] = h
	s.top.n++
	s.n++
}

func (s *stack) pop() *header {
	if s.n == 0 {
		return nil
	}
	t := s.top
	t.n--
	h := t.pages[t.n]
	t.pages[t.n] = nil
	if t.n == 0 && t.next != nil { // the last node stays: a stack that goes up and down by one allocates nothing
		s.top = t.next
	}
	s.n--
	return h
}

// dropChunk forgets the pages of the top chunk.
func (s *stack) dropChunk() int {
	if s.n == 0 {
		return 0
	}
	n := s.top.n
	s.top = s.top.next
	s.n -= n
	return n
}
