package heapbackend

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync/atomic"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/keygroups"
)

// Snapshot is a handle on a backend as it was at a capture. Its methods may be called from any goroutine. It must be
// released, or the backend goes on copying what it could see.
type Snapshot struct {
	p      atomic.Pointer[point]
	cfg    Config
	schema []byte
	tasked bool // there are operator states
}

// point is what all handles of a capture share.
type point struct {
	view   *cow.View
	states []frozen
	sums   map[int][]uint64 // Config.CheckValues: by state, the hash of each block's records at the capture
}

// Capture takes a snapshot of all states. It must be called by the backend's owner, between operations; it touches no
// data and allocates nothing proportional to it: O(states x key groups). From then on the first write to a page copies
// it, until the snapshot is released. Errors: whatever made the backend refuse use (see Err), and what
// Config.CheckValues finds.
func (c *core) Capture() (snap *Snapshot, err error) {
	if !c.guard.enter() {
		return nil, c.guard.refused()
	}
	if err := c.checkStates(); err != nil { // which calls methods of the program's types: their panics are theirs
		return nil, c.guard.fail(err)
	}
	defer c.guard.rescue(&err)
	p := &point{view: c.space.Capture(), states: make([]frozen, 0, len(c.states)+len(c.carried))}
	for _, s := range c.states {
		p.states = append(p.states, s.freeze())
	}
	for _, k := range c.carried {
		p.states = append(p.states, &k)
	}
	snap = &Snapshot{cfg: c.cfg, schema: c.Schema(), tasked: p.tasked()}
	snap.p.Store(p)
	c.guard.leave()
	if c.cfg.CheckValues {
		if err := c.checkPoint(p); err != nil {
			snap.Release()
			if errors.Is(err, ErrCheck) { // what cannot be encoded may be put right before the next capture
				err = c.guard.fail(err)
			}
			return nil, err
		}
	}
	return snap, nil
}

// Schema describes the states a snapshot taken now would hold: msgpack, as docs/format.md says. The caller must not
// change it. It is made anew only where states have come or gone since: O(1) otherwise.
func (c *core) Schema() []byte {
	if own := c.schemas.own.Load(); own != nil {
		return *own
	}
	infos := make([]*stateInfo, 0, len(c.states)+len(c.carried))
	for _, s := range c.states {
		infos = append(infos, s.described())
	}
	for i := range c.carried {
		infos = append(infos, c.carried[i].described())
	}
	schema := slices.Clip(appendSchema(nil, infos))
	c.schemas.own.Store(&schema)
	return schema
}

// Config returns the configuration of the backend that was captured.
func (s *Snapshot) Config() Config { return s.cfg }

// Range returns the key groups the snapshot holds.
func (s *Snapshot) Range() keygroups.Range { return s.cfg.Range }

// Blocks yields the numbers of the blocks the snapshot is written as, ascending: the key groups of its range, empty
// ones too, and then, if there are operator states, M + the index of the task. Also of a released snapshot.
func (s *Snapshot) Blocks() iter.Seq[int] {
	return func(yield func(int) bool) {
		for g := range s.cfg.Range.All() {
			if !yield(g) {
				return
			}
		}
		if own, _ := s.cfg.OperatorGroup(); s.tasked {
			yield(own)
		}
	}
}

// Schema describes the snapshot's states: msgpack, as docs/format.md says. The caller must not change it.
func (s *Snapshot) Schema() []byte { return s.schema }

// Retain returns a second handle on the same capture, to be released on its own. Error: ErrReleased.
func (s *Snapshot) Retain() (*Snapshot, error) {
	p := s.p.Load()
	if p == nil || !p.view.Retain() {
		return nil, ErrReleased
	}
	c := &Snapshot{cfg: s.cfg, schema: s.schema, tasked: s.tasked}
	c.p.Store(p)
	return c, nil
}

// Release gives the handle back; with the last handle the backend stops copying for the capture, and reuses the pages
// that only it could see. Idempotent, and safe while another goroutine reads through the handle: that read completes.
func (s *Snapshot) Release() {
	if p := s.p.Swap(nil); p != nil {
		p.view.Release()
	}
}

// acquire keeps the capture alive until its view is released. Error: ErrReleased.
func (s *Snapshot) acquire() (*point, error) {
	p := s.p.Load()
	if p == nil || !p.view.Retain() {
		return nil, ErrReleased
	}
	return p, nil
}

// hold is acquire for callers that need only the release.
func (s *Snapshot) hold() (release func(), err error) {
	p, err := s.acquire()
	if err != nil {
		return nil, err
	}
	return p.view.Release, nil
}

// pass is a loop over a snapshot whose yields are sequences.
type pass struct {
	snap    *Snapshot
	view    *cow.View
	running atomic.Bool
}

// begin starts a pass, which keeps the capture alive until end. Error: ErrReleased.
func (s *Snapshot) begin() (*pass, error) {
	p, err := s.acquire()
	if err != nil {
		return nil, err
	}
	l := &pass{snap: s, view: p.view}
	l.running.Store(true)
	return l, nil
}

func (l *pass) end() {
	l.running.Store(false)
	l.view.Release()
}

