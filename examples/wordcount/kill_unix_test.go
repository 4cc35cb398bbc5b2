//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A run is killed, the whole process group with SIGKILL, at random moments, and started again with the same
// directory and another number of tasks, until it has been killed often enough. Then it ends with the right counts.
func TestKilledFromOutside(t *testing.T) {
	t.Parallel()
	dir, want := corpus(t, 1<<20)
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	state := filepath.Join(t.TempDir(), "state")
	_, _, whole := counted(t, "-every", "3ms", "-verify=true", dir)
	killed := 0
	for killed < *kills {
		args := []string{"-dir", state, "-every", "3ms", "-verify=false", "-inject", []string{"none", "panic@40%", "kill@60%"}[rnd.IntN(3)], "-tasks", []string{"1", "2", "3"}[rnd.IntN(3)], dir}
		cmd := program(t, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		require.NoError(t, cmd.Start())
		// The moment has to be random: any sleep is as good as any other.
		timer := time.AfterFunc(time.Duration(rnd.Int64N(int64(whole.took))), func() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		})
		err := cmd.Wait()
		if !timer.Stop() && err != nil {
			killed++
			continue
		}
		require.NoError(t, err, "seed %d, after %d kills", seed, killed)
		require.NoError(t, os.RemoveAll(state)) // it was through: once more from the start
	}
	out, _, _ := counted(t, "-dir", state, "-every", "3ms", dir)
	require.Equal(t, want, out, "seed %d", seed)
}

func TestAWorkerDiesWithItsSupervisor(t *testing.T) {
	t.Parallel()
	dir, want := corpus(t, 1<<20)
	state := filepath.Join(t.TempDir(), "state")
	// An injection that waits for a checkpoint an hour from now would hold the run at 50 %; -every 4s holds it for 4 s.
	cmd := program(t, "-dir", state, "-every", "4s", "-inject", "panic@50%", dir)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line := make([]byte, 1)
	_, err = stderr.Read(line) // the worker is at work
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill(), "the supervisor alone")
	err = cmd.Wait()
	require.ErrorAs(t, err, new(*exec.ExitError))

	// The worker holds the lock of the directory as long as it lives.
	out, r, _ := counted(t, "-dir", state, "-every", "3ms", dir)
	require.Equal(t, want, out)
	require.Zero(t, r.ResumedFrom)
}

func TestAnInterruptedRunCanBeGoneOnWith(t *testing.T) {
	t.Parallel()
	dir, want := corpus(t, 1<<20)
	state, temp := filepath.Join(t.TempDir(), "state"), t.TempDir()
	for _, place := range []string{state, ""} {
		args := []string{"-every", "4s", "-inject", "panic@50%", dir}
		if place != "" {
			args = append([]string{"-dir", place}, args...)
		}
		cmd := program(t, args...)
		cmd.Env = append(cmd.Env, "TMPDIR="+temp)
		var stdout strings.Builder
		cmd.Stdout = &stdout
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = stderr.Read(make([]byte, 1))
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		rest := new(strings.Builder)
		_, err = io.Copy(rest, stderr)
		require.NoError(t, err)
		require.Error(t, cmd.Wait())
		require.Equal(t, 1, cmd.ProcessState.ExitCode())
		require.Contains(t, rest.String(), "interrupted")
		require.NotContains(t, stdout.String(), "distinct", "the worker was killed, not waited for")
	}
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left, "the temporary directory is gone")
	out, _, _ := counted(t, "-dir", state, dir)
	require.Equal(t, want, out)
}

func TestAWorkerThatDiesIsReplaced(t *testing.T) {
	t.Parallel()
	dir, want := corpus(t, 1<<20)
	outFile := filepath.Join(t.TempDir(), "out")
	cmd := program(t, "-every", "300ms", "-inject", "panic@50%", "-out", outFile, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	var stdout strings.Builder
	cmd.Stdout = &stdout
	require.NoError(t, cmd.Start())
	_, err = stderr.Read(make([]byte, 1)) // the worker is at work
	require.NoError(t, err)
	worker, err := childOf(cmd.Process.Pid)
	if errors.Is(err, errors.ErrUnsupported) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Skip("no way here to find the worker process")
	}
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(worker, syscall.SIGKILL))
	_, err = io.Copy(new(strings.Builder), stderr)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait(), stdout.String())
	require.Contains(t, stdout.String(), "warning: the worker process died (signal: killed); starting another")
	require.Contains(t, stdout.String(), "died: recovered")
	got, err := os.ReadFile(outFile)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

// childOf returns the one child of a process.
func childOf(pid int) (int, error) {
	if runtime.GOOS != "linux" {
		return 0, errors.ErrUnsupported
	}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(tasks) == 0 {
		return 0, errors.ErrUnsupported
	}
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			return 0, errors.ErrUnsupported
		}
		if fields := strings.Fields(string(b)); len(fields) > 0 {
			return strconv.Atoi(fields[0])
		}
	}
	return 0, errors.New("no child")
}
