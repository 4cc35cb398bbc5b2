package commitlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/google/uuid"
)

// Store is what a log needs of a store.
type Store interface {
	// Create makes an object durable, if nothing has its name. ErrExist: something has. ErrUncertain: it is not known
	// whether it was made. After any other error it is certain that it was not.
	Create(ctx context.Context, name string, b []byte) error
	// Read returns an object that is one frame of that magic, or ErrNotExist. A *DamageError MAY say that it is none.
	Read(ctx context.Context, name, magic string) ([]byte, error)
	// Holds tells whether an object is there that begins with b. False is no proof that none is.
	Holds(ctx context.Context, name string, b []byte) (bool, error)
	// Exists tells whether an object is there.
	Exists(ctx context.Context, name string) (bool, error)
	// List yields the names that begin with prefix. What is created or deleted meanwhile may be missed.
	List(ctx context.Context, prefix string) iter.Seq2[string, error]
}

// Log appends to the commit log of a job; see the package's documentation for why it is right. It belongs to one
// goroutine at a time.
type Log struct {
	store Store
	job   string
	claim uuid.UUID
	epoch uint64
	// last is the newest slot known to be taken. Invariant: once newest is set, it is newest's.
	last uint64
	// newest is our newest record in the log, nil before the claim.
	newest *Record
}

// Verdict is what became of an appended record.
type Verdict uint8

const (
	// Committed: it is in the log, durably. With ErrFenced beside it, it is so, and the log has since been claimed by
	// another.
	Committed Verdict = iota
	// Refused: it is not in the log and never will be.
	Refused
	// Doubt: nobody knows yet. With ErrFenced beside it, nobody will.
	Doubt
)

// New returns a log to be claimed in the slot after top. claim is a uuid of its own.
func New(store Store, job string, claim uuid.UUID, top uint64) *Log {
	return &Log{store: store, job: job, claim: claim, epoch: top + 1, last: top}
}

// Epoch is the slot of the claim.
func (l *Log) Epoch() uint64 { return l.epoch }

// Newest is our newest record in the log, nil before the claim. It must not be modified.
func (l *Log) Newest() *Record { return l.newest }

// Next prepares a record for the slot after the last one.
func (l *Log) Next(kind Kind, highest uint64) *Record {
	return &Record{Kind: kind, Slot: l.last + 1, Epoch: l.epoch, Claim: l.claim, Highest: highest, Job: l.job}
}

// Append creates the record's slot and finds out what became of it.
func (l *Log) Append(ctx context.Context, r *Record) (Verdict, error) {
	b := r.Append(nil)
	err := l.store.Create(ctx, RecordName(l.job, r.Slot), b)
	switch {
	case err == nil && l.newest != nil:
		return l.confirm(ctx, r)
	case err == nil:
		return l.judge(ctx, r)
	case errors.Is(err, ErrExist):
		return l.compare(ctx, r, b)
	case errors.Is(err, ErrUncertain):
		return Doubt, err
	}
	return Refused, err
}

// confirm decides about a slot that was just created.
func (l *Log) confirm(ctx context.Context, r *Record) (Verdict, error) {
	if err := l.follows(ctx, r.Slot); err != nil {
		return Doubt, err
	}
	l.last, l.newest = r.Slot, r
	return Committed, nil
}

// Copy writes the second copy of a record that is committed.
func (l *Log) Copy(ctx context.Context, r *Record) error {
	name, b := CopyName(l.job, r.Slot), r.Append(nil)
	err := l.store.Create(ctx, name, b)
	if !errors.Is(err, ErrExist) && !errors.Is(err, ErrUncertain) {
		return err
	}
	got, readErr := l.store.Read(ctx, name, Magic)
	if readErr != nil || !bytes.Equal(got, b) {
		return errors.Join(err, readErr)
	}
	return nil
}

// compare finds out who has the slot we were refused: it may be ourselves, when the store repeated a request whose
// answer was lost.
func (l *Log) compare(ctx context.Context, r *Record, b []byte) (Verdict, error) {
	got, err := l.store.Read(ctx, RecordName(l.job, r.Slot), Magic)
	switch {
	case err == nil && bytes.Equal(got, b):
		return l.judge(ctx, r)
	case err == nil || isDamage(err):
		return l.taken(r.Slot, got, err)
	case errors.Is(err, ErrNotExist):
		return Doubt, fmt.Errorf("%w: slot %d of the commit log is already retired", ErrFenced, r.Slot)
	}
	return Doubt, err
}

// taken says that a slot to be ours holds something else. If nobody can read that, it may be our record with a bit
// flipped: what it was will not be known, and nothing can follow it. Nor can anything follow a record of ours that we
// do not know, and it may count the same objects.
func (l *Log) taken(slot uint64, got []byte, err error) (Verdict, error) {
	var r *Record
	if err == nil {
		r, err = Decode(RecordName(l.job, slot), got)
	}
	switch {
	case l.newest == nil: // a claim: whoever opens the log anew reads what is there
	case isDamage(err):
		return Doubt, fmt.Errorf("%w: slot %d of the commit log is taken by what cannot be read: %w",
			ErrFenced, slot, err)
	case err == nil && r.Claim == l.claim: // which the store had said was not there
		return Doubt, fmt.Errorf("%w: slot %d of the commit log is taken by an earlier try of ours, which came late",
			ErrFenced, slot)
	}
	return Refused, fmt.Errorf("%w: slot %d of the commit log is another's", ErrFenced, slot)
}

func isDamage(err error) bool {
	var damage *DamageError
	return errors.As(err, &damage)
}

