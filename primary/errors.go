package primary

import (
	"errors"
	"fmt"
	"strings"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// What a caller can decide on; test with errors.Is.
var (
	// ErrNotExist: no object has that name.
	ErrNotExist = commitlog.ErrNotExist
	// ErrExist: another object has that name already.
	ErrExist = commitlog.ErrExist
	// ErrUncertain: a commit reached the store, but whether it is durable is
	// not known. Reading the object tells whether it is there.
	ErrUncertain = commitlog.ErrUncertain
	// ErrCorrupt: bytes are not what they must be; see CorruptError.
	ErrCorrupt = errors.New("primary: corrupt")
	// ErrVersion: the bytes are of a format version this build cannot read.
	ErrVersion = commitlog.ErrVersion
	// ErrFenced: the caller's attempt or coordinator is no longer current.
	ErrFenced = commitlog.ErrFenced
	// ErrLogLost: the job has checkpoints, or had, and its commit log is gone; see
	// LogLostError. Nothing was changed.
	ErrLogLost = commitlog.ErrLogLost
	// ErrName: the name of an object, or a prefix, is malformed.
	ErrName = errors.New("primary: bad object name")
	// ErrClosed: the store or the writer has been closed.
	ErrClosed = errors.New("primary: closed")
	// ErrInvalid: what was to be written breaks a rule of the format.
	ErrInvalid = errors.New("primary: invalid argument")
)

// NoGroup stands in [CorruptError] for "not in the block of a key group".
const NoGroup = -1

// CorruptError says where bytes were found wrong. It unwraps to [ErrCorrupt] (or
// [ErrVersion]) and to Err.
type CorruptError struct {
	// Object is the name of the object, "" if the reader has none.
	Object string
	// Group is the key group whose block is wrong, or NoGroup.
	Group int
	// Offset is where the wrong part begins, in bytes from the object's start.
	Offset int64
	// Reason says what is wrong, without any data of the user's.
	Reason string
	// Err is the cause below, or nil.
	Err error
}

// Error names the object, the key group, the offset and the reason.
func (e *CorruptError) Error() string {
	var b strings.Builder
	b.WriteString("primary: corrupt")
	if e.Object != "" {
		fmt.Fprintf(&b, " object %q", e.Object)
	}
	if e.Group != NoGroup {
		fmt.Fprintf(&b, " key group %d", e.Group)
	}
	fmt.Fprintf(&b, " at offset %d: %s", e.Offset, e.Reason)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns ErrCorrupt and the cause, if there is one.
func (e *CorruptError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrCorrupt}
	}
	return []error{ErrCorrupt, e.Err}
}

// LogLostError says that a job's commit log is gone, or newer records of it are,
// while something proves that they were there. It unwraps to [ErrLogLost]. It is
// answered before anything is changed: no job starts empty, or goes back to an
// older checkpoint, because files are missing.
type LogLostError struct {
	// Job is the job's name.
	Job string
	// Found is what proves it: names of objects, some of them if there are many.
	Found []string
	// Newest is the newest slot of the log that is there, 0 if none is.
	Newest uint64
}

// Error says what is missing, what proves it, and what to do.
func (e *LogLostError) Error() string {
	missing := "no record of its commit log"
	if e.Newest > 0 {
		missing = fmt.Sprintf("no record of its commit log after slot %d", e.Newest)
	}
	return fmt.Sprintf("%v: job %q has %s, but there is %s: put back the files of %s/log or of %s/log-copy (either will do); "+
		"or, to start the job anew or from a savepoint, move %s/objects, %s/log, %s/log-copy and %s/origin away",
		ErrLogLost, e.Job, missing, strings.Join(e.Found, ", "), e.Job, e.Job, e.Job, e.Job, e.Job, e.Job)
}

// Unwrap returns ErrLogLost.
func (e *LogLostError) Unwrap() error { return ErrLogLost }
