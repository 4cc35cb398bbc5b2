package heapbackend

import (
	"fmt"
	"reflect"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/internal/wire"
)

// keyed is what every kind of state is made of: for each key group a table from key to entry. The kinds differ in what
// an entry is: the value itself, a list's chunks, a map's table.
type keyed[K comparable, E any] struct {
	core   *core
	info   stateInfo
	keys   keyCodec[K]
	layout layout[E]
	pool   *cow.Pool[K, E]
	tables []cow.Table[K, E] // by group, from the first of the backend's range
	index  index[K]          // nil without namespaces
	life   *lifetime         // nil without TTL
	sweep  sweep             // where the next clean-up looks
	clean  func()            // removes some of what has expired; set where there is a lifetime

	check  *checker          // nil without Config.CheckValues; else also:
	values func(*E) valueSeq // in an entry

	// after ends an operation that began with upsert, where that takes more than leaving the guard: with a lifetime,
	// or a check. It is nil for all others, which so have one thing to look at.
	after func() error

	// bare is what entries are written with, and none of them: what is carried of the state refers to it, and so keeps
	// neither the state nor its backend alive.
	bare *keyed[K, E]
}

// layout is how entries are written and read.
type layout[E any] struct {
	append func(dst []byte, e *E) ([]byte, error)
	// decoder returns what reads entries, of a state that was written as described, into tables of that space. The
	// decoder belongs to one goroutine.
	decoder  func(space *cow.Space, written *stateInfo, st stamps) (func(r *wire.Reader, e *E) error, error)
	refs     bool // an entry is a value that a program's write could reach into
	pointers bool // entries hold pointers of any kind

	life *lifetime // nil without TTL; else, where an entry has a stamp of its own:
	// parts is set where not entries but parts of them expire.
	parts *partsLayout[E]
}

// partsLayout is what a layout has to say where parts of an entry expire.
type partsLayout[E any] struct {
	touched bool // an entry's stamp is when all its parts were last read; without, entries have none
	// alive reports whether anything in an entry is.
	alive func(e *E, w window) bool
	// append is layout.append for what is alive, with the stamps.
	append func(dst []byte, e *E, w window) ([]byte, error)
}

// register adds a state to the backend; a state of the restored checkpoint that was carried under its name becomes its
// content.
func register[K comparable, E any](in Scope[K], info stateInfo, l layout[E]) (*keyed[K, E], error) {
	of := in.scope()
	b := of.core
	info.key, info.namespace, info.stamped = of.keyType, of.namespace, l.life != nil
	if err := b.begin(&info); err != nil {
		return nil, err
	}
	defer b.guard.leave()
	s := &keyed[K, E]{core: b, info: info, keys: of.keys, layout: l, life: l.life}
	s.bare = &keyed[K, E]{info: info, keys: of.keys, layout: l}
	if s.bare.layout.life = nil; s.life != nil {
		s.bare.life = new(lifetime)
	}
	s.pool = s.newPool(b.space)
	s.tables = make([]cow.Table[K, E], b.groups())
	for i := range s.tables {
		s.tables[i] = *cow.NewTable(s.pool)
	}
	if of.index != nil {
		s.index = of.index()
	}
	if s.life != nil {
		s.life.begin(b.groups())
		s.clean = s.cleanEntries
		s.after = func() error { s.clean(); return nil }
	}
	if err := b.add(s); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *keyed[K, E]) newPool(space *cow.Space) *cow.Pool[K, E] {
	keys := s.keys // a copy: entries that others adopt may go on to refer to the pools of the space, and not to the state
	return cow.NewPool[K, E](space, cow.PoolOptions[K]{
		Hash: keys.hash, Equal: keys.equal,
		References: s.layout.refs, Pointers: s.layout.pointers || s.keys.pointers,
		Stamps: s.entriesStamped(),
	})
}

func (s *keyed[K, E]) described() *stateInfo { return &s.info }

// locate returns the table of a key, nil if its group is not the backend's, and its hash there. The hash of the
// commonest keys is inlined.
func (s *keyed[K, E]) locate(k K) (*cow.Table[K, E], uint64) {
	if h, ok := s.keys.hasher.HashWord(k); ok {
		return s.table(h), h
	}
	group, h := s.keys.hashes(k)
	return s.table(group), h
}

