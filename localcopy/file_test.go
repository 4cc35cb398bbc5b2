package localcopy_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// write stores a sealed copy of a checkpoint whose value is its id, without a keeper.
func (s *state) write(f localcopy.Format, id uint64) localcopy.Copy {
	s.t.Helper()
	m, snapshot, twin := s.checkpoint(id, int64(id))
	w, err := f.Begin(context.Background(), m, snapshot)
	require.NoError(s.t, err)
	for g := range m.Range.All() {
		require.NoError(s.t, w.WriteGroup(context.Background(), g))
	}
	c, err := w.Seal(context.Background(), twin)
	require.NoError(s.t, err)
	return c
}

// onlyFile returns the path of the one regular file below dir.
func onlyFile(t *testing.T, dir string) string {
	t.Helper()
	files := regularFiles(t, dir)
	require.Len(t, files, 1)
	return files[0]
}

func regularFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// rewrite makes a file, and its directory again if an Open removed what was there.
func rewrite(t *testing.T, path string, content []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, content, 0o600))
}

// The path and the header are all a new process has.
func TestNewProcessCanValidateEverything(t *testing.T) {
	s, dir := newState(t), t.TempDir()
	s.write(localcopy.File(dir), 5)
	copies, err := localcopy.File(dir).Open(t.Context(), s.meta.Owner)
	require.NoError(t, err)
	require.Len(t, copies, 1)
	want := s.meta
	want.Checkpoint = 5
	require.Equal(t, want, copies[0].Meta())
}

// Whatever byte of a file is wrong, a group is either right or an error.
func TestFlippedByteIsNeverLoaded(t *testing.T) {
	s, dir := newState(t), t.TempDir()
	s.write(localcopy.File(dir), 5)
	path := onlyFile(t, dir)
	right, err := os.ReadFile(path)
	require.NoError(t, err)
	refused := 0
	for i := range right {
		wrong := append([]byte(nil), right...)
		wrong[i] ^= 0x20
		rewrite(t, path, wrong)
		refused += loadEverything(t, s, dir, 5)
	}
	require.GreaterOrEqual(t, refused, len(right)*9/10, "nearly every byte matters")
}

func TestTruncatedFileIsNeverLoaded(t *testing.T) {
	s, dir := newState(t), t.TempDir()
	s.write(localcopy.File(dir), 5)
	path := onlyFile(t, dir)
	right, err := os.ReadFile(path)
	require.NoError(t, err)
	for n := range right {
		rewrite(t, path, right[:n])
		copies, err := localcopy.File(dir).Open(t.Context(), s.meta.Owner)
		require.Empty(t, copies)
		require.ErrorIs(t, err, primary.ErrCorrupt, "%d of %d bytes", n, len(right))
	}
	rewrite(t, path, append(right, 0))
	copies, err := localcopy.File(dir).Open(t.Context(), s.meta.Owner)
	require.Empty(t, copies)
	require.ErrorIs(t, err, primary.ErrCorrupt, "a byte too many")
}

// loadEverything opens the only copy and loads every group; it returns the number of errors, and fails the test if
// something wrong came without one.
func loadEverything(t *testing.T, s *state, dir string, value int64) (refused int) {
	t.Helper()
	copies, err := localcopy.File(dir).Open(t.Context(), s.meta.Owner)
	switch {
	case errors.Is(err, primary.ErrVersion): // not ours to read, and perhaps not damaged: it goes with its checkpoint
		require.Len(t, copies, 1)
		require.Empty(t, copies[0].Groups())
		require.NoError(t, copies[0].Drop(t.Context()))
		require.Empty(t, regularFiles(t, dir))
		return 1
	case err != nil:
		require.ErrorIs(t, err, primary.ErrCorrupt)
		require.Empty(t, copies)
		require.Empty(t, regularFiles(t, dir), "what is damaged goes")
		return 1
	}
	for _, c := range copies {
		b, counts := newBackend(t)
		for _, g := range c.Groups() {
			staged, err := c.Load(t.Context(), g.Group, b)
			if err != nil {
				require.ErrorIs(t, err, primary.ErrCorrupt)
				refused++
				continue
			}
			require.NoError(t, b.Install([]*heapbackend.Staged{staged}))
		}
		for _, v := range counts.All() {
			require.Equal(t, value, v)
		}
	}
	return refused
}

