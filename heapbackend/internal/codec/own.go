package codec

import (
	"reflect"
	"unsafe"
)

// Owner makes values of V the own ones of whoever keeps them: nothing that can be
// written through what else there is shows in them, nor the other way. A nil
// Owner means that assignment does all that.
//
// It knows where in a value its outer references are: the slices, maps and
// pointers that lie in the value itself, inline, or in a struct that such a pointer
// leads to. From what those are before a program had the value in its hands, and
// what they are after, it tells what may be somebody else's now, and copies that
// alone.
//
// An Owner is immutable and safe for concurrent use with different values.
type Owner[V any] struct{ owner }

// owner is an Owner of whatever type. Its methods take the address of a value.
type owner struct {
	rt     reflect.Type
	whole  func(p unsafe.Pointer) // replaces a value by its copy; nil if root does
	root   *cloner                // nil if there is nothing to copy
	parts  []part
	words  []word // of all parts
	clips  []uintptr
	tidier *tidier // nil if there is nothing to tidy
	// loose says that the values come from methods or codecs of the program's,
	// which may give them spare capacity.
	loose     bool
	recursive bool // a value may be part of one like it
}

// Held is what the outer references of a value were at some time. One is used
// for one value after the other, by one goroutine; the zero value is ready.
type Held struct{ refs []sliceHeader }

// OwnerOf returns the Owner of V, nil if there is nothing for one to do. A value
// is copied by clone, which may be nil; else by the Clone method of V, or of a
// type inside V, that returns its own type; else slices, maps and pointers are
// copied, nil as nil and empty as empty. Strings are shared. derived says that
// values are written by the codec of For, so that what that does not keep is not
// to be in them: see Take.
//
// Nothing is left out, however deep a value is nested. What a value holds twice
// is copied twice, as it is written twice, except in a value whose references
// lead further than any that can be encoded, as those of a cyclic one do: its
// copy has the shape it has.
//
// The error is ErrType, naming the part that cannot be copied.
func OwnerOf[V any](clone func(dst, src *V), derived bool) (*Owner[V], error) {
	rt := reflect.TypeFor[V]()
	var root *cloner
	if clone == nil {
		d := cloneDeriver{seen: map[cloneKey]*cloner{}}
		var err error
		if root, err = d.derive(rt, rootPath(rt), false, 0); err != nil {
			return nil, err
		}
		if _, ok := any((*V)(nil)).(interface{ Clone() V }); ok && root != nil && !nilable(rt) {
			clone = func(dst, src *V) { *dst = any(src).(interface{ Clone() V }).Clone() }
		}
	}
	var whole func(p unsafe.Pointer)
	if clone != nil {
		whole = func(p unsafe.Pointer) {
			var c V
			clone(&c, (*V)(p))
			*(*V)(p) = c
		}
	}
	o := newOwner(rt, root, whole, derived)
	if !o.references() && o.tidier == nil {
		return nil, nil
	}
	return &Owner[V]{*o}, nil
}

func newOwner(rt reflect.Type, root *cloner, whole func(p unsafe.Pointer), derived bool) *owner {
	o := &owner{rt: rt, root: root, whole: whole}
	o.loose = whole != nil || !derived || hasMethods(rt)
	o.recursive = recursive(rt, map[reflect.Type]bool{})
	switch {
	case whole != nil:
		o.words = wordsOf(rt, word{}, nil)
		o.parts = []part{{end: len(o.words)}}
	case root != nil:
		o.flatten(root, part{})
	}
	o.clips = clipsOf(rt)
	if derived || !o.recursive { // else a value may be cyclic
		d := tidyDeriver{seen: map[tidyKey]*tidier{}, normal: derived, clip: o.loose}
		o.tidier = d.derive(tidyKey{rt: rt})
	}
	return o
}

// References reports whether a V holds what can be written through it.
func (o *Owner[V]) References() bool { return o != nil && o.references() }

func (o *owner) references() bool { return len(o.parts) > 0 }

// Loose reports whether what a derived codec reads may be less than tidy, because
// methods of the program's read a part of it.
func (o *Owner[V]) Loose() bool { return o.loose }

// Clips returns where the inline slices of a V are, for Clip.
func (o *Owner[V]) Clips() []uintptr { return o.clips }

// Clip takes their spare capacity from the inline slices of the value at p, which
// is a copy that is about to leave: what is appended to them then is nobody
// else's.
//
// Safety: at is what Clips or ClipsOf returned for the type of the value.
func Clip(p unsafe.Pointer, at []uintptr) {
	for _, off := range at {
		s := (*sliceHeader)(unsafe.Add(p, off))
		s.cap = s.len
	}
}

// ClipsOf returns where the inline slices of a V are, for Clip.
func ClipsOf[V any]() []uintptr { return clipsOf(reflect.TypeFor[V]()) }

