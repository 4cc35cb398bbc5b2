package primary

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
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
	if top := view.Newest; top != nil && top.Kind == commitlog.Claim {
		entries = append(entries, LogEntry{Slot: top.Slot, Epoch: top.Epoch})
	}
	for _, e := range slices.Backward(view.live) {
		entries = append(entries, LogEntry{Slot: e.Slot, Epoch: e.Epoch, Live: true, Manifest: e.manifest})
	}
	return entries, view.fault()
}

// LoadRetained returns the manifests of the job's completed checkpoints that are
// retained, newest first, without savepoints, reading only: it needs no
// coordinator and disturbs none. A job that never had one gets an empty slice. It
// takes one listing and a read for each manifest, and where there is no log
// another look for what proves that there was one: ErrLogLost.
//
// When records cannot be read, from either of their copies, it returns the
// manifests that are readable together with an error that wraps [ErrCorrupt] and
// names each corrupt object; with any other error (I/O, [ErrVersion],
// [*MismatchError], [*LogLostError]) it returns none.
func LoadRetained(ctx context.Context, store Store, job string) ([]*Manifest, error) {
	view, err := loadLog(ctx, store, job)
	if err != nil {
		return nil, err
	}
	return manifests(retained(view.live)), view.fault()
}

// LoadSavepoint reads the manifest of a completed savepoint: ErrNotExist if there
// is none with that id.
func LoadSavepoint(ctx context.Context, store Store, job string, checkpoint uint64) (*Manifest, error) {
	if err := checkJob(job); err != nil {
		return nil, err
	}
	name := savepointManifestName(job, checkpoint)
	b, err := readFrame(ctx, store, name, manifestMagic)
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
	commitlog.Entry
	manifest *Manifest
}

// retained returns the checkpoints among the entries, newest first.
func retained(live []entry) []entry {
	out := slices.DeleteFunc(slices.Clone(live), func(e entry) bool { return e.manifest.Savepoint })
	slices.Reverse(out)
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
	*commitlog.View
	live []entry // what can be read of View.Live, ascending by slot
}

// loadLog reads the log. Where there is none it looks for what proves that there
// was: ErrLogLost.
func loadLog(ctx context.Context, store Store, job string) (*logView, error) {
	if err := checkJob(job); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		v, err := readLog(ctx, store, job)
		if err != nil || len(v.Slots) > 0 {
			return v, err
		}
		object, err := anyObject(ctx, store, job)
		if err != nil || object == "" {
			return v, err
		}
		// The log may be so new that the object was written between the two looks.
		top, err := commitlog.NewestSlot(ctx, logStore{store}, job)
		if err != nil {
			return nil, err
		}
		if top == 0 || try == openTries {
			return nil, &LogLostError{Job: job, Found: []string{object}}
		}
	}
}

// anyObject returns the name of an object of a checkpoint, "" if there is none.
func anyObject(ctx context.Context, store Store, job string) (string, error) {
	for info, err := range store.List(ctx, objectsPrefix(job)) {
		if err != nil {
			return "", fmt.Errorf("primary: look for checkpoints without a commit log: %w", err)
		}
		if parseName(job, info.Name).area == areaObject {
			return info.Name, nil
		}
	}
	return "", nil
}

// readLog reads the log and decodes what is live.
func readLog(ctx context.Context, store Store, job string) (*logView, error) {
	read, err := commitlog.Load(ctx, logStore{store}, job)
	if err != nil {
		return nil, logError(job, err)
	}
	v := &logView{View: read}
	for _, e := range v.Live {
		m, err := decodeEntry(job, v.Newest.Highest, e)
		switch {
		case errors.Is(err, ErrCorrupt):
			v.Faults = append(v.Faults, commitlog.Fault{Ref: e.Ref, Err: err})
		case err != nil:
			return nil, err
		default:
			v.live = append(v.live, entry{Entry: e, manifest: m})
		}
	}
	slices.SortStableFunc(v.Faults, func(a, b commitlog.Fault) int { return cmp.Compare(b.Slot, a.Slot) })
	for i := range v.Faults {
		v.Faults[i].Err = logError(job, v.Faults[i].Err)
	}
	return v, nil
}

// decodeEntry reads the manifest of an entry and checks that the two agree. No id above highest had been given.
func decodeEntry(job string, highest uint64, e commitlog.Entry) (*Manifest, error) {
	name := commitlog.RecordName(job, e.Holder)
	b, err := unpackManifest(e.Manifest)
	if err != nil {
		return nil, &CorruptError{Object: name, Group: NoGroup, Reason: "manifest in a log record", Err: err}
	}
	m, err := DecodeManifest(b)
	switch {
	case errors.Is(err, ErrVersion):
		return nil, fmt.Errorf("primary: log record %s: %w", name, err)
	case err != nil:
		return nil, &CorruptError{Object: name, Group: NoGroup, Reason: "manifest in a log record", Err: err}
	case m.Job != job || m.Sequence != e.Slot || m.Checkpoint > highest,
		m.Savepoint != (e.Kind == commitlog.Savepoint):
		return nil, &CorruptError{Object: name, Group: NoGroup, Reason: "manifest does not belong to its log record"}
	}
	return m, nil
}

// fault returns what cannot be read, nil if all can.
func (v *logView) fault() error {
	var faults []error
	for _, f := range v.Faults {
		faults = append(faults, f.Err)
	}
	return errors.Join(faults...)
}

// newestFault returns the faults that may hide a newer checkpoint than the newest
// that is readable.
func (v *logView) newestFault() error {
	newest := uint64(0)
	if r := retained(v.live); len(r) > 0 {
		newest = r[0].Slot
	}
	var faults []error
	for _, f := range v.Faults {
		if f.Slot > newest {
			faults = append(faults, f.Err)
		}
	}
	return errors.Join(faults...)
}

// skipped returns the slots whose records could not be read, now or by those before
// us, and are still there or just went missing: ascending.
func (v *logView) skipped() []uint64 {
	var skipped []uint64
	if v.Newest != nil {
		for _, slot := range v.Newest.Skipped {
			if slices.Contains(v.Slots, slot) {
				skipped = append(skipped, slot)
			}
		}
	}
	for _, f := range v.Faults {
		skipped = append(skipped, f.Holder)
	}
	slices.Sort(skipped)
	return slices.Compact(skipped)
}
