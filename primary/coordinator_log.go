package primary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// commitLog appends to the commit log of a job.
//
// The log is a row of create-if-absent slots. A coordinator claims the log by
// creating a claim in the slot after the newest one; from then on it creates
// slot after slot. The argument that nobody who has been replaced can commit:
//
//   - Let a coordinator's last slot be k. Whoever replaced it saw k as the newest
//     slot and created k+1, so creating k+1 fails: the slot is taken.
//   - Unless k+1 has been deleted since. Slots that can be read are deleted in
//     ascending order, each after all below it, and never by us before we have
//     created k+1. So if k is still there after k+1 was created, k+1 had never
//     been deleted, and nobody else ever had it. This asks nothing of List.
//   - k has gone: then somebody retired it, and our record is in a hole. It is
//     dead for every reader, and whether it ever counted is not known and does not
//     matter, as long as nothing is deleted in the belief that it did not.
//
// The log is listed after the creation as well. If there is a newer slot, the
// newest record decides: if it lists our slot as live, we committed before we were
// replaced.
//
// Who opens the log learns k from List, which may miss what is created or deleted
// during the listing. A k that is not the newest is found out as above when k+1 is
// created, unless k is itself a dead record in a hole and the listings before and
// after both miss the newest record: for that it must be replaced and retired
// during each of the two.
//
// A commitLog belongs to one goroutine at a time.
type commitLog struct {
	store Store
	job   string
	claim uuid.UUID
	epoch uint64
	// last is the newest slot known to be taken. Invariant: once newest is set, it
	// is newest's.
	last uint64
	// newest is our newest record in the log, nil before the claim.
	newest *record
}

// verdict is what became of an appended record.
type verdict uint8

const (
	// verdictCommitted: it is in the log, durably. With ErrFenced beside it, it
	// is so, and the log has since been claimed by another.
	verdictCommitted verdict = iota
	// verdictRefused: it is not in the log and never will be.
	verdictRefused
	// verdictDoubt: nobody knows yet. With ErrFenced beside it, nobody will.
	verdictDoubt
)

// next prepares a record for the slot after the last one.
func (l *commitLog) next(kind recordKind, highest uint64, live []uint64) *record {
	return &record{
		kind: kind, slot: l.last + 1, epoch: l.epoch, claim: l.claim,
		highest: highest, job: l.job, live: live,
	}
}

// append creates the record's slot and finds out what became of it.
func (l *commitLog) append(ctx context.Context, r *record) (verdict, error) {
	b := r.append(nil)
	err := createObject(ctx, l.store, slotName(l.job, r.slot), b)
	switch {
	case err == nil:
		return l.judge(ctx, r)
	case errors.Is(err, ErrExist):
		return l.compare(ctx, r, b)
	case errors.Is(err, ErrUncertain):
		return verdictDoubt, err
	}
	return verdictRefused, err
}

// compare finds out who has the slot we were refused: it may be ourselves, when
// the store repeated a request whose answer was lost.
func (l *commitLog) compare(ctx context.Context, r *record, b []byte) (verdict, error) {
	got, err := readObject(ctx, l.store, slotName(l.job, r.slot))
	switch {
	case err == nil && bytes.Equal(got, b):
		return l.judge(ctx, r)
	case err == nil:
		return verdictRefused, fmt.Errorf("%w: slot %d of the commit log is another's", ErrFenced, r.slot)
	case errors.Is(err, ErrNotExist):
		return verdictDoubt, fmt.Errorf("%w: slot %d of the commit log is already retired", ErrFenced, r.slot)
	}
	return verdictDoubt, err
}

// judge decides about a slot that holds our record.
func (l *commitLog) judge(ctx context.Context, r *record) (verdict, error) {
	newest, err := newestSlot(ctx, l.store, l.job)
	switch {
	case err != nil:
		return verdictDoubt, err
	case newest == r.slot:
		if err := l.follows(ctx, r.slot); err != nil {
			return verdictDoubt, err
		}
		l.last, l.newest = newest, r
		return verdictCommitted, nil
	case newest < r.slot:
		return verdictDoubt, fmt.Errorf("primary: slot %d is not listed after its creation", r.slot)
	}
	fenced := fmt.Errorf("%w: the commit log was claimed at slot %d or before", ErrFenced, newest)
	top, err := readRecord(ctx, l.store, l.job, newest)
	switch {
	case err != nil || !slices.Contains(top.live, r.slot):
		return verdictDoubt, fenced
	case top.claim == l.claim: // an earlier try to seal r
		l.last, l.newest = newest, top
		return verdictCommitted, nil
	}
	return verdictCommitted, fenced
}

