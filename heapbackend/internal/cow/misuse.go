package cow

import (
	"errors"
	"runtime"
)

// ErrTorn is returned for an operation that found a table as no single goroutine leaves it: two have used it at once.
// What the table holds then is not known.
var ErrTorn = errors.New("cow: a table was changed by a second goroutine")

// torn is what code below an operation panics with where it finds such a table.
type torn string

func (t torn) Error() string { return string(t) }

// noSlot is the slot that place returns when it was told that there is one, and there is not.
const noSlot = ^uint64(0)

// rescue is deferred by the parts of operations that change pages and directories: rarely enough not to be felt by
// those that read, and write in place. A table that two goroutines use shows itself as an index out of range there, a
// nil page, or a full one that was counted as free. That ends the operation, and the space is told.
func (s *Space) rescue(err *error) {
	cause := recover()
	switch cause.(type) {
	case nil:
		return
	case torn, runtime.Error:
	default:
		panic(cause) // a key's own, or a caller's
	}
	if s.misused == nil {
		panic(cause) // nobody else knows of this space
	}
	s.misused(cause)
	if err != nil {
		*err = ErrTorn
	}
}

// torn is the end of an operation that found such a table without a panic.
func (s *Space) torn() error {
	if s.misused != nil {
		s.misused(ErrTorn)
	}
	return ErrTorn
}
