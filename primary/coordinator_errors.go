package primary

import (
	"errors"
	"fmt"
	"strings"
)

// What a user of a [Coordinator] can decide on; test with errors.Is. Beside them
// a coordinator answers with [ErrFenced], [ErrClosed] and [ErrInvalid].
var (
	// ErrMismatch: the store holds checkpoints that this job cannot go on from;
	// see MismatchError. Nothing was changed.
	ErrMismatch = errors.New("primary: store does not fit the job")
	// ErrRunning: Run is already at work.
	ErrRunning = errors.New("primary: coordinator is running already")
	// ErrNotRunning: a checkpoint cannot begin because some task does not run.
	ErrNotRunning = errors.New("primary: not every task is running")
	// ErrBusy: as many checkpoints are pending as the configuration allows.
	ErrBusy = errors.New("primary: too many checkpoints pending")
	// ErrLate: the checkpoint is not pending, or no longer; what was written for
	// it is deleted.
	ErrLate = errors.New("primary: checkpoint is not pending")
	// ErrUnknownTask: the task is not in the coordinator's configuration.
	ErrUnknownTask = errors.New("primary: unknown task")
	// ErrUnknownCheckpoint: no such checkpoint was triggered here, or it ended
	// too long ago to be remembered.
	ErrUnknownCheckpoint = errors.New("primary: unknown checkpoint")
	// ErrUnknownObject: an ack names an object that its task may not name: not
	// its own, and not one that a checkpoint in use holds.
	ErrUnknownObject = errors.New("primary: object is not in use by any checkpoint")
	// ErrFailures: more checkpoints failed in a row than are tolerated; see
	// FailuresError.
	ErrFailures = errors.New("primary: too many failed checkpoints")
)

// Why a checkpoint was aborted: the Reason of an [AbortError].
var (
	// ErrExpired: not every task had acknowledged in time. It counts as a failure.
	ErrExpired = errors.New("primary: checkpoint timed out")
	// ErrDeclined: a task declined or could not be told. It counts as a failure.
	ErrDeclined = errors.New("primary: checkpoint declined")
	// ErrCommit: the manifest could not be written. It counts as a failure.
	ErrCommit = errors.New("primary: checkpoint could not be committed")
	// ErrSubsumed: a newer checkpoint completed first. No failure.
	ErrSubsumed = errors.New("primary: a newer checkpoint completed")
	// ErrRestarted: a task began another attempt, or the job restarts. No failure.
	ErrRestarted = errors.New("primary: task restarted")
)

// errSlow: the deadline passed after every task had acknowledged.
var errSlow = errors.New("the manifest is still being written")

// missingAcks names the tasks that a checkpoint waited for.
func missingAcks(p *pending, tasks []TaskPlan) error {
	var names []string
	for _, t := range tasks {
		if p.acks[t.TaskID] == nil {
			names = append(names, t.String())
		}
	}
	if len(names) == 0 {
		return errors.New("its turn to be written did not come")
	}
	return fmt.Errorf("%d of %d tasks did not acknowledge: %s", len(names), len(tasks), shorten(names))
}

func shorten(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + ", ..."
}

// AbortError says why a checkpoint did not complete. It unwraps to Reason and
// to Cause. Where it matches [ErrUncertain] it is not known whether the checkpoint
// was committed, and whoever opens the log next may go on from it: what was prepared
// for it outside must then be kept, until a restore says which it was.
type AbortError struct {
	// Checkpoint is the id.
	Checkpoint uint64
	// Reason is one of the sentinels above, ErrFenced or ErrClosed.
	Reason error
	// Cause is what lay below, or nil.
	Cause error
}

// Error names the checkpoint, the reason and the cause.
func (e *AbortError) Error() string {
	if e.Cause == nil {
		return fmt.Sprintf("checkpoint %d aborted: %v", e.Checkpoint, e.Reason)
	}
	return fmt.Sprintf("checkpoint %d aborted: %v: %v", e.Checkpoint, e.Reason, e.Cause)
}

// Unwrap returns the reason and the cause, if there is one.
func (e *AbortError) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Cause}
}

// FailuresError ends Run when more checkpoints failed in a row than are
// tolerated. It unwraps to [ErrFailures] and to Last.
type FailuresError struct {
	// Failures is how many failed in a row, Tolerable how many may.
	Failures, Tolerable int
	// Last is why the last of them failed.
	Last error
}

// Error tells both numbers and the last failure.
func (e *FailuresError) Error() string {
	return fmt.Sprintf("%v: %d in a row, %d tolerated, the last: %v", ErrFailures, e.Failures, e.Tolerable, e.Last)
}

// Unwrap returns ErrFailures and the last failure.
func (e *FailuresError) Unwrap() []error { return []error{ErrFailures, e.Last} }

// MismatchError says what in the store does not fit the job. It unwraps to
// [ErrMismatch].
type MismatchError struct {
	// What is "job", "max parallelism" or "seed".
	What string
	// Stored is what the store says, Given what the caller wants.
	Stored, Given string
}

// Error names what differs, and both values.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("%v: %s is %s in the store, %s was given", ErrMismatch, e.What, e.Stored, e.Given)
}

// Unwrap returns ErrMismatch.
func (e *MismatchError) Unwrap() error { return ErrMismatch }
