package heapbackend

import (
	"fmt"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/heapbackend/internal/timeline"
	"github.com/heapstate/heapstate/internal/wire"
)

// What a backend asks of timers: see state and frozen.

func (s *Timers[K]) described() *stateInfo { return &s.info }

func (s *Timers[K]) freeze() frozen { return s.view() }

// view freezes the trees as they are; it belongs to a Capture of the space.
func (s *Timers[K]) view() *frozenTimers[K] {
	f := &frozenTimers[K]{state: s, trees: make([]timeline.Frozen[K], len(s.trees)), first: s.core.cfg.Range.First}
	for i := range s.trees {
		f.trees[i] = s.trees[i].Freeze()
	}
	return f
}

// drop lets go of all timers. The backend is closed; snapshots keep what is theirs.
func (s *Timers[K]) drop() {
	for group := range s.core.cfg.Range.All() {
		s.install(group, nil)
	}
}

func (s *Timers[K]) install(group int, c content) {
	i := group - s.core.cfg.Range.First
	switch c := c.(type) {
	case *frozenTimers[K]:
		s.trees[i].Adopt(c.trees[group-c.first])
	case *timeline.Tree[K]:
		s.trees[i].Take(c)
	default:
		s.trees[i] = *timeline.NewTree(s.kind)
	}
	s.settle(i)
}

func (s *Timers[K]) stageFrozen(f frozen, group int) (content, error) {
	if same, ok := f.(*frozenTimers[K]); ok && s.info.same(f.described()) {
		return same, nil
	}
	if !s.info.related(f.described()) {
		return nil, mismatch(&s.info, f.described(), nil)
	}
	// Another Go type of key: through the bytes.
	records, err := f.appendGroup(nil, group)
	if err != nil {
		return nil, err
	}
	return s.stage(f.described(), group, f.entries(group), records)
}

// stage accepts records in any order, as those of other kinds are; in the order they are written a tree fills densely.
func (s *Timers[K]) stage(written *stateInfo, group int, entries uint64, records []byte) (content, error) {
	if !s.info.related(written) {
		return nil, mismatch(&s.info, written, nil)
	}
	// A record is an array header, a key and a time, each one byte at the least.
	if entries > uint64(len(records))/3 {
		return nil, fmt.Errorf("%w: state %q: %d entries in %d bytes", ErrCorrupt, s.info.name, entries, len(records))
	}
	t := timeline.NewTree(timeline.NewKind(cow.NewSpace(), s.keys.order))
	r := wire.NewReader(records)
	for range entries {
		if err := s.decodeRecord(r, group, t); err != nil {
			return nil, fmt.Errorf("%w: state %q: %w", ErrCorrupt, s.info.name, err)
		}
	}
	if r.Len() > 0 {
		return nil, fmt.Errorf("%w: state %q: %d bytes too many", ErrCorrupt, s.info.name, r.Len())
	}
	return t, nil
}

func (s *Timers[K]) decodeRecord(r *wire.Reader, group int, t *timeline.Tree[K]) error {
	if n := r.ArrayLen(); n != 2 && r.Err() == nil {
		return fmt.Errorf("a record of %d parts", n)
	}
	var k K
	if err := s.keys.codec.Decode(r, &k); err != nil {
		return err
	}
	at := Timestamp(r.Int())
	if err := r.Err(); err != nil {
		return err
	}
	x, i := s.item(k, at)
	if i != uint(group-s.core.cfg.Range.First) {
		return fmt.Errorf("a key of group %d in group %d", int(i)+s.core.cfg.Range.First, group)
	}
	if !t.Insert(&x) {
		return fmt.Errorf("the same timer twice")
	}
	return nil
}

func (f *frozenTimers[K]) described() *stateInfo { return &f.state.info }

func (f *frozenTimers[K]) entries(group int) uint64 {
	return uint64(f.trees[group-f.first].Len())
}

// only implements frozen.
func (f *frozenTimers[K]) only(group int) frozen {
	bare := &Timers[K]{info: f.state.info, keys: f.state.keys}
	return &frozenTimers[K]{state: bare, trees: []timeline.Frozen[K]{f.trees[group-f.first]}, first: group}
}

func (f *frozenTimers[K]) appendGroup(dst []byte, group int) (_ []byte, err error) {
	start, keys, at := len(dst), f.state.keys.codec, 0
	f.trees[group-f.first].All(func(x *timeline.Item[K]) bool {
		dst = wire.AppendArrayLen(dst, 2)
		if dst, err = keys.Append(dst, &x.Key); err != nil {
			return false
		}
		dst = wire.AppendInt(dst, x.At)
		at++
		return true
	})
	if err != nil {
		return dst[:start], &EncodeError{State: f.state.info.name, Group: group, Entry: at, Cause: err}
	}
	return dst, nil
}
