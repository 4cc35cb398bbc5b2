package primary

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// LogEntry is one record of a job's commit log that counts, or could.
type LogEntry struct {
	// Slot is the record's place in the log, from 1.
	Slot uint64
	// Epoch is the slot at which the coordinator that wrote it claimed the log.
	Epoch uint64
	// Live tells whether the record counts: it is a retained checkpoint, or a
	// savepoint whose manifest is not yet known to be beside its objects.
	Live bool
	// Manifest is nil in a record that commits nothing: a claim.
	Manifest *Manifest
}

// ReadLog returns the newest record of the job's commit log and all live ones, in
// descending order of slot, reading only. A job that never ran has none. Errors:
// as LoadRetained.
func ReadLog(ctx context.Context, store Store, job string) ([]LogEntry, error) {
	view, err := loadLog(ctx, store, job)
	if err != nil {
		return nil, err
	}
	var entries []LogEntry
	if top := view.newest; top != nil && top.kind == recordClaim {
		entries = append(entries, LogEntry{Slot: top.slot, Epoch: top.epoch})
	}
	for _, e := range slices.Backward(view.live) {
		entries = append(entries, LogEntry{Slot: e.slot, Epoch: e.epoch, Live: true, Manifest: e.manifest})
	}
	return entries, errors.Join(view.faults...)
}

// LoadRetained returns the manifests of the job's completed checkpoints that are
// retained, newest first, without savepoints, reading only: it needs no
// coordinator and disturbs none. A job that has none gets an empty slice. It reads
// one listing and one object for each manifest.
//
// When records are corrupt it returns the manifests that are readable together
// with an error that wraps [ErrCorrupt] and names each corrupt object; with any
// other error (I/O, [ErrVersion], [*MismatchError]) it returns none.
func LoadRetained(ctx context.Context, store Store, job string) ([]*Manifest, error) {
	view, err := loadLog(ctx, store, job)
	if err != nil {
		return nil, err
	}
	return manifests(retained(view.live)), errors.Join(view.faults...)
}

// LoadSavepoint reads the manifest of a completed savepoint: ErrNotExist if there
// is none with that id.
func LoadSavepoint(ctx context.Context, store Store, job string, checkpoint uint64) (*Manifest, error) {
	if err := checkJob(job); err != nil {
		return nil, err
	}
	name := savepointManifestName(job, checkpoint)
	b, err := readObject(ctx, store, name)
	if err != nil {
		return nil, err
	}
	m, err := DecodeManifest(b)
	switch {
	case err != nil:
		return nil, fmt.Errorf("primary: savepoint %s: %w", name, err)
	case m.Job != job:
		return nil, &MismatchError{What: "job", Stored: fmt.Sprintf("%q", m.Job), Given: fmt.Sprintf("%q", job)}
	case m.Checkpoint != checkpoint || !m.Savepoint:
		return nil, &CorruptError{Object: name, Group: NoGroup, Reason: "manifest is not that of this savepoint"}
	}
	return m, nil
}

// Savepoints yields the ids of the job's completed savepoints in ascending order,
// reading only a listing.
func Savepoints(ctx context.Context, store Store, job string) iter.Seq2[uint64, error] {
	return func(yield func(uint64, error) bool) {
		if err := checkJob(job); err != nil {
			yield(0, err)
			return
		}
		for info, err := range store.List(ctx, savepointsPrefix(job)) {
			if err != nil {
				yield(0, fmt.Errorf("primary: list savepoints: %w", err))
				return
			}
			found := parseName(job, info.Name)
			if found.area == areaManifest && !yield(found.checkpoint, nil) {
				return
			}
		}
	}
}

// entry is a checkpoint or savepoint in the commit log.
type entry struct {
	slot, epoch uint64
	manifest    *Manifest
}

// retained returns the checkpoints among the entries, newest first.
func retained(live []entry) []entry {
	var out []entry
	for _, e := range slices.Backward(live) {
		if !e.manifest.Savepoint {
			out = append(out, e)
		}
	}
	return out
}

