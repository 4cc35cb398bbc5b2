package vfs

import (
	"fmt"
	"io"
	"io/fs"
)

// Kind names an operation of FS or File.
type Kind uint8

// Every operation there is.
const (
	OpMkdirAll Kind = iota
	OpCreate
	OpOpen
	OpLink
	OpRename
	OpRemove
	OpRemoveAll
	OpReadDir
	OpStat
	OpSyncDir
	OpLock
	OpClose
	OpWrite
	OpReadAt
	OpSync
	OpFileStat
	OpFileClose
)

var kindNames = [...]string{
	"mkdirall", "create", "open", "link", "rename", "remove", "removeall", "readdir", "stat",
	"syncdir", "lock", "close", "write", "readat", "sync", "filestat", "fileclose",
}

// String returns the operation's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Op is one operation about to happen.
type Op struct {
	// Kind is the operation.
	Kind Kind
	// Name is the file or directory; the old name of Link and Rename.
	Name string
	// New is the new name of Link and Rename, else "".
	New string
	// Bytes is how many bytes Write and ReadAt were asked for, else 0.
	Bytes int
}

// Short, returned by a hook, makes a Write or ReadAt handle only its first N
// bytes and then fail with Err, or with io.ErrShortWrite or io.ErrUnexpectedEOF
// if that is nil. For other operations it is an error like any other.
type Short struct {
	N   int
	Err error
}

// Error says how short.
func (s Short) Error() string { return fmt.Sprintf("vfs: cut short after %d bytes", s.N) }

// Unwrap returns Err.
func (s Short) Unwrap() error { return s.Err }

// Late, returned by a hook, lets the operation happen and then fail with Err: a
// success whose news was lost. Wait, if not nil, is called in between: news that
// is slow, and good news if Err is nil.
type Late struct {
	Err  error
	Wait func()
}

// Error says that the operation happened.
func (l Late) Error() string { return fmt.Sprintf("vfs: done, but: %v", l.Err) }

// Unwrap returns Err.
func (l Late) Unwrap() error { return l.Err }

// Inject returns an FS that calls hook before every operation of fsys and of the
// files opened through it, those of Close included. A nil from hook lets the
// operation pass; [Short] and [Late] are described there; any other error is
// returned instead of doing the operation. The hook may block for as long as it
// likes: that is a hung disk. It is called from whatever goroutine operates, at
// once from several. A failed Close still closes, so that no test leaks files.
func Inject(fsys FS, hook func(op Op) error) FS { return &injectFS{fs: fsys, hook: hook} }

type injectFS struct {
	fs   FS
	hook func(Op) error
}

// run asks the hook and does the operation if it may.
func run(hook func(Op) error, op Op, do func() error) error {
	err := hook(op)
	if err == nil {
		return do()
	}
	if late, ok := err.(Late); ok {
		err := do()
		if late.Wait != nil {
			late.Wait()
		}
		if err != nil || late.Err == nil {
			return err
		}
		return &fs.PathError{Op: op.Kind.String(), Path: op.Name, Err: late.Err}
	}
	return &fs.PathError{Op: op.Kind.String(), Path: op.Name, Err: err}
}

func (i *injectFS) MkdirAll(name string, perm fs.FileMode) error {
	return run(i.hook, Op{Kind: OpMkdirAll, Name: name}, func() error { return i.fs.MkdirAll(name, perm) })
}

func (i *injectFS) Create(name string, perm fs.FileMode) (File, error) {
	return i.file(Op{Kind: OpCreate, Name: name}, func() (File, error) { return i.fs.Create(name, perm) })
}

func (i *injectFS) Open(name string) (File, error) {
	return i.file(Op{Kind: OpOpen, Name: name}, func() (File, error) { return i.fs.Open(name) })
}

func (i *injectFS) Lock(name string) (File, error) {
	return i.file(Op{Kind: OpLock, Name: name}, func() (File, error) { return i.fs.Lock(name) })
}

