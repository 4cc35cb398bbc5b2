package vfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/internal/vfs"
)

var errDisk = errors.New("disk on fire")

// operations does each operation once, on a tree with the directory "d" and the
// files "f" and "g", and says whether it happened.
var operations = map[vfs.Kind]struct {
	do   func(vfs.FS) error
	done func(vfs.FS) bool
}{
	vfs.OpMkdirAll:  {func(f vfs.FS) error { return f.MkdirAll("d/new", 0o700) }, has("d/new")},
	vfs.OpCreate:    {func(f vfs.FS) error { return closed(f.Create("d/new", 0o600)) }, has("d/new")},
	vfs.OpOpen:      {func(f vfs.FS) error { return closed(f.Open("f")) }, nil},
	vfs.OpLink:      {func(f vfs.FS) error { return f.Link("f", "d/new") }, has("d/new")},
	vfs.OpRename:    {func(f vfs.FS) error { return f.Rename("f", "d/new") }, has("d/new")},
	vfs.OpRemove:    {func(f vfs.FS) error { return f.Remove("g") }, lacks("g")},
	vfs.OpRemoveAll: {func(f vfs.FS) error { return f.RemoveAll("d") }, lacks("d")},
	vfs.OpReadDir:   {func(f vfs.FS) error { _, err := f.ReadDir("."); return err }, nil},
	vfs.OpStat:      {func(f vfs.FS) error { _, err := f.Stat("f"); return err }, nil},
	vfs.OpSyncDir:   {func(f vfs.FS) error { return f.SyncDir("d") }, nil},
	vfs.OpLock:      {func(f vfs.FS) error { return closed(f.Lock("d/new")) }, has("d/new")},
	vfs.OpClose:     {func(f vfs.FS) error { return f.Close() }, nil},
	vfs.OpWrite:     {func(f vfs.FS) error { return onFile(f, writeABC) }, has("n")},
	vfs.OpReadAt:    {func(f vfs.FS) error { return onOpen(f, readABC) }, nil},
	vfs.OpSync:      {func(f vfs.FS) error { return onFile(f, vfs.File.Sync) }, nil},
	vfs.OpFileStat:  {func(f vfs.FS) error { return onOpen(f, func(f vfs.File) error { _, err := f.Stat(); return err }) }, nil},
	vfs.OpFileClose: {func(f vfs.FS) error { return onOpen(f, func(vfs.File) error { return nil }) }, nil},
}

func has(name string) func(vfs.FS) bool {
	return func(f vfs.FS) bool { _, err := f.Stat(name); return err == nil }
}

func lacks(name string) func(vfs.FS) bool {
	return func(f vfs.FS) bool { _, err := f.Stat(name); return errors.Is(err, fs.ErrNotExist) }
}

func closed(f vfs.File, err error) error {
	if err != nil {
		return err
	}
	return f.Close()
}

func onFile(fsys vfs.FS, do func(vfs.File) error) error {
	f, err := fsys.Create("n", 0o600)
	if err != nil {
		return err
	}
	return errors.Join(do(f), f.Close())
}

func onOpen(fsys vfs.FS, do func(vfs.File) error) error {
	f, err := fsys.Open("f")
	if err != nil {
		return err
	}
	return errors.Join(do(f), f.Close())
}

func writeABC(f vfs.File) error { _, err := f.Write([]byte("abc")); return err }

func readABC(f vfs.File) error { _, err := f.ReadAt(make([]byte, 3), 0); return err }

// tree returns a tree to operate on and the same tree behind a hook that returns
// fault for one kind of operation.
func tree(t *testing.T, kind vfs.Kind, fault error) (plain, hooked vfs.FS, calls *atomic.Int64) {
	plain, _ = openRoot(t)
	require.NoError(t, plain.MkdirAll("d", 0o700))
	write(t, plain, "f", "abcdef")
	write(t, plain, "g", "x")
	calls = new(atomic.Int64)
	hooked = vfs.Inject(plain, func(op vfs.Op) error {
		if op.Kind != kind {
			return nil
		}
		calls.Add(1)
		return fault
	})
	return plain, hooked, calls
}

