package heapbackend

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

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
	kindValue       = "value"
	kindList        = "list"
	kindMap         = "map"
	kindReducing    = "reducing"
	kindAggregating = "aggregating"
	kindTimers      = "timers"
	kindSplit       = "split"
	kindUnion       = "union"
	kindBroadcast   = "broadcast"
)

// stateInfo describes one state: what its records mean.
type stateInfo struct {
	name  string
	kind  string
	key   string      // keygroups.Hasher.Type of the key
	sub   string      // for maps, of the key inside the map
	codec string      // ID of a user's codec, else ""
	typ   *codec.Type // of a value, an element or a map's values, if the codec is derived
	traits
}

// traits are what most states do not have. Each is zero where it does not apply, and is then not written.
type traits struct {
	namespace string // keygroups.Hasher.Type of the namespace, if keys have one
	stamped   bool   // values, elements or a map's values carry the time of their last update
	version   uint64 // of the value type, counted by the program
	domain    string // of timers: which time they are due by
	tasks     uint64 // of operator state: how many tasks there were
}

// append appends the description as an array of name, kind, key, sub (nil if none), codec, type (nil if none) and, only if
// there are any, traits.
func (i *stateInfo) append(dst []byte) []byte {
	if n := i.traits.count(); n > 0 {
		dst = wire.AppendArrayLen(dst, 7)
		return i.traits.append(i.appendParts(dst), n)
	}
	return i.appendParts(wire.AppendArrayLen(dst, 6))
}

func (i *stateInfo) appendParts(dst []byte) []byte {
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

// The names of traits in a schema, in the order they are written.
const (
	traitNamespace = "namespace"
	traitStamped   = "stamped"
	traitVersion   = "version"
	traitDomain    = "domain"
	traitTasks     = "tasks"
)

func (t *traits) count() (n int) {
	for _, has := range []bool{t.namespace != "", t.stamped, t.version != 0, t.domain != "", t.tasks != 0} {
		if has {
			n++
		}
	}
	return n
}

// append appends the n traits there are as an array of alternating names and values.
func (t *traits) append(dst []byte, n int) []byte {
	dst = wire.AppendArrayLen(dst, 2*n)
	if t.namespace != "" {
		dst = wire.AppendString(wire.AppendString(dst, traitNamespace), t.namespace)
	}
	if t.stamped {
		dst = wire.AppendBool(wire.AppendString(dst, traitStamped), true)
	}
	if t.version != 0 {
		dst = wire.AppendUint(wire.AppendString(dst, traitVersion), t.version)
	}
	if t.domain != "" {
		dst = wire.AppendString(wire.AppendString(dst, traitDomain), t.domain)
	}
	if t.tasks != 0 {
		dst = wire.AppendUint(wire.AppendString(dst, traitTasks), t.tasks)
	}
	return dst
}

// readTraits reads what append wrote: each at most once, in that order, none that says nothing.
func readTraits(r *wire.Reader) (t traits) {
	n := r.ArrayLen()
	if n == 0 || n%2 != 0 {
		r.Fail(fmt.Errorf("traits of %d parts", n))
	}
	order := []string{traitNamespace, traitStamped, traitVersion, traitDomain, traitTasks}
	for i := 0; i < n/2 && r.Err() == nil; i++ {
		name := r.String()
		at := slices.Index(order, name)
		if at < 0 {
			r.Fail(fmt.Errorf("an unknown or repeated trait of a state"))
			return t
		}
		order = order[at+1:]
		switch name {
		case traitNamespace:
			t.namespace = r.String()
		case traitStamped:
			t.stamped = r.Bool()
		case traitVersion:
			t.version = r.Uint()
		case traitDomain:
			t.domain = r.String()
		case traitTasks:
			t.tasks = r.Uint()
		}
	}
	if r.Err() == nil && t.count() != n/2 {
		r.Fail(fmt.Errorf("a trait of a state that says nothing"))
	}
	return t
}

// same reports whether two descriptions give records the same meaning. Names are not compared.
func (i *stateInfo) same(o *stateInfo) bool {
	return i.related(o) && i.codec == o.codec && i.typ.Equal(o.typ) && i.stamped == o.stamped && i.version == o.version
}

// related reports whether two descriptions differ at most in their values: in type, codec and version, and in whether they
// are stamped. Nothing else ever changes.
func (i *stateInfo) related(o *stateInfo) bool { return i.change(o) == nil }

// change says how i, a state as it is registered, and o, as it was written, are not related.
func (i *stateInfo) change(o *stateInfo) error {
	var changes []string
	for _, part := range []struct{ what, was, is string }{
		{"the kind was", o.kind, i.kind},
		{"keys were", o.key, i.key},
		{"namespaces were", o.namespace, i.namespace},
		{"map keys were", o.sub, i.sub},
		{"the time was", o.domain, i.domain},
	} {
		if part.was != part.is {
			changes = append(changes, fmt.Sprintf("%s %s, now %s", part.what, cmp.Or(part.was, "none"), cmp.Or(part.is, "none")))
		}
	}
	if changes == nil {
		return nil
	}
	return errors.New(strings.Join(changes, "; "))
}

// kindNames are the kinds as Go names them.
var kindNames = map[string]string{
	kindValue: "Value", kindList: "List", kindMap: "Map", kindReducing: "Reducing", kindAggregating: "Aggregating",
	kindTimers: "Timers", kindSplit: "SplitList", kindUnion: "UnionList", kindBroadcast: "Broadcast",
}

// String describes the state as Go would write it.
func (i *stateInfo) String() string {
	var params []string
	if i.key != "" {
		params = append(params, i.key)
	}
	if i.namespace != "" {
		params = []string{fmt.Sprintf("NamespacedKey[%s, %s]", i.key, i.namespace)}
	}
	if i.sub != "" {
		params = append(params, i.sub)
	}
	switch {
	case i.typ != nil:
		params = append(params, i.typ.String())
	case i.codec != "":
		params = append(params, fmt.Sprintf("codec %q", i.codec))
	}
	s := fmt.Sprintf("%s[%s]", cmp.Or(kindNames[i.kind], i.kind), strings.Join(params, ", "))
	if i.version != 0 {
		s += fmt.Sprintf(" version %d", i.version)
	}
	if i.stamped {
		s += " with TTL"
	}
	return s
}

// unreadable is the error of a record: sound bytes that are not what is registered, or anything else.
func (i *stateInfo) unreadable(written *stateInfo, err error) error {
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		return mismatch(i, written, refused)
	}
	return fmt.Errorf("%w: state %q: %w", ErrCorrupt, i.name, err)
}

// mismatch is the error of a state that was written otherwise than it is registered. What a cause that is a refusal
// advises goes into it.
func mismatch(registered, written *stateInfo, cause error) error {
	if cause == nil && !registered.related(written) {
		cause = registered.change(written)
	}
	e := &SchemaError{State: registered.name, Registered: registered.String(), Written: written.String(), Cause: cause}
	if refused := (*refusal)(nil); errors.As(cause, &refused) {
		e.Cause, e.advice = refused.cause, refused.advice
	}
	return e
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
	n := r.ArrayLen()
	if n != 6 && n != 7 {
		r.Fail(fmt.Errorf("a state's description has %d parts, not 6 or 7", n))
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
	if n == 7 {
		i.traits = readTraits(r)
	}
	return i, r.Err()
}