func manifests(entries []entry) []*Manifest {
	out := make([]*Manifest, len(entries))
	for i, e := range entries {
		out[i] = e.manifest
	}
	return out
}

// logView is what the commit log says at one moment.
type logView struct {
	slots  []uint64 // every slot there is, ascending
	newest *record  // the newest readable record, nil in an empty log
	live   []entry  // ascending by slot; newest is among them unless a claim
	faults []error  // corrupt records that count, or may
	broken []uint64 // their slots, and after probe all that do not decode
}

// top returns the highest slot taken.
func (v *logView) top() uint64 {
	if len(v.slots) == 0 {
		return 0
	}
	return v.slots[len(v.slots)-1]
}

// loadLog reads the log. A coordinator at work may retire what is just being
// read: then the log has moved on, and it is read again.
func loadLog(ctx context.Context, store Store, job string) (*logView, error) {
	if err := checkJob(job); err != nil {
		return nil, err
	}
	for seen := uint64(0); ; {
		slots, err := listSlots(ctx, store, job)
		if err != nil {
			return nil, err
		}
		v := &logView{slots: slots}
		err = v.read(ctx, store, job)
		if !errors.Is(err, ErrNotExist) {
			return v, err
		}
		if v.top() == seen {
			return nil, &CorruptError{Object: slotName(job, seen), Group: NoGroup, Reason: "log record counts one that is missing", Err: err}
		}
		seen = v.top()
	}
}

func (v *logView) read(ctx context.Context, store Store, job string) error {
	for _, slot := range slices.Backward(v.slots) {
		r, err := readRecord(ctx, store, job, slot)
		if err == nil {
			v.newest = r
			break
		}
		if err := v.fault(slot, err); err != nil {
			return err
		}
	}
	if v.newest == nil {
		return nil
	}
	live := v.newest.live
	if v.newest.kind != recordClaim {
		live = append(slices.Clone(live), v.newest.slot)
	}
	for _, slot := range live {
		if len(v.faults) > 0 && !slices.Contains(v.slots, slot) {
			continue // retired by the newer record that cannot be read
		}
		e, err := readEntry(ctx, store, job, slot)
		if err == nil {
			v.live = append(v.live, e)
		} else if err := v.fault(slot, err); err != nil {
			return err
		}
	}
	return nil
}

// fault notes a corrupt record; it returns every other error.
func (v *logView) fault(slot uint64, err error) error {
	if !errors.Is(err, ErrCorrupt) {
		return err
	}
	v.faults = append(v.faults, err)
	v.broken = append(v.broken, slot)
	return nil
}

// probe reads the records that do not count. One that does not decode may be a
// checkpoint that was skipped: it joins the broken ones, but is no fault.
func (v *logView) probe(ctx context.Context, store Store, job string) error {
	for _, slot := range v.slots {
		if v.newest != nil && (slot == v.newest.slot || slices.Contains(v.newest.live, slot)) || slices.Contains(v.broken, slot) {
			continue
		}
		r, err := readRecord(ctx, store, job, slot)
		if err == nil && r.kind != recordClaim {
			_, err = r.decodeManifest(slotName(job, slot))
		}
		switch {
		case errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion):
			v.broken = append(v.broken, slot)
		case err != nil && !errors.Is(err, ErrNotExist): // retired meanwhile
			return err
		}
	}
	return nil
}

func readEntry(ctx context.Context, store Store, job string, slot uint64) (entry, error) {
	r, err := readRecord(ctx, store, job, slot)
	if err != nil {
		return entry{}, err
	}
	name := slotName(job, slot)
	if r.kind == recordClaim {
		return entry{}, &CorruptError{Object: name, Group: NoGroup, Offset: 5, Reason: "a claim is counted as a checkpoint"}
	}
	m, err := r.decodeManifest(name)
	return entry{slot: slot, epoch: r.epoch, manifest: m}, err
}
