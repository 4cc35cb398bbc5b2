package commitlog

import (
	"errors"
	"fmt"
)

// Package primary exports these under the same names.
var (
	// ErrNotExist: no object has that name.
	ErrNotExist = errors.New("primary: object does not exist")
	// ErrExist: another object has that name already.
	ErrExist = errors.New("primary: object exists")
	// ErrUncertain: whether the object was made is not known; reading it tells.
	ErrUncertain = errors.New("primary: outcome of commit unknown")
	// ErrFenced: another coordinator has claimed the log.
	ErrFenced = errors.New("primary: fenced")
	// ErrVersion: a whole record of a version that this build does not read.
	ErrVersion = errors.New("primary: unsupported format version")
	// ErrLogLost: there was a log, and its records are gone.
	ErrLogLost = errors.New("primary: commit log lost")
)

// ErrTaken: another coordinator took the slot that was to be claimed.
var ErrTaken = errors.New("primary: slot was taken")

// DamageError says that an object of the log is not what was written.
type DamageError struct {
	Name   string
	Offset int64
	Reason string
	Err    error // the cause below, or nil
}

// Error names the object, the place and the reason.
func (e *DamageError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: at offset %d: %s", e.Name, e.Offset, e.Reason)
	}
	return fmt.Sprintf("%s: at offset %d: %s: %v", e.Name, e.Offset, e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Err }

// ForeignError says that a record is whole and of another job.
type ForeignError struct {
	Name, Job string
}

// Error names both.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s: record of job %q", e.Name, e.Job)
}
