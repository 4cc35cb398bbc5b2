package heapbackend

import (
	"slices"
	"sync/atomic"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/keygroups"
)

// frozenKeyed is one state of a snapshot. It reads only what never changes of its state: descriptions and codecs.
type frozenKeyed[K comparable, E any] struct {
	state  *keyed[K, E] // or its bare one, of what only returned
	tables []cow.Frozen[K, E]
	first  int
	index  any // of the keys, nil without namespaces

	limits []Timestamp     // by group: stamps up to this had expired; nil without TTL
	born   []Timestamp     // by group, with limits: see lifetime
	newest Timestamp       // likewise
	counts []atomic.Uint64 // by group: one more than its entries, 0 if not counted yet
}

func (f *frozenKeyed[K, E]) described() *stateInfo { return &f.state.info }

// only implements frozen.
func (f *frozenKeyed[K, E]) only(group int) frozen {
	i := group - f.first
	o := &frozenKeyed[K, E]{state: f.state.bare, tables: []cow.Frozen[K, E]{f.tables[i]}, first: group}
	if ix, ok := f.index.(frozenIndex); ok {
		o.index = ix.only(group)
	}
	if f.limits != nil {
		o.limits, o.born, o.newest = []Timestamp{f.limits[i]}, []Timestamp{f.born[i]}, f.newest
		o.counts = make([]atomic.Uint64, 1)
		o.counts[0].Store(f.counts[i].Load())
	}
	return o
}

func (f *frozenKeyed[K, E]) entries(group int) uint64 {
	if f.limits != nil {
		return f.count(group - f.first)
	}
	return uint64(f.tables[group-f.first].Len())
}

func (f *frozenKeyed[K, E]) appendGroup(dst []byte, group int) ([]byte, error) {
	start, keys, l := len(dst), f.state.keys.codec, &f.state.layout
	var err error
	if f.limits != nil {
		return f.appendStamped(dst, group-f.first)
	}
	at := 0
	for k, e := range f.tables[group-f.first].All() {
		dst = wire.AppendArrayLen(dst, 2)
		if dst, err = keys.Append(dst, &k); err == nil {
			dst, err = l.append(dst, e)
		}
		if err != nil {
			return dst[:start], &EncodeError{State: f.state.info.name, Group: group, Entry: at, Cause: err}
		}
		at++
	}
	return dst, nil
}

// get returns the entry of a key in the snapshot, with none if there is none.
func (f *frozenKeyed[K, E]) get(k K) (p part[E]) {
	group, hash := f.state.keys.hashes(k)
	i := uint(f.state.core.groupOf(group) - f.first)
	if i >= uint(len(f.tables)) {
		return p
	}
	p.e = f.tables[i].Get(hash, k)
	if p.e != nil && f.limits != nil {
		if p.window = f.window(int(i), f.stampOf(int(i), hash, p.e)); !f.state.alive(p.e, p.window) {
			return part[E]{}
		}
	}
	return p
}

// view freezes the tables as they are; it belongs to a Capture of the space.
func (s *keyed[K, E]) view() *frozenKeyed[K, E] { return s.viewOf(s.core.cfg.Range) }

// viewOf is view for some of the backend's groups, without the index.
func (s *keyed[K, E]) viewOf(r keygroups.Range) *frozenKeyed[K, E] {
	f := &frozenKeyed[K, E]{state: s, tables: make([]cow.Frozen[K, E], r.Len()), first: r.First}
	skip := r.First - s.core.cfg.Range.First
	for i := range f.tables {
		f.tables[i] = s.tables[skip+i].Freeze()
	}
	if s.life != nil {
		f.limits, f.counts = s.life.limits(skip, r.Len()), make([]atomic.Uint64, r.Len())
		f.born, f.newest = slices.Clone(s.life.born[skip:skip+r.Len()]), s.life.newest // once the clock was read
	}
	return f
}

func (s *keyed[K, E]) freeze() frozen {
	f := s.view()
	if s.index != nil {
		f.index = s.index.freeze()
	}
	return f
}

// part is an entry of a snapshot with what of it is there.
type part[E any] struct {
	e *E // nil: nothing
	window
}

