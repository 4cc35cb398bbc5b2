package codec

import (
	"reflect"
	"strings"
)

// Difference compares two values of one type and returns the path to the first
// part in which they differ, below the path given, and "" if they do not. NaN
// equals NaN. Fields that cannot be seen from outside, and whatever a type with
// methods of its own is made of, count too; there, nil and empty are the same,
// and functions, channels and what package sync keeps are not looked at.
//
// The path has names of fields and never a key or a value. Values may refer to
// themselves.
func Difference(a, b reflect.Value, path string) string {
	return (&comparison{seen: map[comparing]bool{}}).differ(a, b, path, false)
}

// comparing is a pair of references that is being compared, or was: a difference
// shows up elsewhere.
type comparing struct {
	rt   reflect.Type
	a, b uintptr
	len  int // of slices and maps
}

type comparison struct{ seen map[comparing]bool }

// differ is Difference for parts. hidden says that they are the business of a
// type with methods of its own, or of unexported fields.
func (c *comparison) differ(a, b reflect.Value, path string, hidden bool) string {
	if a.Type() == timeType {
		if c.fields(a, b, path, true) != "" {
			return path // not which of its fields
		}
		return ""
	}
	if !hidden {
		fam, err := familyOf(a.Type(), path)
		hidden = fam != nil || err != nil
	}
	switch a.Kind() {
	case reflect.Struct:
		return c.fields(a, b, path, hidden)
	case reflect.Array:
		return c.items(a, b, path+"[]", hidden)
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
		return c.references(a, b, path, hidden)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return ""
	case reflect.Float32, reflect.Float64:
		if x, y := a.Float(), b.Float(); x != x && y != y {
			return ""
		}
	}
	if !a.Equal(b) {
		return path
	}
	return ""
}

func (c *comparison) fields(a, b reflect.Value, path string, hidden bool) string {
	rt := a.Type()
	if pkg := rt.PkgPath(); pkg == "sync" || pkg == "sync/atomic" {
		return ""
	}
	for i := range rt.NumField() {
		f := rt.Field(i)
		if f.Name == "_" {
			continue
		}
		if at := c.differ(a.Field(i), b.Field(i), path+"."+f.Name, hidden || !f.IsExported()); at != "" {
			return at
		}
	}
	return ""
}

func (c *comparison) items(a, b reflect.Value, path string, hidden bool) string {
	for i := range a.Len() {
		if at := c.differ(a.Index(i), b.Index(i), path, hidden); at != "" {
			return at
		}
	}
	return ""
}

func (c *comparison) references(a, b reflect.Value, path string, hidden bool) string {
	k := a.Kind()
	sized := k == reflect.Slice || k == reflect.Map
	switch {
	case sized && hidden && a.Len() == 0 && b.Len() == 0:
		return ""
	case a.IsNil() != b.IsNil() || sized && a.Len() != b.Len():
		return path
	case a.IsNil():
		return ""
	case k == reflect.Interface:
		if a, b = a.Elem(), b.Elem(); a.Type() != b.Type() {
			return path
		}
		return c.differ(a, b, path, hidden)
	}
	pair := comparing{rt: a.Type(), a: a.Pointer(), b: b.Pointer()}
	if sized {
		pair.len = a.Len()
	}
	if pair.a == pair.b || c.seen[pair] {
		return ""
	}
	c.seen[pair] = true
	switch k {
	case reflect.Slice:
		return c.items(a, b, path+"[]", hidden)
	case reflect.Map:
		return c.entries(a, b, path+"[]", hidden)
	}
	return c.differ(a.Elem(), b.Elem(), path, hidden)
}

// entries compares maps of one length. Keys that are not found because they are
// not even equal to themselves, or hold pointers, are taken on trust.
func (c *comparison) entries(a, b reflect.Value, path string, hidden bool) string {
	trusted := !comparableByBytes(a.Type().Key())
	for i := a.MapRange(); i.Next(); {
		k := i.Key()
		switch v := b.MapIndex(k); {
		case v.IsValid():
			if at := c.differ(i.Value(), v, path, hidden); at != "" {
				return at
			}
		case !trusted && k.Equal(k):
			return strings.TrimSuffix(path, "[]") + "[key]"
		}
	}
	return ""
}
