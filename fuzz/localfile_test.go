package fuzz

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// localFile is a directory of local copies with one sealed copy in it, whose file reads as anything.
type localFile struct {
	vfs.FS
	format localcopy.Format
	owner  localcopy.Owner
	name   string // of the copy's file
	valid  []byte // what is in it
	now    []byte // what is read from it
	gone   bool   // it was removed; it is still there for the next input
}

// Remove implements vfs.FS.
func (l *localFile) Remove(name string) error {
	if name == l.name {
		l.gone = true
		return nil
	}
	return l.FS.Remove(name)
}

// Open implements vfs.FS.
func (l *localFile) Open(name string) (vfs.File, error) {
	f, err := l.FS.Open(name)
	if err != nil || name != l.name {
		return f, err
	}
	return &otherFile{f, l.now}, nil
}

// otherFile is a file with another content.
type otherFile struct {
	vfs.File
	content []byte
}

// ReadAt implements io.ReaderAt.
func (f *otherFile) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(f.content).ReadAt(p, off)
}

// Stat implements vfs.File.
func (f *otherFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return otherInfo{info, int64(len(f.content))}, err
}

type otherInfo struct {
	fs.FileInfo
	size int64
}

// Size implements fs.FileInfo.
func (i otherInfo) Size() int64 { return i.size }

const localGroups = 7

func localTask(tb testing.TB) *task[string] {
	tb.Helper()
	k, err := newTask[string](heapbackend.Config{M: localGroups, Range: keygroups.Range{First: 1, End: localGroups}, Seed: jobSeed}, hasAll, 0)
	require.NoError(tb, err)
	return k
}

// newLocalFile seals a copy of a task with something in every state.
func newLocalFile(tb testing.TB, dir string) *localFile {
	tb.Helper()
	k := localTask(tb)
	h, err := keygroups.NewHasher[string](jobSeed)
	require.NoError(tb, err)
	for i := range 40 {
		if key := textKeys.of(i); k.r.Contains(keygroups.Of(h.Hash(key), localGroups)) {
			require.NoError(tb, k.totals.Put(key, total{Sum: int64(i)}))
			require.NoError(tb, k.baskets.Put(key, makeBasket(i%4, i)))
			require.NoError(tb, k.lists.Append(key, makeNotes(2, i)...))
			require.NoError(tb, k.maps.Put(key, "x", []int16{1}))
		}
	}
	s, err := k.backend.Capture()
	require.NoError(tb, err)
	defer s.Release()
	root, err := vfs.OpenRoot(dir)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, root.Close()) })
	l := &localFile{FS: root, owner: localcopy.Owner{Job: "orders", Operator: "totals", Allocation: uuid.UUID{1}}}
	l.format = localcopy.FileFS(l)
	m := localcopy.Meta{
		Owner: l.owner, Attempt: uuid.UUID{2}, Checkpoint: 3, M: localGroups, Seed: jobSeed, Range: k.r, Schema: s.Schema(),
	}
	l.seal(tb, m, s)
	tree := os.DirFS(dir)
	names, err := fs.Glob(tree, "*/*/*/*.copy")
	require.NoError(tb, err)
	require.Len(tb, names, 1)
	l.name = names[0]
	l.valid, err = fs.ReadFile(tree, l.name)
	require.NoError(tb, err)
	return l
}

func (l *localFile) seal(tb testing.TB, m localcopy.Meta, s *heapbackend.Snapshot) {
	tb.Helper()
	idx, err := primary.WriteObject(tb.Context(), io.Discard, primary.Header{
		Job: m.Job, Operator: m.Operator, Attempt: m.Attempt, Checkpoint: m.Checkpoint, M: m.M, Range: m.Range, Seed: m.Seed, Schema: m.Schema,
	}, s, primary.WriteOptions{})
	require.NoError(tb, err)
	w, err := l.format.Begin(tb.Context(), m, s)
	require.NoError(tb, err)
	for _, seg := range idx.Segments {
		require.NoError(tb, w.WriteGroup(tb.Context(), seg.Group))
	}
	_, err = w.Seal(tb.Context(), idx.Segments)
	require.NoError(tb, err)
}

// FuzzLocalFile puts any bytes in the place of a local copy's file. Opened, they are no copy, with a typed error, or
// one whose groups can be loaded or are found out; nothing of another owner or range gets through.
func FuzzLocalFile(f *testing.F) {
	l := newLocalFile(f, f.TempDir())
	f.Add(l.valid)
	f.Add(l.valid[:len(l.valid)/2])
	f.Add([]byte(nil))
	golden(f, "object-*.bin", func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		l.check(t, b)
		if sealed := sealObject(b); sealed != nil {
			l.check(t, sealed)
		}
	})
}

func (l *localFile) check(t *testing.T, b []byte) {
	l.now, l.gone = b, false
	var copies []localcopy.Copy
	var err error
	bounded(t, len(b), func() { copies, err = l.format.Open(t.Context(), l.owner) })
	if err != nil {
		requireTyped(t, err)
		require.Equal(t, errors.Is(err, primary.ErrCorrupt), l.gone, "what is damaged goes, and nothing else: %v", err)
		for _, c := range copies {
			require.Empty(t, c.Groups())
		}
		return
	}
	require.False(t, l.gone)
	require.Len(t, copies, 1)
	m := copies[0].Meta()
	require.NoError(t, m.Check())
	require.Equal(t, l.owner, m.Owner)
	require.Equal(t, uint64(3), m.Checkpoint)
	k := localTask(t)
	last := m.Range.First - 1
	for _, g := range copies[0].Groups() {
		require.Greater(t, g.Group, last)
		require.True(t, m.Range.Contains(g.Group))
		last = g.Group
		l.load(t, k, copies[0], g, len(b))
	}
}

// load loads one group and installs it, or finds a typed error.
func (l *localFile) load(t *testing.T, k *task[string], c localcopy.Copy, g localcopy.GroupInfo, size int) {
	var staged *heapbackend.Staged
	var err error
	bounded(t, size, func() { staged, err = c.Load(t.Context(), g.Group, k.backend) })
	if err == nil {
		require.Equal(t, g.Group, staged.Group())
		require.NoError(t, k.backend.Install([]*heapbackend.Staged{staged}))
		return
	}
	for _, want := range []error{heapbackend.ErrCorrupt, heapbackend.ErrSchema, heapbackend.ErrGroup, heapbackend.ErrMismatch} {
		if errors.Is(err, want) {
			return
		}
	}
	requireTyped(t, err)
}
