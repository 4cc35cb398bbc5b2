package commitlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// looks is how often a log is read anew because it changed under the reader, and sameLooks how often it may look
// exactly the same and lack what it counts before that is believed.
const (
	looks     = 100
	sameLooks = 3
)

// View is what a log says at one moment.
type View struct {
	// Slots are all there are, record or copy, ascending.
	Slots []uint64
	// Newest is the newest readable record, nil in an empty log.
	Newest *Record
	// Live is what counts, ascending by slot.
	Live []Entry
	// Faults are the slots that cannot be read from record or copy and that count, or may.
	Faults []Fault
	// Copied are the slots that were read from their copy, with what is wrong with the record itself.
	Copied []Fault
}

// Fault is a slot that cannot be read.
type Fault struct {
	Ref
	Err error // a *DamageError; of a record that has a copy, any
}

// Top returns the highest slot taken.
func (v *View) Top() uint64 {
	if len(v.Slots) == 0 {
		return 0
	}
	return v.Slots[len(v.Slots)-1]
}

// Load reads a log. A coordinator at work may retire what is just being read: then the log has moved on, and it is read
// again. It takes a listing, and a read for the newest record and for each other that holds something live. A log that
// never was is empty. Errors: ErrLogLost if the log has an origin and no records; ErrVersion; a *ForeignError; the
// store's.
func Load(ctx context.Context, store Store, job string) (*View, error) {
	var before []uint64
	same := 0
	for range looks {
		slots, err := listSlots(ctx, store, job)
		if err != nil {
			return nil, err
		}
		if slices.Equal(slots, before) {
			same++
		} else {
			before, same = slots, 1
		}
		if len(slots) == 0 {
			origin, err := store.Exists(ctx, OriginName(job))
			switch {
			case err != nil:
				return nil, fmt.Errorf("primary: look for the commit log: %w", err)
			case !origin:
				return &View{}, nil
			case same >= sameLooks:
				return nil, fmt.Errorf("%w: %s is there, and no record", ErrLogLost, OriginName(job))
			}
			continue
		}
		l := loader{store: store, job: job, view: View{Slots: slots}, final: same >= sameLooks}
		if err := l.read(ctx); !errors.Is(err, errMoved) {
			return &l.view, err
		}
	}
	return nil, fmt.Errorf("primary: the commit log of job %q changes faster than it can be read", job)
}

// errMoved: the log is not any more as it was listed.
var errMoved = errors.New("primary: the commit log has moved on")

// loader reads one view.
type loader struct {
	store Store
	job   string
	view  View
	// final: what is missing is believed to be.
	final bool
}

func (l *loader) read(ctx context.Context) error {
	v := &l.view
	for i, slot := range slices.Backward(v.Slots) {
		if i+1 < len(v.Slots) && v.Slots[i+1] != slot+1 {
			break // what is before a hole is dead, and may be the record of one who slept and never counted
		}
		r, err := l.record(ctx, slot)
		if err == nil {
			v.Newest = r
			break
		}
		if err := l.fault(Ref{Slot: slot, Holder: slot}, err); err != nil {
			return err
		}
	}
	if v.Newest == nil {
		return nil
	}
	holders := map[uint64]*Record{v.Newest.Slot: v.Newest}
	for _, ref := range v.Newest.Live {
		if len(v.Faults) > 0 && v.Faults[0].Slot > v.Newest.Slot && !slices.Contains(v.Slots, ref.Holder) {
			continue // retired by the newer record that cannot be read
		}
		e, err := l.entry(ctx, ref, holders)
		if err == nil {
			v.Live = append(v.Live, e)
		} else if err := l.fault(ref, err); err != nil {
			return err
		}
	}
	if v.Newest.Kind != Claim {
		v.Live = append(v.Live, v.Newest.entry(v.Newest.Slot))
	}
	return nil
}

// fault notes a damaged or missing record; it returns every other error.
func (l *loader) fault(ref Ref, err error) error {
	var damage *DamageError
	switch {
	case errors.As(err, &damage):
	case errors.Is(err, ErrNotExist) && !l.final:
		return errMoved
	case errors.Is(err, ErrNotExist):
		reason := "log record that counts is missing, and its copy too"
		err = &DamageError{Name: RecordName(l.job, ref.Holder), Reason: reason, Err: err}
	default:
		return err
	}
	l.view.Faults = append(l.view.Faults, Fault{Ref: ref, Err: err})
	return nil
}

