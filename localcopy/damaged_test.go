package localcopy_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// damages are what a power loss, or anything else, makes of a sealed file: nothing is synced.
var damages = map[string]func(right []byte) []byte{
	"empty":   func([]byte) []byte { return nil },
	"short":   func(right []byte) []byte { return right[:len(right)/2] },
	"zeros":   func(right []byte) []byte { return make([]byte, len(right)) },
	"trailer": func(right []byte) []byte { return append(right[:len(right)-1:len(right)-1], 'x') },
	"garbage": func([]byte) []byte { return []byte("what is this?") },
	"long":    func(right []byte) []byte { return append(right, 0) },
}

func TestDamagedCopyGoesAtStartWithOneLine(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s, dir := newState(t), t.TempDir()
			s.write(localcopy.File(dir), 4)
			s.write(localcopy.File(dir), 5)
			for _, path := range regularFiles(t, dir) {
				right, err := os.ReadFile(path)
				require.NoError(t, err)
				rewrite(t, path, damage(right))
			}
			for start, want := range []int{1, 0, 0} {
				logs := &recorder{}
				k := s.keepWith(localcopy.KeeperConfig{Formats: localcopy.Stack(localcopy.File(dir)), Logger: newLogger(logs)})
				settle(t, k)
				require.Equal(t, want, logs.warnings(), "start %d", start)
				require.Empty(t, k.Copies(5))
				require.Empty(t, regularFiles(t, dir))
				k.Dispose(false)
			}
		})
	}
}

func TestManyDamagedCopiesAreOneShortLine(t *testing.T) {
	s, dir := newState(t), t.TempDir()
	s.write(localcopy.File(dir), 5)
	chk := filepath.Dir(onlyFile(t, dir))
	for range 200 {
		rewrite(t, filepath.Join(chk, "sum.0."+uuid.NewString()+".copy"), nil)
	}
	copies, err := localcopy.File(dir).Open(t.Context(), s.meta.Owner)
	require.ErrorIs(t, err, primary.ErrCorrupt)
	require.ErrorContains(t, err, "and 192 more")
	require.Len(t, copies, 1)
	require.Len(t, regularFiles(t, dir), 1)
}

// A read that fails says nothing about what is there: no error of the system removes a copy.
func TestErrorsOfTheSystemRemoveNothing(t *testing.T) {
	for _, kind := range []vfs.Kind{vfs.OpStat, vfs.OpReadDir, vfs.OpOpen, vfs.OpReadAt, vfs.OpFileStat, vfs.OpFileClose} {
		for _, fault := range []error{syscall.EIO, syscall.EMFILE, syscall.EACCES, vfs.Short{N: 3, Err: syscall.EIO}} {
			t.Run(fmt.Sprintf("%v/%v", kind, fault), func(t *testing.T) {
				s, d := newState(t), newDisk(t)
				s.write(localcopy.FileFS(d.fs), 5)
				d.fail(kind, fault)
				k := s.keep(localcopy.FileFS(d.fs))
				settle(t, k)
				require.Empty(t, k.Copies(5))
				require.Equal(t, uint64(1), k.Stats()[0].Failed)
				k.Dispose(false)
				d.heal()
				require.Equal(t, []uint64{5}, s.found(localcopy.FileFS(d.fs)))
			})
		}
	}
}

// A copy that could not be read is of no use, and goes like any other once its checkpoint is not wanted any more.
func TestUnreadableCopyGoesWithItsCheckpoint(t *testing.T) {
	for name, rule := range map[string]struct {
		happens func(*state, *localcopy.Keeper)
		left    []uint64
	}{
		"restored":  {func(_ *state, k *localcopy.Keeper) { k.Restored(5) }, []uint64{5}},
		"another":   {func(_ *state, k *localcopy.Keeper) { k.Restored(6) }, nil},
		"aborted":   {func(_ *state, k *localcopy.Keeper) { k.Abort(5) }, []uint64{4}},
		"confirmed": {func(s *state, k *localcopy.Keeper) { s.store(k, 5); settle(s.t, k); k.Confirm(5) }, []uint64{5}},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := newState(t), newDisk(t)
			s.write(localcopy.FileFS(d.fs), 4)
			s.write(localcopy.FileFS(d.fs), 5)
			d.fail(vfs.OpReadAt, syscall.EIO)
			k := s.keep(localcopy.FileFS(d.fs))
			settle(t, k)
			require.Empty(t, k.Copies(4))
			require.Equal(t, 2, k.Stats()[0].Held)
			d.heal()
			rule.happens(s, k)
			settle(t, k)
			require.Equal(t, rule.left, s.found(localcopy.FileFS(d.fs)))
		})
	}
}

// Seal removes the copy it replaces, unless the process dies in between.
func TestReplacedCopyGoesAtStart(t *testing.T) {
	s, dir := newState(t), t.TempDir()
	f := localcopy.File(dir)
	s.write(f, 5)
	older := onlyFile(t, dir)
	content, err := os.ReadFile(older)
	require.NoError(t, err)
	info, err := os.Stat(older)
	require.NoError(t, err)
	s.write(f, 5)
	newer := onlyFile(t, dir)
	rewrite(t, older, content)
	require.NoError(t, os.Chtimes(older, info.ModTime(), info.ModTime()))
	require.NoError(t, os.Chtimes(newer, info.ModTime().Add(1e9), info.ModTime().Add(1e9)))
	require.Equal(t, []uint64{5}, s.found(localcopy.File(dir)))
	require.Equal(t, []string{newer}, regularFiles(t, dir))
}

const victimDir = "HEAPSTATE_TEST_LOCAL_DIR"

// victimOwner is who the killed process is every time.
var victimOwner = localcopy.Owner{Job: "orders", Operator: "sum", Allocation: uuid.UUID{7}}

// TestVictim is the process that is killed: it keeps copies of checkpoint after checkpoint.
func TestVictim(t *testing.T) {
	dir := os.Getenv(victimDir)
	if dir == "" {
		t.Skip("a process of TestPowerLossesLeaveNothing")
	}
	s := newState(t)
	s.meta.Owner = victimOwner
	f := localcopy.File(dir)
	require.NoError(t, f.Claim(t.Context(), victimOwner.Job, []uuid.UUID{victimOwner.Allocation}))
	k := s.keep(f)
	settle(t, k)
	k.Restored(0)
	for id := uint64(1); ; id++ {
		s.store(k, id)
		if id > 1 {
			k.Confirm(id - 1)
		}
		fmt.Println("checkpoint", id, uuid.NewString())
	}
}

func TestPowerLossesLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	for loss := range 6 {
		killVictim(t, dir)
		for i, path := range regularFiles(t, dir) {
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NoError(t, os.Truncate(path, info.Size()*int64(i%2)/2))
		}
		require.LessOrEqual(t, len(regularFiles(t, dir)), 20, "after %d losses", loss+1) // those of one life
	}
	s := newState(t)
	s.meta.Owner = victimOwner
	f := localcopy.File(dir)
	require.NoError(t, f.Claim(t.Context(), victimOwner.Job, []uuid.UUID{victimOwner.Allocation}))
	_, _ = f.Open(t.Context(), victimOwner)
	require.Empty(t, regularFiles(t, dir))
}

// killVictim starts a process on dir and kills it after a few checkpoints.
func killVictim(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines, seen := bufio.NewScanner(out), 0
	for seen < 5 && lines.Scan() {
		if strings.HasPrefix(lines.Text(), "checkpoint") {
			seen++
		}
	}
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
	require.Equal(t, 5, seen)
}
