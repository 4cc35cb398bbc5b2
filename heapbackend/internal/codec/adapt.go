package codec

import (
	"errors"
	"fmt"
)

// From returns a codec that decodes the bytes of an older type of V, and
// encodes as c does. Fields of structs are matched by name: one that is new is
// left zero, one that is gone is dropped. Integers may change their width and
// sign, values that do not fit being errors when they are met; a float32 may
// become a float64. Any other change is ErrType, naming the path, and so are
// new fields that take more than maxNew bytes of memory for each byte that the
// old struct has at the least: bytes that are few must not become memory that is
// much. If old is Equal to c.Type, the result is c itself. The memory of the
// result is bounded, whatever old is.
func (c *Codec[V]) From(old *Type) (*Codec[V], error) {
	if old.Equal(c.enc.schema) {
		return c, nil
	}
	a := adapter{seen: map[adapted]*node{}}
	dec, err := a.adapt(c.enc, old, 0)
	if misfit := (*misfit)(nil); errors.As(err, &misfit) {
		return nil, fmt.Errorf("%w: %s%s: %s", ErrType, rootPath(c.enc.rt), misfit.path, misfit.why)
	}
	return &Codec[V]{enc: c.enc, dec: dec}, nil
}

// adapted names a node that decodes the bytes of another type.
type adapted struct {
	now *node
	old *Type
}

const (
	// maxNew is how many bytes the new fields of a struct may take in memory for
	// each byte that the old struct is encoded in at the least.
	maxNew = 1024
	// maxOps bounds the programs of one adapter: as long as those of the widest
	// type there may be, nested all over.
	maxOps = 16 * maxFields
)

// adapter derives nodes that are only ever decoded with.
type adapter struct {
	seen map[adapted]*node
	ops  int // of all programs
}

// misfit says where, below the type asked for, and why an old type cannot be
// read. The path is put together on the way up: of what is sound it costs nothing.
type misfit struct{ path, why string }

func (m *misfit) Error() string { return m.path + ": " + m.why }

// below puts a step of the path before that of an error.
func below(step string, err error) error {
	if m := (*misfit)(nil); errors.As(err, &m) {
		m.path = step + m.path
	}
	return err
}

// adapt returns a node that reads an old into memory of the type of now. It
// follows the Go type, which is finite but for references, to maxPairDepth and
// for maxPairs pairs of types: so it ends soon, whatever old is.
func (a *adapter) adapt(now *node, old *Type, depth int) (*node, error) {
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
		return nil, &misfit{why: fmt.Sprintf("it was %s and is %s", old.String(), now.schema)}
	}
	if depth > maxPairDepth || len(a.seen) >= maxPairs || a.ops > maxOps {
		return nil, &misfit{why: "what it was and what it is are too entangled to match"}
	}
	n := &node{rt: now.rt, schema: now.schema, min: 1, order: now.order, plain: now.plain}
	a.seen[key] = n
	if kind == "struct" {
		return n, a.fields(n, now, old, depth+1)
	}
	return n, a.items(n, now, old, depth+1)
}

// items adapts pointers, slices, arrays and maps. All but arrays are references:
// a type that is part of itself comes back to one, and needs its program by then.
func (a *adapter) items(n, now *node, old *Type, depth int) (err error) {
	if now.schema.Kind != "array" {
		n.ops = []op{{kind: now.ops[0].kind, ref: n}}
	}
	step := "[]"
	if now.schema.Kind == "pointer" {
		step = ""
	}
	if now.key != nil {
		if n.key, err = a.adapt(now.key, old.Key, depth); err != nil {
			return below(step+"[key]", err)
		}
	}
	elem, err := a.adapt(now.elem, old.Elem, depth)
	if err != nil {
		return below(step, err)
	}
	if now.schema.Kind == "array" {
		n.setArray(elem)
	}
	n.elem = elem
	return nil
}

// fields adapts a struct: its program is in the order of the old fields.
func (a *adapter) fields(n, now *node, old *Type, depth int) error {
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
		f, err := a.adapt(now.fields[i], was.Type, depth)
		if err != nil {
			return below("."+current[i].goName, err)
		}
		n.ops = f.place(n.ops, current[i].off, 1)
		n.min = min(n.min+f.min, maxMin)
		n.nest = max(n.nest, 1+f.inlineNest())
	}
	a.ops += len(n.ops)
	added := uintptr(0)
	for _, i := range index {
		added += current[i].rt.Size()
	}
	if added/maxNew > uintptr(n.min) {
		return &misfit{why: fmt.Sprintf("its new fields take %d bytes of memory, and what was written may take %d: "+
			"make them slices or pointers, or migrate", added, n.min)}
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