// follows makes sure that a slot just created is in no hole: the one before it is
// still there.
func (l *commitLog) follows(ctx context.Context, slot uint64) error {
	if slot == 1 {
		return nil
	}
	_, err := l.store.Size(ctx, slotName(l.job, slot-1))
	switch {
	case errors.Is(err, ErrNotExist):
		return fmt.Errorf("%w: slot %d of the commit log has been retired: %w", ErrFenced, slot-1, errTaken)
	case err != nil:
		return fmt.Errorf("primary: look for slot %d of the commit log: %w", slot-1, definite(err))
	}
	return nil
}

// settle decides about a record whose append ended in doubt. If the slot is
// still free it is filled, so that the record can never arrive; if the record is
// there, another one is put behind it, which makes both durable. live is what
// counts if the record does not arrive; it must be the same at every try.
func (l *commitLog) settle(ctx context.Context, r *record, live []uint64) (verdict, error) {
	name := slotName(l.job, r.slot)
	got, err := readObject(ctx, l.store, name)
	void := &record{kind: recordClaim, slot: r.slot, epoch: l.epoch, claim: l.claim, highest: r.highest, job: l.job, live: live}
	switch {
	case err == nil && bytes.Equal(got, r.append(nil)):
		if v, err := l.judge(ctx, r); v != verdictCommitted || err != nil {
			return v, err
		}
		return l.seal(ctx, r)
	case err == nil && !bytes.Equal(got, void.append(nil)):
		return verdictRefused, fmt.Errorf("%w: slot %d of the commit log is another's", ErrFenced, r.slot)
	case errors.Is(err, ErrNotExist):
		err = createObject(ctx, l.store, name, void.append(nil))
	}
	if err != nil { // ErrExist too: what arrived meanwhile is read the next time
		return verdictDoubt, definite(err)
	}
	if v, err := l.judge(ctx, void); v != verdictCommitted || err != nil {
		return verdictDoubt, err
	}
	return verdictRefused, nil
}

// seal puts an empty record behind r.
func (l *commitLog) seal(ctx context.Context, r *record) (verdict, error) {
	v, err := l.append(ctx, l.next(recordClaim, r.highest, append(slices.Clone(r.live), r.slot)))
	switch {
	case v == verdictCommitted:
		return verdictCommitted, err
	case errors.Is(err, ErrFenced):
		return l.judge(ctx, r)
	}
	return verdictDoubt, err
}

func createObject(ctx context.Context, store Store, name string, b []byte) error {
	w, err := store.Create(ctx, name)
	if err != nil {
		return fmt.Errorf("primary: create %s: %w", name, definite(err))
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("primary: write %s: %w", name, definite(errors.Join(err, w.Abort())))
	}
	if err := w.Commit(ctx); err != nil {
		return fmt.Errorf("primary: commit %s: %w", name, err)
	}
	return nil
}

// definite hides the sentinels that only Commit may answer with.
func definite(err error) error {
	if errors.Is(err, ErrUncertain) || errors.Is(err, ErrExist) {
		return errors.New(err.Error())
	}
	return err
}

func readObject(ctx context.Context, store Store, name string) ([]byte, error) {
	size, err := store.Size(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("primary: read %s: %w", name, err)
	}
	if size < 0 || size != int64(int(size)) {
		return nil, &CorruptError{Object: name, Group: NoGroup, Reason: "object is too large to be read whole"}
	}
	b := make([]byte, size)
	if err := store.ReadAt(ctx, name, b, 0); err != nil {
		return nil, fmt.Errorf("primary: read %s: %w", name, err)
	}
	return b, nil
}

func readRecord(ctx context.Context, store Store, job string, slot uint64) (*record, error) {
	name := slotName(job, slot)
	b, err := readObject(ctx, store, name)
	if err != nil {
		return nil, err
	}
	r, err := decodeRecord(name, b)
	if err != nil {
		return nil, err
	}
	if r.slot != slot {
		return nil, &CorruptError{Object: name, Group: NoGroup, Offset: 8, Reason: "log record belongs to another slot"}
	}
	if r.job != job {
		return nil, &MismatchError{What: "job", Stored: fmt.Sprintf("%q", r.job), Given: fmt.Sprintf("%q", job)}
	}
	return r, nil
}

// newestSlot returns the highest slot of the log, 0 if it is empty.
func newestSlot(ctx context.Context, store Store, job string) (uint64, error) {
	slots, err := listSlots(ctx, store, job)
	if err != nil || len(slots) == 0 {
		return 0, err
	}
	return slots[len(slots)-1], nil
}

// listSlots returns the slots of the log in ascending order.
func listSlots(ctx context.Context, store Store, job string) ([]uint64, error) {
	var slots []uint64
	for info, err := range store.List(ctx, logPrefix(job)) {
		if err != nil {
			return nil, fmt.Errorf("primary: list the commit log: %w", err)
		}
		if found := parseName(job, info.Name); found.area == areaLog {
			slots = append(slots, found.slot)
		}
	}
	return slots, nil
}