func TestEveryOperationFails(t *testing.T) {
	for kind, op := range operations {
		t.Run(kind.String(), func(t *testing.T) {
			plain, hooked, calls := tree(t, kind, errDisk)
			require.ErrorIs(t, op.do(hooked), errDisk)
			require.Equal(t, int64(1), calls.Load(), "calls of the hook")
			if op.done != nil && kind != vfs.OpWrite {
				require.False(t, op.done(plain), "the operation happened all the same")
			}
		})
	}
	require.Len(t, operations, int(vfs.OpFileClose)+1, "operations without a test")
}

func TestEveryOperationFailsLate(t *testing.T) {
	for kind, op := range operations {
		t.Run(kind.String(), func(t *testing.T) {
			plain, hooked, calls := tree(t, kind, vfs.Late{Err: errDisk})
			require.ErrorIs(t, op.do(hooked), errDisk)
			require.Equal(t, int64(1), calls.Load(), "calls of the hook")
			if op.done != nil {
				require.True(t, op.done(plain), "the operation did not happen")
			}
		})
	}
}

func TestEveryOperationAnswersLate(t *testing.T) {
	for kind, op := range operations {
		t.Run(kind.String(), func(t *testing.T) {
			waited := 0
			plain, hooked, _ := tree(t, kind, vfs.Late{Wait: func() { waited++ }})
			require.NoError(t, op.do(hooked))
			require.Equal(t, 1, waited)
			if op.done != nil {
				require.True(t, op.done(plain), "the operation did not happen")
			}
		})
	}
}

func TestEveryOperationPasses(t *testing.T) {
	for kind, op := range operations {
		t.Run(kind.String(), func(t *testing.T) {
			plain, hooked, calls := tree(t, kind, nil)
			require.NoError(t, op.do(hooked))
			require.Equal(t, int64(1), calls.Load(), "calls of the hook")
			if op.done != nil {
				require.True(t, op.done(plain))
			}
		})
	}
}

func TestShortWrite(t *testing.T) {
	for _, test := range []struct {
		fault vfs.Short
		want  error
		left  string
	}{
		{vfs.Short{N: 2}, io.ErrShortWrite, "ab"},
		{vfs.Short{N: 0, Err: errDisk}, errDisk, ""},
		{vfs.Short{N: 9, Err: errDisk}, errDisk, "abc"},
		{vfs.Short{N: -1}, io.ErrShortWrite, ""},
	} {
		plain, hooked, _ := tree(t, vfs.OpWrite, test.fault)
		f, err := hooked.Create("n", 0o600)
		require.NoError(t, err)
		n, err := f.Write([]byte("abc"))
		require.ErrorIs(t, err, test.want)
		require.Equal(t, len(test.left), n)
		require.NoError(t, f.Close())
		require.Equal(t, test.left, read(t, plain, "n"))
	}
}

func TestShortRead(t *testing.T) {
	_, hooked, _ := tree(t, vfs.OpReadAt, vfs.Short{N: 2})
	f, err := hooked.Open("f")
	require.NoError(t, err)
	p := []byte("......")
	n, err := f.ReadAt(p, 1)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, 2, n)
	require.Equal(t, "bc....", string(p))
	require.NoError(t, f.Close())
}

func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		plain, _ := openRoot(t)
		hooked := vfs.Inject(plain, func(op vfs.Op) error { <-hang; return nil })
		var made atomic.Bool
		go func() {
			_ = hooked.MkdirAll("a", 0o700)
			made.Store(true)
		}()
		synctest.Wait()
		require.False(t, made.Load())
		require.True(t, lacks("a")(plain))
		close(hang)
		synctest.Wait()
		require.True(t, made.Load())
		require.True(t, has("a")(plain))
	})
}

func ExampleInject() {
	dir, err := os.MkdirTemp("", "vfs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	root, err := vfs.OpenRoot(dir)
	if err != nil {
		panic(err)
	}
	full := vfs.Inject(root, func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite {
			return vfs.Short{N: 1, Err: errors.New("no space left")}
		}
		return nil
	})
	f, err := full.Create("file", 0o600)
	if err != nil {
		panic(err)
	}
	n, err := f.Write([]byte("hello"))
	fmt.Println(n, err)
	fmt.Println(f.Close(), full.Close())
	// Output:
	// 1 write file: no space left
	// <nil> <nil>
}
