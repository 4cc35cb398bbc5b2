package fuzz

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/primary"
	"github.com/heapstate/heapstate/recovery"
)

// world is where the processes of one case live, one after the other: their disk, and what they told the outside.
type world struct {
	*truth
	job      string
	dir      string
	mem      primary.Store // instead of the directory store, or nil
	stepBack bool
	retain   int
	atPanic  func()   // called when the first process is about to restart its tasks
	owned    []string // files of savepoints, which nobody deletes but their user
	history  *history
	blows    []blow
	began    time.Time
	print    func(line string) // what is logged, or nil
	seam     *seam             // of the newest process
}

func newWorld(job, dir string, kind faultJob) *world {
	w := &world{truth: newTruth(), job: job, dir: dir, retain: kind.retain(), atPanic: func() {}}
	if kind.memory {
		w.mem = primary.NewMemory()
	}
	return w
}

func (w *world) memory() bool { return w.mem != nil }

// openStore opens the store through a seam, and returns how to close it.
func (w *world) openStore(s *seam, root string) (primary.Store, func(), error) {
	if w.mem != nil {
		if root == "store" {
			root = "object"
		}
		return &seamStore{Store: w.mem, seam: s, root: root}, func() {}, nil
	}
	fsys, err := vfs.OpenRoot(filepath.Join(w.dir, "store"))
	if err != nil {
		return nil, nil, err
	}
	store, err := primary.OpenDirFS(s.over(root, fsys))
	if err != nil {
		return nil, nil, errors.Join(err, fsys.Close())
	}
	return store, func() { _ = store.Close() }, nil
}

// plainStore opens the store as it is.
func (w *world) plainStore() (primary.Store, func(), error) {
	if w.mem != nil {
		return w.mem, func() {}, nil
	}
	fsys, err := vfs.OpenRoot(filepath.Join(w.dir, "store"))
	if err != nil {
		return nil, nil, err
	}
	store, err := primary.OpenDirFS(newUnsynced(fsys))
	if err != nil {
		return nil, nil, errors.Join(err, fsys.Close())
	}
	return store, func() { _ = store.Close() }, nil
}

// files reads everything there is.
func (w *world) files() (files, error) {
	if w.mem != nil {
		return readStore(w.mem)
	}
	return readFiles(w.dir)
}

// switchOff takes away what a process has not synced. Local copies are never synced: their names stay, as they do on
// most file systems, which is worse than if they went too.
func (w *world) switchOff(s *seam) error {
	var errs []error
	for root, disk := range s.disks {
		if root != "reader" {
			errs = append(errs, disk.switchOff(filepath.Join(w.dir, root), root == "store"))
		}
	}
	return errors.Join(errs...)
}

// root is what the names of the store's files begin with.
func (w *world) root() string {
	if w.mem != nil {
		return "object/"
	}
	return "store/"
}

// wanted is what nobody may delete: the checkpoints that are retained and the savepoints, with their records.
type wanted struct {
	newest   *primary.Manifest
	retained int
	names    map[string]bool
}

// wantedNow finds out what is wanted of what the store holds.
func (w *world) wantedNow() (wanted, error) {
	store, end, err := w.plainStore()
	if err != nil {
		return wanted{}, err
	}
	defer end()
	found := wanted{names: map[string]bool{}}
	ctx := context.Background()
	manifests, err := primary.LoadRetained(ctx, store, w.job)
	if err != nil {
		return wanted{}, err
	}
	for _, m := range manifests {
		found.names[fmt.Sprintf("%s%s/log/%020d", w.root(), w.job, m.Sequence)] = true
	}
	if found.retained = len(manifests); found.retained > 0 {
		found.newest = manifests[0]
	}
	for id, err := range primary.Savepoints(ctx, store, w.job) {
		if err != nil {
			return wanted{}, err
		}
		m, err := primary.LoadSavepoint(ctx, store, w.job, id)
		if err != nil {
			return wanted{}, err
		}
		found.names[fmt.Sprintf("%s%s/savepoints/%020d/manifest", w.root(), w.job, id)] = true
		manifests = append(manifests, m)
	}
	for _, m := range manifests {
		for _, op := range m.Operators {
			for _, task := range op.Tasks {
				for _, name := range task.Objects {
					found.names[w.root()+name] = true
				}
			}
		}
	}
	return found, nil
}

