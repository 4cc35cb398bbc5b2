package input

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/zeebo/xxh3"
)

// PeekBytes is how much of a file is looked at to tell whether it is binary: a
// NUL in it says so.
const PeekBytes = 8000

// ErrArgument: something named on the command line is not there or cannot be walked.
var ErrArgument = errors.New("input")

// File is one file to be counted.
type File struct {
	Path string // absolute
	Size int64  // bytes, when it was listed; what is appended later is not read
}

// Skipped counts what is not counted, and why.
type Skipped struct {
	Binary     int `json:"binary"`     // files with a NUL in the first 8,000 bytes
	Unreadable int `json:"unreadable"` // files and directories that cannot be opened or read
	Links      int `json:"links"`      // symbolic links met in a directory
	Special    int `json:"special"`    // devices, pipes and sockets
}

// Total is the number of things skipped.
func (s Skipped) Total() int { return s.Binary + s.Unreadable + s.Links + s.Special }

// List is an input: files in the order of their paths.
type List struct {
	Files   []File
	Bytes   int64    // the sum of their sizes
	Digest  [16]byte // the input's identity
	Skipped Skipped

	units []unit
}

// Walk lists files, and directories with all that is below them. A file met
// twice is listed once. A symbolic link is followed where it is an argument and nowhere else.
// exclude are absolute paths that are passed over, with everything below: the
// program's own files. spool, if not nil, is standard input.
//
// An argument that does not exist, or a directory argument that cannot be read,
// is ErrArgument; anything else that cannot be read is counted in Skipped.
func Walk(ctx context.Context, args []string, spool *Spool, exclude []string) (*List, error) {
	w := walker{ctx: ctx, exclude: exclude}
	for _, arg := range args {
		if err := w.argument(arg); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(w.found, func(a, b found) int { return cmp.Compare(a.Path, b.Path) })
	w.found = slices.CompactFunc(w.found, func(a, b found) bool { return a.Path == b.Path })
	if spool != nil {
		w.found = append(w.found, found{File{spool.Path, spool.Size}, spool.digest, "-"})
	}
	return w.list(), nil
}

// walker collects the files of one Walk.
type walker struct {
	ctx     context.Context
	exclude []string
	found   []found
	skipped Skipped
	peek    [PeekBytes]byte
}

// found is a file with what goes into the digest.
type found struct {
	File
	digest uint64 // of its first bytes
	name   string // in the digest, if it is not the path
}

func (w *walker) argument(arg string) error {
	path, err := filepath.Abs(arg)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	var info fs.FileInfo
	if err == nil {
		info, err = os.Lstat(path)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrArgument, arg, bare(err))
	}
	if slices.Contains(w.exclude, path) {
		return fmt.Errorf("%w: %s is one of this run's own files", ErrArgument, arg)
	}
	if info.IsDir() {
		if _, err := os.ReadDir(path); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrArgument, arg, bare(err))
		}
	}
	return filepath.WalkDir(path, w.visit)
}

// bare takes the path off an error that is about to be named by what the user typed.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

func (w *walker) visit(path string, entry fs.DirEntry, err error) error {
	if w.ctx.Err() != nil {
		return w.ctx.Err()
	}
	if slices.Contains(w.exclude, path) {
		if entry != nil && entry.IsDir() {
			return fs.SkipDir
		}
		return nil
	}
	switch {
	case err != nil:
		w.skipped.Unreadable++
	case entry.IsDir():
	case entry.Type()&fs.ModeSymlink != 0:
		w.skipped.Links++
	case !entry.Type().IsRegular():
		w.skipped.Special++
	default:
		w.file(path)
	}
	return nil
}

func (w *walker) file(path string) {
	f, err := os.Open(path)
	if err != nil {
		w.skipped.Unreadable++
		return
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		w.skipped.Unreadable++
		return
	}
	n, err := io.ReadFull(f, w.peek[:min(info.Size(), PeekBytes)])
	if err != nil {
		w.skipped.Unreadable++
		return
	}
	head := w.peek[:n]
	if bytes.IndexByte(head, 0) >= 0 {
		w.skipped.Binary++
		return
	}
	w.found = append(w.found, found{File: File{path, info.Size()}, digest: xxh3.Hash(head)})
}

func (w *walker) list() *List {
	l := &List{Skipped: w.skipped}
	h := xxh3.New()
	var b []byte
	b = binary.AppendUvarint(b, unitBytes)
	for _, f := range w.found {
		name := cmp.Or(f.name, f.Path)
		b = binary.AppendUvarint(b, uint64(len(name)))
		b = append(b, name...)
		b = binary.AppendUvarint(b, uint64(f.Size))
		b = binary.LittleEndian.AppendUint64(b, f.digest)
		_, _ = h.Write(b) // never fails
		b = b[:0]
		l.Files = append(l.Files, f.File)
		l.Bytes += f.Size
	}
	l.Digest = h.Sum128().Bytes()
	l.cut()
	return l
}