// hold is Snapshot.hold for what the pass yielded: while the pass runs that is readable, whether or not the handle was
// released meanwhile, so that the pass completes; afterwards it is subject to the handle.
func (l *pass) hold() (release func(), err error) {
	if l.running.Load() && l.view.Retain() {
		return l.view.Release, nil
	}
	return l.snap.hold()
}

// held makes a loop over a snapshot keep it alive; a loop over a released one yields nothing.
func held[K, V any](s *Snapshot, all func(func(K, V) bool)) func(func(K, V) bool) {
	return func(yield func(K, V) bool) {
		if release, err := s.hold(); err == nil {
			defer release()
			all(yield)
		}
	}
}

// viewOf returns what snap holds of s.
func viewOf[K comparable, E any](s *keyed[K, E], snap *Snapshot) (*viewed[K, E], error) {
	f, err := frozenIn(snap, s.info.name, func(f *frozenKeyed[K, E]) bool { return f.state == s })
	if err != nil {
		return nil, err
	}
	return &viewed[K, E]{f, snap}, nil
}

// frozenIn returns what snap holds of the state of that name; mine says whether it is the caller's.
func frozenIn[F frozen](snap *Snapshot, name string, mine func(F) bool) (none F, err error) {
	p, err := snap.acquire()
	if err != nil {
		return none, err
	}
	defer p.view.Release()
	for _, f := range p.states {
		if f.described().name != name {
			continue
		}
		if same, ok := f.(F); ok && mine(same) {
			return same, nil
		}
		if _, before := f.(*carried); !before {
			return none, fmt.Errorf("%w: state %q", ErrMismatch, name)
		}
	}
	return none, fmt.Errorf("%w: %q was registered after the capture", ErrUnknownState, name)
}

// in yields the states of the kind that has something in a block of that number, and their indices in the schema.
func (p *point) in(cfg Config, group int) iter.Seq2[int, frozen] {
	return func(yield func(int, frozen) bool) {
		for i, f := range p.states {
			if f.described().operator() == cfg.isOperator(group) && !yield(i, f) {
				return
			}
		}
	}
}

// tasked reports whether there are operator states.
func (p *point) tasked() bool {
	return slices.ContainsFunc(p.states, func(f frozen) bool { return f.described().operator() })
}

// holds reports whether the snapshot has a block of that number.
func (s *Snapshot) holds(group int) bool {
	own, _ := s.cfg.OperatorGroup()
	return s.cfg.Range.Contains(group) || s.tasked && group == own
}

// Entries returns the number of entries of a block over all states, 0 for one the snapshot does not have and for a
// released snapshot. O(states).
func (s *Snapshot) Entries(group int) uint64 {
	p, err := s.acquire()
	if err != nil {
		return 0
	}
	defer p.view.Release()
	if !s.holds(group) {
		return 0
	}
	n := uint64(0)
	for _, f := range p.in(s.cfg, group) {
		n += f.entries(group)
	}
	return n
}

// AppendGroup appends the entries of a block to dst, of a key group or of operator state (see Blocks), as
// docs/format.md says: for each state that has any an array of its index in the schema, its number of entries and a
// bin of its records. It returns dst extended and the number of entries; an empty group appends nothing. A snapshot
// always appends the same bytes for a group. Errors: ErrReleased, ErrGroup, ErrFull, ErrCheck, and an *EncodeError
// with a codec's own; dst is then returned as it was.
func (s *Snapshot) AppendGroup(dst []byte, group int) (block []byte, entries uint64, err error) {
	p, err := s.acquire()
	if err != nil {
		return dst, 0, err
	}
	defer p.view.Release()
	if !s.holds(group) {
		return dst, 0, fmt.Errorf("%w: group %d of a snapshot of %v", ErrGroup, group, s.cfg.Range)
	}
	start := len(dst)
	for i, f := range p.in(s.cfg, group) {
		n := f.entries(group)
		if n == 0 {
			continue
		}
		var at int
		if dst, at, err = appendState(dst, i, n, f, group); err == nil {
			err = p.check(dst[at:], i, s.cfg, group)
		}
		if err != nil {
			return dst[:start], 0, err
		}
		entries += n
	}
	return dst, entries, nil
}

// binHeader is how many bytes the header of a bin of any length takes where its length is filled in later.
const binHeader = 5

// appendState appends one state's part of a group, whose records begin at the offset it returns.
func appendState(dst []byte, index int, n uint64, f frozen, group int) (out []byte, at int, err error) {
	dst = wire.AppendArrayLen(dst, 3)
	dst = wire.AppendUint(dst, uint64(index))
	dst = wire.AppendUint(dst, n)
	dst = append(dst, 0xc6, 0, 0, 0, 0)
	at = len(dst)
	if dst, err = f.appendGroup(dst, group); err != nil {
		return dst, at, err
	}
	if uint64(len(dst)-at) > math.MaxUint32 {
		return dst, at, fmt.Errorf("%w: state %q takes %d bytes in key group %d; use more key groups", ErrFull, f.described().name, len(dst)-at, group)
	}
	binary.BigEndian.PutUint32(dst[at-binHeader+1:], uint32(len(dst)-at))
	return dst, at, nil
}
