package codec

import (
	"reflect"
	"unsafe"

	"github.com/heapstate/heapstate/internal/wire"
)

// maxCloneDepth is how many references may lead one to the next in a value that
// is copied as a tree. It is more than any value that can be encoded has: there
// a pointer leads to a container or to the end.
const maxCloneDepth = 2*wire.MaxDepth + maxTypeDepth

// cloning is one run of a clone function. It starts by taking the value for a
// tree. If that turns out too deep it is run again, with copies set: then each
// reference is followed once, and not before the stack is empty.
type cloning struct {
	tooDeep bool
	copies  map[original]reflect.Value
	later   []func()
}

// original names what a reference refers to.
type original struct {
	rt  reflect.Type
	p   unsafe.Pointer
	len int
}

func originalOf(v reflect.Value) original {
	o := original{rt: v.Type(), p: v.UnsafePointer()}
	if v.Kind() == reflect.Slice {
		o.len = v.Len()
	}
	return o
}

// redirect makes the reference v, which is not nil, refer to a copy: one made
// before, or what fresh returns. It reports whether that copy is new.
func (s *cloning) redirect(v reflect.Value, fresh func(v reflect.Value) reflect.Value) bool {
	if s.copies == nil {
		v.Set(fresh(v))
		return true
	}
	o := originalOf(v)
	made, ok := s.copies[o]
	if !ok {
		made = fresh(v)
		s.copies[o] = made
	}
	v.Set(made)
	return !ok
}

// descend reports whether what a reference below depth others refers to is
// copied right now.
func (s *cloning) descend(depth int) bool {
	s.tooDeep = s.tooDeep || depth >= maxCloneDepth
	return !s.tooDeep
}

// renew replaces what the value at p refers to by copies. It reports false if that
// leads further than any value that can be encoded does; then *p is to be assigned
// again.
func (c *cloner) renew(p unsafe.Pointer) bool {
	s := cloning{}
	c.unshare(&s, p, 0)
	return !s.tooDeep
}

// renewSlice is renew for a slice of what needs no copying. A roomy copy has room
// to grow, as far as the slice has.
func (c *cloner) renewSlice(p unsafe.Pointer, roomy bool) {
	s := (*sliceHeader)(p)
	if s.ptr == nil {
		return
	}
	size := s.len
	if roomy {
		size = roomOf(*s)
	}
	if c.plain > 0 {
		*s = c.copyPlain(*s, size)
		return
	}
	fresh := reflect.MakeSlice(c.rt, s.len, size)
	reflect.Copy(fresh, c.at(p))
	*s = sliceHeader{ptr: fresh.UnsafePointer(), len: s.len, cap: size}
}

var nothing uint64 // where slices without room begin

// copyPlain returns a copy, with that capacity, of a slice of what holds no pointers. reflect would allocate twice.
//
// unsafe: memory that the collector does not scan has no type to it, and that of words is aligned for every type.
func (c *cloner) copyPlain(s sliceHeader, size int) sliceHeader {
	fresh := sliceHeader{ptr: unsafe.Pointer(&nothing), len: s.len, cap: size}
	if size > 0 {
		fresh.ptr = unsafe.Pointer(unsafe.SliceData(make([]uint64, (uintptr(size)*c.plain+7)/8)))
		n := uintptr(s.len) * c.plain
		copy(unsafe.Slice((*byte)(fresh.ptr), n), unsafe.Slice((*byte)(s.ptr), n))
	}
	return fresh
}

// unshareGraph is unshare for values of any depth, and for cyclic ones.
func (c *cloner) unshareGraph(p unsafe.Pointer) {
	s := cloning{copies: map[original]reflect.Value{}}
	c.unshare(&s, p, 0)
	for len(s.later) > 0 {
		last := len(s.later) - 1
		next := s.later[last]
		s.later[last] = nil
		s.later = s.later[:last]
		next()
	}
}

// cloner makes one value of a type independent of the value it was assigned
// from. A nil cloner means there is nothing to do.
type cloner struct {
	rt        reflect.Type
	elem      *cloner
	plain     uintptr     // of slices of what holds no pointers: the size of an element; else 0
	parts     []clonePart // of structs
	done      bool        // derived to the end
	unshareFn func(c *cloner, s *cloning, p unsafe.Pointer, depth int)
}

type clonePart struct {
	off uintptr
	c   *cloner
}

