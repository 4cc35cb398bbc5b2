package primary

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/internal/vfs"
)

// StaleAfter is how long nothing was written to an unfinished object of another
// host before [OpenDir] removes it. The lock files of owners on other hosts go
// after thirty times that.
const StaleAfter = 24 * time.Hour

const (
	// tempName is the directory of unfinished objects: its name has a byte that
	// no object's name has.
	tempName   = "tmp~"
	lockSuffix = "lock"
	// claimTries bounds how often an owner takes another name because a sweeper
	// looked at its lock just as it was made.
	claimTries = 16
)

// tempDir is where a Dir writes what has no name yet. A file in it is called
// owner.n, and the owner, which is one tempDir, holds the lock on the file
// owner.lock for as long as it lives. The owner's name begins with the name of
// its host and "~".
//
// Invariant: whoever holds the lock of an owner may remove that owner's files.
type tempDir struct {
	fs   vfs.FS
	host string

	mu    sync.Mutex // guards what follows
	owner string     // "" before the first file
	lock  vfs.File   // nil where locks are not supported
	next  uint64
}

func newTempDir(fsys vfs.FS) *tempDir { return &tempDir{fs: fsys, host: hostName()} }

// hostName is the name of this machine, made fit for a file name.
func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	host = strings.Map(func(r rune) rune {
		if r < 0x80 && nameByte(byte(r)) {
			return r
		}
		return '_'
	}, host)
	return host[:min(len(host), 64)]
}

// create makes a new file. If the directory was removed under it, lock and all, it
// claims another name there.
func (t *tempDir) create() (string, vfs.File, error) {
	for try := 1; ; try++ {
		owner, name, err := t.claim()
		if err != nil {
			return "", nil, err
		}
		file, err := t.fs.Create(name, 0o600)
		if err == nil {
			return name, file, nil
		}
		_ = t.fs.Remove(name) // in case it was made and only the news was lost
		if !errors.Is(err, fs.ErrNotExist) || try == claimTries {
			return "", nil, err
		}
		t.disown(owner)
	}
}

// claim returns a name nobody else will use, and its owner.
func (t *tempDir) claim() (owner, name string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.claimLocked(); err != nil {
		return "", "", err
	}
	t.next++
	return t.owner, t.path(t.owner, strconv.FormatUint(t.next, 10)), nil
}

// disown gives up an owner whose files and lock are gone, unless that has been
// done.
func (t *tempDir) disown(owner string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.owner != owner {
		return
	}
	if t.lock != nil {
		_ = t.lock.Close() // nothing was written to it, and its file has no name
	}
	t.owner, t.lock = "", nil
}

func (t *tempDir) path(owner, suffix string) string {
	return tempName + "/" + owner + "." + suffix
}

// claimLocked makes t an owner.
func (t *tempDir) claimLocked() error {
	if t.owner != "" {
		return nil
	}
	if err := t.fs.MkdirAll(tempName, 0o700); err != nil {
		return err
	}
	for range claimTries {
		owner := t.host + "~" + uuid.NewString()
		lock, err := t.fs.Lock(t.path(owner, lockSuffix))
		switch {
		case errors.Is(err, vfs.ErrLocked):
			continue
		case err != nil && !errors.Is(err, errors.ErrUnsupported):
			return err
		}
		t.owner, t.lock = owner, lock
		return nil
	}
	return fmt.Errorf("own %s: %w", tempName, vfs.ErrLocked)
}

// close gives the lock up.
func (t *tempDir) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.owner == "" {
		return nil
	}
	// Removing the lock file before its lock goes keeps a new owner out of it.
	err := t.fs.Remove(t.path(t.owner, lockSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // without support for locks there may be no file
	}
	if t.lock != nil {
		err = errors.Join(err, t.lock.Close())
	}
	t.owner, t.lock = "", nil
	return err
}

// sweep removes what dead owners have left. It is an act of housekeeping: what
// cannot be looked at or removed now is left for the next time, and hurts
// nobody until then.
func (t *tempDir) sweep() {
	entries, err := t.fs.ReadDir(tempName)
	if err != nil {
		return
	}
	files := make(map[string][]string)
	for _, e := range entries {
		if owner, suffix, ok := cutLast(e.Name(), '.'); ok && e.Type().IsRegular() {
			files[owner] = append(files[owner], suffix)
		}
	}
	for owner, suffixes := range files {
		t.sweepOwner(owner, suffixes)
	}
}

func (t *tempDir) sweepOwner(owner string, suffixes []string) {
	lock, err := t.fs.Lock(t.path(owner, lockSuffix))
	if err == nil {
		defer func() { _ = lock.Close() }()
	} else if !errors.Is(err, errors.ErrUnsupported) {
		return // it lives, or nobody can tell
	}
	host, _, _ := strings.Cut(owner, "~")
	dead := err == nil && host == t.host
	left := false
	for _, suffix := range suffixes {
		if suffix == lockSuffix {
			continue
		}
		if name := t.path(owner, suffix); !dead && !t.older(name, StaleAfter) || t.fs.Remove(name) != nil {
			left = true
		}
	}
	if name := t.path(owner, lockSuffix); !left && (dead || t.older(name, 30*StaleAfter)) {
		_ = t.fs.Remove(name)
	}
}

func (t *tempDir) older(name string, age time.Duration) bool {
	info, err := t.fs.Stat(name)
	return errors.Is(err, fs.ErrNotExist) || err == nil && time.Since(info.ModTime()) > age
}

// cutLast cuts s around the last sep.
func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}
