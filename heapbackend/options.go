package heapbackend

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

// Codec writes and reads values of one type in a program's own way. It is called from several goroutines at once.
type Codec[V any] interface {
	// ID names the encoding and its version. It is recorded in every checkpoint; one that was written with another ID
	// is refused.
	ID() string
	// Append appends exactly one msgpack value to dst, from which Decode gives the same value, whatever that holds. The
	// same value must always give the same bytes.
	Append(dst []byte, v *V) ([]byte, error)
	// Decode reads one value from the start of src into *v, which is zero, and returns the rest of src. It must not
	// keep src, must treat it as hostile, and returns an error rather than panic.
	Decode(src []byte, v *V) (rest []byte, err error)
}

// Options are the choices of one state. The zero value is right for most.
type Options[V any] struct {
	// Codec replaces the derived one, which writes what msgpack/v5 would with structs as arrays.
	Codec Codec[V]
	// Clone makes *dst a deep copy of *src, for values that hold slices, maps or pointers. Without it a Clone method
	// of V is used, else a deep copy derived from the type. It is called when a value enters the state, before the
	// first Update after a capture, and after an Update that left other references in the value than there were.
	Clone func(dst, src *V)
	// Version is that of V, counted by the program from any number on; it is recorded in every checkpoint. Fields of
	// structs that come, go or move and numbers that grow wider need no new version. It is for what cannot be matched
	// so, or would be matched wrongly: another type, another unit, another Codec.
	Version uint64
	// Migrations lead from older versions to Version, one version each, oldest first. A checkpoint of a version that
	// none starts from, or of a newer one than Version, is refused.
	Migrations []Migration
	// TTL makes values, elements or a map's entries expire; nil keeps them until they are deleted. It may be given to
	// a state that was written without one, whose entries are then as if written when they were restored, and taken
	// away again.
	TTL *TTL
}

// valueCodec is how values of one type are written, read, described and copied.
type valueCodec[V any] struct {
	id       string      // of a user's codec, else ""
	typ      *codec.Type // of the derived codec, else nil
	append   func(dst []byte, v *V) ([]byte, error)
	decode   func(r *wire.Reader, v *V) error
	adapt    func(old *codec.Type) (func(r *wire.Reader, v *V) error, error) // of the derived codec: decode for an older type
	owner    *codec.Owner[V]                                                 // nil: plain assignment is a deep copy
	pointers bool                                                            // values hold pointers of any kind

	version    uint64
	migrations []Migration // to version, without a gap
	life       *lifetime   // nil without TTL
}

func newValueCodec[V any](opts []Options[V]) (c valueCodec[V], err error) {
	o, err := oneOptions(opts)
	if err != nil {
		return c, err
	}
	owner, err := codec.OwnerOf(o.Clone, o.Codec == nil)
	if err != nil {
		return c, fmt.Errorf("%w: %w; give Options.Clone", ErrStateType, err)
	}
	c, err = codingOf(o.Codec)
	if err == nil && o.Codec == nil {
		if err = codec.CheckKept[V](); err != nil {
			err = fmt.Errorf("%w: %w; or give Options.Codec", ErrStateType, err)
		}
	}
	if err = errors.Join(err, checkMigrations(o.Version, reflect.TypeFor[V](), o.Migrations)); err != nil {
		return c, err
	}
	c.owner, c.pointers = owner, !codec.PointerFree[V]()
	c.version, c.migrations = o.Version, slices.Clone(o.Migrations)
	c.life, err = newLifetime(o.TTL)
	return c, err
}

// oneOptions returns the Options that a program gave, if any.
func oneOptions[V any](opts []Options[V]) (o Options[V], err error) {
	if len(opts) > 1 {
		return o, fmt.Errorf("%w: more than one Options", ErrConfig)
	}
	if len(opts) == 1 {
		o = opts[0]
	}
	return o, nil
}

// codingOf returns the part of a value's codec that writes and reads; user is nil for the derived one.
func codingOf[V any](user Codec[V]) (c valueCodec[V], err error) {
	if user != nil {
		if c.id = user.ID(); c.id == "" || len(c.id) > MaxStateName {
			return c, fmt.Errorf("%w: a Codec's ID must have 1 to %d bytes", ErrConfig, MaxStateName)
		}
		c.append, c.decode = userAppend(user), userDecode(user)
		return c, nil
	}
	derived, err := codec.For[V]()
	if err != nil {
		return c, fmt.Errorf("%w: %w; give Options.Codec", ErrStateType, err)
	}
	c.typ, c.append, c.decode = derived.Type(), derived.Append, derived.Decode
	c.adapt = func(old *codec.Type) (func(*wire.Reader, *V) error, error) {
		d, err := derived.From(old)
		if err != nil {
			return nil, err
		}
		return d.Decode, nil
	}
	return c, nil
}

// describe returns the description of a state of such values.
func (c *valueCodec[V]) describe(name, kind string) stateInfo {
	return stateInfo{name: name, kind: kind, codec: c.id, typ: c.typ, traits: traits{version: c.version}}
}

// userAppend gives a user's codec an empty slice, the room behind dst, and checks that it wrote exactly one msgpack
// value: anything else could not be read back.
func userAppend[V any](c Codec[V]) func([]byte, *V) ([]byte, error) {
	return func(dst []byte, v *V) ([]byte, error) {
		out, err := c.Append(dst[len(dst):], v)
		if err != nil {
			return dst, err
		}
		var r wire.Reader
		r.Reset(out)
		r.Skip()
		if r.Err() != nil || r.Len() > 0 {
			return dst, fmt.Errorf("codec %q wrote something other than one msgpack value", c.ID())
		}
		return append(dst, out...), nil // onto itself, unless the codec needed more room
	}
}

// userDecode gives a user's codec exactly one msgpack value and checks that it took all of it.
func userDecode[V any](c Codec[V]) func(*wire.Reader, *V) error {
	return func(r *wire.Reader, v *V) error {
		raw := r.Raw()
		if err := r.Err(); err != nil {
			return err
		}
		rest, err := c.Decode(raw, v)
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("codec %q left %d bytes of a value unread", c.ID(), len(rest))
		}
		if err != nil {
			r.Fail(err)
		}
		return err
	}
}
