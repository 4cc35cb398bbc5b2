package heapbackend

import (
	"fmt"
	"iter"
	"unsafe"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/keygroups"
)

// Map is a state that holds a map from MK to V for each key. A put costs O(1) whatever the size, after a capture too:
// each map is a table of the kind the state itself is made of.
//
// The rules for values are those of Value. With a TTL each entry of a map expires on its own.
type Map[K, MK comparable, V any] struct {
	*keyed[K, inner[MK, V]]
	sub    keyCodec[MK]
	maps   *cow.Pool[MK, V] // of the tables inside
	vals   *owning[V]
	apart  bool          // see Value
	within mapSweep[K]   // the map at which the state's clean-up is
	spare  []pair[MK, V] // room for a loop over a small map; nil while one uses it
}

// inner is the map of one key.
//
// Invariant: the table is written only while epoch is newer than what any snapshot sees; epoch 0 means that the table
// was made by a restore, in another space.
//
// The pointer is untyped so that maps of all types are one shape to the compiler, which would otherwise compile the
// outer tables and states once, and in effect twice, for each. unsafe: at is nil or a *cow.Table[MK, V]; only own and
// the two decoders set it.
type inner[MK comparable, V any] struct {
	at    unsafe.Pointer
	epoch uint64
}

// table returns the table. There is one in every entry, but in one that a second goroutine is just making, which reads
// as empty.
func (e *inner[MK, V]) table() *cow.Table[MK, V] {
	if e.at == nil {
		return new(cow.Table[MK, V])
	}
	return (*cow.Table[MK, V])(e.at)
}

// NewMap registers a map state; see NewValue for the arguments and errors. MK may be what a backend's key may be. The
// Options are those of the values.
func NewMap[MK comparable, V any, K comparable](in Scope[K], name string, opts ...Options[V]) (*Map[K, MK, V], error) {
	c, err := newValueCodec(opts)
	if err != nil {
		return nil, err
	}
	h, err := keygroups.NewHasher[MK](in.scope().core.cfg.Seed)
	if err != nil {
		return nil, fmt.Errorf("heapbackend: state %q: %w", name, err)
	}
	sub, err := newKeyCodec(h)
	if err != nil {
		return nil, err
	}
	m := &mapCodec[MK, V]{sub: sub, value: c}
	info := c.describe(name, kindMap)
	info.sub = h.Type()
	s, err := register(in, info, layout[inner[MK, V]]{
		append: m.append, decoder: m.decoder, pointers: true,
		life: c.life, parts: &partsLayout[inner[MK, V]]{alive: (*inner[MK, V]).alive, append: m.appendStamped},
	})
	if err != nil {
		return nil, err
	}
	maps := &Map[K, MK, V]{keyed: s, sub: sub, maps: m.newPool(in.scope().core.space), vals: c.owns()}
	maps.apart = s.life != nil || maps.vals.clips() != nil
	if s.life != nil {
		s.clean = maps.cleanMaps
	}
	s.checked(c.check(), inside[MK, V](maps.subHash))
	return maps, nil
}

// subHash returns the hash of a key inside a map.
func (s *Map[K, MK, V]) subHash(mk MK) uint64 {
	if h, ok := s.sub.hasher.HashWord(mk); ok {
		return h
	}
	return s.sub.hasher.Hash(mk)
}

// own makes the table ready to be written in that space, whose pool it then belongs to.
func (e *inner[MK, V]) own(space *cow.Space, pool *cow.Pool[MK, V]) *cow.Table[MK, V] {
	switch {
	case e.at == nil:
		*e = inner[MK, V]{unsafe.Pointer(cow.NewTable(pool)), space.Epoch()}
	case e.epoch != space.Epoch() && space.Shared(e.epoch):
		*e = inner[MK, V]{unsafe.Pointer(e.table().Fork(pool)), space.Epoch()}
	}
	return e.table()
}

// own makes the map of a key ready to be written.
func (s *Map[K, MK, V]) own(e *inner[MK, V]) *cow.Table[MK, V] { return e.own(s.core.space, s.maps) }

