package localcopy

import (
	"io/fs"
	"sync"
	"time"

	"github.com/heapstate/heapstate/internal/vfs"
)

// stallTimeout is how long one operation may take to read a directory, a file's attributes or a piece of a file. A disk
// that takes longer is taken for hung until it answers. It is no longer than DefaultLookupTimeout, so that whoever
// waited for the disk once need not wait again.
const stallTimeout = 5 * time.Second

// stallTick is how often one who waits for the disk looks whether it hangs.
const stallTick = time.Second

// disk knows which reading operations are under way, and so whether the disk hangs. Operations that write or remove are
// not looked at: they may take long on a disk that is well, and nobody who restores waits for one.
type disk struct {
	mu    sync.Mutex // guards the fields below; never held during I/O
	last  uint64     // the number of the newest operation
	under map[uint64]time.Time
}

func newDisk() *disk { return &disk{under: map[uint64]time.Time{}} }

// enter notes that an operation begins; the caller calls the result when it has ended.
func (d *disk) enter() (leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	id := d.last
	d.under[id] = time.Now()
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.under, id)
	}
}

// check returns ErrStalled while the disk hangs, and nil otherwise.
func (d *disk) check() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, began := range d.under {
		if time.Since(began) >= stallTimeout {
			return ErrStalled
		}
	}
	return nil
}

// watchedFS tells the disk of its reading operations and of those of its files.
type watchedFS struct {
	vfs.FS
	disk *disk
}

// Open implements vfs.FS.
func (w watchedFS) Open(name string) (vfs.File, error) {
	defer w.disk.enter()()
	file, err := w.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return watchedFile{file, w.disk}, nil
}

// ReadDir implements vfs.FS.
func (w watchedFS) ReadDir(name string) ([]fs.DirEntry, error) {
	defer w.disk.enter()()
	return w.FS.ReadDir(name)
}

// Stat implements vfs.FS.
func (w watchedFS) Stat(name string) (fs.FileInfo, error) {
	defer w.disk.enter()()
	return w.FS.Stat(name)
}

// watchedFile is a file opened for reading.
type watchedFile struct {
	vfs.File
	disk *disk
}

// ReadAt implements vfs.File.
func (w watchedFile) ReadAt(p []byte, off int64) (int, error) {
	defer w.disk.enter()()
	return w.File.ReadAt(p, off)
}

// Stat implements vfs.File.
func (w watchedFile) Stat() (fs.FileInfo, error) {
	defer w.disk.enter()()
	return w.File.Stat()
}

// Close implements vfs.File.
func (w watchedFile) Close() error {
	defer w.disk.enter()()
	return w.File.Close()
}
