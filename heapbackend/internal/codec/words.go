package codec

import (
	"reflect"
	"unsafe"
)

// part is what is copied at once: one reference or, if the program has a way to
// copy it, what that copies.
type part struct {
	off    uintptr
	c      *cloner // nil: the whole value
	flat   bool    // a slice of what needs no copying
	always bool    // behind the reference are more, which are no parts
	first  int     // in words
	end    int
	// via is one more than the index of the word that points to what the part is
	// in, 0 for the value itself.
	via int
	// tight says that slices get no spare capacity: a program that has the value
	// can reach them, and Clip cannot.
	tight bool
	// inner is how many of the parts that follow are behind this one.
	inner int
}

// word is an outer reference. For slices rt is their type, else nil.
type word struct {
	off   uintptr
	rt    reflect.Type
	via   int // as those of a part
	tight bool
}

// flatten adds the parts of what c copies, which is where at says.
func (o *owner) flatten(c *cloner, at part) {
	at.tight = at.tight && !closed(c.rt)
	switch kind := c.rt.Kind(); {
	case hasClone(c.rt):
	case c.parts != nil:
		for _, p := range c.parts {
			in := at
			in.off += p.off
			o.flatten(p.c, in)
		}
		return
	case kind == reflect.Array && c.rt.Len() <= maxUnroll:
		for range c.rt.Len() {
			o.flatten(c.elem, at)
			at.off += c.rt.Elem().Size()
		}
		return
	case kind == reflect.Pointer && c.elem != nil && !recursive(c.rt, map[reflect.Type]bool{}):
		i := o.add(c, at, true)
		o.flatten(c.elem, part{via: o.parts[i].end, tight: at.via == 0 || at.tight})
		o.parts[i].inner = len(o.parts) - 1 - i
		return
	case kind == reflect.Array:
		at.always = true
		o.add(c, at, false)
		return
	}
	at.always = c.elem != nil
	at.flat = c.rt.Kind() == reflect.Slice && c.elem == nil && !hasClone(c.rt)
	o.add(c, at, true)
}

// add adds a part, with its words if they are looked at, and returns its index.
func (o *owner) add(c *cloner, p part, looked bool) int {
	p.c, p.first = c, len(o.words)
	if looked {
		o.words = wordsOf(c.rt, word{off: p.off, via: p.via, tight: p.tight}, o.words)
	}
	p.end = len(o.words)
	o.parts = append(o.parts, p)
	return len(o.parts) - 1
}

// wordsOf appends the references that lie in an rt, which is where at says, but for
// strings and what cannot be written through.
func wordsOf(rt reflect.Type, at word, words []word) []word {
	if everyPart(rt, sharable) || immutable(rt) {
		return words
	}
	switch rt.Kind() {
	case reflect.Slice:
		at.rt = rt
		return append(words, at)
	case reflect.Pointer, reflect.UnsafePointer, reflect.Map, reflect.Chan, reflect.Func:
		return append(words, at)
	case reflect.Interface:
		at.off += unsafe.Sizeof(at.off) // behind the word that says what it holds
		return append(words, at)
	case reflect.Array:
		for range rt.Len() {
			words = wordsOf(rt.Elem(), at, words)
			at.off += rt.Elem().Size()
		}
	case reflect.Struct:
		for i := range rt.NumField() {
			in := at
			in.off += rt.Field(i).Offset
			words = wordsOf(rt.Field(i).Type, in, words)
		}
	}
	return words
}

// read returns the reference in what lies at p; of a map or pointer, and what else
// there is, only where it leads.
//
// Safety: words were derived from the type's own layout; each begins with a
// pointer, and is a slice if it has a type.
func (w *word) read(p unsafe.Pointer) sliceHeader {
	at := unsafe.Add(p, w.off)
	if w.rt == nil {
		return sliceHeader{ptr: *(*unsafe.Pointer)(at)}
	}
	return *(*sliceHeader)(at)
}

// changed reports whether the reference leads to other memory than it did. A slice
// may begin further back or end sooner than it did.
func (w *word) changed(p unsafe.Pointer, was sliceHeader) bool {
	now := w.read(p)
	if w.rt == nil {
		return now.ptr != was.ptr
	}
	size := w.rt.Elem().Size()
	if now.cap == 0 || size == 0 {
		return false // nothing to write through
	}
	return was.ptr == nil || uintptr(now.ptr)-uintptr(was.ptr) >= uintptr(was.cap)*size
}

// grow gives the slice of a copy the room that the original had.
func (w *word) grow(p unsafe.Pointer, original sliceHeader) {
	v := reflect.NewAt(w.rt, unsafe.Add(p, w.off)).Elem()
	if most := roomOf(original); !v.IsNil() && v.Cap() < most && v.Len() == original.len {
		fresh := reflect.MakeSlice(w.rt, v.Len(), most)
		reflect.Copy(fresh, v)
		v.Set(fresh)
	}
}

// roomOf returns the capacity of a roomy copy of a slice: that of the slice, unless
// most of it is not used.
func roomOf(s sliceHeader) int { return min(s.cap, max(2*s.len, 4)) }
