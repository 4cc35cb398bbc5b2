package heapbackend

import (
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

// Migration is one step from a version of a value type to the next. Migrate makes it, Options.Migrations takes it.
type Migration struct {
	from     uint64
	old, new reflect.Type
	fault    error // why it cannot be used, reported when a state is registered
	// open returns what reads a value of version from, written as described, as an *Old.
	open func(written *stateInfo) (func(r *wire.Reader) (any, error), error)
	// apply makes a *New of an *Old.
	apply func(old any) (any, error)
}

// Migrate returns the step that makes values of version from, of type Old, into values of version from+1, of type New.
// Old is matched by name with what was written, as any value type is, so that it need not be exactly the type of old.
// At most one Options may be given: its Codec is the one that version had, its Version must be from or 0, and the rest
// is not used.
//
// fn is called once for each value, element or map value of each key group that is read, and again if the group is read
// again: for several values at once from several goroutines, so it must depend on its argument alone, and must not use
// the backend. It must neither keep nor modify what it is given, and returns what is nested at most MaxDepth deep;
// parts of that may be in what it returns, and so may what the program shares between values, for the state keeps a
// copy. If it returns an error, or panics, the group is not staged: the error is a *SchemaError with that as its Cause.
//
// Faults are reported where the state is registered. Cost: two allocations for each value and step, above what fn does.
func Migrate[Old, New any](from uint64, fn func(Old) (New, error), opts ...Options[Old]) Migration {
	m := Migration{from: from, old: reflect.TypeFor[Old](), new: reflect.TypeFor[New]()}
	o, err := oneOptions(opts)
	var c valueCodec[Old]
	if err == nil {
		c, err = codingOf(o.Codec)
	}
	faults := []error{err}
	if from == math.MaxUint64 {
		faults = append(faults, errors.New("there is no later version"))
	}
	if fn == nil {
		faults = append(faults, errors.New("its function is nil"))
	}
	if o.Version != from && o.Version != 0 {
		faults = append(faults, fmt.Errorf("its Options are of version %d", o.Version))
	}
	if len(o.Migrations) > 0 {
		faults = append(faults, errors.New("its Options have Migrations: give all to the state"))
	}
	m.fault = errors.Join(faults...)
	m.open = func(written *stateInfo) (func(*wire.Reader) (any, error), error) {
		decode, err := c.reads(written)
		return func(r *wire.Reader) (any, error) {
			v := new(Old)
			return v, decode(r, v)
		}, err
	}
	m.apply = func(old any) (any, error) {
		v, err := fn(*old.(*Old))
		return &v, err
	}
	return m
}

// checkMigrations returns everything that is wrong with the steps to a version of the type v: none, or one after the
// other up to it.
func checkMigrations(version uint64, v reflect.Type, steps []Migration) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for i, m := range steps {
		if m.apply == nil {
			fault("Migrations[%d] was not made by Migrate", i)
			continue
		}
		if m.fault != nil {
			fault("migration from version %d: %w", m.from, m.fault)
		}
		last := i == len(steps)-1
		switch {
		case last && m.from+1 != version:
			fault("the last migration leads to version %d, but Options.Version is %d", m.from+1, version)
		case last && m.new != v:
			fault("the migration from version %d gives %s, but the state holds %s", m.from, m.new, v)
		case last || steps[i+1].apply == nil:
		case steps[i+1].from != m.from+1:
			fault("the migration from version %d is followed by one from version %d", m.from, steps[i+1].from)
		case steps[i+1].old != m.new:
			fault("the migration from version %d gives %s, but the next takes %s", m.from, m.new, steps[i+1].old)
		}
	}
	if faults == nil {
		return nil
	}
	return fmt.Errorf("%w: migrations: %w", ErrConfig, errors.Join(faults...))
}