// table returns the table of the key group that a hash decides, nil if the group is not the backend's.
func (s *keyed[K, E]) table(hash uint64) *cow.Table[K, E] {
	i := uint(s.core.groupOf(hash) - s.core.cfg.Range.First)
	if i >= uint(len(s.tables)) {
		return nil
	}
	return &s.tables[i]
}

// groupOf returns the key group of a key.
func (s *keyed[K, E]) groupOf(k K) int {
	group, _ := s.keys.hashes(k)
	return s.core.groupOf(group)
}

// foreign is the failure of a key that belongs to another task. Whatever routed it here will route more.
func (s *keyed[K, E]) foreign(k K) error {
	return s.core.guard.fail(fmt.Errorf("%w: a key of state %q is in group %d, this backend holds %v",
		ErrGroup, s.info.name, s.groupOf(k), s.core.cfg.Range))
}

// get returns the entry of a key, nil if there is none or the backend refuses use.
func (s *keyed[K, E]) get(k K) *E {
	if !s.core.guard.enter() {
		s.core.guard.refused()
		return nil
	}
	t, hash := s.locate(k)
	if t == nil {
		s.foreign(k)
		return nil
	}
	e := t.Get(hash, k)
	s.core.guard.leave()
	return e
}

// upsert returns the entry of a key for writing; what has expired counts as not there. Without an error the caller
// calls leave when it has written.
func (s *keyed[K, E]) upsert(k K) (e *E, inserted, fresh bool, err error) {
	if !s.core.guard.enter() {
		return nil, false, false, s.core.guard.refused()
	}
	t, hash := s.locate(k)
	if t == nil {
		return nil, false, false, s.foreign(k)
	}
	e, inserted, fresh, err = t.Upsert(hash, k)
	if inserted && s.index != nil {
		err = s.index.inserted(s.groupOf(k), k)
	}
	if err != nil {
		return nil, false, false, s.core.full(s.info.name, err)
	}
	if s.after != nil {
		return s.upserted(t, hash, k, e, inserted, fresh)
	}
	return e, inserted, fresh, nil
}

// leave ends an operation that began with upsert. An error is that of a check, and the backend refuses further use.
func (s *keyed[K, E]) leave() error {
	err := s.tidy()
	s.core.guard.leave()
	return err
}

// tidy does what an operation ends with: it cleans up a little where there is a lifetime, and checks what was written.
// The compiler inlines it, and not leave: the hottest paths call it.
func (s *keyed[K, E]) tidy() error {
	if s.after != nil {
		return s.after()
	}
	return nil
}

// remove removes the entry of a key, if there is one; the guard is entered and the key is the backend's. Every removal
// of an entry comes through here.
func (s *keyed[K, E]) remove(k K) {
	t, hash := s.locate(k)
	if t.Delete(hash, k) && s.index != nil {
		s.index.removed(s.groupOf(k), k)
	}
}

// drop lets go of all entries. The backend is closed; snapshots keep what is theirs.
func (s *keyed[K, E]) drop() {
	for group := range s.core.cfg.Range.All() {
		s.install(group, nil)
	}
}

// Delete removes what the state holds for a key; a key that holds nothing is no error. Errors: ErrGroup, ErrConcurrent,
// ErrClosed. O(1).
func (s *keyed[K, E]) Delete(k K) error {
	if !s.core.guard.enter() {
		return s.core.guard.refused()
	}
	if t, _ := s.locate(k); t == nil {
		return s.foreign(k)
	}
	s.remove(k)
	s.core.guard.leave()
	return nil
}

// Keys returns the number of keys the state holds something for; with a TTL also those of which all has expired and
// nothing was cleaned up yet. O(key groups).
func (s *keyed[K, E]) Keys() int {
	n := 0
	for i := range s.tables {
		n += s.tables[i].Len()
	}
	return n
}

// Name returns the name the state is registered under.
func (s *keyed[K, E]) Name() string { return s.info.name }

// owner implements State.
func (s *keyed[K, E]) owner() *core { return s.core }

// has implements State: what is in the index of a live state is in it, expired or not.
func (s *keyed[K, E]) has(K) bool { return true }

// held implements State. Owner only; the body of the loop it serves may write.
func (s *keyed[K, E]) held(look func(index any) (hold bool)) (release func()) {
	if !s.core.guard.enter() {
		s.core.guard.refused()
		return func() {}
	}
	defer s.core.guard.leave()
	if look(s.index) {
		view := s.core.space.View()
		return func() { s.core.ended(view) }
	}
	return func() {}
}

