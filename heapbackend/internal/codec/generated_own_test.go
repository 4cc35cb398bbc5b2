package codec

import (
	"reflect"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// checkOwner keeps a value as a state does, while a program changes it, puts parts of
// others into it, appends to what it got, and does to all others what it likes.
func checkOwner(t *rapid.T, n *node, v reflect.Value, data []byte) {
	d := cloneDeriver{seen: map[cloneKey]*cloner{}}
	c, err := d.derive(n.rt, "", false, 0)
	require.NoError(t, err)
	o := newOwner(n.rt, c, nil, true)
	if !o.references() {
		return
	}
	encoded := func(p reflect.Value) []byte {
		b, err := n.append(nil, p.UnsafePointer(), 0)
		require.NoError(t, err)
		return b
	}
	kept, theirs := reflect.New(n.rt), v
	kept.Elem().Set(v.Elem())
	o.take(kept.UnsafePointer())
	require.Equal(t, v.Elem().Interface(), kept.Elem().Interface(), "as it was, and nil where it was")
	require.Equal(t, data, encoded(kept))
	var held Held
	for range 3 {
		scribble(theirs.Elem())
		require.Equal(t, data, encoded(kept), "a write to what was put shows")
		got := reflect.New(n.rt)
		got.Elem().Set(kept.Elem())
		Clip(got.UnsafePointer(), o.clips)
		appendAll(got.Elem())
		require.Equal(t, data, encoded(kept))

		theirs = reflect.New(n.rt)
		drawValue(t, theirs.Elem())
		if rapid.Bool().Draw(t, "shared") {
			o.renew(kept.UnsafePointer(), nil, true)
			scribble(got.Elem())
		}
		o.before(kept.UnsafePointer(), &held)
		require.Equal(t, data, encoded(kept))
		mix(t, kept.Elem(), theirs.Elem())
		data = encoded(kept)
		o.after(kept.UnsafePointer(), &held)
		require.Equal(t, data, encoded(kept))
		requireTight(t, o, kept)
	}
	scribble(theirs.Elem())
	require.Equal(t, data, encoded(kept))
}

// mix changes v in place, and puts parts of w into it.
func mix(t *rapid.T, v, w reflect.Value) {
	switch rapid.IntRange(0, 3).Draw(t, "mix") {
	case 0:
		return
	case 1:
		v.Set(w)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type() != timeType {
				mix(t, v.Field(i), w.Field(i))
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			mix(t, v.Index(i), w.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() && !w.IsNil() {
			mix(t, v.Elem(), w.Elem())
		}
	case reflect.Slice:
		for i := range min(v.Len(), w.Len()) {
			mix(t, v.Index(i), w.Index(i))
		}
		if n := v.Len(); n > 0 && rapid.Bool().Draw(t, "cut") {
			v.Set(v.Slice(rapid.IntRange(0, n).Draw(t, "from"), n))
		}
		if w.Len() > 0 && rapid.Bool().Draw(t, "append") {
			v.Set(reflect.Append(v, w.Index(0)))
		}
	case reflect.Map:
		for _, k := range w.MapKeys() {
			if !v.IsNil() {
				v.SetMapIndex(k, w.MapIndex(k))
			}
		}
	}
}

// appendAll appends to every slice that can be reached from v, and changes none.
func appendAll(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() != timeType {
			for i := range v.NumField() {
				appendAll(v.Field(i))
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			appendAll(v.Index(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			appendAll(v.Index(i))
		}
		more := reflect.Append(v, reflect.Zero(v.Type().Elem()))
		scribble(more.Index(v.Len()))
	case reflect.Pointer:
		if !v.IsNil() {
			appendAll(v.Elem())
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			elem := reflect.New(v.Type().Elem()).Elem()
			elem.Set(v.MapIndex(k))
			appendAll(elem)
		}
	}
}

// requireTight demands that no slice but the inline ones has spare capacity.
func requireTight(t require.TestingT, o *owner, v reflect.Value) {
	got := reflect.New(o.rt)
	got.Elem().Set(v.Elem())
	Clip(got.UnsafePointer(), o.clips)
	requireNoSpare(t, got.Elem())
}

func requireNoSpare(t require.TestingT, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type() != timeType {
				requireNoSpare(t, v.Field(i))
			}
		}
	case reflect.Array, reflect.Slice:
		for i := range v.Len() {
			requireNoSpare(t, v.Index(i))
		}
		if v.Kind() == reflect.Slice && v.Type().Elem().Size() > unsafe.Sizeof(struct{}{}) {
			require.Equal(t, v.Len(), v.Cap(), "%s", v.Type())
		}
	case reflect.Pointer:
		if !v.IsNil() {
			requireNoSpare(t, v.Elem())
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			elem := reflect.New(v.Type().Elem()).Elem()
			elem.Set(v.MapIndex(k))
			requireNoSpare(t, elem)
		}
	}
}
