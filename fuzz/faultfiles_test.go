package fuzz

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/heapstate/heapstate/primary"
)

// files are the files of the job at one moment, by the name a call gives them but with their ids:
// "store/orders/log/...", "local/...", or "object/..." for a store that is no directory.
type files map[string][]byte

// readFiles reads everything below dir; what is no regular file is not there.
func readFiles(dir string) (files, error) {
	found := files{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		rel, relErr := filepath.Rel(dir, name)
		found[filepath.ToSlash(rel)] = b
		return errors.Join(err, relErr)
	})
	return found, err
}

func (f files) write(dir string) error {
	for name, b := range f {
		if err := writeFile(dir, name, b); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(dir, name string, b []byte) error {
	at := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return err
	}
	return os.WriteFile(at, b, 0o600)
}

// readStore is readFiles for a store.
func readStore(store primary.Store) (files, error) {
	ctx, found := context.Background(), files{}
	for info, err := range store.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		b := make([]byte, info.Size)
		if err := store.ReadAt(ctx, info.Name, b, 0); err != nil {
			return nil, err
		}
		found["object/"+info.Name] = b
	}
	return found, nil
}

func (f files) store() (primary.Store, error) {
	store := primary.NewMemory()
	for name, b := range f {
		if err := put(store, name, b); err != nil {
			return nil, err
		}
	}
	return store, nil
}

func put(store primary.Store, name string, b []byte) error {
	w, err := store.Create(context.Background(), strings.TrimPrefix(name, "object/"))
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return errors.Join(err, w.Commit(context.Background()))
}

