package heapbackend

import (
	"bytes"
	"fmt"
	"iter"
	"reflect"
	"unsafe"

	"github.com/zeebo/xxh3"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

// checker is Config.CheckValues at work on one state. It belongs to the backend's owner.
//
// An entry is known by the hash of its key, and its content by a sum over the encodings of its values: the one, or the
// elements of a list, or the values of a map. A sum is taken when an operation has written the entry and compared when
// the next one begins, and at each capture.
type checker struct {
	core  *core
	state string
	value valueCheck
	sums  []map[uint64]uint64 // by group, from the first; what is not in them was not written since it was installed
	open  *writing            // the operation that has begun and not ended
}

// writing is an operation on an entry.
type writing struct {
	group  int // index in sums
	key    uint64
	values func() valueSeq // of the entry, wherever it is by then; nil if it is gone
}

// valueSeq yields the values in an entry, each with what tells it from the others. unsafe: each points to a V of the
// state.
type valueSeq iter.Seq2[uint64, unsafe.Pointer]

// one is the one value of an entry.
func one(v unsafe.Pointer) valueSeq {
	return func(yield func(uint64, unsafe.Pointer) bool) { yield(0, v) }
}

// valueCheck is how values of one type are encoded and decoded, without the type. unsafe: every pointer is to a value
// of it.
type valueCheck struct {
	rt     reflect.Type
	append func(dst []byte, v unsafe.Pointer) ([]byte, error)
	decode func(r *wire.Reader, v unsafe.Pointer) error
}

// check returns how values are checked.
func (c *valueCodec[V]) check() valueCheck {
	encode, decode := c.append, c.decode
	return valueCheck{
		rt:     reflect.TypeFor[V](),
		append: func(dst []byte, v unsafe.Pointer) ([]byte, error) { return encode(dst, (*V)(v)) },
		decode: func(r *wire.Reader, v unsafe.Pointer) error { return decode(r, (*V)(v)) },
	}
}

// newChecker returns nil unless values are to be checked.
func (c *core) newChecker(info *stateInfo, v valueCheck, groups int) *checker {
	if !c.cfg.CheckValues {
		return nil
	}
	return &checker{core: c, state: info.name, value: v, sums: make([]map[uint64]uint64, groups)}
}

// fault is a fault of the state in the group of that index, in the entry at that place, -1 if the caller knows which.
func (c *checker) fault(group, entry int, f Fault, cause error) error {
	number := c.core.cfg.Range.First + group
	if i, _ := c.core.lookup(c.state); i != nil && i.described().operator() {
		number, _ = c.core.cfg.OperatorGroup()
	}
	return &CheckError{State: c.state, Group: number, Entry: entry, Fault: f, Cause: cause}
}

// begin begins an operation on an entry, which is known unless it was just made.
func (c *checker) begin(w writing, known bool) error {
	if err := c.end(); err != nil {
		return err
	}
	if known {
		if err := c.compare(w.group, w.key, -1, w.values()); err != nil {
			return c.core.guard.fail(err)
		}
	}
	c.open = &w
	return nil
}

// end ends the operation that has begun, if there is one: it checks what it wrote, and takes its sum.
func (c *checker) end() error {
	w := c.open
	if w == nil {
		return nil
	}
	c.open = nil
	p := w.values()
	if p == nil {
		return nil
	}
	return c.wrote(w.group, w.key, p)
}

// wrote checks an entry that was written and takes its sum. A fault makes the backend refuse further use.
func (c *checker) wrote(group int, key uint64, p valueSeq) error {
	sum := uint64(0)
	for id, v := range p {
		data, f, err := c.value.trip(v)
		if err != nil {
			return c.core.guard.fail(c.fault(group, -1, f, err))
		}
		sum += xxh3.HashSeed(data, id)
	}
	c.record(group, key, sum)
	return nil
}

func (c *checker) record(group int, key, sum uint64) {
	if c.sums[group] == nil {
		c.sums[group] = map[uint64]uint64{}
	}
	c.sums[group][key] = sum
}

// again compares an entry of operator state that is going to be written. A fault makes the backend refuse further use.
func (c *checker) again(key uint64, p valueSeq) error {
	if err := c.compare(0, key, -1, p); err != nil {
		return c.core.guard.fail(err)
	}
	return nil
}

// forget drops the sum of an entry that changes without an operation on it.
func (c *checker) forget(group int, key uint64) { delete(c.sums[group], key) }

// install forgets all of a group, whose content is replaced.
func (c *checker) install(group int) { c.open, c.sums[group] = nil, nil }

// compare compares an entry, at that place, with what it was when it was last written.
func (c *checker) compare(group int, key uint64, entry int, p valueSeq) error {
	was, ok := c.sums[group][key]
	if !ok {
		return nil
	}
	switch sum, err := c.sum(p); {
	case err != nil:
		return c.fault(group, entry, FaultUnreadable, err)
	case sum != was:
		return c.fault(group, entry, FaultModified, nil)
	}
	return nil
}

// sum is the sum of an entry as it is.
func (c *checker) sum(p valueSeq) (sum uint64, err error) {
	for id, v := range p {
		data, err := c.value.append(nil, v)
		if err != nil {
			return 0, err
		}
		sum += xxh3.HashSeed(data, id)
	}
	return sum, nil
}

// all compares every entry of a group, in the order of its views, and takes the sums of those that have none.
func (c *checker) all(group int, entries iter.Seq2[uint64, valueSeq]) error {
	next, at := map[uint64]uint64{}, 0
	for key, p := range entries {
		if err := c.compare(group, key, at, p); err != nil {
			return err
		}
		sum, err := c.sum(p)
		if err != nil {
			return c.fault(group, at, FaultUnreadable, err)
		}
		next[key] = sum
		at++
	}
	c.sums[group] = next
	return nil
}

// whole is all for a state that is one entry.
func (c *checker) whole(p valueSeq) error {
	if err := c.compare(0, 0, -1, p); err != nil {
		return err
	}
	sum, err := c.sum(p)
	if err != nil {
		return c.fault(0, -1, FaultUnreadable, err)
	}
	c.record(0, 0, sum)
	return nil
}

// trip encodes a value twice and decodes it, and returns its encoding or what is wrong with it.
func (c *valueCheck) trip(v unsafe.Pointer) (data []byte, f Fault, err error) {
	if data, err = c.append(nil, v); err != nil {
		return nil, FaultUnreadable, err
	}
	again, err := c.append(nil, v)
	if err != nil {
		return nil, FaultUnreadable, err
	}
	if !bytes.Equal(data, again) {
		return nil, FaultUnsteady, fmt.Errorf("%s", c.rt)
	}
	back, r := reflect.New(c.rt), wire.NewReader(data)
	if err = c.decode(r, back.UnsafePointer()); err != nil {
		return nil, FaultUnreadable, err
	}
	if r.Len() > 0 {
		return nil, FaultUnreadable, fmt.Errorf("%s: %d bytes of it are not read", c.rt, r.Len())
	}
	if at := codec.Difference(reflect.NewAt(c.rt, v).Elem(), back.Elem(), c.rt.String()); at != "" {
		return nil, FaultChanged, fmt.Errorf("%s", at)
	}
	if again, err = c.append(nil, back.UnsafePointer()); err != nil || !bytes.Equal(data, again) {
		return nil, FaultChanged, fmt.Errorf("%s: read back, it is written otherwise", c.rt)
	}
	return data, 0, nil
}