// requireWanted checks that what was wanted is still there, but for what was damaged.
func (w *world) requireWanted(want wanted) error {
	now, err := w.files()
	if err != nil {
		return err
	}
	for name := range want.names {
		hit := slices.ContainsFunc(w.blows, func(b blow) bool { return slices.Contains(b.hit, name) })
		if _, ok := now[name]; !ok && !hit {
			w.fault("the start that failed deleted %s", shortName(name))
		}
	}
	return nil
}

// mostRecords bounds what a healthy job keeps of its log.
const mostRecords = 12

// savepoints are the files of savepoints among those that are wanted.
func (w wanted) savepoints() (found []string) {
	for name := range w.names {
		if strings.Contains(name, "/savepoints/") {
			found = append(found, name)
		}
	}
	return found
}

// requireSavepoints checks that every file of a savepoint is there, but for what was damaged.
func (w *world) requireSavepoints(now files) {
	for _, name := range w.owned {
		hit := slices.ContainsFunc(w.blows, func(b blow) bool { return slices.Contains(b.hit, name) })
		if _, ok := now[name]; !ok && !hit {
			w.fault("%s is deleted, which is of a savepoint", shortName(name))
		}
	}
}

// requireClean checks that a healthy job has left nothing behind: no object that nothing names, no unfinished one, and
// of each task one local copy.
func (w *world) requireClean(storeToo bool) error {
	want, err := w.wantedNow()
	if err != nil && storeToo {
		return fmt.Errorf("a healthy store cannot be read: %w", err)
	}
	now, err := w.files()
	if err != nil {
		return err
	}
	w.requireNoLeftovers(now, want, storeToo)
	w.requireSavepoints(now)
	for name := range want.names {
		if _, ok := now[name]; !ok && storeToo {
			w.fault("%s is missing", shortName(name))
		}
	}
	for id := range w.savepoints {
		if name := fmt.Sprintf("%s%s/savepoints/%020d/manifest", w.root(), w.job, id); storeToo && !want.names[name] {
			w.fault("savepoint %d is gone", id)
		}
	}
	return nil
}

// diedInASavepoint tells whether a file is of a savepoint that the first process, which is killed, did not complete.
// Only a manifest could say that it is nobody's.
func diedInASavepoint(now files, name string) bool {
	dir := name[:strings.LastIndexByte(name, '/')+1]
	_, complete := now[dir+"manifest"]
	return strings.Contains(dir, "/savepoints/") && strings.HasSuffix(name, "-1") && !complete
}

// objectPattern is the names that are objects, or become some.
var objectPattern = regexp.MustCompile(`/(objects|savepoints|tmp~)/`)

func (w *world) requireNoLeftovers(now files, want wanted, storeToo bool) {
	records, copies := 0, 0
	for name := range now {
		short := shortName(name)
		switch {
		case strings.HasPrefix(name, "local/"):
			copies++
			if !strings.HasSuffix(name, ".copy") {
				w.fault("%s is left behind", short)
			}
		case name == "moved" || !storeToo || want.names[name]:
		case diedInASavepoint(now, name):
		case objectPattern.MatchString(name):
			w.fault("%s is left behind", short)
		default:
			records++
		}
	}
	if records > mostRecords {
		w.fault("%d records are left behind", records)
	}
	if copies > smallTasks {
		w.fault("%d local copies are left behind", copies)
	}
}

// damage does what a case does to files between two processes.
func (w *world) damage(damages []damage, lost bool) (possible bool, err error) {
	if lost && w.mem == nil {
		if err := os.RemoveAll(filepath.Join(w.dir, "local")); err != nil {
			return false, err
		}
	}
	for _, d := range damages {
		now, err := w.files()
		if err != nil {
			return false, err
		}
		b, ok := w.history.aim(now, d)
		if !ok {
			return false, nil
		}
		if w.mem != nil {
			err = b.strikeStore(w.mem)
		} else {
			err = b.strike(w.dir)
		}
		if err != nil {
			return false, err
		}
		w.blows = append(w.blows, b)
	}
	return true, nil
}

// repair undoes the damages.
func (w *world) repair() error {
	for _, b := range slices.Backward(w.blows) {
		var err error
		if w.mem != nil {
			err = b.repairStore(w.mem)
		} else {
			err = b.repair(w.dir)
		}
		if err != nil {
			return err
		}
	}
	w.blows = nil
	return nil
}

// documented tells whether an error is one that a person can act on.
func documented(err error) bool {
	kinds := []error{primary.ErrCorrupt, primary.ErrVersion, primary.ErrMismatch, primary.ErrNotExist, primary.ErrLogLost}
	lost := new(recovery.RestoreError)
	return errors.As(err, &lost) || slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}