// A good file in the wrong place is not the copy its path says.
func TestMisplacedFileIsRefused(t *testing.T) {
	for name, move := range map[string]func(s *state, path string) string{
		"checkpoint": func(_ *state, path string) string {
			return strings.Replace(path, "00005", "00006", 1)
		},
		"task": func(_ *state, path string) string {
			return strings.Replace(path, "sum.0.", "sum.1.", 1)
		},
		"job": func(s *state, path string) string {
			s.meta.Job = "other"
			return strings.Replace(path, "orders", "other", 1)
		},
		"operator": func(s *state, path string) string {
			s.meta.Operator = "mean"
			return strings.Replace(path, "sum.", "mean.", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := newState(t), t.TempDir()
			s.write(localcopy.File(dir), 5)
			from := onlyFile(t, dir)
			to := move(s, from)
			require.NotEqual(t, from, to)
			require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o700))
			require.NoError(t, os.Rename(from, to))
			copies, err := localcopy.File(dir).Open(t.Context(), s.meta.Owner)
			require.Empty(t, copies)
			require.ErrorIs(t, err, primary.ErrCorrupt)
		})
	}
}

func TestOneUnreadableCopyDoesNotHideTheOthers(t *testing.T) {
	s, dir := newState(t), t.TempDir()
	f := localcopy.File(dir)
	s.write(f, 5)
	bad := onlyFile(t, dir)
	s.write(f, 6)
	require.NoError(t, os.Truncate(bad, 10))
	copies, err := f.Open(t.Context(), s.meta.Owner)
	require.ErrorIs(t, err, primary.ErrCorrupt)
	require.Len(t, copies, 1)
	requireValue(t, copies[0], 6)
}

func TestStrangeNamesAreLeftAlone(t *testing.T) {
	s, dir := newState(t), t.TempDir()
	f := localcopy.File(dir)
	s.write(f, 5)
	chk := filepath.Dir(onlyFile(t, dir))
	unique := uuid.NewString()
	for _, name := range []string{
		"sum.0." + unique, "sum.0." + unique + ".tmp", "sum.+0." + unique + ".copy", "sum.00." + unique + ".copy",
		"sum.-1." + unique + ".copy", "sum.0.x.copy", "sum.copy", "summ.0." + unique + ".copy", "sum.99999999999999999999." + unique + ".copy",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(chk, name), []byte("x"), 0o600))
	}
	for _, name := range []string{"chk-5", "chk-0000000000000000000x", "other", "chk-99999999999999999999"} {
		require.NoError(t, os.Mkdir(filepath.Join(filepath.Dir(chk), name), 0o700))
	}
	require.Equal(t, []uint64{5}, s.found(f))
}

func TestSymbolicLinksAreRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege")
	}
	for level, up := range map[string]int{"file": 0, "checkpoint": 1, "allocation": 2, "job": 3} {
		for _, inside := range []bool{true, false} {
			name := level + " to outside"
			if inside {
				name = level + " to inside"
			}
			t.Run(name, func(t *testing.T) { testSymlink(t, up, inside) })
		}
	}
}

// testSymlink moves the up-th parent of a copy to another place, below the root or not, and leaves a link to it.
func testSymlink(t *testing.T, up int, inside bool) {
	s, dir := newState(t), t.TempDir()
	c := s.write(localcopy.File(dir), 5)
	victim := onlyFile(t, dir)
	for range up {
		victim = filepath.Dir(victim)
	}
	moved := filepath.Join(t.TempDir(), "moved")
	if inside {
		moved = filepath.Join(dir, "moved")
	}
	require.NoError(t, os.Rename(victim, moved))
	target, err := filepath.Rel(filepath.Dir(victim), moved)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(target, victim))

	f := localcopy.File(dir)
	copies, err := f.Open(t.Context(), s.meta.Owner)
	require.Empty(t, copies)
	require.ErrorIs(t, err, localcopy.ErrForeign)
	b, _ := newBackend(t)
	_, err = c.Load(t.Context(), 0, b)
	require.ErrorIs(t, err, localcopy.ErrForeign)
	if up > 0 {
		m, snapshot, twin := s.checkpoint(5, 5)
		w, err := f.Begin(t.Context(), m, snapshot)
		require.NoError(t, err)
		_, err = w.Seal(t.Context(), twin)
		require.ErrorIs(t, err, localcopy.ErrForeign)
		require.NoError(t, w.Abandon())
	}
	_ = f.Claim(t.Context(), s.meta.Job, nil)
	_ = f.Free(t.Context(), s.meta.Job, s.meta.Allocation)
	_, err = os.Stat(moved)
	require.NoError(t, err, "what a link points to is never removed")
	require.NotEmpty(t, regularFiles(t, moved))
}