func clipsOf(rt reflect.Type) (at []uintptr) {
	for _, w := range wordsOf(rt, word{}, nil) {
		if w.rt != nil {
			at = append(at, w.off)
		}
	}
	return at
}

// Take makes what was just assigned to *v its keeper's own: everything it refers
// to is replaced by copies without spare capacity. If the values are written by a
// derived codec, times lose their location and the reading of the monotonic clock,
// and IP addresses have the form of 16 bytes or are nil, as they do when they are
// read back. O(size).
func (o *Owner[V]) Take(v *V) { o.take(unsafe.Pointer(v)) }

func (o *owner) take(p unsafe.Pointer) {
	o.renew(p, nil, false)
	o.tidy(p)
}

// Tidy is Take for a value that is nobody else's already: nothing is copied.
func (o *Owner[V]) Tidy(v *V) { o.tidy(unsafe.Pointer(v)) }

func (o *owner) tidy(p unsafe.Pointer) {
	if o.tidier != nil {
		o.tidier.run(p)
	}
	Clip(p, o.clips)
}

// Unshare is Take for a value of the keeper's that others can see, which is going
// to be written. Its inline slices keep room to grow.
func (o *Owner[V]) Unshare(v *V) { o.renew(unsafe.Pointer(v), nil, true) }

// Before notes what the outer references are, of a value that is the keeper's own
// and that a program is going to change.
func (o *Owner[V]) Before(v *V, held *Held) { o.before(unsafe.Pointer(v), held) }

func (o *owner) before(p unsafe.Pointer, held *Held) {
	if held.refs == nil {
		held.refs = make([]sliceHeader, len(o.words))
	}
	for i := range o.words {
		w := &o.words[i]
		if in := held.base(w.via, p); in != nil {
			held.refs[i] = w.read(in)
		}
	}
}

// base returns where what is reached by that way lies, in a value at p.
func (h *Held) base(via int, p unsafe.Pointer) unsafe.Pointer {
	if via == 0 {
		return p
	}
	return h.refs[via-1].ptr
}

// After makes what the program left in *v the keeper's own again, given what
// Before noted. An outer slice in the memory it was in, and a map or pointer that
// is the same, are left as they are if nothing but outer references is behind them;
// what is new is copied, and so is always what leads to further references. Inline
// slices keep room to grow. O(size of what is copied), and O(size) for values that
// hold times behind references, or what methods of the program's made.
func (o *Owner[V]) After(v *V, held *Held) { o.after(unsafe.Pointer(v), held) }

func (o *owner) after(p unsafe.Pointer, held *Held) {
	o.renew(p, held, true)
	clear(held.refs)
	if o.tidier != nil {
		o.tidier.run(p)
	}
}

// renew replaces the parts that are not what was held, all if that is nil, by
// copies. roomy ones have room to grow where that may be.
func (o *owner) renew(p unsafe.Pointer, held *Held, roomy bool) {
	var original reflect.Value
	if o.recursive && o.whole == nil && o.root != nil {
		original = reflect.New(o.rt)
		original.Elem().Set(reflect.NewAt(o.rt, p).Elem())
	}
	for i := 0; i < len(o.parts); i++ {
		part, in := &o.parts[i], p
		if held != nil {
			in = held.base(part.via, p)
		}
		switch {
		case held != nil && !part.always && !o.changed(part, in, held):
			if part.inner > 0 && held.refs[part.first].ptr == nil {
				i += part.inner
			}
			continue
		case part.c == nil:
			o.renewWhole(p, roomy)
		case part.flat:
			part.c.renewSlice(unsafe.Add(in, part.off), roomy && !part.tight)
		case !part.c.renew(unsafe.Add(in, part.off)):
			reflect.NewAt(o.rt, p).Elem().Set(original.Elem()) // as only that of a recursive type can be
			o.root.unshareGraph(p)
			return
		}
		i += part.inner // copied with this one
	}
}

// renewWhole replaces a value by the program's copy of it.
func (o *owner) renewWhole(p unsafe.Pointer, roomy bool) {
	if !roomy {
		o.whole(p)
		return
	}
	var before Held
	o.before(p, &before)
	o.whole(p)
	for i := range o.words {
		if w := &o.words[i]; w.rt != nil {
			w.grow(p, before.refs[i])
		}
	}
}

// changed reports whether references of a part, which is in what lies at in, are
// not what they were. Slices that are to be tight are made so.
func (o *owner) changed(p *part, in unsafe.Pointer, held *Held) bool {
	for i := p.first; i < p.end; i++ {
		w := &o.words[i]
		if w.changed(in, held.refs[i]) {
			return true
		}
		if w.rt != nil && w.tight {
			s := (*sliceHeader)(unsafe.Add(in, w.off))
			s.cap = s.len
		}
	}
	return false
}
