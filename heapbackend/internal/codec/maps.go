package codec

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"github.com/heapstate/heapstate/internal/wire"
)

// keyOrder says how the keys of a map are sorted. Strings, integers and floats
// go by value, as msgpack/v5 sorts the maps it sorts; others by their encoding.
type keyOrder uint8

const (
	orderBytes keyOrder = iota
	orderString
	orderInt
	orderUint
	orderFloat
)

func orderOf(key *node) keyOrder {
	if len(key.ops) != 1 {
		return orderBytes
	}
	switch k := key.ops[0].kind; {
	case k == opString:
		return orderString
	case k >= opInt && k <= opInt64:
		return orderInt
	case k >= opUint && k <= opUint64:
		return orderUint
	case k == opFloat32 || k == opFloat64:
		return orderFloat
	}
	return orderBytes
}

// encodesItself reports whether a key of that node, or a part of it, is written
// by methods of its own. Keys hold no pointers, so their nodes are trees.
func (n *node) encodesItself() bool {
	return n.opaque.append != nil || n.elem != nil && n.elem.encodesItself() ||
		slices.ContainsFunc(n.fields, (*node).encodesItself)
}

// leavesOut returns the name of a field that is part of a key of that node but
// not of its bytes, "" if there is none. Blank fields are no part of a key.
func (n *node) leavesOut() string {
	if n.opaque.append != nil || n.rt.Kind() != reflect.Struct {
		if n.elem != nil {
			return n.elem.leavesOut()
		}
		return ""
	}
	for i := range n.rt.NumField() {
		if f := n.rt.Field(i); tagOf(f).name == "-" && f.Name != "_" {
			return f.Name
		}
	}
	for _, f := range n.fields {
		if name := f.leavesOut(); name != "" {
			return name
		}
	}
	return ""
}

func (d *deriver) mapping(n *node, path string, depth int) error {
	n.leaf(opMap, "map", 0, 1)
	kt, keyPath := n.rt.Key(), path+"[key]"
	if k := kt.Kind(); k != reflect.Interface && !comparableByBytes(kt) {
		return refuse(keyPath, kt, "a map key must not hold a pointer: equal keys would come back different")
	}
	key, err := d.derive(kt, keyPath, depth)
	if err != nil {
		return err
	}
	if name := key.leavesOut(); name != "" {
		return refuse(keyPath, kt, "field "+name+" is not written: keys that differ in it alone would become one")
	}
	elem, err := d.derive(n.rt.Elem(), path+"[]", depth)
	if err != nil {
		return err
	}
	n.key, n.elem, n.order, n.ownKeys = key, elem, orderOf(key), key.encodesItself()
	n.schema.Key, n.schema.Elem = key.schema, elem.schema
	return nil
}

// mapScratch is the memory one encoding or decoding of a map works in.
type mapScratch struct {
	iter       reflect.MapIter
	keys, vals reflect.Value // slices of keys and elements, of one length
	order      []int
	bytes      []byte // keys encoded one after the other,
	ends       []int  // and where each ends
}

// borrow returns scratch with room for count entries.
func (n *node) borrow(count int) *mapScratch {
	s, _ := n.scratch.Get().(*mapScratch)
	if s == nil {
		s = &mapScratch{}
	}
	if !s.keys.IsValid() || s.keys.Len() < count {
		s.keys = reflect.MakeSlice(reflect.SliceOf(n.key.rt), count, count)
		s.vals = reflect.MakeSlice(reflect.SliceOf(n.elem.rt), count, count)
	}
	return s
}

// giveBack clears the first count entries, so that the pool keeps nothing alive
// but the scratch, and keeps that only if it is small.
func (n *node) giveBack(s *mapScratch, count int) {
	const keep = 1024
	if count > keep || len(s.bytes) > keep*64 {
		return
	}
	s.keys.Slice(0, count).Clear()
	s.vals.Slice(0, count).Clear()
	s.iter.Reset(reflect.Value{})
	s.order, s.bytes, s.ends = s.order[:0], s.bytes[:0], s.ends[:0]
	n.scratch.Put(s)
}