func (f *frozenKeyed[K, E]) window(i int, stamp int64) window {
	w := window{on: true, stamp: Timestamp(stamp), limit: f.limits[i], floor: MinTimestamp}
	if f.born[i] != unborn {
		w.floor = f.born[i]
	}
	return w
}

// times returns what the group of index i brings along where it is installed.
func (f *frozenKeyed[K, E]) times(i int) times {
	return times{gone: f.limits[i], born: f.born[i], newest: f.newest}
}

// stampOf returns the stamp of an entry of the group of index i, 0 if entries have none.
func (f *frozenKeyed[K, E]) stampOf(i int, hash uint64, e *E) int64 {
	if !f.state.entriesStamped() {
		return 0
	}
	return f.tables[i].StampOf(hash, e)
}

// each yields every entry with what of it is there.
func (f *frozenKeyed[K, E]) each(yield func(K, part[E]) bool) {
	more := true
	for i := 0; i < len(f.tables) && more; i++ {
		more = f.eachIn(i, yield)
	}
}

// inGroup is each for the entries of one key group.
func (f *frozenKeyed[K, E]) inGroup(group int) func(func(K, part[E]) bool) {
	return func(yield func(K, part[E]) bool) {
		if i := group - f.first; i >= 0 && i < len(f.tables) {
			f.eachIn(i, yield)
		}
	}
}

// eachIn yields what has not expired of the group of index i. It reports false if yield did.
func (f *frozenKeyed[K, E]) eachIn(i int, yield func(K, part[E]) bool) (more bool) {
	more = true
	f.tables[i].Each(func(k K, e *E, stamp int64) bool {
		p := part[E]{e: e}
		if f.limits != nil {
			if p.window = f.window(i, stamp); !f.state.alive(e, p.window) {
				return true
			}
		}
		more = yield(k, p)
		return more
	})
	return more
}

// count returns how many entries of the group of index i have not expired. Any goroutine.
func (f *frozenKeyed[K, E]) count(i int) uint64 {
	if n := f.counts[i].Load(); n > 0 {
		return n - 1
	}
	n := uint64(0)
	if f.limits[i] < MaxTimestamp {
		f.eachIn(i, func(K, part[E]) bool { n++; return true })
	}
	f.counts[i].Store(n + 1)
	return n
}

// appendStamped is appendGroup for the group of index i of a state with a lifetime.
func (f *frozenKeyed[K, E]) appendStamped(dst []byte, i int) ([]byte, error) {
	start, keys, l := len(dst), f.state.keys.codec, &f.state.layout
	var err error
	at := -1
	f.eachIn(i, func(k K, p part[E]) bool {
		at++
		dst = wire.AppendArrayLen(dst, 2)
		if dst, err = keys.Append(dst, &k); err != nil {
			return false
		}
		if l.parts != nil {
			dst, err = l.parts.append(dst, p.e, p.window)
		} else {
			dst, err = l.append(appendStamp(dst, max(p.stamp, p.floor)), p.e)
		}
		return err == nil
	})
	if err != nil {
		return dst[:start], &EncodeError{State: f.state.info.name, Group: f.first + i, Entry: at, Cause: err}
	}
	return dst, nil
}

// each yields every entry of a view of the state taken when the loop begins, so that the loop's body may write.
func (s *keyed[K, E]) each(yield func(K, part[E]) bool) {
	if !s.core.guard.enter() {
		s.core.guard.refused()
		return
	}
	view := s.core.space.View()
	defer s.core.ended(view)
	f := s.view()
	s.core.guard.leave()
	f.each(yield)
}

// inGroup is each for the entries of one key group.
func (s *keyed[K, E]) inGroup(group int) func(func(K, part[E]) bool) {
	return func(yield func(K, part[E]) bool) {
		if !s.core.cfg.Range.Contains(group) {
			return
		}
		if !s.core.guard.enter() {
			s.core.guard.refused()
			return
		}
		view := s.core.space.View()
		defer s.core.ended(view)
		f := s.viewOf(keygroups.Range{First: group, End: group + 1})
		s.core.guard.leave()
		f.each(yield)
	}
}
