package heapbackend

import (
	"errors"
	"fmt"
	"iter"
	"unsafe"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

// MaxDepth is how many structs, arrays, slices and maps may be nested in a value. Pointers do not count, nor do a
// []byte and what a type with methods of its own, or a Codec, writes.
const MaxDepth = wire.MaxDepth

// mostScratch is how many bytes a state keeps between two looks at how deep a value is nested.
const mostScratch = 64 << 10

// owning makes the values of one state, and keeps them, the state's own. Where there is nothing to do for a type it is
// nil.
//
// Invariant: what a value of a state refers to is referred to by nothing else that is written: only by snapshots, by
// states that were restored from them, and by what was got, where it has no spare capacity.
//
// It belongs to one goroutine.
type owning[V any] struct {
	of      *codec.Owner[V]
	encode  func(dst []byte, v *V) ([]byte, error) // nil if the type itself bounds the depth
	scratch []byte
	held    codec.Held
}

// owns returns what makes values of that codec a state's own.
func (c *valueCodec[V]) owns() *owning[V] {
	if c.owner == nil {
		return nil
	}
	o := &owning[V]{of: c.owner}
	if c.typ != nil && codec.Recursive[V]() {
		o.encode = c.append
	}
	return o
}

// take makes what was assigned to *p the state's own. It reports false if that is nested too deep; then nothing was
// done.
func (o *owning[V]) take(p *V) bool {
	if !o.fits(p) {
		return false
	}
	o.of.Take(p)
	return true
}

// begin makes ready a value that the program is going to change; fresh says that no snapshot shares it.
func (o *owning[V]) begin(p *V, fresh bool) {
	if !fresh {
		o.of.Unshare(p)
	}
	o.of.Before(p, &o.held)
}

// end makes what the program left in *p the state's own. It reports false if that is nested too deep.
func (o *owning[V]) end(p *V) bool {
	if !o.fits(p) {
		return false
	}
	o.of.After(p, &o.held)
	return true
}

// update calls fn between begin and end.
func (o *owning[V]) update(p *V, fresh bool, fn func(*V)) bool {
	o.begin(p, fresh)
	fn(p)
	return o.end(p)
}

// fits reports whether a value is not nested too deep to be written. Cyclic ones are.
func (o *owning[V]) fits(p *V) bool {
	if o.encode == nil {
		return true
	}
	b, err := o.encode(o.scratch[:0], p)
	if o.scratch = b[:0]; cap(b) > mostScratch {
		o.scratch = nil
	}
	return !errors.Is(err, wire.ErrDepth)
}

// copies returns copies that are the state's own, and whether none is nested too deep.
func (o *owning[V]) copies(vs []V) ([]V, bool) {
	if o == nil {
		return vs, true
	}
	own := make([]V, len(vs))
	copy(own, vs) // slices.Clone would make the callers' arguments escape
	for i := range own {
		if !o.take(&own[i]) {
			return nil, false
		}
	}
	return own, true
}

// clips returns where slices are to be clipped in what leaves.
func (o *owning[V]) clips() []uintptr {
	if o == nil {
		return nil
	}
	return o.of.Clips()
}

// tooDeep is the failure of a write of a value that could never be written into a checkpoint.
func (c *core) tooDeep(state string) error {
	return c.guard.fail(fmt.Errorf("%w: state %q: a value holds more than %d structs, arrays, slices and maps, "+
		"one inside the other, or itself", ErrDepth, state, MaxDepth))
}

// clip takes their spare capacity from the slices of a value that leaves.
//
// unsafe: at is what codec says of V.
func clip[V any](v *V, at []uintptr) { codec.Clip(unsafe.Pointer(v), at) }

// clipped clips what a loop yields.
func clipped[K, V any](all iter.Seq2[K, V], at []uintptr) iter.Seq2[K, V] {
	if at == nil {
		return all
	}
	return func(yield func(K, V) bool) {
		all(func(k K, v V) bool {
			clip(&v, at)
			return yield(k, v)
		})
	}
}
