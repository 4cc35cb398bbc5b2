package codec

import (
	"net"
	"reflect"
	"time"
	"unsafe"
)

// tidier makes a value that is nobody else's what it would be if it had been
// written and read back: it brings times and IP addresses to the form they come
// back in, and takes the spare capacity from slices that lie behind a reference. A
// nil tidier means there is nothing to do.
type tidier struct {
	rt     reflect.Type
	clip   bool
	elem   *tidier
	fields []tidyField
	do     func(t *tidier, p unsafe.Pointer)
}

type tidyField struct {
	off uintptr
	t   *tidier
}

// run tidies the value at p.
//
// Safety: p points to a value of t.rt that only the caller can see.
func (t *tidier) run(p unsafe.Pointer) { t.do(t, p) }

// tidyDeriver derives the tidiers of one root type.
type tidyDeriver struct {
	seen map[tidyKey]*tidier
	// normal says that times and addresses are brought to a form, clip that there
	// may be spare capacity.
	normal, clip bool
}

// tidyKey is a type and where it lies.
type tidyKey struct {
	rt     reflect.Type
	behind bool // a reference
	// own is set in a type with methods of its own: what its times are, and what it keeps in unexported fields, is its
	// business. A program can append to the rest.
	own bool
}

// in returns the key of a type that is a part of k.rt, or behind a reference from there if k.rt is one.
func (k tidyKey) in(rt reflect.Type) tidyKey {
	kind := k.rt.Kind()
	return tidyKey{rt, k.behind || kind == reflect.Slice || kind == reflect.Pointer || kind == reflect.Map, k.own}
}

// enter returns k, with own set if its type is closed, and whether parts of that are to be looked at: not where its
// values may be cyclic.
func (k tidyKey) enter() (tidyKey, bool) {
	if k.own || !closed(k.rt) {
		return k, true
	}
	k.own = true
	return k, !refersToItself(k.rt, map[reflect.Type]bool{})
}

// has reports whether a field is looked at.
func (k tidyKey) has(f reflect.StructField) bool {
	return f.Name != "_" && (!k.own || f.IsExported() || f.Anonymous)
}

var ipType = reflect.TypeFor[net.IP]()

// derive returns the tidier of a type, nil if there is nothing to do.
func (d *tidyDeriver) derive(k tidyKey) *tidier {
	if t, ok := d.seen[k]; ok {
		return t
	}
	if !d.needs(k, map[tidyKey]bool{}) {
		return nil
	}
	rt := k.rt
	t := &tidier{rt: rt, clip: k.behind && d.clip}
	d.seen[k] = t
	in, open := k.enter()
	switch kind := rt.Kind(); {
	case rt == timeType:
		t.do = tidyTime
	case rt == ipType && d.normal && !k.own:
		t.do = tidyIP
	case kind == reflect.Struct:
		t.do = tidyStruct
		for i := range rt.NumField() {
			if f := rt.Field(i); in.has(f) {
				if part := d.derive(in.in(f.Type)); part != nil {
					t.fields = append(t.fields, tidyField{f.Offset, part})
				}
			}
		}
	default:
		t.do = tidiers[kind]
		if open {
			t.elem = d.derive(in.in(rt.Elem()))
		}
	}
	return t
}

var tidiers = [...]func(*tidier, unsafe.Pointer){
	reflect.Slice: tidySlice, reflect.Pointer: tidyPointer, reflect.Map: tidyMap, reflect.Array: tidyArray,
}