func TestClaimSweepsUnfinishedFiles(t *testing.T) {
	s, dir := newState(t), t.TempDir()
	f := localcopy.File(dir)
	c := s.write(f, 5)
	sealed := onlyFile(t, dir)
	dead := filepath.Join(filepath.Dir(sealed), "sum.0."+uuid.NewString()+".tmp")
	rewrite(t, dead, []byte("half"))
	alone := filepath.Join(filepath.Dir(filepath.Dir(sealed)), "chk-00000000000000000004", "sum.0."+uuid.NewString()+".tmp")
	rewrite(t, alone, []byte("half"))
	require.NoError(t, f.Claim(t.Context(), "orders", []uuid.UUID{s.meta.Allocation}))
	require.Equal(t, []string{sealed}, regularFiles(t, dir))
	require.NoDirExists(t, filepath.Dir(alone))
	requireValue(t, c, 5)
}

func TestClaimSparesFilesUnderWay(t *testing.T) {
	s, dir := newState(t), t.TempDir()
	f := localcopy.File(dir)
	m, snapshot, twin := s.checkpoint(5, 5)
	w, err := f.Begin(t.Context(), m, snapshot)
	require.NoError(t, err)
	for g := range stateRange.All() {
		require.NoError(t, w.WriteGroup(t.Context(), g))
	}
	for len(regularFiles(t, dir)) == 0 { // the writer's goroutine makes it
		runtime.Gosched()
	}
	require.NoError(t, f.Claim(t.Context(), "orders", []uuid.UUID{m.Allocation}))
	c, err := w.Seal(t.Context(), twin)
	require.NoError(t, err)
	requireValue(t, c, 5)
}

func TestStoringAnIdTwiceLeavesOneFile(t *testing.T) {
	s, dir := newState(t), t.TempDir()
	f := localcopy.File(dir)
	s.write(f, 5)
	older := onlyFile(t, dir)
	s.write(f, 5)
	require.NotEqual(t, older, onlyFile(t, dir))
}

func TestNothingIsLeftOfAnAbandonedFile(t *testing.T) {
	s, dir := newState(t), t.TempDir()
	f := localcopy.File(dir)
	m, snapshot, twin := s.checkpoint(5, 5)
	for _, end := range []string{"unfinished", "mismatch"} {
		w, err := f.Begin(t.Context(), m, snapshot)
		require.NoError(t, err)
		for g := range stateRange.All() {
			require.NoError(t, w.WriteGroup(t.Context(), g))
		}
		if end == "mismatch" {
			_, err = w.Seal(t.Context(), twin[1:])
			require.ErrorIs(t, err, localcopy.ErrMismatch)
		}
		require.NoError(t, w.Abandon())
		require.Empty(t, regularFiles(t, dir), end)
	}
}

func TestUnusableDirectoryIsAnErrorOfTheCopyOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	s := newState(t)
	k := s.keep(localcopy.Heap(), localcopy.File(filepath.Join(file, "local")))
	s.store(k, 1)
	settle(t, k)
	require.Len(t, k.Copies(1), 1)
	require.NotZero(t, k.Stats()[1].Failed)
	require.NoError(t, os.Remove(file))
	s.store(k, 2)
	settle(t, k)
	require.Len(t, k.Copies(2), 2, "it is tried again")
}

func TestFilesAndDirectoriesArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	s, dir := newState(t), filepath.Join(t.TempDir(), "local")
	k := s.keep(localcopy.File(dir))
	m, snapshot, twin := s.checkpoint(1, 1)
	k.Store(m, snapshot)
	s.store(k, 2)
	settle(t, k)
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		} else {
			files++
		}
		require.Equal(t, want, info.Mode().Perm(), path)
		return nil
	}))
	require.NotZero(t, files)
	k.PrimaryDone(1, twin)
}

func TestLostDirectoryIsMadeAgain(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open directory cannot be removed")
	}
	s, dir := newState(t), filepath.Join(t.TempDir(), "local")
	k := s.keep(localcopy.File(dir))
	s.store(k, 1)
	settle(t, k)
	require.NoError(t, os.RemoveAll(dir))
	b, _ := newBackend(t)
	_, err := k.Copies(1)[0].Load(t.Context(), 0, b)
	require.ErrorIs(t, err, vfs.ErrRootGone)
	s.store(k, 2)
	settle(t, k)
	requireValue(t, k.Copies(2)[0], 2)
}
