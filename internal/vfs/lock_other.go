//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package vfs

import (
	"errors"
	"os"
)

func flock(*os.File) error { return errors.ErrUnsupported }
