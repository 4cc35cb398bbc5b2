package cow

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Space is the clock that all tables of one backend share: it knows the current epoch and which snapshots are alive.
// One goroutine owns it together with its tables; only View.Release may be called from others.
//
// Invariant: frozen is the newest epoch that a live snapshot, or another space through an adopted directory, can see,
// and frozen < epoch. A page or directory segment whose epoch is at most frozen is never written.
type Space struct {
	epoch  uint64
	frozen uint64
	floor  uint64   // pages up to this epoch may belong to other spaces
	live   []uint64 // epochs of live views, ascending, as far as the owner has heard
	pins   []*View  // views of other spaces whose pages were adopted
	pools  []interface {
		released(epoch uint64)
		captured()
		close()
	}

	pending atomic.Bool // released is not empty
	mu      sync.Mutex  // guards released
	ended   []uint64    // epochs of views released since the owner last looked
}

// NewSpace returns a space at its first epoch.
func NewSpace() *Space { return &Space{epoch: 1} }

// Epoch returns the current epoch: what is written now carries it.
func (s *Space) Epoch() uint64 { return s.epoch }

// Shared reports whether something last written in that epoch may be visible elsewhere, so that it must be copied
// before it is written.
func (s *Space) Shared(epoch uint64) bool {
	if epoch > s.frozen {
		return false
	}
	s.collect()
	return epoch <= s.frozen
}

// Live returns how many views are alive.
func (s *Space) Live() int {
	s.collect()
	return len(s.live)
}

// Capture begins a new epoch and returns the view of everything written before. The tables' own part of a capture is
// Table.Freeze. O(states).
func (s *Space) Capture() *View {
	s.collect()
	v := &View{space: s, epoch: s.epoch}
	v.refs.Store(1)
	for _, p := range s.pins {
		if p.Retain() {
			v.parents = append(v.parents, p)
		}
	}
	s.live = append(s.live, s.epoch)
	s.frozen = s.epoch
	s.epoch++
	for _, p := range s.pools {
		p.captured()
	}
	return v
}

// Adopt makes the pages of v, a view of another space, usable in this one: they are never written and never recycled
// here. The view stays alive until this space is closed. It reports false if v was released already.
func (s *Space) Adopt(v *View) bool {
	if slices.Contains(s.pins, v) {
		return true
	}
	if !v.Retain() {
		return false
	}
	s.pins = append(s.pins, v)
	s.floor = max(s.floor, v.epoch)
	s.frozen = max(s.frozen, s.floor)
	s.epoch = max(s.epoch, s.frozen+1)
	return true
}

// Close lets go of all recycled pages and of what was adopted. Views stay readable.
func (s *Space) Close() {
	for _, p := range s.pools {
		p.close()
	}
	for _, p := range s.pins {
		p.Release()
	}
	s.pools, s.pins = nil, nil
}

// collect hears of released views.
func (s *Space) collect() {
	if !s.pending.Load() {
		return
	}
	s.mu.Lock()
	ended := s.ended
	s.ended = nil
	s.pending.Store(false)
	s.mu.Unlock()
	for _, e := range ended {
		s.live = slices.DeleteFunc(s.live, func(l uint64) bool { return l == e })
		for _, p := range s.pools {
			p.released(e)
		}
	}
	s.frozen = s.floor
	if n := len(s.live); n > 0 {
		s.frozen = max(s.floor, s.live[n-1])
	}
}

// newestUpTo returns the newest live epoch that is at most e, 0 if there is none.
func (s *Space) newestUpTo(e uint64) uint64 {
	for i := len(s.live) - 1; i >= 0; i-- {
		if s.live[i] <= e {
			return s.live[i]
		}
	}
	return 0
}

// View keeps the pages of one epoch unchanged for as long as anyone holds it.
type View struct {
	space   *Space
	epoch   uint64
	refs    atomic.Int64
	parents []*View
}

// Epoch returns the last epoch the view can see.
func (v *View) Epoch() uint64 { return v.epoch }

// Retain adds a holder; it reports false, and adds none, once all holders have let go. Any goroutine.
func (v *View) Retain() bool {
	for {
		n := v.refs.Load()
		if n <= 0 {
			return false
		}
		if v.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release lets go of one hold; with the last one the pages that only this view could see may be written again. Any
// goroutine. Every hold is released once.
func (v *View) Release() {
	if v.refs.Add(-1) != 0 {
		return
	}
	for _, p := range v.parents {
		p.Release()
	}
	v.parents = nil
	s := v.space
	s.mu.Lock()
	s.ended = append(s.ended, v.epoch)
	s.mu.Unlock()
	s.pending.Store(true)
}
