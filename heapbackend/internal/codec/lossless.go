package codec

import (
	"fmt"
	"math/big"
	"reflect"
)

// CheckKept returns why a V cannot come back as it was: because it has fields that
// are left out, or a type whose own methods are known to lose something. What For
// refuses is not looked for again. The error is ErrType.
//
// For itself takes such types, since what an older program wrote can be read as
// one.
func CheckKept[V any]() error {
	rt := reflect.TypeFor[V]()
	return kept(rt, rootPath(rt), map[reflect.Type]bool{})
}

var bigFloatType = reflect.TypeFor[big.Float]()

func kept(rt reflect.Type, path string, seen map[reflect.Type]bool) error {
	if seen[rt] {
		return nil
	}
	seen[rt] = true
	if rt == bigFloatType {
		return refuse(path, rt, "its text does not keep precision and rounding: keep it in a type of your own, "+
			"with MarshalBinary and UnmarshalBinary that use its GobEncode and GobDecode")
	}
	if fam, err := familyOf(rt, path); rt == timeType || fam != nil || err != nil {
		return nil
	}
	switch rt.Kind() {
	case reflect.Slice, reflect.Array:
		return kept(rt.Elem(), path+"[]", seen)
	case reflect.Pointer:
		return kept(rt.Elem(), path, seen)
	case reflect.Map:
		if err := kept(rt.Key(), path+"[key]", seen); err != nil {
			return err
		}
		return kept(rt.Elem(), path+"[]", seen)
	case reflect.Struct:
		for i := range rt.NumField() {
			if err := keptField(rt.Field(i), path, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

func keptField(f reflect.StructField, path string, seen map[reflect.Type]bool) error {
	at := path + "." + f.Name
	switch t := tagOf(f); {
	case f.Name == "_":
		return nil
	case t.name != "-" && f.Name != "_msgpack":
		return kept(f.Type, at, seen)
	case f.Type.Size() > 0:
		return refuse(at, f.Type, fmt.Sprintf("a field tagged %q would be lost: keep it out of the type, "+
			"or give the type methods that write it", tagOf(f).name))
	}
	return nil
}

// Recursive reports whether a V may hold another V, or a part of it another such
// part, so that the type sets no limit to how deep its values are nested.
func Recursive[V any]() bool {
	return recursive(reflect.TypeFor[V](), map[reflect.Type]bool{})
}

// recursive follows rt; open are the types it is in, true while they are followed.
func recursive(rt reflect.Type, open map[reflect.Type]bool) bool {
	if following, ok := open[rt]; ok {
		return following
	}
	open[rt] = true
	defer func() { open[rt] = false }()
	switch rt.Kind() {
	case reflect.Slice, reflect.Array, reflect.Pointer:
		return recursive(rt.Elem(), open)
	case reflect.Map:
		return recursive(rt.Elem(), open)
	case reflect.Struct:
		if rt == timeType || closed(rt) {
			return false
		}
		for i := range rt.NumField() {
			if recursive(rt.Field(i).Type, open) {
				return true
			}
		}
	}
	return false
}

// hasMethods reports whether a V holds, where a program can reach it, a type with
// a codec or a Clone method of its own.
func hasMethods(rt reflect.Type) bool { return methodsIn(rt, map[reflect.Type]bool{}) }

func methodsIn(rt reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[rt] || rt == timeType || rt == uuidType || rt == ipType {
		return false
	}
	seen[rt] = true
	if fam, err := familyOf(rt, ""); fam != nil || err != nil || hasClone(rt) {
		return !everyPart(rt, sharable)
	}
	switch rt.Kind() {
	case reflect.Slice, reflect.Array, reflect.Pointer, reflect.Map:
		return methodsIn(rt.Elem(), seen)
	case reflect.Struct:
		for i := range rt.NumField() {
			if methodsIn(rt.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}
