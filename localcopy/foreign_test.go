package localcopy_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/localcopy"
)

// strangers are names, below the directory of a job, that no format gives. In them %a stands for an allocation that
// is claimed or is not, and %c for a directory of a checkpoint in it.
var strangers = []string{
	"notes.txt", "backup/orders.copy", "%A/notes.txt", "%a/notes.txt", "%a/chk-5/x", "%a/backup/x", "%c/README",
	"%c/sum.0.%u.copy.bak", "%c/sum.0.x.copy", "%c/sum.00.%u.copy", "%c/Sum.0.%u.copy", "%c/sum.0.%u", "%c/.0.%u.copy",
	"%c/sum.0.%U.tmp", "%c/sub/sum.0.%u.copy", "%c/sum.0.%u.copy/x",
}

// plant makes the strangers in the allocation whose copy lies at path, and returns them in order.
func plant(t *testing.T, dir, path string) (planted []string) {
	t.Helper()
	chk := filepath.Dir(path)
	home := filepath.Dir(chk)
	for _, name := range strangers {
		for from, to := range map[string]string{
			"%A": "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "%u": uuid.NewString(), "%U": "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
			"%a": filepath.Base(home), "%c": filepath.Base(home) + "/" + filepath.Base(chk),
		} {
			name = strings.ReplaceAll(name, from, to)
		}
		at := filepath.Join(dir, "orders", filepath.FromSlash(name))
		rewrite(t, at, []byte("a person's"))
		planted = append(planted, at)
	}
	slices.Sort(planted)
	return planted
}

// Whatever is removed of a job's copies, files that the format did not name stay.
func TestWhatIsNotACopyIsNeverRemoved(t *testing.T) {
	for name, remove := range map[string]func(t *testing.T, s *state, f localcopy.Format) error{
		"claim of nobody": func(t *testing.T, _ *state, f localcopy.Format) error {
			return f.Claim(t.Context(), "orders", nil)
		},
		"claim": func(t *testing.T, s *state, f localcopy.Format) error {
			err := f.Claim(t.Context(), "orders", []uuid.UUID{s.meta.Allocation})
			copies, _ := f.Open(t.Context(), s.meta.Owner) // one of them is a directory
			require.Len(t, copies, 1)
			requireValue(t, copies[0], 5)
			return errors.Join(err, copies[0].Drop(t.Context()))
		},
		"free": func(t *testing.T, s *state, f localcopy.Format) error {
			return f.Free(t.Context(), "orders", s.meta.Allocation)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := newState(t), t.TempDir()
			s.write(localcopy.File(dir), 5)
			planted := plant(t, dir, onlyFile(t, dir))
			f := localcopy.File(dir)
			require.ErrorIs(t, remove(t, s, f), localcopy.ErrForeign)
			left := regularFiles(t, dir)
			slices.Sort(left)
			require.Equal(t, planted, left)
		})
	}
}

// What stands in a copy's place and is no file is refused, at once, and stays.
func requireOddRefused(t *testing.T, odd func(t *testing.T, path string)) {
	t.Helper()
	s, dir := newState(t), t.TempDir()
	f := localcopy.File(dir)
	c := s.write(f, 5)
	path := onlyFile(t, dir)
	require.NoError(t, os.Remove(path))
	odd(t, path)
	copies, err := f.Open(t.Context(), s.meta.Owner)
	require.Empty(t, copies)
	require.ErrorIs(t, err, localcopy.ErrForeign)
	b, _ := newBackend(t)
	_, err = c.Load(t.Context(), 0, b)
	require.ErrorIs(t, err, localcopy.ErrForeign)
	require.NoError(t, c.Drop(t.Context()), "the copy is gone")
	s.write(f, 5)
	require.ErrorIs(t, f.Claim(t.Context(), "orders", nil), localcopy.ErrForeign)
	require.ErrorIs(t, f.Free(t.Context(), "orders", s.meta.Allocation), localcopy.ErrForeign)
	_, err = os.Lstat(path)
	require.NoError(t, err, "it may be a person's")
	require.Empty(t, slices.DeleteFunc(regularFiles(t, dir), func(name string) bool {
		return name == path || filepath.Dir(name) == path
	}), "the copies of ours are gone")
}

func TestDirectoryInACopysPlaceStays(t *testing.T) {
	t.Run("empty", func(t *testing.T) {
		requireOddRefused(t, func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) })
	})
	t.Run("full", func(t *testing.T) {
		requireOddRefused(t, func(t *testing.T, path string) { rewrite(t, filepath.Join(path, "x"), nil) })
	})
}

func TestLinkInACopysPlaceStays(t *testing.T) {
	target := filepath.Join(t.TempDir(), "target")
	rewrite(t, target, nil)
	for name, to := range map[string]string{"dangling": "nowhere", "outside": target} {
		t.Run(name, func(t *testing.T) {
			requireOddRefused(t, func(t *testing.T, path string) {
				if err := os.Symlink(to, path); err != nil {
					t.Skip(err)
				}
			})
		})
	}
	_, err := os.Stat(target)
	require.NoError(t, err)
}

// Copies of other jobs stay, whatever this one does.
func TestOtherJobsStay(t *testing.T) {
	s, other, dir := newState(t), newState(t), t.TempDir()
	other.meta.Job, other.meta.Allocation = "Orders", s.meta.Allocation
	s.write(localcopy.File(dir), 5)
	other.write(localcopy.File(dir), 5)
	f := localcopy.File(dir)
	require.NoError(t, f.Claim(t.Context(), "orders", nil))
	require.NoError(t, f.Free(t.Context(), "orders", s.meta.Allocation))
	require.Equal(t, []uint64{5}, other.found(f))
	require.Empty(t, s.found(f))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, []fs.FileMode{fs.ModeDir}, []fs.FileMode{entries[0].Type()})
	require.Len(t, entries, 1)
}
