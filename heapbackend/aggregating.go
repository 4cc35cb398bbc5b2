package heapbackend

import (
	"fmt"
	"iter"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
)

// Aggregator says how values of type In are aggregated in an accumulator of type Acc, and what the result of type Out
// is. Its functions are called on the owner's goroutine, Result also on those that read snapshots; none may use the
// backend.
type Aggregator[In, Acc, Out any] struct {
	// Create returns the accumulator of nothing, of which the state keeps a copy; nil means the zero Acc.
	Create func() Acc
	// Add adds a value to an accumulator, in place, as the function given to Value.Update would. It must not change
	// what in refers to, but may store it: the state keeps a copy. Required.
	Add func(acc *Acc, in In)
	// Result returns the result of an accumulator, which it must not assign through, nor may the caller through the
	// result. The result may be the accumulator or a part of it; what it appends to has no room. Required.
	Result func(acc Acc) Out
	// Merge adds one accumulator to another, in place; from is not used again. It is required only where namespaces are
	// merged.
	Merge func(into *Acc, from Acc)
}

// Aggregating is a state that holds, for each key, the accumulator of all values that were added to it. The checkpoint
// holds the accumulators.
type Aggregating[K comparable, In, Acc, Out any] struct {
	*keyed[K, Acc]
	value *Value[K, Acc]
	agg   Aggregator[In, Acc, Out]
}

// clipping is an Aggregator's Result without spare capacity, which may be the accumulator's, in what it returns.
func clipping[Acc, Out any](result func(Acc) Out, clips []uintptr) func(Acc) Out {
	if clips == nil {
		return result
	}
	return func(acc Acc) Out {
		out := result(acc)
		clip(&out, clips)
		return out
	}
}

// NewAggregating registers an aggregating state; see NewValue for the other arguments and the errors, and ErrConfig if
// a required function is missing. The Options are those of the accumulators.
func NewAggregating[In, Acc, Out any, K comparable](in Scope[K], name string, a Aggregator[In, Acc, Out], opts ...Options[Acc]) (*Aggregating[K, In, Acc, Out], error) {
	if a.Add == nil || a.Result == nil {
		return nil, fmt.Errorf("%w: state %q: an Aggregator needs Add and Result", ErrConfig, name)
	}
	s, err := newValue(in, name, kindAggregating, opts)
	if err != nil {
		return nil, err
	}
	a.Result = clipping(a.Result, codec.ClipsOf[Out]())
	return &Aggregating[K, In, Acc, Out]{keyed: s.keyed, value: s, agg: a}, nil
}

// Add adds a value to the accumulator of a key. If a function of the Aggregator panics the backend refuses further use.
// Errors and cost as Value.Update.
func (s *Aggregating[K, In, Acc, Out]) Add(k K, in In) error {
	return s.change(k, func(acc *Acc) { s.agg.Add(acc, in) }, nil)
}

// change calls fn with the accumulator of a key for modification in place; a new one gets the stamp, if one is given.
func (s *Aggregating[K, In, Acc, Out]) change(k K, fn func(*Acc), stamp *Timestamp) error {
	p, inserted, fresh, err := s.upsert(k)
	if err != nil {
		return err
	}
	own := s.value.own
	if inserted && s.agg.Create != nil {
		*p = s.agg.Create()
		if own != nil && !own.take(p) { // it may return the same each time
			return s.core.tooDeep(s.info.name)
		}
	}
	if own == nil {
		fn(p)
	} else if !own.update(p, fresh, fn) {
		return s.core.tooDeep(s.info.name)
	}
	if inserted {
		s.restamp(k, stamp)
	}
	return s.leave()
}

// Get returns the result of a key, and whether anything was added. O(1), and what Result costs.
func (s *Aggregating[K, In, Acc, Out]) Get(k K) (out Out, ok bool) {
	acc, ok := s.value.Get(k)
	if !ok {
		return out, false
	}
	return s.agg.Result(acc), true
}

// All yields every key and its result; see Value.All.
func (s *Aggregating[K, In, Acc, Out]) All() iter.Seq2[K, Out] {
	return results(s.value.All(), s.agg.Result)
}

// InGroup is All for the keys of one key group; nothing for a group that is not the backend's.
func (s *Aggregating[K, In, Acc, Out]) InGroup(group int) iter.Seq2[K, Out] {
	return results(s.value.InGroup(group), s.agg.Result)
}

func results[K, Acc, Out any](all iter.Seq2[K, Acc], result func(Acc) Out) iter.Seq2[K, Out] {
	return func(yield func(K, Out) bool) {
		for k, acc := range all {
			if !yield(k, result(acc)) {
				return
			}
		}
	}
}

// merge implements Mergeable.
func (s *Aggregating[K, In, Acc, Out]) merge(into, from K) error {
	if s.agg.Merge == nil {
		return s.core.guard.fail(fmt.Errorf("%w: state %q: its Aggregator has no Merge", ErrConfig, s.info.name))
	}
	p, stamp := s.unexpired(from)
	if p == nil {
		return s.Delete(from)
	}
	moved := *p
	merge := func(acc *Acc) { s.agg.Merge(acc, moved) }
	if s.value.own != nil {
		merge = s.mergeOwn(moved)
	}
	if err := s.change(into, merge, &stamp); err != nil {
		return err
	}
	return s.Delete(from)
}

// mergeOwn merges an accumulator that holds references: a copy, for a snapshot may share what it refers to.
func (s *Aggregating[K, In, Acc, Out]) mergeOwn(moved Acc) func(*Acc) {
	s.value.own.of.Take(&moved)
	return func(acc *Acc) { s.agg.Merge(acc, moved) }
}

// At returns the state as it is in a snapshot; see Value.At.
func (s *Aggregating[K, In, Acc, Out]) At(snap *Snapshot) (*AggregatingView[K, In, Acc, Out], error) {
	v, err := s.value.At(snap)
	if err != nil {
		return nil, err
	}
	return &AggregatingView[K, In, Acc, Out]{viewed: v.viewed, value: v, agg: s.agg}, nil
}

// AggregatingView is an Aggregating as it was at a capture; see ValueView.
type AggregatingView[K comparable, In, Acc, Out any] struct {
	*viewed[K, Acc]
	value *ValueView[K, Acc]
	agg   Aggregator[In, Acc, Out]
}

// Get returns the result of a key, and whether anything had been added. The snapshot is held until Result has returned,
// since the owner may write to the accumulator once nobody does.
func (w *AggregatingView[K, In, Acc, Out]) Get(k K) (out Out, ok bool) {
	release, err := w.snap.hold()
	if err != nil {
		return out, false
	}
	defer release()
	if p := w.f.get(k); p.e != nil {
		acc := *p.e
		clip(&acc, w.value.clips) // Result may append to it, in several readers at once
		return w.agg.Result(acc), true
	}
	return out, false
}

// All yields every key and its result.
func (w *AggregatingView[K, In, Acc, Out]) All() iter.Seq2[K, Out] {
	return results(w.value.All(), w.agg.Result)
}

// InGroup is All for the keys of one key group.
func (w *AggregatingView[K, In, Acc, Out]) InGroup(group int) iter.Seq2[K, Out] {
	return results(w.value.InGroup(group), w.agg.Result)
}
