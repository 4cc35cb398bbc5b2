//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package vfs

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// flock takes the whole-file lock of f without waiting. It belongs to the open
// file and goes with it, however the process ends.
func flock(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	err = conn.Control(func(fd uintptr) {
		for {
			lockErr = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB)
			if lockErr != syscall.EINTR {
				return
			}
		}
	})
	switch {
	case err != nil:
		return err
	case lockErr == syscall.EWOULDBLOCK:
		return ErrLocked
	case lockErr == syscall.ENOSYS, lockErr == syscall.ENOTSUP, lockErr == syscall.ENOLCK:
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, lockErr)
	}
	return lockErr
}