// file opens a file. One that was opened although the operation is to fail
// (Late) is closed again: the caller never sees it.
func (i *injectFS) file(op Op, open func() (File, error)) (File, error) {
	var f File
	err := run(i.hook, op, func() (err error) {
		f, err = open()
		return err
	})
	if err != nil {
		if f != nil {
			_ = f.Close() // the injected error is the one to report
		}
		return nil, err
	}
	return &injectFile{file: f, name: op.Name, hook: i.hook}, nil
}

func (i *injectFS) Link(old, new string) error {
	return run(i.hook, Op{Kind: OpLink, Name: old, New: new}, func() error { return i.fs.Link(old, new) })
}

func (i *injectFS) Rename(old, new string) error {
	return run(i.hook, Op{Kind: OpRename, Name: old, New: new}, func() error { return i.fs.Rename(old, new) })
}

func (i *injectFS) Remove(name string) error {
	return run(i.hook, Op{Kind: OpRemove, Name: name}, func() error { return i.fs.Remove(name) })
}

func (i *injectFS) RemoveAll(name string) error {
	return run(i.hook, Op{Kind: OpRemoveAll, Name: name}, func() error { return i.fs.RemoveAll(name) })
}

func (i *injectFS) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = run(i.hook, Op{Kind: OpReadDir, Name: name}, func() (err error) {
		entries, err = i.fs.ReadDir(name)
		return err
	})
	return entries, err
}

func (i *injectFS) Stat(name string) (info fs.FileInfo, err error) {
	err = run(i.hook, Op{Kind: OpStat, Name: name}, func() (err error) {
		info, err = i.fs.Stat(name)
		return err
	})
	return info, err
}

func (i *injectFS) SyncDir(name string) error {
	return run(i.hook, Op{Kind: OpSyncDir, Name: name}, func() error { return i.fs.SyncDir(name) })
}

func (i *injectFS) Close() error { return runClose(i.hook, Op{Kind: OpClose, Name: "."}, i.fs.Close) }

// runClose closes whatever the hook says.
func runClose(hook func(Op) error, op Op, do func() error) error {
	done := false
	err := run(hook, op, func() error { done = true; return do() })
	if !done {
		_ = do() // the injected error is the one to report
	}
	return err
}

type injectFile struct {
	file File
	name string
	hook func(Op) error
}

func (f *injectFile) Write(p []byte) (n int, err error) {
	op := Op{Kind: OpWrite, Name: f.name, Bytes: len(p)}
	return f.transfer(op, p, io.ErrShortWrite, f.file.Write)
}

func (f *injectFile) ReadAt(p []byte, off int64) (n int, err error) {
	op := Op{Kind: OpReadAt, Name: f.name, Bytes: len(p)}
	return f.transfer(op, p, io.ErrUnexpectedEOF, func(p []byte) (int, error) { return f.file.ReadAt(p, off) })
}

// transfer moves p, or what a Short of the hook leaves of it.
func (f *injectFile) transfer(op Op, p []byte, short error, do func([]byte) (int, error)) (n int, err error) {
	var cut Short
	hook := func(op Op) error {
		err := f.hook(op)
		if s, ok := err.(Short); ok {
			cut, p, err = s, p[:min(max(s.N, 0), len(p))], Late{Err: short}
			if cut.Err != nil {
				err = Late{Err: cut.Err}
			}
		}
		return err
	}
	err = run(hook, op, func() error {
		n, err = do(p)
		return err
	})
	return n, err
}

func (f *injectFile) Sync() error {
	return run(f.hook, Op{Kind: OpSync, Name: f.name}, f.file.Sync)
}

func (f *injectFile) Stat() (info fs.FileInfo, err error) {
	err = run(f.hook, Op{Kind: OpFileStat, Name: f.name}, func() (err error) {
		info, err = f.file.Stat()
		return err
	})
	return info, err
}

func (f *injectFile) Close() error {
	return runClose(f.hook, Op{Kind: OpFileClose, Name: f.name}, f.file.Close)
}