// decodedGroup is a group that was decoded: its table and its part of the index.
type decodedGroup[K comparable, E any] struct {
	table *cow.Table[K, E]
	index index[K]
	stamps
}

func (s *keyed[K, E]) install(group int, c content) {
	t := &s.tables[group-s.core.cfg.Range.First]
	if s.check != nil {
		s.check.install(group - s.core.cfg.Range.First)
	}
	var index any
	times := noTimes
	switch c := c.(type) {
	case *frozenKeyed[K, E]:
		t.Adopt(c.tables[group-c.first])
		index = c.index
		if c.limits != nil {
			times = c.times(group - c.first)
		}
	case decodedGroup[K, E]:
		t.Take(c.table)
		index = c.index
		if c.found != nil {
			times = *c.found
		}
	default:
		*t = *cow.NewTable(s.pool)
	}
	if s.index != nil {
		s.index.install(group, index)
	}
	if s.life != nil {
		s.life.install(group-s.core.cfg.Range.First, times)
	}
}

// rewind implements rewinder.
func (s *keyed[K, E]) rewind() {
	if s.life != nil {
		s.life.newest = MinTimestamp
	}
}

func (s *keyed[K, E]) stage(written *stateInfo, group int, entries uint64, records []byte) (content, error) {
	if !s.info.related(written) {
		return nil, mismatch(&s.info, written, s.info.change(written))
	}
	// A record is two bytes and an array header at the least.
	if entries > uint64(len(records))/3 {
		return nil, fmt.Errorf("%w: state %q: %d entries in %d bytes", ErrCorrupt, s.info.name, entries, len(records))
	}
	space := cow.NewSpace()
	defer space.Close() // tables inside entries go on to refer to it, and to the pools of it
	st := s.stampsOf(written)
	decode, err := s.layout.decoder(space, written, st)
	if err != nil {
		return nil, mismatch(&s.info, written, err)
	}
	c := decodedGroup[K, E]{table: cow.NewTableFor(s.newPool(space), expected[K, E](entries, len(records))), stamps: st}
	if s.index != nil {
		c.index = s.index.staging(space, group)
	}
	r := wire.NewReader(records)
	for range entries {
		if err := s.decodeRecord(r, group, c, decode); err != nil {
			return nil, s.info.unreadable(written, err)
		}
	}
	if r.Len() > 0 {
		return nil, fmt.Errorf("%w: state %q: %d bytes too many", ErrCorrupt, s.info.name, r.Len())
	}
	return c, nil
}

// expected is how many entries to make room for when bytes claim to hold that many. Most types take less than 8 times
// their encoding in memory; a claim beyond that is believed one entry at a time.
func expected[K, E any](entries uint64, bytes int) int {
	size := reflect.TypeFor[K]().Size() + reflect.TypeFor[E]().Size()
	return int(min(entries, 8*uint64(bytes)/uint64(max(1, size))))
}

func (s *keyed[K, E]) decodeRecord(r *wire.Reader, group int, c decodedGroup[K, E], decode func(*wire.Reader, *E) error) error {
	if n := r.ArrayLen(); n != 2 && r.Err() == nil {
		return fmt.Errorf("a record of %d parts", n)
	}
	var k K
	if err := s.keys.codec.Decode(r, &k); err != nil {
		return err
	}
	decides, hash := s.keys.hashes(k)
	if g := s.core.groupOf(decides); g != group {
		return fmt.Errorf("a key of group %d in group %d", g, group)
	}
	e, inserted, _, err := c.table.Upsert(hash, k)
	if inserted && c.index != nil {
		err = c.index.inserted(group, k)
	}
	if err != nil {
		return err
	}
	if !inserted {
		return fmt.Errorf("the same key twice")
	}
	if err := s.decodeStamp(r, c, hash, e); err != nil {
		return err
	}
	return decode(r, e)
}

func (s *keyed[K, E]) stageFrozen(f frozen, group int) (content, error) {
	if same, ok := f.(*frozenKeyed[K, E]); ok && s.info.same(f.described()) {
		return same, nil
	}
	if !s.info.related(f.described()) {
		return nil, mismatch(&s.info, f.described(), s.info.change(f.described()))
	}
	// Another Go type or version: through the bytes.
	records, err := f.appendGroup(nil, group)
	if err != nil {
		return nil, err
	}
	return s.stage(f.described(), group, f.entries(group), records)
}
