package localcopy

import (
	"errors"
	"fmt"
)

// maxFaults bounds the errors that are kept of one pass over many files.
const maxFaults = 8

// faults collects the errors of one pass over many files: the first few, and how many there were. However many files
// are wrong, the line in a log stays short.
type faults struct {
	errs []error
	more int
}

func (f *faults) add(err error) {
	switch {
	case err == nil:
	case len(f.errs) < maxFaults:
		f.errs = append(f.errs, err)
	default:
		f.more++
	}
}

// err returns the errors joined, nil if there were none.
func (f *faults) err() error {
	if f.more > 0 {
		return errors.Join(append(f.errs, fmt.Errorf("localcopy: and %d more", f.more))...)
	}
	return errors.Join(f.errs...)
}
