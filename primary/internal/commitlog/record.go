package commitlog

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/primary/internal/frame"
)

// Record is the content of one slot of the log: a frame with the magic [Magic], version 2, around one msgpack array of
//
//	kind      uint    1 claim, 2 checkpoint, 3 savepoint
//	job       string  the job's name
//	slot      uint    the number in the object's name, from 1
//	epoch     uint    the slot at which the coordinator that wrote it claimed the log
//	claim     bin 16  a uuid that this coordinator alone has
//	highest   uint    no greater checkpoint id had been given when the commit it is part of began: ids given since may
//	                  be greater, and are in the names of whatever was stored for them
//	live      array   of all earlier slots those that still count, ascending, each an array of 2 uints: the slot, and
//	                  the slot of the record that holds what was committed there
//	manifest  bin     a whole manifest, frame and all, plain or compressed; empty in a claim
//	skipped   array   ascending slots that could not be read and were passed over
//	held      array   in a claim: what was committed in live slots, each an array of 4: slot, epoch, kind, manifest
//
// Version 1 ends with the manifest, and its live is an array of slots.
//
// The newest record says what counts: itself, if it is a checkpoint or a savepoint, and its live list. Everything else
// in the log is dead, whatever it says, and may be deleted at any time. A claim holds all that is live, so that
// nothing before it is needed. A savepoint is live only until its manifest has been copied beside its objects.
type Record struct {
	Kind        Kind
	Job         string
	Slot, Epoch uint64
	Claim       uuid.UUID
	Highest     uint64
	Live        []Ref
	Manifest    []byte
	Skipped     []uint64
	Held        []Entry
}

// Kind is what a record does.
type Kind uint8

const (
	Claim      Kind = 1
	Checkpoint Kind = 2
	Savepoint  Kind = 3
)

// Ref is a live slot and the slot of the record that holds what was committed there: itself, or a later claim.
type Ref struct {
	Slot, Holder uint64
}

// Entry is a checkpoint or savepoint that counts.
type Entry struct {
	Ref
	Epoch    uint64
	Kind     Kind
	Manifest []byte
}

const (
	// Magic begins every record.
	Magic = "\x89hslog\r\n"
	// Version is the version that is written.
	Version = 2

	fields    = 10
	fieldsOne = 8 // of version 1
)

// Lives reports whether the record counts what was committed in a slot before it.
func (r *Record) Lives(slot uint64) bool {
	for _, ref := range r.Live {
		if ref.Slot == slot {
			return true
		}
	}
	return false
}

// Needs reports whether a slot before the record holds what it counts.
func (r *Record) Needs(slot uint64) bool {
	return slices.ContainsFunc(r.Live, func(ref Ref) bool { return ref.Holder == slot })
}

// Begin returns the slot at which what the record needs begins: its own, or that of the first holder of what is live.
func (r *Record) Begin() uint64 {
	begin := r.Slot
	for _, ref := range r.Live {
		begin = min(begin, ref.Holder)
	}
	return begin
}

// Append appends the encoded record.
func (r *Record) Append(dst []byte) []byte {
	return frame.Append(dst, Magic, Version, func(b []byte) []byte {
		b = wire.AppendArrayLen(b, fields)
		b = wire.AppendUint(b, uint64(r.Kind))
		b = wire.AppendString(b, r.Job)
		b = wire.AppendUint(b, r.Slot)
		b = wire.AppendUint(b, r.Epoch)
		b = wire.AppendBytes(b, r.Claim[:])
		b = wire.AppendUint(b, r.Highest)
		b = wire.AppendArrayLen(b, len(r.Live))
		for _, ref := range r.Live {
			b = wire.AppendUint(wire.AppendUint(wire.AppendArrayLen(b, 2), ref.Slot), ref.Holder)
		}
		b = wire.AppendBytes(b, r.Manifest)
		b = wire.AppendArrayLen(b, len(r.Skipped))
		for _, slot := range r.Skipped {
			b = wire.AppendUint(b, slot)
		}
		b = wire.AppendArrayLen(b, len(r.Held))
		for _, e := range r.Held {
			b = wire.AppendUint(wire.AppendUint(wire.AppendArrayLen(b, 4), e.Slot), e.Epoch)
			b = wire.AppendBytes(wire.AppendUint(b, uint64(e.Kind)), e.Manifest)
		}
		return b
	})
}

// Decode reads what Append wrote, or what version 1 did, and checks it. Nothing in the result aliases b. It takes
// memory in proportion to len(b), whatever b says. The error is a *DamageError, or wraps ErrVersion.
func Decode(name string, b []byte) (*Record, error) {
	body, version, err := frame.Open(b, Magic, Version)
	var damage *frame.DamageError
	switch {
	case errors.As(err, &damage):
		return nil, &DamageError{Name: name, Offset: damage.Offset, Reason: "log record: " + damage.Reason}
	case err != nil:
		return nil, fmt.Errorf("primary: log record %s: %w: %w", name, ErrVersion, err)
	}
	r := &Record{}
	rd := wire.NewReader(body)
	r.read(rd, version)
	if rd.Err() == nil && rd.Len() != 0 {
		rd.Fail(errors.New("bytes after the value"))
	}
	if err := rd.Err(); err != nil {
		return nil, &DamageError{Name: name, Offset: frame.Head, Reason: "log record does not decode", Err: err}
	}
	if err := r.check(); err != nil {
		return nil, &DamageError{Name: name, Offset: frame.Head, Reason: "log record makes no sense", Err: err}
	}
	return r, nil
}