// record reads a record, and notes that it is its copy.
func (l *loader) record(ctx context.Context, slot uint64) (*Record, error) {
	r, lost, err := readEither(ctx, l.store, l.job, slot)
	if lost != nil {
		l.view.Copied = append(l.view.Copied, Fault{Ref: Ref{Slot: slot, Holder: slot}, Err: lost})
	}
	return r, err
}

// entry finds what was committed in a live slot.
func (l *loader) entry(ctx context.Context, ref Ref, holders map[uint64]*Record) (Entry, error) {
	holder := holders[ref.Holder]
	if holder == nil {
		r, err := l.record(ctx, ref.Holder)
		if err != nil {
			return Entry{}, err
		}
		holder, holders[ref.Holder] = r, r
	}
	e := holder.entry(ref.Slot)
	if len(e.Manifest) == 0 {
		reason := fmt.Sprintf("nothing was committed in slot %d", ref.Slot)
		return e, &DamageError{Name: RecordName(l.job, ref.Holder), Reason: reason}
	}
	return e, nil
}

// entry returns what the record holds of a slot; without a manifest if it holds nothing.
func (r *Record) entry(slot uint64) Entry {
	if r.Slot == slot && r.Kind != Claim {
		return Entry{Ref: Ref{Slot: slot, Holder: slot}, Epoch: r.Epoch, Kind: r.Kind, Manifest: r.Manifest}
	}
	for _, e := range r.Held {
		if e.Slot == slot {
			return e
		}
	}
	return Entry{}
}

// ReadRecord reads the record in a slot, from its copy if it must. The error is that of the record, unless the copy
// alone can say more: ErrNotExist only if neither is there, and damage only if the copy did not fail to answer.
func ReadRecord(ctx context.Context, store Store, job string, slot uint64) (*Record, error) {
	r, _, err := readEither(ctx, store, job, slot)
	return r, err
}

// readEither is ReadRecord, and says what is wrong with a record whose copy it returns.
func readEither(ctx context.Context, store Store, job string, slot uint64) (r *Record, lost, err error) {
	r, err = readRecord(ctx, store, job, slot, RecordName(job, slot))
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrVersion) {
		return r, nil, err
	}
	r, copyErr := readRecord(ctx, store, job, slot, CopyName(job, slot))
	var damage *DamageError
	var foreign *ForeignError
	isForeign := errors.As(copyErr, &foreign)
	bad := isForeign || errors.As(copyErr, &damage) || errors.Is(copyErr, ErrNotExist)
	switch {
	case copyErr == nil:
		return r, err, nil
	case bad && !errors.Is(err, ErrNotExist): // what is there decides
		return nil, nil, err
	case isForeign: // a stray file, which says nothing of what the log is
		copyErr = &DamageError{Name: foreign.Name, Reason: fmt.Sprintf("copy of a log record of job %q", foreign.Job)}
	}
	return nil, nil, copyErr
}

func readRecord(ctx context.Context, store Store, job string, slot uint64, name string) (*Record, error) {
	b, err := store.Read(ctx, name, Magic)
	if err != nil {
		return nil, err
	}
	r, err := Decode(name, b)
	switch {
	case err != nil:
		return nil, err
	case r.Job != job:
		return nil, &ForeignError{Name: name, Job: r.Job}
	case r.Slot != slot:
		return nil, &DamageError{Name: name, Offset: 8, Reason: fmt.Sprintf("log record belongs to slot %d", r.Slot)}
	}
	return r, nil
}

// NewestSlot returns the highest slot of the log, 0 if it is empty.
func NewestSlot(ctx context.Context, store Store, job string) (uint64, error) {
	slots, err := listSlots(ctx, store, job)
	if err != nil || len(slots) == 0 {
		return 0, err
	}
	return slots[len(slots)-1], nil
}

// listSlots returns the slots of the log, each once, in ascending order.
func listSlots(ctx context.Context, store Store, job string) ([]uint64, error) {
	var slots []uint64
	for name, err := range store.List(ctx, Prefix(job)) {
		if err != nil {
			return nil, fmt.Errorf("primary: list the commit log: %w", err)
		}
		if slot, ok := ParseName(job, name); ok {
			slots = append(slots, slot)
		}
	}
	slices.Sort(slots)
	return slices.Compact(slots), nil
}
