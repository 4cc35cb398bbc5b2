package primary

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Limits of object names, in bytes.
const (
	// MaxName is the longest name a store takes.
	MaxName = 512
	// MaxNameElement is the longest single element of a name: what file systems
	// allow for one directory entry.
	MaxNameElement = 255
)

// Store keeps immutable named objects: it creates, reads, lists and deletes
// them, and never changes one. Implementations are tried with the suite in
// primary/primarytest; the MUST and MAY lines here are what it checks.
//
// A name is one or more elements of [A-Za-z0-9._-] joined by single slashes; no
// element is "." or "..", none is longer than [MaxNameElement] and the whole is
// no longer than [MaxName]. Every method MUST answer any other name with
// [ErrName] and touch nothing. A name that is a directory of another ("a" beside
// "a/b") is a mistake of the caller: a store MAY refuse it with any error. Two
// names that differ only in case are distinct; a store over a file system that
// folds case cannot keep both, so callers avoid them.
//
// Every method MUST be safe for concurrent use, and MUST return ctx.Err(),
// possibly wrapped, if ctx is over when it is called. A call already handed to
// the operating system MAY take until that returns.
type Store interface {
	// Create begins an object. Nothing is visible under name until the writer's
	// Commit; whether name is taken is only decided there. Errors: ErrName, I/O.
	Create(ctx context.Context, name string) (Writer, error)

	// ReadAt fills p with the bytes of name that begin at off. It either fills
	// p whole or returns an error: ErrNotExist, or one wrapping
	// io.ErrUnexpectedEOF when the object ends before off+len(p). What p holds
	// after an error is unspecified. A negative off is an error.
	ReadAt(ctx context.Context, name string, p []byte, off int64) error

	// Size returns the length of name in bytes, or ErrNotExist.
	Size(ctx context.Context, name string) (int64, error)

	// List yields every object whose name begins with prefix, in ascending
	// byte order of the whole name. The prefix is plain text and may end inside
	// an element; "" lists everything. Objects created or deleted during the
	// listing MAY be missed or seen; all others MUST be seen exactly once. An
	// error is yielded once, last. Errors: ErrName for a prefix that no name can
	// begin with, I/O.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Delete removes name. Deleting what is not there is no error. A reader of
	// that object gets the old bytes or ErrNotExist, never others.
	Delete(ctx context.Context, name string) error
}

// BatchDeleter is what a [Store] MAY be too, where one request deletes many objects.
// A coordinator then makes one request where it would make one for each object.
type BatchDeleter interface {
	// DeleteAll is Delete for each of the names, at most a thousand, in no order to
	// rely on. After an error any of them may still be there.
	DeleteAll(ctx context.Context, names []string) error
}

// Writer writes one object. It belongs to one goroutine. Every writer MUST be
// ended by Commit or Abort; what a Writer has buffered or stored elsewhere is
// given back by either.
type Writer interface {
	// Write adds p to the object. It keeps no reference to p. After an error
	// every later Write and Commit returns an error.
	io.Writer

	// Commit makes the object durable and then visible under its name,
	// atomically and only if nothing has that name. ErrExist: another object has
	// the name, and it is untouched. ErrUncertain: the object is or becomes
	// visible, but its durability could not be established; the caller finds out
	// by reading, or deletes it. Any other error: the object is not visible and
	// nothing is left of it. Whatever the result, the writer is ended; a second
	// Commit, or one after Abort, is an error.
	Commit(ctx context.Context) error

	// Abort throws the object away. After Commit or Abort it does nothing and
	// returns nil, so that it can be deferred.
	Abort() error
}

// Info describes an object in a listing.
type Info struct {
	// Name is the whole name of the object, not shortened by the prefix.
	Name string
	// Size is its length in bytes.
	Size int64
}

// CheckName returns nil if name is one a [Store] takes, otherwise an error that
// wraps [ErrName]. It allocates nothing for a good name.
func CheckName(name string) error {
	if len(name) > MaxName {
		return fmt.Errorf("%w: %d bytes, limit %d", ErrName, len(name), MaxName)
	}
	for rest, more := name, true; more; {
		var elem string
		elem, rest, more = strings.Cut(rest, "/")
		if err := checkElement(name, elem); err != nil {
			return err
		}
		if elem == "" || elem == "." || elem == ".." {
			return fmt.Errorf("%w: %q has an element %q", ErrName, name, elem)
		}
	}
	return nil
}

// CheckPrefix returns nil if some name begins with prefix, otherwise an error
// that wraps [ErrName].
func CheckPrefix(prefix string) error {
	dir, last := splitPrefix(prefix)
	if dir != "" {
		if err := CheckName(dir); err != nil {
			return err
		}
	}
	if len(prefix) > MaxName {
		return fmt.Errorf("%w: prefix of %d bytes, limit %d", ErrName, len(prefix), MaxName)
	}
	if dir == "" && strings.HasPrefix(prefix, "/") {
		return fmt.Errorf("%w: prefix %q begins with a slash", ErrName, prefix)
	}
	return checkElement(prefix, last)
}

// splitPrefix cuts prefix at its last slash: the directory without that slash,
// and what names in it begin with.
func splitPrefix(prefix string) (dir, last string) {
	i := strings.LastIndexByte(prefix, '/')
	return prefix[:max(i, 0)], prefix[i+1:]
}

func checkElement(name, elem string) error {
	if len(elem) > MaxNameElement {
		return fmt.Errorf("%w: an element of %d bytes, limit %d", ErrName, len(elem), MaxNameElement)
	}
	for i := range len(elem) {
		if !nameByte(elem[i]) {
			return fmt.Errorf("%w: %q has a byte %q", ErrName, name, elem[i])
		}
	}
	return nil
}

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}