// Get returns the value of a key in the map of k, and whether there is one. It must not be assigned through. O(1).
func (s *Map[K, MK, V]) Get(k K, mk MK) (v V, ok bool) {
	if s.apart {
		return s.getApart(k, mk)
	}
	return s.find(k, mk)
}

// find is Get of values that need nothing more.
func (s *Map[K, MK, V]) find(k K, mk MK) (v V, ok bool) {
	if e := s.get(k); e != nil {
		if p := e.table().Get(s.subHash(mk), mk); p != nil {
			return *p, true
		}
	}
	return v, false
}

// getApart is Get of a state with a lifetime, or of values that have slices.
func (s *Map[K, MK, V]) getApart(k K, mk MK) (v V, ok bool) {
	if s.life != nil {
		v, ok = s.read(k, mk)
	} else {
		v, ok = s.find(k, mk)
	}
	clip(&v, s.vals.clips())
	return v, ok
}

// Put sets the value of a key in the map of k to a copy of v. Errors and cost as Value.Put.
func (s *Map[K, MK, V]) Put(k K, mk MK, v V) error {
	p, _, err := s.entry(k, mk)
	if err != nil {
		return err
	}
	*p = v
	if s.vals != nil && !s.vals.take(p) {
		return s.core.tooDeep(s.info.name)
	}
	return s.leave()
}

// Update calls fn with the value of a key in the map of k; see Value.Update.
func (s *Map[K, MK, V]) Update(k K, mk MK, fn func(*V)) error {
	p, fresh, err := s.entry(k, mk)
	if err != nil {
		return err
	}
	if s.vals == nil {
		fn(p)
	} else if !s.vals.update(p, fresh, fn) {
		return s.core.tooDeep(s.info.name)
	}
	return s.leave()
}

// entry is upsert for both keys. What has expired is zero, and fresh.
func (s *Map[K, MK, V]) entry(k K, mk MK) (v *V, fresh bool, err error) {
	e, inserted, _, err := s.upsert(k)
	if err != nil {
		return nil, false, err
	}
	v, _, fresh, err = s.own(e).Upsert(s.subHash(mk), mk)
	if err == nil && s.life != nil && s.renewIn(e.table(), k, mk, v) {
		fresh = true
	}
	if err != nil {
		if inserted {
			s.remove(k)
		}
		return nil, false, s.core.full(s.info.name, err)
	}
	return v, fresh, nil
}

// Remove removes one key from the map of k, and with the last one the map. Errors as Value.Delete. O(1).
func (s *Map[K, MK, V]) Remove(k K, mk MK) error {
	e := s.get(k)
	if e == nil || e.table().Get(s.subHash(mk), mk) == nil {
		return s.core.Err()
	}
	e, _, _, err := s.upsert(k)
	if err != nil {
		return err
	}
	t := s.own(e)
	t.Delete(s.subHash(mk), mk)
	if t.Len() == 0 {
		s.remove(k)
	}
	return s.leave()
}

// Len returns the size of the map of k. O(1), with a TTL O(entries).
func (s *Map[K, MK, V]) Len(k K) int {
	if s.life != nil {
		return s.lenLiving(k)
	}
	if e := s.get(k); e != nil {
		return e.table().Len()
	}
	return 0
}

// Entries yields the map of k as it was when the loop began; the loop's body may write. The values must not be assigned
// through. O(entries yielded). A small map of values without slices, maps and pointers, about a page of them, is copied
// for the loop; during a loop over another one writes to the backend copy pages, as after a capture.
func (s *Map[K, MK, V]) Entries(k K) iter.Seq2[MK, V] {
	return func(yield func(MK, V) bool) { s.loop(k, yield) }
}

// All yields every key and its map as they were when the loop began; otherwise as Value.All. The maps are read inside
// the loop: they yield nothing once it has ended.
func (s *Map[K, MK, V]) All() iter.Seq2[K, iter.Seq2[MK, V]] { return s.inners(s.keyed.each) }