// appendMap encodes the map at f with its keys sorted.
func (n *node) appendMap(b []byte, f unsafe.Pointer, depth int) ([]byte, error) {
	m := n.at(f)
	if m.IsNil() {
		return wire.AppendNil(b), nil
	}
	count := m.Len()
	if err := fits(count); err != nil {
		return b, err
	}
	if depth++; depth > wire.MaxDepth {
		return b, errDepth()
	}
	s := n.borrow(count)
	defer n.giveBack(s, count)
	s.iter.Reset(m)
	for i := 0; i < count && s.iter.Next(); i++ {
		s.keys.Index(i).SetIterKey(&s.iter)
		s.vals.Index(i).SetIterValue(&s.iter)
		s.order = append(s.order, i)
	}
	keys, vals := s.keys.UnsafePointer(), s.vals.UnsafePointer()
	if err := n.encodeKeys(s, keys, depth); err != nil {
		return b, err
	}
	slices.SortFunc(s.order, func(i, j int) int {
		if c := n.compareKeys(s, keys, i, j); c != 0 || i == j {
			return c
		}
		return n.compareElems(vals, i, j, depth)
	})
	b = wire.AppendMapLen(b, count)
	for _, i := range s.order {
		b = append(b, s.key(i)...)
		var err error
		if b, err = n.elem.append(b, unsafe.Add(vals, uintptr(i)*n.elem.rt.Size()), depth); err != nil {
			return b, err
		}
	}
	return b, nil
}

// key returns the encoded key of entry i.
func (s *mapScratch) key(i int) []byte {
	if i == 0 {
		return s.bytes[:s.ends[0]]
	}
	return s.bytes[s.ends[i-1]:s.ends[i]]
}

func (n *node) encodeKeys(s *mapScratch, keys unsafe.Pointer, depth int) error {
	for i := range s.order {
		var err error
		s.bytes, err = n.key.append(s.bytes, unsafe.Add(keys, uintptr(i)*n.key.rt.Size()), depth)
		if err != nil {
			return err
		}
		s.ends = append(s.ends, len(s.bytes))
	}
	if n.ownKeys {
		return n.checkKeys(s, depth)
	}
	return nil
}

// checkKeys refuses keys that their own methods do not read back as what they
// were: two that become one make a map that cannot be read, and one that
// becomes another is not found.
func (n *node) checkKeys(s *mapScratch, depth int) error {
	for i := range s.order {
		back, r := reflect.New(n.key.rt), wire.NewReader(s.key(i))
		n.key.decode(r, back.UnsafePointer(), depth)
		if r.Err() != nil || !back.Elem().Equal(s.keys.Index(i)) {
			return fmt.Errorf("%w: a key of %s is not what its own methods make of the bytes they wrote: "+
				"make them one to one, or use another type of key", ErrType, n.rt)
		}
	}
	return nil
}

func (n *node) compareKeys(s *mapScratch, keys unsafe.Pointer, i, j int) int {
	if n.order == orderString {
		const size = unsafe.Sizeof("")
		return strings.Compare(*(*string)(unsafe.Add(keys, uintptr(i)*size)), *(*string)(unsafe.Add(keys, uintptr(j)*size)))
	}
	x, y := wire.NewReader(s.key(i)), wire.NewReader(s.key(j))
	switch n.order {
	case orderInt:
		return cmp.Compare(x.Int(), y.Int())
	case orderUint:
		return cmp.Compare(x.Uint(), y.Uint())
	case orderFloat:
		a, b := x.Float64(), y.Float64()
		if c := cmp.Compare(a, b); c != 0 {
			return c
		}
		return cmp.Compare(math.Float64bits(a), math.Float64bits(b)) // several NaN may be keys
	}
	return bytes.Compare(s.key(i), s.key(j))
}

// compareElems orders entries whose keys look alike, which only NaN keys do: by
// their encoded elements. An error here comes again when they are written.
func (n *node) compareElems(vals unsafe.Pointer, i, j, depth int) int {
	size := n.elem.rt.Size()
	x, errX := n.elem.append(nil, unsafe.Add(vals, uintptr(i)*size), depth)
	y, errY := n.elem.append(nil, unsafe.Add(vals, uintptr(j)*size), depth)
	if errX != nil || errY != nil {
		return 0
	}
	return bytes.Compare(x, y)
}

// decodeMap reads a map that is not nil into the map variable at f.
func (n *node) decodeMap(r *wire.Reader, f unsafe.Pointer, depth int) {
	count := r.MapLen()
	if depth++; depth > wire.MaxDepth {
		r.Fail(errDepth())
	}
	if !room(r, count, n.key.min+n.elem.min) {
		return
	}
	m := reflect.MakeMapWithSize(n.rt, count)
	n.at(f).Set(m)
	s := n.borrow(1)
	defer n.giveBack(s, 1)
	key, val := s.keys.Index(0), s.vals.Index(0)
	for range count {
		n.key.decode(r, key.Addr().UnsafePointer(), depth)
		n.elem.decode(r, val.Addr().UnsafePointer(), depth)
		if r.Err() != nil {
			return
		}
		m.SetMapIndex(key, val)
		key.SetZero()
		val.SetZero()
	}
	if m.Len() != count {
		r.Fail(fmt.Errorf("%w: a map has the same key twice", wire.ErrType))
	}
}
