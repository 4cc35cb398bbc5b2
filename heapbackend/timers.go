package heapbackend

import (
	"fmt"
	"iter"

	"github.com/heapstate/heapstate/heapbackend/internal/timeline"
)

// TimeDomain is the time by which timers are due.
type TimeDomain uint8

const (
	// EventTime is the time of what is processed: the program advances it by watermarks.
	EventTime TimeDomain = iota
	// ProcessingTime is that of the clock on the wall.
	ProcessingTime
)

// domainNames are the domains as a schema names them.
var domainNames = []string{EventTime: "event", ProcessingTime: "processing"}

// String returns "event" or "processing".
func (d TimeDomain) String() string {
	if int(d) < len(domainNames) {
		return domainNames[d]
	}
	return fmt.Sprintf("TimeDomain(%d)", d)
}

// Timers is a state that holds times at which a key wants to be looked at again: the end of a window, a timeout. A
// timer is a key and a time; registering it again changes nothing. With keys in namespaces the namespace is part of
// it.
//
// Timers are captured and restored with all other state, so each fires once: a timer is in a snapshot if Due had not
// yielded it by the capture. They fire when the program asks for what is due, and not by themselves.
type Timers[K comparable] struct {
	core  *core
	info  stateInfo
	keys  keyCodec[K]
	kind  *timeline.Kind[K]
	trees []timeline.Tree[K] // by group, from the first of the backend's range
	first tournament         // Invariant: between operations it has the first time of each tree
}

// NewTimers registers a state of timers. The domain is for the program, and for those who read a checkpoint: it says
// which time Due is called with. Errors: those of NewValue; ErrConfig for an unknown domain.
func NewTimers[K comparable](in Scope[K], name string, d TimeDomain) (*Timers[K], error) {
	if int(d) >= len(domainNames) {
		return nil, fmt.Errorf("%w: state %q: %v", ErrConfig, name, d)
	}
	of := in.scope()
	info := stateInfo{name: name, kind: kindTimers, key: of.keyType}
	info.namespace, info.domain = of.namespace, d.String()
	if err := of.core.begin(&info); err != nil {
		return nil, err
	}
	defer of.core.guard.leave()
	s := &Timers[K]{core: of.core, info: info, keys: of.keys}
	s.kind = timeline.NewKind(of.core.space, of.keys.order)
	s.trees = make([]timeline.Tree[K], of.core.groups())
	for i := range s.trees {
		s.trees[i] = *timeline.NewTree(s.kind)
	}
	s.first = newTournament(len(s.trees))
	if err := of.core.add(s); err != nil {
		return nil, err
	}
	return s, nil
}

// Name returns the name the state is registered under.
func (s *Timers[K]) Name() string { return s.info.name }

// item returns a timer and the index of its group, which is none of the backend's if it is not below the number of
// trees.
func (s *Timers[K]) item(k K, at Timestamp) (timeline.Item[K], uint) {
	group, hash := uint64(0), uint64(0)
	if h, ok := s.keys.hasher.HashWord(k); ok {
		group, hash = h, h
	} else {
		group, hash = s.keys.hashes(k)
	}
	return timeline.Item[K]{At: int64(at), Hash: hash, Key: k}, uint(s.core.groupOf(group) - s.core.cfg.Range.First)
}

// begin enters the guard, which the caller leaves, and finds a timer's tree.
func (s *Timers[K]) begin(k K, at Timestamp) (x timeline.Item[K], group int, err error) {
	if !s.core.guard.enter() {
		return x, 0, s.core.guard.refused()
	}
	x, i := s.item(k, at)
	if i >= uint(len(s.trees)) {
		return x, 0, s.foreign(int(i) + s.core.cfg.Range.First)
	}
	return x, int(i), nil
}

// foreign is the failure of a key that belongs to another task, as with other kinds of state.
func (s *Timers[K]) foreign(group int) error {
	return s.core.guard.fail(fmt.Errorf("%w: a key of state %q is in group %d, this backend holds %v",
		ErrGroup, s.info.name, group, s.core.cfg.Range))
}

// settle tells the tournament what the first time of a group is now.
func (s *Timers[K]) settle(group int) {
	h := head{}
	if x := s.trees[group].First(); x != nil {
		h = head{Timestamp(x.At), true}
	}
	s.first.set(group, h)
}

// Register makes k due at a time, which may have passed: it then fires when Due is asked next. A timer that is
// registered already stays as it is. Errors: ErrGroup, ErrConcurrent, ErrClosed. O(log timers of a group); after a
// capture the first write to a node copies it.
func (s *Timers[K]) Register(k K, at Timestamp) (err error) {
	x, group, err := s.begin(k, at)
	if err != nil {
		return err
	}
	defer s.core.guard.rescue(&err)
	if s.trees[group].Insert(&x) {
		if h := (head{at, true}); h.before(s.first.heads[group]) {
			s.first.set(group, h)
		}
	}
	s.core.guard.leave()
	return nil
}