// InGroup is All for the keys of one key group; nothing for a group that is not the backend's.
func (s *Map[K, MK, V]) InGroup(group int) iter.Seq2[K, iter.Seq2[MK, V]] {
	return s.inners(s.inGroup(group))
}

func (s *Map[K, MK, V]) inners(each func(func(K, part[inner[MK, V]]) bool)) iter.Seq2[K, iter.Seq2[MK, V]] {
	return func(yield func(K, iter.Seq2[MK, V]) bool) {
		ended := false
		defer func() { ended = true }()
		for k, p := range each {
			entries := func(yield func(MK, V) bool) {
				if !ended {
					clipped(p.e.living(p.window), s.vals.clips())(yield)
				}
			}
			if !yield(k, entries) {
				return
			}
		}
	}
}

// At returns the state as it is in a snapshot; see Value.At.
func (s *Map[K, MK, V]) At(snap *Snapshot) (*MapView[K, MK, V], error) {
	f, err := viewOf(s.keyed, snap)
	if err != nil {
		return nil, err
	}
	return &MapView[K, MK, V]{viewed: f, hash: s.subHash, clips: s.vals.clips()}, nil
}

// MapView is a Map as it was at a capture; see ValueView.
type MapView[K, MK comparable, V any] struct {
	*viewed[K, inner[MK, V]]
	hash  func(MK) uint64
	clips []uintptr // see clip
}

// Get returns the value of a key in the map of k, and whether there was one.
func (w *MapView[K, MK, V]) Get(k K, mk MK) (v V, ok bool) {
	release, err := w.snap.hold()
	if err != nil {
		return v, false
	}
	defer release()
	if p := w.f.get(k); p.e != nil {
		hash := w.hash(mk)
		if e := p.e.table().Get(hash, mk); e != nil && p.e.shows(hash, e, p.window) {
			v, ok = *e, true
			clip(&v, w.clips)
		}
	}
	return v, ok
}

// Entries yields the map of k.
func (w *MapView[K, MK, V]) Entries(k K) iter.Seq2[MK, V] {
	return func(yield func(MK, V) bool) {
		release, err := w.snap.hold()
		if err != nil {
			return
		}
		defer release()
		if p := w.f.get(k); p.e != nil {
			clipped(p.e.living(p.window), w.clips)(yield)
		}
	}
}

// All yields every key and its map.
func (w *MapView[K, MK, V]) All() iter.Seq2[K, iter.Seq2[MK, V]] { return w.inners(w.f.each) }

// InGroup is All for the keys of one key group.
func (w *MapView[K, MK, V]) InGroup(group int) iter.Seq2[K, iter.Seq2[MK, V]] {
	return w.inners(w.f.inGroup(group))
}

func (w *MapView[K, MK, V]) inners(each func(func(K, part[inner[MK, V]]) bool)) iter.Seq2[K, iter.Seq2[MK, V]] {
	return func(yield func(K, iter.Seq2[MK, V]) bool) {
		l, err := w.snap.begin()
		if err != nil {
			return
		}
		defer l.end()
		for k, p := range each {
			if !yield(k, clipped(heldEntries(l.hold, p), w.clips)) {
				return
			}
		}
	}
}

// heldEntries yields a map of a snapshot while it can be held, nothing once it is released: its pages may be used again
// then.
func heldEntries[MK comparable, V any](hold func() (func(), error), p part[inner[MK, V]]) iter.Seq2[MK, V] {
	return func(yield func(MK, V) bool) {
		if release, err := hold(); err == nil {
			defer release()
			p.e.living(p.window)(yield)
		}
	}
}

// keys yields the keys of a map that is not written meanwhile.
func (e *inner[MK, V]) keys(yield func(MK) bool) {
	f := e.table().Freeze()
	for k := range f.All() {
		if !yield(k) {
			return
		}
	}
}

// seq yields the entries of a map that is not written meanwhile.
func (e *inner[MK, V]) seq() iter.Seq2[MK, V] {
	f := e.table().Freeze()
	return copies(f.All())
}