// named returns the files whose name, without ids, is short or below it.
func (f files) named(short string) (found []string) {
	for name := range f {
		if s := shortName(name); s == short || strings.HasPrefix(s, short+"/") {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// What happens to a file, or to all files of a directory, while no process runs.
const (
	removedKind = "removed"
	dirKind     = "dir"     // a directory in its place
	linkKind    = "symlink" // a symbolic link to it in its place
	fifoKind    = "fifo"    // a named pipe in its place
	emptyKind   = "empty"
	cutKind     = "cut"     // the second half is missing
	versionKind = "version" // one bit of the version of its format differs
	flipKind    = "flip"    // one bit in its middle differs
	olderKind   = "older"   // what an older file of its kind has, or had
	foreignKind = "foreign" // what the same file of another job has
)

var (
	contentKinds = []string{removedKind, emptyKind, cutKind, versionKind, flipKind, olderKind, foreignKind}
	placeKinds   = []string{dirKind, linkKind, fifoKind}
	treeKinds    = []string{removedKind, olderKind, foreignKind}
)

// damage is what happens to a file between two processes.
type damage struct{ kind, name string }

func (d damage) String() string { return d.kind + ":" + d.name }

// history is what a job's files have been, and what another job's are.
type history struct {
	foreign files // another job's at the end, under this job's names

	mu    sync.Mutex // guards what follows
	ever  files      // every file there was at some time
	early files      // all files of one earlier moment
}

// remember adds what there is now.
func (h *history) remember(now files, early bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.Copy(h.ever, now)
	if early {
		h.early = now
	}
}

// content returns what a damaged file has instead of b, nil for nothing, and false if the damage is not possible.
func (h *history) content(d damage, name string, b []byte) (files, bool) {
	const versionAt = 8 // behind the magic number of every format
	changed := bytes.Clone(b)
	switch d.kind {
	case removedKind:
		return files{}, true
	case emptyKind:
		return files{name: {}}, len(b) > 0
	case cutKind:
		return files{name: changed[:len(b)/2]}, len(b) > 1
	case versionKind, flipKind:
		at := versionAt
		if d.kind == flipKind {
			at = len(b) / 2
		}
		if at >= len(b) {
			return nil, false
		}
		changed[at] ^= 2
		return files{name: changed}, true
	case olderKind:
		older := h.older(name)
		return files{name: older}, older != nil
	case foreignKind:
		for _, other := range h.foreign.named(shortName(name)) {
			return files{name: h.foreign[other]}, true
		}
	}
	return nil, false
}

// older returns what the file of the same kind and the next lower number had.
func (h *history) older(name string) []byte {
	var best string
	for other := range h.ever {
		if kindOf(other) == kindOf(name) && other < name && other > best {
			best = other
		}
	}
	return h.ever[best]
}

var (
	epochPattern = regexp.MustCompile(`\*-[0-9]+$`)
	placePattern = regexp.MustCompile(`[0-9]{20}`)
)

// kindOf is a name without its ids, numbers and epoch, but with its task.
func kindOf(name string) string {
	name = placePattern.ReplaceAllString(idPattern.ReplaceAllString(name, "*"), "N")
	return epochPattern.ReplaceAllString(name, "*")
}

// tree is content for all files of a directory: what is there instead of them.
func (h *history) tree(d damage) (files, bool) {
	found := files{}
	from := files(nil)
	switch d.kind {
	case removedKind:
		return found, true
	case olderKind:
		from = h.early
	case foreignKind:
		from = h.foreign
	default:
		return nil, false
	}
	for _, name := range from.named(d.name) {
		found[name] = from[name]
	}
	return found, len(found) > 0
}

// blow is a damage to some files: what was hit, what is there instead, and how it was before.
type blow struct {
	damage
	hit     []string
	instead files
	before  files
}

// aim finds out what a damage would do to the files there are; false if it cannot be done, or would change nothing.
func (h *history) aim(now files, d damage) (blow, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := blow{damage: d, hit: now.named(d.name), instead: files{}, before: now}
	if len(b.hit) == 0 {
		return b, false
	}
	single := len(b.hit) == 1 && shortName(b.hit[0]) == d.name
	ok := single
	switch {
	case slices.Contains(placeKinds, d.kind):
		return b, ok
	case single:
		b.instead, ok = h.content(d, b.hit[0], now[b.hit[0]])
	default:
		b.instead, ok = h.tree(d)
	}
	old := files{}
	for _, name := range b.hit {
		old[name] = now[name]
	}
	return b, ok && !maps.EqualFunc(old, b.instead, bytes.Equal)
}

// strike does it to the files below dir.
func (b blow) strike(dir string) error {
	for _, name := range b.hit {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.Remove(at); err != nil {
			return err
		}
		var err error
		switch b.kind {
		case dirKind:
			err = os.Mkdir(at, 0o700)
		case linkKind:
			err = errors.Join(writeFile(dir, "moved", b.before[name]), os.Symlink(filepath.Join(dir, "moved"), at))
		case fifoKind:
			err = makeFIFO(at)
		}
		if err != nil {
			return err
		}
	}
	return b.instead.write(dir)
}

// repair puts everything back as it was.
func (b blow) repair(dir string) error {
	for _, name := range append(slices.Collect(maps.Keys(b.instead)), b.hit...) {
		if err := os.RemoveAll(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return err
		}
	}
	for _, name := range b.hit {
		if err := writeFile(dir, name, b.before[name]); err != nil {
			return err
		}
	}
	return nil
}

// strikeStore and repairStore are the same for a store.
func (b blow) strikeStore(store primary.Store) error {
	return replace(store, b.hit, b.instead)
}

func (b blow) repairStore(store primary.Store) error {
	old := files{}
	for _, name := range b.hit {
		old[name] = b.before[name]
	}
	return replace(store, slices.Collect(maps.Keys(b.instead)), old)
}

func replace(store primary.Store, names []string, instead files) error {
	gone := append(slices.Clone(names), slices.Collect(maps.Keys(instead))...)
	for _, name := range gone {
		if err := store.Delete(context.Background(), strings.TrimPrefix(name, "object/")); err != nil {
			return err
		}
	}
	for name, b := range instead {
		if err := put(store, name, b); err != nil {
			return err
		}
	}
	return nil
}

// directories are the directories of the job that hold some of the files, without ids, "store" and "local" aside: a job
// whose store is gone altogether is a new job.
func (f files) directories() (found []string) {
	for name := range f {
		dir := path.Dir(shortName(name))
		for ; strings.Count(dir, "/") > 1 || dir == "local/"+smallJob; dir = path.Dir(dir) {
			if !slices.Contains(found, dir) {
				found = append(found, dir)
			}
		}
	}
	slices.Sort(found)
	return found
}