// judge decides about a slot that holds our record, by what is newest.
func (l *Log) judge(ctx context.Context, r *Record) (Verdict, error) {
	newest, err := NewestSlot(ctx, l.store, l.job)
	switch {
	case err != nil:
		return Doubt, err
	case newest == r.Slot:
		return l.confirm(ctx, r)
	case newest < r.Slot:
		return Doubt, fmt.Errorf("primary: slot %d is not listed after its creation", r.Slot)
	}
	fenced := fmt.Errorf("%w: the commit log was claimed at slot %d or before", ErrFenced, newest)
	top, err := ReadRecord(ctx, l.store, l.job, newest)
	switch {
	case err != nil || !top.Lives(r.Slot):
		return Doubt, fenced
	case top.Claim != l.claim:
		return Committed, fenced
	}
	// An earlier try to seal r. It is in a hole if r has gone, and then the listing missed what is newest.
	ours, err := l.store.Holds(ctx, RecordName(l.job, r.Slot), r.Append(nil))
	switch {
	case err != nil:
		return Doubt, err
	case !ours:
		return Doubt, fenced
	}
	l.last, l.newest = newest, top
	return Committed, nil
}

// follows makes sure that a slot just created is in no hole: the one before it is still there. That is a record of
// ours, except before the claim, which may follow what is left of a lost record. A copy alone proves little, for its
// writer may have slept between record and copy; so the log was listed too.
func (l *Log) follows(ctx context.Context, slot uint64) error {
	if slot == 1 {
		return nil
	}
	record := RecordName(l.job, slot-1)
	if l.newest == nil {
		return l.present(ctx, slot-1, record, CopyName(l.job, slot-1))
	}
	ours, err := l.store.Holds(ctx, record, l.newest.Append(nil))
	switch {
	case err != nil:
		return fmt.Errorf("primary: look for slot %d of the commit log: %w", slot-1, err)
	case ours:
		return nil
	}
	if err := l.present(ctx, slot-1, record); err != nil {
		return err
	}
	return l.followsDamage(ctx, slot)
}

// followsDamage decides where the record before a slot just created is not what we wrote. If it is whole it was created
// in a hole by another who sleeps, after ours had been retired. A damaged one may have been passed over, and stay while
// those after it go: the log is listed, twice, so that what is newest cannot be missed because it is just replaced.
func (l *Log) followsDamage(ctx context.Context, slot uint64) error {
	_, err := readRecord(ctx, l.store, l.job, slot-1, RecordName(l.job, slot-1))
	for range 2 {
		if !isDamage(err) {
			break
		}
		newest, listErr := NewestSlot(ctx, l.store, l.job)
		switch {
		case listErr != nil:
			return listErr
		case newest != slot:
			return fmt.Errorf("%w: slot %d of the commit log is damaged, and the newest is %d",
				ErrFenced, slot-1, newest)
		}
	}
	switch {
	case isDamage(err):
		return nil
	case err == nil:
		return fmt.Errorf("%w: slot %d of the commit log is another's now: %w", ErrFenced, slot-1, ErrTaken)
	}
	return fmt.Errorf("primary: look for slot %d of the commit log: %w", slot-1, err)
}

// present makes sure that one of the objects of a slot is there.
func (l *Log) present(ctx context.Context, slot uint64, names ...string) error {
	for _, name := range names {
		there, err := l.store.Exists(ctx, name)
		if err != nil {
			return fmt.Errorf("primary: look for slot %d of the commit log: %w", slot, err)
		}
		if there {
			return nil
		}
	}
	return fmt.Errorf("%w: slot %d of the commit log has been retired: %w", ErrFenced, slot, ErrTaken)
}

// Settle decides about a record whose append ended in doubt. If the slot is still free it is filled, so that the record
// can never arrive; if the record is there, another one is put behind it, which makes both durable. live is what counts
// if the record does not arrive; it must be the same at every try.
func (l *Log) Settle(ctx context.Context, r *Record, live []Ref) (Verdict, error) {
	name := RecordName(l.job, r.Slot)
	void := &Record{
		Kind: Claim, Slot: r.Slot, Epoch: l.epoch, Claim: l.claim, Highest: r.Highest, Job: l.job,
		Live: live, Skipped: r.Skipped,
	}
	got, err := l.store.Read(ctx, name, Magic)
	switch {
	case err == nil && bytes.Equal(got, r.Append(nil)):
		return l.secure(ctx, r)
	case err == nil && !bytes.Equal(got, void.Append(nil)) || isDamage(err):
		return l.taken(r.Slot, got, err)
	case errors.Is(err, ErrNotExist):
		err = l.store.Create(ctx, name, void.Append(nil))
	}
	if err != nil { // ErrExist too: what arrived meanwhile is read the next time
		return Doubt, err
	}
	if v, err := l.judge(ctx, void); v != Committed || err != nil {
		return Doubt, err
	}
	return Refused, nil
}

// secure decides about a record in doubt that is there. Until something is behind it, it may yet vanish: it is not our
// newest, and nothing is retired because of it.
func (l *Log) secure(ctx context.Context, r *Record) (Verdict, error) {
	newest, last := l.newest, l.last
	v, err := l.judge(ctx, r)
	if v != Committed || err != nil || l.newest != r {
		return v, err
	}
	if v, err = l.seal(ctx, r); v != Committed {
		l.newest, l.last = newest, last
	}
	return v, err
}

// seal puts an empty record behind r.
func (l *Log) seal(ctx context.Context, r *Record) (Verdict, error) {
	seal := l.Next(Claim, r.Highest)
	seal.Live, seal.Skipped = append(slices.Clone(r.Live), Ref{Slot: r.Slot, Holder: r.Slot}), r.Skipped
	v, err := l.Append(ctx, seal)
	switch {
	case v == Committed:
		return Committed, err
	case errors.Is(err, ErrFenced):
		return l.judge(ctx, r)
	}
	return Doubt, err
}
