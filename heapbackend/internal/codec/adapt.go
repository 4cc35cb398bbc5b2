package codec

import "fmt"

// From returns a codec that decodes the bytes of an older type of V, and
// encodes as c does. Fields of structs are matched by name: one that is new is
// left zero, one that is gone is dropped. Integers may change their width and
// sign, values that do not fit being errors when they are met; a float32 may
// become a float64. Any other change is ErrType, naming the path. If old is
// Equal to c.Type, the result is c itself.
func (c *Codec[V]) From(old *Type) (*Codec[V], error) {
	if old.Equal(c.enc.schema) {
		return c, nil
	}
	a := adapter{seen: map[adapted]*node{}}
	dec, err := a.adapt(c.enc, old, rootPath(c.enc.rt), 0)
	if err != nil {
		return nil, err
	}
	return &Codec[V]{enc: c.enc, dec: dec}, nil
}

// adapted names a node that decodes the bytes of another type.
type adapted struct {
	now *node
	old *Type
}

// adapter derives nodes that are only ever decoded with.
type adapter struct {
	seen map[adapted]*node
}

// adapt returns a node that reads an old into memory of the type of now. It
// follows the Go type, which is finite but for references, to maxPairDepth and
// for maxPairs pairs of types: so it ends soon, whatever old is.
func (a *adapter) adapt(now *node, old *Type, path string, depth int) (*node, error) {
	key := adapted{now, old}
	if n, ok := a.seen[key]; ok {
		return n, nil
	}
	if wider := widens(now, old); wider != nil {
		return wider, nil
	}
	if old != nil && !old.composite() && now.schema.Equal(old) {
		return now, nil
	}
	kind := now.schema.Kind
	if old == nil || old.Kind != kind || !shapes[kind].elem && !shapes[kind].fields || old.Len != now.schema.Len {
		return nil, fmt.Errorf("%w: %s: it was %s and is %s", ErrType, path, old.String(), now.schema)
	}
	if depth > maxPairDepth || len(a.seen) >= maxPairs {
		return nil, fmt.Errorf("%w: %s: what it was and what it is are too entangled to match", ErrType, path)
	}
	n := &node{rt: now.rt, schema: now.schema, min: 1, order: now.order, plain: now.plain}
	a.seen[key] = n
	if kind == "struct" {
		return n, a.fields(n, now, old, path, depth+1)
	}
	return n, a.items(n, now, old, path, depth+1)
}

// items adapts pointers, slices, arrays and maps. All but arrays are references:
// a type that is part of itself comes back to one, and needs its program by then.
func (a *adapter) items(n, now *node, old *Type, path string, depth int) (err error) {
	if now.schema.Kind != "array" {
		n.ops = []op{{kind: now.ops[0].kind, ref: n}}
	}
	if now.schema.Kind != "pointer" {
		path += "[]"
	}
	if now.key != nil {
		if n.key, err = a.adapt(now.key, old.Key, path+"[key]", depth); err != nil {
			return err
		}
	}
	elem, err := a.adapt(now.elem, old.Elem, path, depth)
	if err != nil {
		return err
	}
	if now.schema.Kind == "array" {
		n.setArray(elem)
	}
	n.elem = elem
	return nil
}

// fields adapts a struct: its program is in the order of the old fields.
func (a *adapter) fields(n, now *node, old *Type, path string, depth int) error {
	current := now.layout
	n.min, n.nest = headLen(len(old.Fields)), 1
	n.ops = []op{{kind: opHead, n: len(old.Fields)}}
	index := make(map[string]int, len(current))
	for i, f := range current {
		index[f.name] = i
	}
	for _, was := range old.Fields {
		i, ok := index[was.Name]
		if !ok {
			n.ops = append(n.ops, op{kind: opSkip, nest: 1})
			n.min++
			continue
		}
		delete(index, was.Name)
		f, err := a.adapt(now.fields[i], was.Type, path+"."+current[i].goName, depth)
		if err != nil {
			return err
		}
		n.ops = f.place(n.ops, current[i].off, 1)
		n.min = min(n.min+f.min, maxMin)
		n.nest = max(n.nest, 1+f.inlineNest())
	}
	return nil
}

// widens returns the node that reads an old number into a now, nil if there is
// none. Its decoder is that of now, but old values may take fewer bytes.
func widens(now *node, old *Type) *node {
	if old == nil || len(now.ops) != 1 {
		return nil
	}
	k := now.ops[0].kind
	for _, basic := range basics {
		if basic.kind != old.Kind {
			continue
		}
		switch {
		case k == opFloat64 && basic.op == opFloat32:
			return &node{rt: now.rt, schema: now.schema, ops: now.ops, min: basic.min, order: now.order, plain: now.plain}
		case integer(k) && integer(basic.op):
			return now
		}
	}
	return nil
}

func integer(k opKind) bool { return k >= opInt && k <= opUint64 }
