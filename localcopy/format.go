package localcopy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// Errors a caller may test for with errors.Is. Errors of the primary object's format (primary.ErrCorrupt,
// primary.ErrVersion) and of the file system (fs.ErrNotExist) come through wrapped.
var (
	// ErrMismatch: a copy is not what its durable twin is, so it was not sealed. See *MismatchError.
	ErrMismatch = errors.New("localcopy: copy differs from its primary twin")
	// ErrNoGroup: the copy does not hold that key group.
	ErrNoGroup = errors.New("localcopy: group not in this copy")
	// ErrDropped: the copy was dropped.
	ErrDropped = errors.New("localcopy: copy was dropped")
	// ErrWriter: a Writer was used out of order: a group not above the one before, one that is neither in the range
	// nor the task's operator state, or any use after Seal or Abandon.
	ErrWriter = errors.New("localcopy: writer used out of order")
	// ErrForeign: a symbolic link, a directory, a FIFO, a file of another user, or a name that no format gives stands
	// where a copy should be. It is never removed.
	ErrForeign = errors.New("localcopy: not ours")
	// ErrStalled: the local disk did not answer in time, or is known to hang since before.
	ErrStalled = errors.New("localcopy: local disk stalled")
	// ErrMeta: a Meta or Owner that names no possible copy.
	ErrMeta = errors.New("localcopy: invalid meta")
)

// Owner names the task whose state a copy holds, and the allocation the copy belongs to.
type Owner struct {
	// Job and Operator are names of any bytes; neither may be empty.
	Job, Operator string
	// Task is the index of the task, from 0; below M.
	Task int
	// Allocation is the claim of the task on its slot.
	Allocation uuid.UUID
}

// Meta says exactly what a copy is a copy of. A recovery uses a copy only if all of it fits.
type Meta struct {
	Owner
	// Attempt is the run of the task that took the snapshot.
	Attempt uuid.UUID
	// Checkpoint is the id the snapshot was taken for.
	Checkpoint uint64
	// M is the max parallelism, 1..keygroups.Max, and Seed the seed of the key hash.
	M    int
	Seed uint64
	// Range is the key groups of the task: [First, End) within [0, M), not empty.
	Range keygroups.Range
	// Schema is the backend's schema of its states. Nobody changes it after it was handed over.
	Schema []byte
	// Savepoint says that the snapshot is for a savepoint: a Keeper stores no copy of it.
	Savepoint bool
}

// Check returns an error that is ErrMeta and names the fault, or nil.
func (m *Meta) Check() error {
	switch {
	case m.Job == "" || m.Operator == "":
		return fmt.Errorf("%w: job %q, operator %q: a name is empty", ErrMeta, m.Job, m.Operator)
	case m.M < 1 || m.M > keygroups.Max:
		return fmt.Errorf("%w: max parallelism %d", ErrMeta, m.M)
	case m.Task < 0 || m.Task >= m.M:
		return fmt.Errorf("%w: task %d of at most %d", ErrMeta, m.Task, m.M)
	case m.Range.First < 0 || m.Range.Empty() || m.Range.End > m.M:
		return fmt.Errorf("%w: range %v of %d groups", ErrMeta, m.Range, m.M)
	}
	return nil
}

// operator is the number of the task's block of operator state.
func (m *Meta) operator() int { return m.M + m.Task }

// GroupInfo is one key group of a copy, or the operator state of its task. Groups without entries are in no copy.
type GroupInfo struct {
	// Group is the key group; of operator state it is M + Task.
	Group int
	// Digest is the XXH3-64 of the uncompressed block of the group's primary twin.
	Digest uint64
	// Entries is the number of entries, Bytes the length of the uncompressed block.
	Entries uint64
	Bytes   int64
}

// Format is a way to keep local copies. Its methods MUST be safe for concurrent use. They MAY be slow or hang: nobody
// calls them on the way of a checkpoint. A cancelled ctx asks a method to give up as soon as it can.
//
// Package localcopytest checks every MUST of Format, Writer and Copy.
type Format interface {
	// Name is a short name for logs and reports. Constant.
	Name() string
	// Letter stands for the format in the grid of a recovery report: an upper-case ASCII letter. Constant.
	Letter() byte
	// Begin starts a copy of s. s is valid until Begin returns: a format that needs it longer MUST take a handle of its
	// own (s.Retain), and MUST let go of it at Abandon, at Drop, and when ctx ends before the copy is sealed. ctx spans
	// the life of the Writer up to Seal; m is the format's to keep.
	Begin(ctx context.Context, m Meta, s *heapbackend.Snapshot) (Writer, error)
	// Open returns the sealed copies of every checkpoint that o.Allocation holds of o.Job and o.Operator, by ascending
	// checkpoint. o.Task is not compared: after a rescale a slot may hold what another task left. None is no error.
	//
	// The error, which may come together with copies, reports what cannot be used, in a few words however much there
	// is. A copy that is damaged MUST be removed, so that the next Open does not find it again. One that merely cannot
	// be read now MUST stay: an error of the system says nothing about the bytes. It MAY be among the copies, without
	// groups and with nothing in its Meta but Owner and Checkpoint, so that it is dropped once its checkpoint is no
	// longer wanted. What the format has not written itself MUST stay. ErrStalled, without copies, asks the caller to
	// come again later.
	Open(ctx context.Context, o Owner) ([]Copy, error)
	// Claim is called when a process starts: every copy of job that belongs to none of the allocations is removed, and
	// so is every unfinished leftover of dead processes. Copies of other jobs MUST stay, and so MUST copies begun
	// after Claim was called.
	Claim(ctx context.Context, job string, allocations []uuid.UUID) error
	// Free removes all copies of an allocation of a job: the allocation is given up. Like Claim it MUST leave what the
	// format has not written itself, and MAY report it.
	Free(ctx context.Context, job string, allocation uuid.UUID) error
}

