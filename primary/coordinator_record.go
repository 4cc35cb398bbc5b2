package primary

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/internal/wire"
)

// A record is the content of one slot of the commit log: a frame with the magic
// "\x89hslog\r\n", version 1, around one msgpack array of
//
//	kind      uint    1 claim, 2 checkpoint, 3 savepoint
//	job       string  the job's name
//	slot      uint    the number in the object's name, from 1
//	epoch     uint    the slot at which the coordinator that wrote it claimed the log
//	claim     bin 16  a uuid that this coordinator alone has
//	highest   uint    no greater checkpoint id had been given when the commit it is
//	                  part of began: ids given since may be greater, and are in the
//	                  names of whatever was stored for them
//	live      array   ascending slots: of all earlier ones, those that still count
//	manifest  bin     a whole manifest, frame and all; empty in a claim
//
// The newest record says what counts: itself, if it is a checkpoint or a
// savepoint, and the earlier ones in its live list. Everything else in the log is
// dead, whatever it says, and may be deleted at any time. A savepoint is live only
// until its manifest has been copied beside its objects.
type record struct {
	kind        recordKind
	job         string
	slot, epoch uint64
	claim       uuid.UUID
	highest     uint64
	live        []uint64
	manifest    []byte
}

type recordKind uint8

const (
	recordClaim      recordKind = 1
	recordCheckpoint recordKind = 2
	recordSavepoint  recordKind = 3
)

const (
	recordMagic   = "\x89hslog\r\n"
	recordVersion = 1
	recordFields  = 8
)

func (r *record) append(dst []byte) []byte {
	return appendFrame(dst, recordMagic, recordVersion, func(b []byte) []byte {
		b = wire.AppendArrayLen(b, recordFields)
		b = wire.AppendUint(b, uint64(r.kind))
		b = wire.AppendString(b, r.job)
		b = wire.AppendUint(b, r.slot)
		b = wire.AppendUint(b, r.epoch)
		b = wire.AppendBytes(b, r.claim[:])
		b = wire.AppendUint(b, r.highest)
		b = wire.AppendArrayLen(b, len(r.live))
		for _, slot := range r.live {
			b = wire.AppendUint(b, slot)
		}
		return wire.AppendBytes(b, r.manifest)
	})
}

// decodeRecord reads what append wrote and checks it. It takes memory in
// proportion to len(b), whatever b says. Errors: *CorruptError and ErrVersion.
func decodeRecord(name string, b []byte) (*record, error) {
	body, err := openFrame(b, recordMagic, recordVersion)
	if errors.Is(err, ErrVersion) {
		return nil, fmt.Errorf("primary: log record %s: %w", name, err)
	}
	if err != nil {
		return nil, corruptRecord(name, "log record", err)
	}
	rd := wire.NewReader(body)
	readFields(rd, recordFields)
	r := &record{
		kind: readKind(rd), job: rd.String(), slot: rd.Uint(), epoch: rd.Uint(),
		claim: readUUID(rd), highest: rd.Uint(),
		live:     readList(rd, 1, (*wire.Reader).Uint),
		manifest: readBlob(rd),
	}
	readEnd(rd)
	if err := rd.Err(); err != nil {
		return nil, corruptRecord(name, "log record does not decode", err)
	}
	if err := r.check(); err != nil {
		return nil, corruptRecord(name, "log record makes no sense", err)
	}
	return r, nil
}

func corruptRecord(name, reason string, err error) error {
	return &CorruptError{Object: name, Group: NoGroup, Offset: 0, Reason: reason, Err: err}
}

func readKind(r *wire.Reader) recordKind {
	k := r.Uint()
	if r.Err() == nil && (k < uint64(recordClaim) || k > uint64(recordSavepoint)) {
		r.Fail(fmt.Errorf("unknown kind %d", k))
		return 0
	}
	return recordKind(k)
}

func (r *record) check() error {
	if (r.kind == recordClaim) != (len(r.manifest) == 0) {
		return errors.New("a claim with a manifest, or a commit without")
	}
	if r.slot == 0 || r.epoch == 0 || r.epoch > r.slot {
		return fmt.Errorf("slot %d of epoch %d", r.slot, r.epoch)
	}
	last := uint64(0)
	for _, slot := range r.live {
		if slot <= last || slot >= r.slot {
			return fmt.Errorf("live slot %d out of order or not below %d", slot, r.slot)
		}
		last = slot
	}
	return nil
}

// decodeManifest reads the record's manifest and checks that the two agree.
func (r *record) decodeManifest(name string) (*Manifest, error) {
	m, err := DecodeManifest(r.manifest)
	if errors.Is(err, ErrVersion) {
		return nil, fmt.Errorf("primary: log record %s: %w", name, err)
	}
	if err != nil {
		return nil, corruptRecord(name, "manifest in a log record", err)
	}
	if m.Job != r.job || m.Sequence != r.slot || m.Savepoint != (r.kind == recordSavepoint) || m.Checkpoint > r.highest {
		return nil, corruptRecord(name, "manifest does not belong to its log record", nil)
	}
	return m, nil
}