// from returns what decodes the values of a state that was written as described: of this version, or of an older one
// from which migrations lead to this. What it decodes is the state's own. It belongs to one goroutine. Errors are
// refusals.
func (c *valueCodec[V]) from(written *stateInfo) (func(*wire.Reader, *V) error, error) {
	if written.version == c.version {
		decode, err := c.reads(written)
		if c.owner == nil || c.typ != nil && !c.owner.Loose() {
			return decode, err
		}
		return func(r *wire.Reader, v *V) error {
			err := decode(r, v)
			if err == nil && c.typ == nil {
				c.owner.Take(v) // a program's codec may give the same to several
			} else if err == nil {
				c.owner.Tidy(v)
			}
			return err
		}, err
	}
	if written.version > c.version {
		return nil, &refusal{fmt.Errorf("version %d is newer than version %d", written.version, c.version),
			fmt.Sprintf("only a program that registers version %d or newer can read it", written.version)}
	}
	first := len(c.migrations)
	for i := range c.migrations {
		if c.migrations[i].from == written.version {
			first = i
		}
	}
	if first == len(c.migrations) {
		return nil, &refusal{fmt.Errorf("no migration leads from version %d to %d", written.version, c.version),
			fmt.Sprintf("register a migration from version %d", written.version)}
	}
	steps := c.migrations[first:]
	decode, err := steps[0].open(written)
	if err != nil {
		return nil, err
	}
	own := c.owns()
	return func(r *wire.Reader, v *V) error {
		old, err := decode(r)
		if err != nil {
			return err
		}
		return own.migrate(steps, old, v)
	}, nil
}

// migrate takes a value through the steps into *v. What the last returns may be shared with other values or with the
// program, which the state's own are not: so they become copies.
func (o *owning[V]) migrate(steps []Migration, old any, v *V) (err error) {
	at := 0
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
		if err != nil {
			m := &steps[at]
			err = &refusal{fmt.Errorf("migration from version %d to %d: %w", m.from, m.from+1, err), "correct the migration"}
		}
	}()
	for ; ; at++ {
		if old, err = steps[at].apply(old); err != nil {
			return err
		}
		if at == len(steps)-1 {
			break
		}
	}
	*v = *old.(*V)
	if o != nil && !o.take(v) {
		return fmt.Errorf("%w: what it returned holds more than %d structs, arrays, slices and maps one inside the other, "+
			"or itself", ErrDepth, MaxDepth)
	}
	return nil
}

// panicked is the error of a program's function that panicked.
func panicked(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %v", p)
}

// reads returns what decodes values that were written as described by the codec that c was then: the same one of the
// program's own, or a derived one of a type that can be matched with that of c. Errors are refusals.
func (c *valueCodec[V]) reads(written *stateInfo) (func(*wire.Reader, *V) error, error) {
	advice := fmt.Sprintf("register it as it was written, under another name, or with a higher Options.Version and a migration from version %d", written.version)
	if c.id != written.codec || (c.typ == nil) != (written.typ == nil) {
		return nil, &refusal{fmt.Errorf("its values were %s and are %s", coding(written.codec, written.typ), coding(c.id, c.typ)), advice}
	}
	if c.typ == nil {
		return c.decode, nil
	}
	decode, err := c.adapt(written.typ)
	if err != nil {
		return nil, &refusal{err, advice}
	}
	if c.typ.Equal(written.typ) {
		return decode, nil
	}
	return func(r *wire.Reader, v *V) error {
		err := decode(r, v)
		if errors.Is(err, wire.ErrRange) { // good bytes, but a number too large for its new type
			err = &refusal{err, advice}
		}
		return err
	}, nil
}

// coding names how values are written.
func coding(id string, typ *codec.Type) string {
	switch {
	case id != "":
		return fmt.Sprintf("written by codec %q", id)
	case typ == nil:
		return "written by no codec"
	}
	return typ.String()
}

// refusal is the cause of a SchemaError: what was written is sound, but is not what is registered.
type refusal struct {
	cause  error
	advice string // what the program can do
}

func (e *refusal) Error() string { return e.cause.Error() }

func (e *refusal) Unwrap() error { return e.cause }
