//go:build unix

package localcopy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/localcopy"
)

// foreignFS says that some names belong to another user.
type foreignFS struct {
	vfs.FS
	name string
}

type foreignInfo struct{ fs.FileInfo }

func (f foreignInfo) Sys() any {
	st, ok := f.FileInfo.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	other := *st
	other.Uid++
	return &other
}

func (f foreignFS) wrap(name string, info fs.FileInfo, err error) (fs.FileInfo, error) {
	if err == nil && strings.HasSuffix(name, f.name) {
		return foreignInfo{info}, nil
	}
	return info, err
}

func (f foreignFS) Stat(name string) (fs.FileInfo, error) {
	info, err := f.FS.Stat(name)
	return f.wrap(name, info, err)
}

func (f foreignFS) Open(name string) (vfs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return foreignFile{file, f, name}, nil
}

type foreignFile struct {
	vfs.File
	fs   foreignFS
	name string
}

func (f foreignFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return f.fs.wrap(f.name, info, err)
}

func TestForeignOwnersAreRefused(t *testing.T) {
	s := newState(t)
	for name, suffix := range map[string]string{
		"file": ".copy", "checkpoint": "chk-00000000000000000005", "allocation": s.meta.Allocation.String(), "job": "orders",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s.write(localcopy.File(dir), 5)
			root, err := vfs.OpenRoot(dir)
			require.NoError(t, err)
			defer func() { require.NoError(t, root.Close()) }()
			f := localcopy.FileFS(foreignFS{root, suffix})
			copies, err := f.Open(t.Context(), s.meta.Owner)
			require.Empty(t, copies)
			require.ErrorIs(t, err, localcopy.ErrForeign)
			if name == "allocation" || name == "job" {
				require.ErrorIs(t, f.Claim(t.Context(), s.meta.Job, nil), localcopy.ErrForeign)
				require.ErrorIs(t, f.Free(t.Context(), s.meta.Job, s.meta.Allocation), localcopy.ErrForeign)
				require.Len(t, regularFiles(t, dir), 1, "what is another user's stays")
			}
		})
	}
}

// Opening a FIFO waits for its other end, so nothing must open one: not in a copy's place, and not in a directory's.
func TestFIFOInACopysPlaceStays(t *testing.T) {
	requireOddRefused(t, func(t *testing.T, path string) { require.NoError(t, syscall.Mkfifo(path, 0o600)) })
}

func TestFIFOInADirectorysPlaceIsRefused(t *testing.T) {
	for level, up := range map[string]int{"checkpoint": 1, "allocation": 2, "job": 3} {
		t.Run(level, func(t *testing.T) {
			s, dir := newState(t), t.TempDir()
			f := localcopy.File(dir)
			c := s.write(f, 5)
			path := onlyFile(t, dir)
			for range up {
				path = filepath.Dir(path)
			}
			require.NoError(t, os.RemoveAll(path))
			require.NoError(t, syscall.Mkfifo(path, 0o600))
			copies, err := f.Open(t.Context(), s.meta.Owner)
			require.Empty(t, copies)
			require.ErrorIs(t, err, localcopy.ErrForeign)
			require.ErrorIs(t, f.Claim(t.Context(), "orders", nil), localcopy.ErrForeign)
			require.ErrorIs(t, f.Free(t.Context(), "orders", s.meta.Allocation), localcopy.ErrForeign)
			require.NoError(t, c.Drop(t.Context()))
			_, err = os.Lstat(path)
			require.NoError(t, err)
		})
	}
}