// unshare replaces everything the value at p refers to, which lies below depth
// references, by copies.
//
// Safety: p points to a value of c.rt that only the caller can see; copies are
// made with reflect, of the types' own memory, so the collector sees them all.
func (c *cloner) unshare(s *cloning, p unsafe.Pointer, depth int) {
	if !s.tooDeep {
		c.unshareFn(c, s, p, depth)
	}
}

func (c *cloner) at(p unsafe.Pointer) reflect.Value { return reflect.NewAt(c.rt, p).Elem() }

func unshareStruct(c *cloner, s *cloning, p unsafe.Pointer, depth int) {
	for _, part := range c.parts {
		part.c.unshare(s, unsafe.Add(p, part.off), depth)
	}
}

// unshareItems unshares count values that lie one after the other from p.
func (c *cloner) unshareItems(s *cloning, p unsafe.Pointer, count, depth int) {
	for i := range count {
		c.unshare(s, unsafe.Add(p, uintptr(i)*c.rt.Size()), depth)
	}
}

// unshareBehind is unshareItems for what a reference below depth others leads to.
func (c *cloner) unshareBehind(s *cloning, p unsafe.Pointer, count, depth int) {
	switch {
	case c == nil:
	case s.copies != nil:
		s.later = append(s.later, func() { c.unshareItems(s, p, count, 0) })
	case s.descend(depth):
		c.unshareItems(s, p, count, depth+1)
	}
}

func unshareArray(c *cloner, s *cloning, p unsafe.Pointer, depth int) {
	c.elem.unshareItems(s, p, c.rt.Len(), depth)
}

func unshareBytes(_ *cloner, _ *cloning, p unsafe.Pointer, _ int) {
	if b := *(*[]byte)(p); b != nil {
		fresh := make([]byte, len(b))
		copy(fresh, b)
		*(*[]byte)(p) = fresh
	}
}

func unshareSlice(c *cloner, s *cloning, p unsafe.Pointer, depth int) {
	if c.plain > 0 && s.copies == nil {
		if h := (*sliceHeader)(p); h.ptr != nil {
			*h = c.copyPlain(*h, h.len)
		}
		return
	}
	if v := c.at(p); !v.IsNil() && s.redirect(v, freshSlice) {
		c.elem.unshareBehind(s, v.UnsafePointer(), v.Len(), depth)
	}
}

func freshSlice(v reflect.Value) reflect.Value {
	fresh := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
	reflect.Copy(fresh, v)
	return fresh
}

func unsharePointer(c *cloner, s *cloning, p unsafe.Pointer, depth int) {
	if v := c.at(p); !v.IsNil() && s.redirect(v, freshPointer) {
		c.elem.unshareBehind(s, v.UnsafePointer(), 1, depth)
	}
}

func freshPointer(v reflect.Value) reflect.Value {
	fresh := reflect.New(v.Type().Elem())
	fresh.Elem().Set(v.Elem())
	return fresh
}

func unshareMap(c *cloner, s *cloning, p unsafe.Pointer, depth int) {
	v := c.at(p)
	if v.IsNil() {
		return
	}
	source := reflect.ValueOf(v.Interface()) // as v is about to change
	if !s.redirect(v, freshMap) {
		return
	}
	fresh := reflect.ValueOf(v.Interface())
	switch {
	case c.elem == nil:
		c.fillMap(s, fresh, source, depth)
	case s.copies != nil:
		s.later = append(s.later, func() { c.fillMap(s, fresh, source, 0) })
	case s.descend(depth):
		c.fillMap(s, fresh, source, depth+1)
	}
}

func freshMap(v reflect.Value) reflect.Value { return reflect.MakeMapWithSize(v.Type(), v.Len()) }

// fillMap puts copies of the entries of source in fresh.
func (c *cloner) fillMap(s *cloning, fresh, source reflect.Value, depth int) {
	key, val := reflect.New(c.rt.Key()).Elem(), reflect.New(c.rt.Elem()).Elem()
	for iter := source.MapRange(); iter.Next(); {
		key.SetIterKey(iter)
		val.SetIterValue(iter)
		if c.elem != nil {
			c.elem.unshare(s, val.Addr().UnsafePointer(), depth)
		}
		fresh.SetMapIndex(key, val)
	}
}

// unshareMethod calls the Clone method of a type inside V.
func unshareMethod(c *cloner, _ *cloning, p unsafe.Pointer, _ int) {
	v := reflect.NewAt(c.rt, p)
	if nilable(c.rt) && v.Elem().IsNil() {
		return
	}
	copied := v.MethodByName("Clone").Call(nil)[0]
	if copied.Type() != c.rt {
		copied = copied.Elem()
	}
	v.Elem().Set(copied)
}
