package keygroups_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
)

// encodeByTheBook is the canonical encoding, written from the package
// documentation alone: by reflection over the value, with no unsafe, no program
// and no regard for memory. The tests hold the package to it.
func encodeByTheBook(key any) []byte {
	v := reflect.ValueOf(key)
	if v.Kind() == reflect.String {
		return []byte(v.String())
	}
	var b bytes.Buffer
	encodePart(&b, v)
	return b.Bytes()
}

func encodePart(b *bytes.Buffer, v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			b.WriteByte(1)
		} else {
			b.WriteByte(0)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		encodeWord(b, uint64(v.Int()), v.Kind() == reflect.Int, v.Type().Size())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		encodeWord(b, v.Uint(), v.Kind() == reflect.Uint, v.Type().Size())
	case reflect.Float32:
		bits := math.Float32bits(float32(v.Float()))
		switch {
		case bits&0x7fffffff == 0:
			bits = 0
		case bits&0x7fffffff > 0x7f800000:
			bits = 0x7fc00000
		}
		encodeWord(b, uint64(bits), false, 4)
	case reflect.Float64:
		bits := math.Float64bits(v.Float())
		switch {
		case bits<<1 == 0:
			bits = 0
		case bits<<1 > 0x7ff0000000000000<<1:
			bits = 0x7ff8000000000000
		}
		encodeWord(b, bits, false, 8)
	case reflect.String:
		var length [binary.MaxVarintLen64]byte
		b.Write(length[:binary.PutUvarint(length[:], uint64(v.Len()))])
		b.WriteString(v.String())
	case reflect.Array:
		for i := range v.Len() {
			encodePart(b, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			encodePart(b, v.Field(i))
		}
	default:
		panic(fmt.Sprintf("no encoding for %v", v.Type()))
	}
}

// encodeWord writes size bytes of word, or 8 for the widths that differ by machine.
func encodeWord(b *bytes.Buffer, word uint64, wide bool, size uintptr) {
	if wide {
		size = 8
	}
	for range size {
		b.WriteByte(byte(word))
		word >>= 8
	}
}
