package heapbackend

import (
	"fmt"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

const (
	// MaxStateName is the most bytes a state's name, or a codec's ID, may have.
	MaxStateName = 255
	// MaxStates is the most states a backend may have.
	MaxStates = 16384
)

// The kinds of state, as a schema names them.
const (
	kindValue = "value"
	kindList  = "list"
	kindMap   = "map"
)

// stateInfo describes one state: what its records mean.
type stateInfo struct {
	name  string
	kind  string
	key   string      // keygroups.Hasher.Type of the key
	sub   string      // for maps, of the key inside the map
	codec string      // ID of a user's codec, else ""
	typ   *codec.Type // of a value, an element or a map's values, if the codec is derived
}

// append appends the description as an array of name, kind, key, sub (nil if none), codec, type (nil if none).
func (i *stateInfo) append(dst []byte) []byte {
	dst = wire.AppendArrayLen(dst, 6)
	dst = wire.AppendString(dst, i.name)
	dst = wire.AppendString(dst, i.kind)
	dst = wire.AppendString(dst, i.key)
	if i.sub == "" {
		dst = wire.AppendNil(dst)
	} else {
		dst = wire.AppendString(dst, i.sub)
	}
	dst = wire.AppendString(dst, i.codec)
	if i.typ == nil {
		return wire.AppendNil(dst)
	}
	return i.typ.Append(dst)
}

// same reports whether two descriptions give records the same meaning. Names are not compared.
func (i *stateInfo) same(o *stateInfo) bool { return i.related(o) && i.typ.Equal(o.typ) }

// related reports whether two descriptions differ at most in the type of their values. Keys never change.
func (i *stateInfo) related(o *stateInfo) bool {
	return i.kind == o.kind && i.key == o.key && i.sub == o.sub && i.codec == o.codec && (i.typ == nil) == (o.typ == nil)
}

// String describes the state as Go would write it.
func (i *stateInfo) String() string {
	v := fmt.Sprintf("codec %q", i.codec)
	if i.typ != nil {
		v = i.typ.String()
	}
	switch i.kind {
	case kindMap:
		return fmt.Sprintf("Map[%s, %s, %s]", i.key, i.sub, v)
	case kindList:
		return fmt.Sprintf("List[%s, %s]", i.key, v)
	case kindValue:
		return fmt.Sprintf("Value[%s, %s]", i.key, v)
	}
	return fmt.Sprintf("%s[%s, %s]", i.kind, i.key, v)
}

// mismatch is the error of a state that was written otherwise than it is registered.
func mismatch(registered, written *stateInfo, cause error) error {
	return &SchemaError{State: registered.name, Registered: registered.String(), Written: written.String(), Cause: cause}
}

// appendSchema appends the descriptions as one array.
func appendSchema(dst []byte, infos []*stateInfo) []byte {
	dst = wire.AppendArrayLen(dst, len(infos))
	for _, i := range infos {
		dst = i.append(dst)
	}
	return dst
}

// readSchema reads what appendSchema wrote. Errors match ErrCorrupt.
func readSchema(b []byte) ([]*stateInfo, error) {
	r := wire.NewReader(b)
	n := r.ArrayLen()
	var infos []*stateInfo
	names := map[string]bool{}
	for range n {
		i, err := readInfo(r)
		if err != nil {
			return nil, fmt.Errorf("%w: schema: %w", ErrCorrupt, err)
		}
		if names[i.name] {
			return nil, fmt.Errorf("%w: schema: a state is described twice", ErrCorrupt)
		}
		names[i.name] = true
		infos = append(infos, i)
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("%w: schema: %w", ErrCorrupt, err)
	}
	if r.Len() > 0 || len(infos) > MaxStates {
		return nil, fmt.Errorf("%w: schema: %d bytes too many after %d states", ErrCorrupt, r.Len(), len(infos))
	}
	return infos, nil
}

func readInfo(r *wire.Reader) (*stateInfo, error) {
	if n := r.ArrayLen(); n != 6 {
		r.Fail(fmt.Errorf("a state's description has %d parts, not 6", n))
		return nil, r.Err()
	}
	i := &stateInfo{name: r.String(), kind: r.String(), key: r.String()}
	if !r.IsNil() {
		i.sub = r.String()
	}
	i.codec = r.String()
	if !r.IsNil() {
		t, err := codec.ReadType(r)
		if err != nil {
			return nil, err
		}
		i.typ = t
	}
	return i, r.Err()
}
