package heapbackend

import "fmt"

// Fault is a kind of fault that Config.CheckValues finds.
type Fault uint8

const (
	// FaultModified is a value that was changed otherwise than by an operation on its key.
	FaultModified Fault = iota + 1
	// FaultChanged is a value that comes back from its encoding as another one.
	FaultChanged
	// FaultUnsteady is a value that is encoded otherwise each time.
	FaultUnsteady
	// FaultUnreadable is a value that cannot be encoded, or whose encoding cannot be decoded.
	FaultUnreadable
)

// faults say what each kind is, and what to do.
var faults = [...]struct{ is, advice string }{
	FaultModified: {"a value was modified otherwise than by an operation on its key",
		"do not write through what Get and loops return, nor to what was given to Put or Append: use Update, and copy what " +
			"is kept"},
	FaultChanged: {"a value comes back from its encoding as another one",
		"write all of it, or keep only what is written: a restore from bytes must give what the heap holds"},
	FaultUnsteady: {"a value is encoded otherwise each time", "sort what its methods or its Codec write: " +
		"copies of a checkpoint are told by their bytes"},
	FaultUnreadable: {"a value cannot be written, or not be read back",
		"mend its methods or its Codec, or do not keep such a value"},
}

// String says what kind of fault it is.
func (f Fault) String() string {
	if int(f) < len(faults) && f > 0 {
		return faults[f].is
	}
	return fmt.Sprintf("Fault(%d)", f)
}

// CheckError is a fault that Config.CheckValues found. It matches ErrCheck. An operation that returns one has made the
// backend refuse further use.
type CheckError struct {
	State string // name of the state
	Group int    // the key group or, for operator state, the number of the task's block
	Entry int    // the place in the group, as in an EncodeError; -1 where the operation's key says it, or it is not known
	Fault Fault
	Cause error // the part of the value, or what its codec says; nil if there is no more to say
}

func (e *CheckError) Error() string {
	at, cause, advice := "", "", "mend the program"
	if e.Entry >= 0 {
		at = fmt.Sprintf("entry %d of ", e.Entry)
	}
	if e.Cause != nil {
		cause = fmt.Sprintf(" (%v)", e.Cause)
	}
	if int(e.Fault) < len(faults) && e.Fault > 0 {
		advice = faults[e.Fault].advice
	}
	return fmt.Sprintf("heapbackend: state %q: %skey group %d: %v%s: %s", e.State, at, e.Group, e.Fault, cause, advice)
}

// Unwrap returns ErrCheck and the cause.
func (e *CheckError) Unwrap() []error { return []error{ErrCheck, e.Cause} }