// Writer writes one copy. One goroutine uses it.
type Writer interface {
	// WriteGroup adds a group of the snapshot. Groups come in ascending order, each at most once, all within the
	// range, but that the last may be the operator state of the task, M + Task; anything else MUST be ErrWriter. It
	// may return before the group is written; an error may come with a later call.
	WriteGroup(ctx context.Context, group int) error
	// Seal makes the copy visible to Open, if it is what twin says. twin is the segments of the durable primary in
	// ascending order of group. A written group that differs from its twin MUST fail the whole copy with ErrMismatch;
	// a format that keeps the very snapshot the primary was written from MAY leave it at comparing entries. A sealed
	// copy replaces an older one of the same owner and checkpoint. After an error the caller abandons.
	Seal(ctx context.Context, twin []primary.Segment) (Copy, error)
	// Abandon removes whatever was written. It MUST be idempotent, and MUST do nothing after a successful Seal. It may
	// wait for writes under way.
	Abandon() error
}

// Copy is a sealed copy. Its methods MUST be safe for concurrent use.
type Copy interface {
	// Meta says what this is a copy of. The caller does not change its Schema.
	Meta() Meta
	// Groups returns the groups held, ascending; the caller does not change them.
	Groups() []GroupInfo
	// Load stages one group for into, which it does not change, and checks every stored byte it relies on. The copy
	// stays intact and can be loaded again; it must not be dropped before what was staged is installed. ErrNoGroup,
	// ErrDropped, primary.ErrCorrupt, or the backend's own errors. It MUST return promptly when ctx ends, whatever the
	// disk does, and while the disk is known to hang at once, with ErrStalled. It MUST NOT take more memory than a
	// small multiple of the Bytes of the group, whatever is stored.
	Load(ctx context.Context, group int, into heapbackend.AnyBackend) (*heapbackend.Staged, error)
	// Drop removes the copy, and no other: not a newer one of the same checkpoint. Idempotent.
	Drop(ctx context.Context) error
}

// Formats is a stack of formats in order of preference. The zero value keeps no copies.
type Formats []Format

// Disabled returns the empty stack, the default: no local copies.
func Disabled() Formats { return nil }

// Stack returns the formats in the given order of preference, the most preferred first. Each keeps copies of its own,
// and a recovery chooses between them group by group. Nil formats are left out.
func Stack(formats ...Format) Formats {
	return slices.DeleteFunc(slices.Clone(Formats(formats)), func(f Format) bool { return f == nil })
}

// Claim calls Claim of every format, all at once, and returns their errors joined. It returns when ctx ends, whatever
// a format does; a format that hangs is left to finish on its own.
func (f Formats) Claim(ctx context.Context, job string, allocations []uuid.UUID) error {
	allocations = slices.Clone(allocations)
	return f.each(ctx, "claim", func(f Format) error { return f.Claim(ctx, job, allocations) })
}

// Free calls Free of every format, all at once, and returns their errors joined. It returns when ctx ends, whatever a
// format does.
func (f Formats) Free(ctx context.Context, job string, allocation uuid.UUID) error {
	return f.each(ctx, "free", func(f Format) error { return f.Free(ctx, job, allocation) })
}

// each runs do for every format on a goroutine of its own and waits for all of them or for ctx. The goroutines end
// when their format returns; nothing waits for one that hangs.
func (f Formats) each(ctx context.Context, what string, do func(Format) error) error {
	results := make([]chan error, len(f))
	for i, format := range f {
		results[i] = make(chan error, 1)
		go func() { results[i] <- contain(func() error { return do(format) }) }()
	}
	var errs []error
	for i, format := range f {
		var err error
		select {
		case err = <-results[i]:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("localcopy: %s %s: %w", what, format.Name(), err))
		}
	}
	return errors.Join(errs...)
}

// contain turns a panic of a format, which anyone may have written, into an error.
func contain(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("localcopy: format panicked: %v", r)
		}
	}()
	return do()
}
