package heapbackend

import (
	"cmp"
	"errors"
	"fmt"
)

// The errors of this package that a caller may act on. All are matched with errors.Is.
var (
	// ErrClosed is returned by a backend that was closed.
	ErrClosed = errors.New("heapbackend: backend is closed")
	// ErrReleased is returned by a snapshot whose handle was released.
	ErrReleased = errors.New("heapbackend: snapshot is released")
	// ErrConcurrent says that a backend was entered while an operation on it was running: from a second goroutine,
	// from inside an Update or Clone function, or after one of those panicked. The backend refuses all further use,
	// since its content can no longer be trusted; restore it from its last checkpoint.
	ErrConcurrent = errors.New("heapbackend: backend used during an operation: by a second goroutine, by the Update function, or after that panicked")
	// ErrGroup says that a key, or a group to restore, is outside the key groups of the backend: the record was routed
	// to the wrong task.
	ErrGroup = errors.New("heapbackend: key group outside the backend's range")
	// ErrConfig is returned by New and For for a configuration that cannot be, and where one lacks what is asked for.
	ErrConfig = errors.New("heapbackend: invalid configuration")
	// ErrStateName says that a state's name is empty or longer than MaxStateName bytes.
	ErrStateName = errors.New("heapbackend: invalid state name")
	// ErrStateExists says that a state of that name and type is registered already.
	ErrStateExists = errors.New("heapbackend: state registered twice")
	// ErrStateType says that a key, value or element type cannot be kept, or that a name is registered with another
	// type.
	ErrStateType = errors.New("heapbackend: unusable state type")
	// ErrSchema says that what was written is not what is registered: another kind, key or namespace type, a value
	// type or version that cannot be read as the registered one, or a migration that failed. The error is a
	// *SchemaError.
	ErrSchema = errors.New("heapbackend: schema mismatch")
	// ErrUnknownState says that a checkpoint holds a state that is not registered, and Config.RefuseUnknown is set; or
	// that a state was asked for in a snapshot taken before it was registered.
	ErrUnknownState = errors.New("heapbackend: unregistered state")
	// ErrMismatch says that what was given does not belong to this backend: a snapshot of another job (another number
	// of key groups, seed or key type), a group staged for another backend or installed already, a state of another
	// backend.
	ErrMismatch = errors.New("heapbackend: of another job or backend")
	// ErrCorrupt says that bytes are not what a backend writes.
	ErrCorrupt = errors.New("heapbackend: corrupt group")
	// ErrFull says that more keys have one hash than a table holds, or that one state's part of one key group is larger
	// than its format can say (4 GiB).
	ErrFull = errors.New("heapbackend: state too large")
	// ErrDepth says that a value is nested deeper than MaxDepth, or holds itself, so that no checkpoint could hold it.
	ErrDepth = errors.New("heapbackend: value nested too deep")
	// ErrCheck says that Config.CheckValues found a fault of the program. The error is a *CheckError.
	ErrCheck = errors.New("heapbackend: Config.CheckValues found a fault")
)

// EncodeError says which entry of a snapshot cannot be written. The checkpoint is declined, again and again, until the
// entry is changed or deleted; the backend stays usable.
type EncodeError struct {
	State string // name of the state
	Group int    // its key group or, for operator state, the number of the task's block
	// Entry is the place of the entry in the group, from 0: that at which a view of the snapshot yields it, in InGroup
	// or, for operator state, in All.
	Entry int
	Cause error // what the codec says, never with a key or value
}

func (e *EncodeError) Error() string {
	return fmt.Sprintf("heapbackend: state %q: entry %d of key group %d cannot be written: %v (a view of the snapshot yields it "+
		"at that place: change or delete it)", e.State, e.Entry, e.Group, e.Cause)
}

// Unwrap returns the cause.
func (e *EncodeError) Unwrap() error { return e.Cause }

// SchemaError says how a written state differs from the registered one, beyond what is matched on reading: fields of
// structs that were added, dropped or moved, integers and floats that were widened, and versions that migrations lead
// from. It matches ErrSchema.
type SchemaError struct {
	State      string // name of the state
	Registered string // what the program registered, as Go would write it
	Written    string // what the bytes or the snapshot hold
	Cause      error  // what changed and cannot be read, or what a migration returned; nil if two tasks carry the state differently

	advice string // what the program can do, "" if only the obvious
}

func (e *SchemaError) Error() string {
	cause := ""
	if e.Cause != nil {
		cause = fmt.Sprintf(" (%v)", e.Cause)
	}
	return fmt.Sprintf("heapbackend: state %q is registered as %s but was written as %s%s; %s",
		e.State, e.Registered, e.Written, cause, cmp.Or(e.advice, "register it as it was written, or under another name"))
}

// Unwrap returns ErrSchema and the cause.
func (e *SchemaError) Unwrap() []error { return []error{ErrSchema, e.Cause} }
