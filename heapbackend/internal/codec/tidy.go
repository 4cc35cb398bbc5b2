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

// tidyKey is a type and whether it lies behind a reference.
type tidyKey struct {
	rt     reflect.Type
	behind bool
}

var ipType = reflect.TypeFor[net.IP]()

// derive returns the tidier of rt, nil if there is nothing to do.
func (d *tidyDeriver) derive(rt reflect.Type, behind bool) *tidier {
	key := tidyKey{rt, behind}
	if t, ok := d.seen[key]; ok {
		return t
	}
	if !d.needs(key, map[tidyKey]bool{}) {
		return nil
	}
	t := &tidier{rt: rt, clip: behind && d.clip}
	d.seen[key] = t
	switch kind := rt.Kind(); {
	case rt == timeType:
		t.do = tidyTime
	case kind == reflect.Slice:
		t.do = tidySlice
		if rt == ipType && d.normal {
			t.do = tidyIP
		} else if !closed(rt) {
			t.elem = d.derive(rt.Elem(), true)
		}
	case kind == reflect.Pointer:
		t.do, t.elem = tidyPointer, d.derive(rt.Elem(), true)
	case kind == reflect.Map:
		t.do, t.elem = tidyMap, d.derive(rt.Elem(), true)
	case kind == reflect.Array:
		t.do, t.elem = tidyArray, d.derive(rt.Elem(), behind)
	default:
		t.do = tidyStruct
		for i := range rt.NumField() {
			if f := rt.Field(i); f.Name != "_" {
				if part := d.derive(f.Type, behind); part != nil {
					t.fields = append(t.fields, tidyField{f.Offset, part})
				}
			}
		}
	}
	return t
}

// needs reports whether there is something to do in a type, or in one that a value
// of it leads to. seen are the types that are being looked at.
func (d *tidyDeriver) needs(k tidyKey, seen map[tidyKey]bool) bool {
	if seen[k] {
		return false
	}
	seen[k] = true
	rt := k.rt
	kind := rt.Kind()
	switch {
	case rt == timeType || rt == ipType && d.normal:
		return d.normal
	case kind == reflect.Slice && k.behind && d.clip:
		return true
	case closed(rt):
		return false
	case kind == reflect.Slice || kind == reflect.Pointer || kind == reflect.Map:
		return d.needs(tidyKey{rt.Elem(), true}, seen)
	case kind == reflect.Array:
		return rt.Len() > 0 && d.needs(tidyKey{rt.Elem(), k.behind}, seen)
	case kind == reflect.Struct:
		for i := range rt.NumField() {
			if f := rt.Field(i); f.Name != "_" && d.needs(tidyKey{f.Type, k.behind}, seen) {
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
