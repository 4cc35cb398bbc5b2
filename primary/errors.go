package primary

import (
	"errors"
	"fmt"
	"strings"
)

// What a caller can decide on; test with errors.Is.
var (
	// ErrNotExist: no object has that name.
	ErrNotExist = errors.New("primary: object does not exist")
	// ErrExist: another object has that name already.
	ErrExist = errors.New("primary: object exists")
	// ErrUncertain: a commit reached the store, but whether it is durable is
	// not known. Reading the object tells whether it is there.
	ErrUncertain = errors.New("primary: outcome of commit unknown")
	// ErrCorrupt: bytes are not what they must be; see CorruptError.
	ErrCorrupt = errors.New("primary: corrupt")
	// ErrVersion: the bytes are of a format version this build cannot read.
	ErrVersion = errors.New("primary: unsupported format version")
	// ErrFenced: the caller's attempt or coordinator is no longer current.
	ErrFenced = errors.New("primary: fenced")
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