// needs reports whether there is something to do in a type, or in one that a value of it leads to. seen are the types
// that are being looked at.
func (d *tidyDeriver) needs(k tidyKey, seen map[tidyKey]bool) bool {
	if seen[k] {
		return false
	}
	seen[k] = true
	rt, kind := k.rt, k.rt.Kind()
	switch {
	case rt == timeType || rt == ipType && d.normal && !k.own:
		return d.normal && !k.own
	case kind == reflect.Slice && k.behind && d.clip:
		return true
	}
	in, open := k.enter()
	switch {
	case !open || in.own && !d.clip:
		return false
	case kind == reflect.Slice || kind == reflect.Pointer || kind == reflect.Map:
		return d.needs(in.in(rt.Elem()), seen)
	case kind == reflect.Array:
		return rt.Len() > 0 && d.needs(in.in(rt.Elem()), seen)
	case kind == reflect.Struct:
		for i := range rt.NumField() {
			if f := rt.Field(i); in.has(f) && d.needs(in.in(f.Type), seen) {
				return true
			}
		}
	}
	return false
}

// refersToItself is recursive for types whose parts are their own business, too. open are the types it is in, true
// while they are followed.
func refersToItself(rt reflect.Type, open map[reflect.Type]bool) bool {
	if following, ok := open[rt]; ok {
		return following
	}
	open[rt] = true
	defer func() { open[rt] = false }()
	switch rt.Kind() {
	case reflect.Slice, reflect.Array, reflect.Pointer, reflect.Map:
		return refersToItself(rt.Elem(), open)
	case reflect.Struct:
		for i := range rt.NumField() {
			if refersToItself(rt.Field(i).Type, open) {
				return true
			}
		}
	}
	return false
}

// closed reports whether what a value of rt is made of is its own business.
func closed(rt reflect.Type) bool { return rt != timeType && hides(rt, "") }

func tidyTime(_ *tidier, p unsafe.Pointer) {
	if t := (*time.Time)(p); *t != t.UTC() { // with ==: also without the monotonic clock
		*t = t.UTC()
	}
}

func tidyIP(_ *tidier, p unsafe.Pointer) {
	switch ip := (*net.IP)(p); len(*ip) {
	case 0:
		*ip = nil
	case net.IPv4len:
		*ip = ip.To16()
	default:
		*ip = (*ip)[:len(*ip):len(*ip)]
	}
}

func tidySlice(t *tidier, p unsafe.Pointer) {
	s := (*sliceHeader)(p)
	if t.clip {
		s.cap = s.len
	}
	if t.elem != nil {
		t.elem.items(s.ptr, s.len)
	}
}

func tidyArray(t *tidier, p unsafe.Pointer) { t.elem.items(p, t.rt.Len()) }

// items tidies count values that lie one after the other from p.
func (t *tidier) items(p unsafe.Pointer, count int) {
	for i := range count {
		t.run(unsafe.Add(p, uintptr(i)*t.rt.Size()))
	}
}

func tidyPointer(t *tidier, p unsafe.Pointer) {
	if to := *(*unsafe.Pointer)(p); to != nil {
		t.elem.run(to)
	}
}

func tidyStruct(t *tidier, p unsafe.Pointer) {
	for _, f := range t.fields {
		f.t.run(unsafe.Add(p, f.off))
	}
}

// tidyMap fills a new map, since a key that is not equal to itself is not found in
// the old one.
func tidyMap(t *tidier, p unsafe.Pointer) {
	m := reflect.NewAt(t.rt, p).Elem()
	if m.Len() == 0 {
		return
	}
	if t.rt.Elem().Kind() == reflect.Pointer { // what it leads to is tidied in place
		val := reflect.New(t.rt.Elem()).Elem()
		for iter := m.MapRange(); iter.Next(); {
			val.SetIterValue(iter)
			t.elem.run(val.Addr().UnsafePointer())
		}
		return
	}
	fresh := reflect.MakeMapWithSize(t.rt, m.Len())
	key, val := reflect.New(t.rt.Key()).Elem(), reflect.New(t.rt.Elem()).Elem()
	for iter := m.MapRange(); iter.Next(); {
		key.SetIterKey(iter)
		val.SetIterValue(iter)
		t.elem.run(val.Addr().UnsafePointer())
		fresh.SetMapIndex(key, val)
	}
	m.Set(fresh)
}
