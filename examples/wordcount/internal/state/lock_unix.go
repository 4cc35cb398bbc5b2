//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package state

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// tryLock locks the open file. The lock goes when the last process that has it
// open is gone, however it ends.
//
// A file system without locks locks nothing: two runs on one directory are still kept apart where it matters, since
// the one that started first can no longer commit a checkpoint.
func tryLock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK) {
		return nil
	}
	return err
}

// Lend lets a child process hold the lock too: a directory is in use until the
// worker is gone, even if the supervisor went first.
func (d *Dir) Lend(child *exec.Cmd) { child.ExtraFiles = append(child.ExtraFiles, d.lockFile) }
