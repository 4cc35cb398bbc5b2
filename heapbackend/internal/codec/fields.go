package codec

import (
	"reflect"
	"slices"
	"strings"
)

// structField is one field of a struct as it is encoded: embedded structs are
// already replaced by their fields.
type structField struct {
	name   string // in the schema
	goName string // in paths
	rt     reflect.Type
	off    uintptr
}

// tag is what a msgpack struct tag says.
type tag struct {
	name    string
	options []string
}

func tagOf(f reflect.StructField) tag {
	parts := strings.Split(f.Tag.Get("msgpack"), ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return tag{name: parts[0], options: parts[1:]}
}

func (t tag) has(option string) bool { return slices.Contains(t.options, option) }

// value returns what follows "option:".
func (t tag) value(option string) (string, bool) {
	for _, o := range t.options {
		if v, ok := strings.CutPrefix(o, option+":"); ok {
			return v, true
		}
	}
	return "", false
}

// fieldsOf lists the encoded fields of a struct type in order, embedded structs
// inlined as msgpack/v5 does. What it would drop in silence is refused.
func fieldsOf(rt reflect.Type, path string) ([]structField, error) {
	var fields []structField
	taken := map[string]bool{} // as msgpack/v5 has it: embedded types and aliases too
	for i := range rt.NumField() {
		f := rt.Field(i)
		t := tagOf(f)
		if t.name == "-" || f.Name == "_" || f.Name == "_msgpack" {
			continue
		}
		at := path + "." + f.Name
		if t.has("intern") {
			return nil, refuse(at, f.Type, "interned strings cannot be read by range")
		}
		inlined, err := embedded(taken, f, t, at)
		if err != nil {
			return nil, err
		}
		if t.name == "" {
			t.name = f.Name
		}
		if inlined != nil {
			fields = append(fields, inlined...)
			for _, in := range inlined {
				taken[in.name] = true
			}
			taken[t.name] = true
			continue
		}
		if !f.IsExported() {
			return nil, refuse(at, f.Type, `an unexported field would be lost: export it, tag it msgpack:"-", `+
				"or give the type EncodeMsgpack and DecodeMsgpack")
		}
		fields = append(fields, structField{t.name, f.Name, f.Type, f.Offset})
		taken[t.name] = true
		if alias, ok := t.value("alias"); ok {
			taken[alias] = true
		}
	}
	return fields, distinct(fields, rt, path)
}

// keyFieldsOf lists all fields of a struct that is a key or in one.
func keyFieldsOf(rt reflect.Type, path string) ([]structField, error) {
	var fields []structField
	for i := range rt.NumField() {
		f := rt.Field(i)
		if f.Name == "_" {
			return nil, refuse(path+"._", f.Type, "a blank field is no part of a key")
		}
		fields = append(fields, structField{f.Name, f.Name, f.Type, f.Offset})
	}
	return fields, nil
}

// embedded returns the fields that stand for the embedded struct f, not nil if
// f is to be inlined. An embedded struct with methods of its own, or with the
// name of a field before it, is a field like any other.
func embedded(taken map[string]bool, f reflect.StructField, t tag, at string) ([]structField, error) {
	if !f.Anonymous || t.has("noinline") {
		return nil, nil
	}
	if f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct {
		return nil, refuse(at, f.Type, "an embedded pointer that is nil would come back not nil: "+
			`name the field or tag it msgpack:",noinline"`)
	}
	if f.Type.Kind() != reflect.Struct || f.Type == timeType {
		return nil, nil
	}
	if fam, err := familyOf(f.Type, at); err != nil || fam != nil {
		return nil, err
	}
	fields, err := fieldsOf(f.Type, at)
	if err != nil {
		return nil, err
	}
	kept := []structField{}
	for _, in := range fields {
		in.off += f.Offset
		in.goName = f.Name + "." + in.goName
		switch {
		case !taken[in.name]:
			kept = append(kept, in)
		case t.has("inline"):
			return nil, refuse(at, f.Type, "field "+in.name+" would be lost: the outer struct has one of that name")
		default:
			return nil, nil
		}
	}
	return kept, nil
}

// distinct refuses two fields of one name: readers find fields by name.
func distinct(fields []structField, rt reflect.Type, path string) error {
	names := map[string]bool{}
	for _, f := range fields {
		if names[f.name] {
			return refuse(path, rt, "two fields are named "+f.name)
		}
		names[f.name] = true
	}
	return nil
}