// Delete removes a timer; one that is not registered, or has fired, is no error. Errors and cost as Register.
func (s *Timers[K]) Delete(k K, at Timestamp) (err error) {
	x, group, err := s.begin(k, at)
	if err != nil {
		return err
	}
	defer s.core.guard.rescue(&err)
	if s.trees[group].Delete(&x) && at == s.first.heads[group].at {
		s.settle(group)
	}
	s.core.guard.leave()
	return nil
}

// Has reports whether a timer is registered. If the backend refuses use it is not, and the backend's Err says why.
// O(log timers of a group), no allocation.
func (s *Timers[K]) Has(k K, at Timestamp) bool {
	x, group, err := s.begin(k, at)
	if err != nil {
		return false
	}
	defer s.core.guard.rescue(nil)
	has := s.trees[group].Has(&x)
	s.core.guard.leave()
	return has
}

// Len returns the number of timers. O(key groups).
func (s *Timers[K]) Len() int {
	n := 0
	for i := range s.trees {
		n += s.trees[i].Len()
	}
	return n
}

// Next returns the earliest time of any timer, and whether there is one: how long a program may sleep. O(1).
func (s *Timers[K]) Next() (at Timestamp, ok bool) {
	if !s.core.guard.enter() {
		s.core.guard.refused()
		return 0, false
	}
	_, h := s.first.first()
	s.core.guard.leave()
	return h.at, h.any
}

// Due removes the timers that are due at a time, those at or before it, and yields them one by one, in the order of
// their times; in no order that a program may rely on where these are equal. A watermark goes in as it is:
//
//	for user, end := range timers.Due(watermark) { ... }
//
// A timer is removed before it is yielded, and not before that: leave the loop whenever you like, and what has not been
// yielded is still there. The loop's body may use the backend, capture it, register and delete timers; one that it
// registers and that is due is yielded too, so a body that always registers the next must not register what is due.
// Nothing is yielded if the backend refuses use, and the backend's Err says why. O(log timers of a group) each, O(1) if
// none is due; nothing is kept beside the state, however many are due.
func (s *Timers[K]) Due(upTo Timestamp) iter.Seq2[K, Timestamp] {
	return func(yield func(K, Timestamp) bool) {
		for {
			if k, at, ok := s.pop(upTo); !ok || !yield(k, at) {
				return
			}
		}
	}
}

// pop removes the first timer if it is due.
func (s *Timers[K]) pop(upTo Timestamp) (k K, at Timestamp, ok bool) {
	if !s.core.guard.enter() {
		s.core.guard.refused()
		return k, 0, false
	}
	defer s.core.guard.leave()
	defer s.core.guard.rescue(nil)
	group, h := s.first.first()
	if !h.any || h.at > upTo {
		return k, 0, false
	}
	x := s.trees[group].Pop()
	s.settle(group)
	return x.Key, h.at, true
}

// All yields every timer as they were when the loop began, key group by key group, each group in the order of times;
// the loop's body may write. It removes none.
func (s *Timers[K]) All() iter.Seq2[K, Timestamp] {
	return s.viewed(func(f *frozenTimers[K], yield func(K, Timestamp) bool) { f.all(yield) })
}

// InGroup is All for one key group; a group that is not the backend's has no timers.
func (s *Timers[K]) InGroup(group int) iter.Seq2[K, Timestamp] {
	return s.viewed(func(f *frozenTimers[K], yield func(K, Timestamp) bool) { f.inGroup(group, yield) })
}

// viewed makes a loop run over a view of the state taken when it begins.
func (s *Timers[K]) viewed(loop func(*frozenTimers[K], func(K, Timestamp) bool)) iter.Seq2[K, Timestamp] {
	return func(yield func(K, Timestamp) bool) {
		if !s.core.guard.enter() {
			s.core.guard.refused()
			return
		}
		view := s.core.space.View()
		defer s.core.ended(view)
		f := s.view()
		s.core.guard.leave()
		loop(f, yield)
	}
}

// At returns the timers as they are in a snapshot, for reading from any goroutine. Errors as Value.At.
func (s *Timers[K]) At(snap *Snapshot) (*TimersView[K], error) {
	f, err := frozenIn(snap, s.info.name, func(f *frozenTimers[K]) bool { return f.state == s })
	if err != nil {
		return nil, err
	}
	return &TimersView[K]{f: f, snap: snap}, nil
}