func (r *Record) read(rd *wire.Reader, version uint32) {
	want := fields
	if version == 1 {
		want = fieldsOne
	}
	if n := rd.ArrayLen(); rd.Err() == nil && n != want {
		rd.Fail(errors.New("wrong number of fields"))
	}
	r.Kind, r.Job, r.Slot, r.Epoch = readKind(rd), rd.String(), rd.Uint(), rd.Uint()
	r.Claim = readUUID(rd)
	r.Highest = rd.Uint()
	r.Live = readList(rd, version == 1, (*Ref).read)
	r.Manifest = readBlob(rd)
	if version == 1 {
		return
	}
	r.Skipped = readList(rd, true, func(slot *uint64, rd *wire.Reader, _ bool) { *slot = rd.Uint() })
	r.Held = readList(rd, false, (*Entry).read)
	for i := range r.Held {
		r.Held[i].Holder = r.Slot
	}
}

// readList reads an array of what takes a byte each if single, else three at the least: memory taken for it is bounded
// by the bytes present.
func readList[E any](rd *wire.Reader, single bool, read func(*E, *wire.Reader, bool)) []E {
	size := 3
	if single {
		size = 1
	}
	n := rd.ArrayLen()
	if n > rd.Len()/size {
		rd.Fail(fmt.Errorf("%w: array of %d in %d bytes", wire.ErrTruncated, n, rd.Len()))
	}
	if rd.Err() != nil || n == 0 {
		return nil
	}
	list := make([]E, n)
	for i := range list {
		read(&list[i], rd, single)
	}
	return list
}

func (ref *Ref) read(rd *wire.Reader, single bool) {
	if single {
		ref.Slot = rd.Uint()
		ref.Holder = ref.Slot
		return
	}
	if n := rd.ArrayLen(); rd.Err() == nil && n != 2 {
		rd.Fail(errors.New("wrong number of fields of a live slot"))
	}
	ref.Slot, ref.Holder = rd.Uint(), rd.Uint()
}

func (e *Entry) read(rd *wire.Reader, _ bool) {
	if n := rd.ArrayLen(); rd.Err() == nil && n != 4 {
		rd.Fail(errors.New("wrong number of fields of what is held"))
	}
	e.Slot, e.Epoch, e.Kind = rd.Uint(), rd.Uint(), readKind(rd)
	e.Manifest = readBlob(rd)
}

func readKind(rd *wire.Reader) Kind {
	k := rd.Uint()
	if rd.Err() == nil && (k < uint64(Claim) || k > uint64(Savepoint)) {
		rd.Fail(fmt.Errorf("unknown kind %d", k))
		return 0
	}
	return Kind(k)
}

// readBlob reads bytes of its own; none are nil.
func readBlob(rd *wire.Reader) []byte {
	if b := rd.Bytes(); len(b) > 0 {
		return bytes.Clone(b)
	}
	return nil
}

func readUUID(rd *wire.Reader) (id uuid.UUID) {
	b := rd.Bytes()
	if rd.Err() == nil && len(b) != len(id) {
		rd.Fail(fmt.Errorf("%w: uuid of %d bytes", wire.ErrRange, len(b)))
	}
	copy(id[:], b)
	return id
}

func (r *Record) check() error {
	if (r.Kind == Claim) != (len(r.Manifest) == 0) {
		return errors.New("a claim with a manifest, or a commit without")
	}
	if r.Slot == 0 || r.Epoch == 0 || r.Epoch > r.Slot {
		return fmt.Errorf("slot %d of epoch %d", r.Slot, r.Epoch)
	}
	last, held := uint64(0), 0
	for _, ref := range r.Live {
		if ref.Slot <= last || ref.Slot >= r.Slot || ref.Holder < ref.Slot || ref.Holder > r.Slot {
			return fmt.Errorf("live slot %d, held in %d, out of order or not below %d", ref.Slot, ref.Holder, r.Slot)
		}
		if last = ref.Slot; ref.Holder < r.Slot {
			continue
		}
		if held == len(r.Held) || r.Held[held].Slot != ref.Slot {
			return fmt.Errorf("live slot %d is not held", ref.Slot)
		}
		held++
	}
	if held != len(r.Held) || held > 0 && r.Kind != Claim {
		return fmt.Errorf("%d manifests held, %d live", len(r.Held), held)
	}
	for _, e := range r.Held {
		if e.Kind == Claim || len(e.Manifest) == 0 || e.Epoch == 0 || e.Epoch > e.Slot {
			return fmt.Errorf("what is held of slot %d is no commit", e.Slot)
		}
	}
	for i, slot := range r.Skipped {
		if slot == 0 || slot >= r.Slot || i > 0 && slot <= r.Skipped[i-1] {
			return fmt.Errorf("skipped slot %d out of order or not below %d", slot, r.Slot)
		}
	}
	return nil
}
