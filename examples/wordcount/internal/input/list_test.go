package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// write makes a file below dir and returns its path.
func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// tempDir is a temporary directory by the name it has without symbolic links.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	return dir
}

func walk(t *testing.T, args ...string) *List {
	t.Helper()
	l, err := Walk(t.Context(), args, nil, nil)
	require.NoError(t, err)
	return l
}

func names(dir string, l *List) []string {
	var out []string
	for _, f := range l.Files {
		rel, _ := filepath.Rel(dir, f.Path)
		out = append(out, filepath.ToSlash(rel))
	}
	return out
}

func TestWalkListsEverythingOnceInOrder(t *testing.T) {
	dir := tempDir(t)
	write(t, dir, "b/deep/er/x.txt", "x")
	write(t, dir, "b.txt", "bb")
	write(t, dir, "a.txt", "aaa")
	write(t, dir, "empty", "")
	l := walk(t, filepath.Join(dir, "b"), dir, filepath.Join(dir, "b.txt"))
	require.Equal(t, []string{"a.txt", "b.txt", "b/deep/er/x.txt", "empty"}, names(dir, l))
	require.Equal(t, int64(6), l.Bytes)
	require.Zero(t, l.Skipped)
}

func TestWalkSkipsBinaryFiles(t *testing.T) {
	dir := tempDir(t)
	write(t, dir, "first", "\x00abc")
	write(t, dir, "last", strings.Repeat("a", PeekBytes-1)+"\x00")
	write(t, dir, "beyond", strings.Repeat("a", PeekBytes)+"\x00")
	l := walk(t, dir)
	require.Equal(t, []string{"beyond"}, names(dir, l))
	require.Equal(t, Skipped{Binary: 2}, l.Skipped)
}

func TestWalkFollowsASymbolicLinkOnlyAsArgument(t *testing.T) {
	dir := tempDir(t)
	write(t, dir, "real/a", "a")
	if err := os.Symlink(dir, filepath.Join(dir, "real", "loop")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	require.NoError(t, os.Symlink(filepath.Join(dir, "real"), filepath.Join(dir, "link")))
	l := walk(t, filepath.Join(dir, "link"))
	require.Equal(t, []string{"real/a"}, names(dir, l))
	require.Equal(t, Skipped{Links: 1}, l.Skipped)
}

func TestWalkCountsWhatItCannotRead(t *testing.T) {
	w := walker{ctx: t.Context()}
	w.file(filepath.Join(t.TempDir(), "gone"))
	require.NoError(t, w.visit("a directory", nil, os.ErrPermission))
	require.Equal(t, Skipped{Unreadable: 2}, w.skipped)
	require.Empty(t, w.found)

	if os.Geteuid() == 0 {
		return // root reads everything
	}
	dir := tempDir(t)
	write(t, dir, "ok", "ok")
	require.NoError(t, os.Chmod(write(t, dir, "locked", "no"), 0))
	l := walk(t, dir)
	require.Equal(t, []string{"ok"}, names(dir, l))
	require.Equal(t, 1, l.Skipped.Unreadable)
}

func TestWalkPassesOverTheRunsOwnFiles(t *testing.T) {
	dir := tempDir(t)
	write(t, dir, "a", "a")
	state := filepath.Dir(write(t, dir, "state/primary/x", "x"))
	out := write(t, dir, "out", "out")
	l, err := Walk(t.Context(), []string{dir}, nil, []string{state, out})
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, names(dir, l))
	require.Zero(t, l.Skipped)
	_, err = Walk(t.Context(), []string{state}, nil, []string{state})
	require.ErrorIs(t, err, ErrArgument)
}

func TestWalkRefusesWhatIsNotThere(t *testing.T) {
	_, err := Walk(t.Context(), []string{filepath.Join(t.TempDir(), "nowhere")}, nil, nil)
	require.ErrorIs(t, err, ErrArgument)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTheDigestIsTheInputsIdentity(t *testing.T) {
	dir := tempDir(t)
	path := write(t, dir, "a", "some text")
	write(t, dir, "b", "more")
	before := walk(t, dir)
	require.Equal(t, before.Digest, walk(t, dir).Digest)

	for name, change := range map[string]func(){
		"longer":    func() { write(t, dir, "a", "some text.") },
		"other":     func() { write(t, dir, "a", "same size") },
		"more":      func() { write(t, dir, "c", "") },
		"elsewhere": func() { require.NoError(t, os.Rename(path, path+"2")) },
	} {
		t.Run(name, func(t *testing.T) {
			change()
			require.NotEqual(t, before.Digest, walk(t, dir).Digest)
			require.NoError(t, os.RemoveAll(dir))
			write(t, dir, "a", "some text")
			write(t, dir, "b", "more")
			require.Equal(t, before.Digest, walk(t, dir).Digest)
		})
	}
}

func TestAListGoesThroughJSON(t *testing.T) {
	dir := tempDir(t)
	write(t, dir, "a", strings.Repeat("ab ", 1<<20))
	write(t, dir, "b", "\x00")
	l := walk(t, dir)
	b, err := json.Marshal(l)
	require.NoError(t, err)
	var got List
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, *l, got)
	require.NotEmpty(t, got.units)
}

func TestSpool(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	old, err := NewSpool(t.Context(), dir, strings.NewReader("old text"))
	require.NoError(t, err)
	write(t, dir, spoolTemp+"left-by-a-crash", "half")
	s, err := NewSpool(t.Context(), dir, strings.NewReader("text"))
	require.NoError(t, err)
	require.NoError(t, s.Sweep())
	require.NoFileExists(t, old.Path)

	again, err := NewSpool(t.Context(), dir, strings.NewReader("text"))
	require.NoError(t, err)
	require.Equal(t, s.Path, again.Path)
	require.NoError(t, again.Discard())
	require.FileExists(t, s.Path, "it was there before")

	other, err := NewSpool(t.Context(), dir, strings.NewReader("texT"))
	require.NoError(t, err)
	require.NotEqual(t, s.Path, other.Path)
	require.NotEqual(t, spooled(t, s).Digest, spooled(t, other).Digest)
	require.NoError(t, other.Discard())

	require.NoError(t, s.Discard(), "it was made by s")
	require.NoDirExists(t, dir)

	_, err = NewSpool(t.Context(), dir, io.MultiReader(bytes.NewReader(make([]byte, 9)), failing{}))
	require.ErrorIs(t, err, errBroken)
	require.NoDirExists(t, dir, "a failure leaves nothing behind")
}

func spooled(t *testing.T, s *Spool) *List {
	l, err := Walk(t.Context(), nil, s, nil)
	require.NoError(t, err)
	return l
}

var errBroken = errors.New("broken pipe")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }
