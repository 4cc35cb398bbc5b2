package codec

import (
	"fmt"
	"reflect"
	"time"
)

// PointerFree reports whether a V holds no pointer of any kind: no string,
// slice, map or pointer. The collector never scans memory that holds only such
// values.
func PointerFree[V any]() bool { return pointerFree(reflect.TypeFor[V]()) }

// cloneDeriver derives the cloners of one root type.
type cloneDeriver struct {
	// seen holds every cloner, also while it is being derived.
	seen map[cloneKey]*cloner
}

// cloneKey is a type and whether it is hidden: inside a type with unexported
// fields or a codec of its own, where values need not be trees.
type cloneKey struct {
	rt     reflect.Type
	hidden bool
}

// derive returns the cloner of rt, nil if assignment copies it.
func (d *cloneDeriver) derive(rt reflect.Type, path string, hidden bool, depth int) (*cloner, error) {
	if everyPart(rt, sharable) || immutable(rt) {
		return nil, nil
	}
	key := cloneKey{rt, hidden}
	if c, ok := d.seen[key]; ok {
		if hidden && c != nil && !c.done {
			return nil, refuse(path, rt, "it may refer to itself: give it a Clone method")
		}
		return c, nil
	}
	if depth > maxTypeDepth {
		return nil, refuse(path, rt, fmt.Sprintf("nested more than %d types deep", maxTypeDepth))
	}
	c := &cloner{rt: rt}
	d.seen[key] = c
	if hasClone(rt) {
		c.unshareFn, c.done = unshareMethod, true
		return c, nil
	}
	if err := d.parts(c, path, hidden || hides(rt, path), depth+1); err != nil {
		return nil, err
	}
	c.done = true
	if k := rt.Kind(); k == reflect.Struct && c.parts == nil || k == reflect.Array && c.elem == nil {
		d.seen[key] = nil // nothing but what can be shared
		return nil, nil
	}
	return c, nil
}

// hides reports whether what rt refers to is its own business.
func hides(rt reflect.Type, path string) bool {
	if fam, err := familyOf(rt, path); fam != nil || err != nil {
		return true
	}
	if rt.Kind() == reflect.Struct {
		for i := range rt.NumField() {
			if f := rt.Field(i); !f.IsExported() && !f.Anonymous && f.Name != "_" {
				return true
			}
		}
	}
	return false
}

func (d *cloneDeriver) parts(c *cloner, path string, hidden bool, depth int) (err error) {
	switch c.rt.Kind() {
	case reflect.Struct:
		c.unshareFn = unshareStruct
		return d.fields(c, path, hidden, depth)
	case reflect.Array:
		c.unshareFn, path = unshareArray, path+"[]"
	case reflect.Slice:
		c.unshareFn, path = unshareSlice, path+"[]"
		if pointerFree(c.rt.Elem()) {
			c.plain = c.rt.Elem().Size()
		}
		if c.rt.Elem().Kind() == reflect.Uint8 {
			c.unshareFn = unshareBytes
			return nil
		}
	case reflect.Pointer:
		c.unshareFn = unsharePointer
	case reflect.Map:
		c.unshareFn, path = unshareMap, path+"[]"
		if key := c.rt.Key(); !comparableByBytes(key) && !immutable(key) {
			return refuse(path, c.rt, "a copy cannot have the same keys: give it a Clone method")
		}
	default:
		return refuse(path, c.rt, "it cannot be copied: give the type it is in a Clone method")
	}
	c.elem, err = d.derive(c.rt.Elem(), path, hidden, depth)
	return err
}

func (d *cloneDeriver) fields(c *cloner, path string, hidden bool, depth int) error {
	for i := range c.rt.NumField() {
		f := c.rt.Field(i)
		part, err := d.derive(f.Type, path+"."+f.Name, hidden, depth)
		if err != nil {
			return err
		}
		if part != nil {
			c.parts = append(c.parts, clonePart{off: f.Offset, c: part})
		}
	}
	return nil
}

// hasClone reports whether rt has a Clone method that returns its own type, or
// a pointer to it.
func hasClone(rt reflect.Type) bool {
	if rt.Kind() == reflect.Pointer {
		return false
	}
	m, ok := reflect.PointerTo(rt).MethodByName("Clone")
	if !ok || m.Type.NumIn() != 1 || m.Type.NumOut() != 1 {
		return false
	}
	out := m.Type.Out(0)
	return out == rt || out == reflect.PointerTo(rt)
}

func nilable(rt reflect.Type) bool {
	return rt.Kind() == reflect.Slice || rt.Kind() == reflect.Map
}

// immutable reports whether rt refers to nothing that can be written through it,
// or whose identity is what counts.
func immutable(rt reflect.Type) bool {
	switch rt {
	case timeType, reflect.TypeFor[*time.Location]():
		return true
	}
	return rt.PkgPath() == "unique" || rt.PkgPath() == "net/netip"
}

func pointerFree(rt reflect.Type) bool {
	return everyPart(rt, func(k reflect.Kind) bool { return k <= reflect.Complex128 })
}

// comparableByBytes reports whether two values of rt are equal exactly if they
// are built from equal scalars and strings.
func comparableByBytes(rt reflect.Type) bool { return everyPart(rt, sharable) }

// sharable reports whether values of kind k hold nothing that can be written.
func sharable(k reflect.Kind) bool { return k <= reflect.Complex128 || k == reflect.String }

// everyPart reports whether ok holds for the kind of every part of rt that is
// neither a struct nor an array.
func everyPart(rt reflect.Type, ok func(reflect.Kind) bool) bool {
	switch rt.Kind() {
	case reflect.Array:
		return rt.Len() == 0 || everyPart(rt.Elem(), ok)
	case reflect.Struct:
		for i := range rt.NumField() {
			if !everyPart(rt.Field(i).Type, ok) {
				return false
			}
		}
		return true
	}
	return ok(rt.Kind())
}
