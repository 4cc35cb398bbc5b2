package input

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/zeebo/xxh3"
)

const (
	spoolPrefix = "stdin-"
	spoolTemp   = "tmp-"
)

// Spool is standard input as a file: a source has to be replayable. Its name is
// the digest of what is in it, so the same input is the same file.
type Spool struct {
	Path string
	Size int64

	digest uint64
	fresh  bool // made by this process
}

// NewSpool copies in to a file in dir, which is made if it is missing. When it
// fails, or ctx ends, nothing is left behind.
func NewSpool(ctx context.Context, dir string, in io.Reader) (_ *Spool, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, spoolTemp)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeFrom(dir, f.Name()))
		}
	}()
	h := xxh3.New()
	size, err := io.Copy(io.MultiWriter(f, h), contextReader{ctx, in})
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	sum := h.Sum128().Bytes()
	s := &Spool{Path: filepath.Join(dir, spoolPrefix+hex.EncodeToString(sum[:])), Size: size, digest: h.Sum64()}
	if info, statErr := os.Lstat(s.Path); statErr == nil && info.Mode().IsRegular() && info.Size() == size {
		return s, os.Remove(f.Name())
	}
	s.fresh = true
	return s, os.Rename(f.Name(), s.Path)
}

// Discard takes back what NewSpool did: a file that it made is removed, and the
// directory if nothing else is in it.
func (s *Spool) Discard() error {
	if !s.fresh {
		return nil
	}
	return removeFrom(filepath.Dir(s.Path), s.Path)
}

// removeFrom removes a file, and its directory if that is empty then.
func removeFrom(dir, file string) error {
	err := os.Remove(file)
	_ = os.Remove(dir) // fails while something is in it, as it should
	return err
}

// Sweep removes what earlier runs left in the spool's directory.
func (s *Spool) Sweep() error {
	dir, own := filepath.Split(s.Path)
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != own && (strings.HasPrefix(e.Name(), spoolPrefix) || strings.HasPrefix(e.Name(), spoolTemp)) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// contextReader is a reader that fails once its context has ended.
type contextReader struct {
	ctx context.Context
	in  io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(p)
}
