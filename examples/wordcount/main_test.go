package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/examples/internal/supervise"
)

// kills is how often TestKilledFromOutside kills a run.
var kills = flag.Int("kills", 4, "how often a run is killed from outside")

// programEnv makes the test binary the program: it is built once, by go test, and with what go test builds with.
const programEnv = "HEAPSTATE_WORDCOUNT_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) != "" {
		main() // exits
	}
	os.Exit(m.Run())
}

// program is a run of the program that has not been started.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), programEnv+"=1", "TMPDIR="+t.TempDir())
	return cmd
}

// outcome is how a run of the program ended.
type outcome struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

func ended(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError), "the program cannot be started")
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), time.Since(began)}
}

// counted runs the program with an output and a report, requires that it succeeds, and returns both.
func counted(t *testing.T, args ...string) (string, *report, outcome) {
	t.Helper()
	dir := t.TempDir()
	out, reportFile := filepath.Join(dir, "out"), filepath.Join(dir, "report")
	o := ended(t, program(t, append([]string{"-out", out, "-report", reportFile, "-check"}, args...)...))
	require.Zero(t, o.code, "%s%s", o.stdout, o.stderr)
	words, err := os.ReadFile(out)
	require.NoError(t, err)
	b, err := os.ReadFile(reportFile)
	require.NoError(t, err)
	var r report
	require.NoError(t, json.Unmarshal(b, &r))
	require.True(t, r.Result.Verified)
	return string(words), &r, o
}

// corpus makes a directory of files with random words, with what is skipped among them, and returns it with the lines
// a count of it has.
func corpus(t *testing.T, size int) (dir, want string) {
	t.Helper()
	dir = t.TempDir()
	size /= slowness
	rnd := rand.New(rand.NewPCG(1, uint64(size)))
	var all strings.Builder
	for i, share := range []int{2, 10, 3, 200, 40, 0, 100, 50, 500, 95} {
		text := randomText(rnd, size*share/1000)
		all.WriteString(text + "\n")
		path := filepath.Join(dir, fmt.Sprint("d", i%3), fmt.Sprint("file", i))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "binary"), []byte("not\x00text"), 0o600))
	return dir, expected(all.String())
}

func randomText(rnd *rand.Rand, size int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFG"
	var b strings.Builder
	for b.Len() < size {
		for range 1 + min(rnd.IntN(6), rnd.IntN(6)) {
			b.WriteByte(letters[min(rnd.IntN(len(letters)), rnd.IntN(len(letters)))])
		}
		b.WriteString([]string{" ", "\n", "_7", "é"}[rnd.IntN(4)])
	}
	return b.String()
}

// expected is the result of counting a text.
func expected(text string) string {
	counts := map[string]int{}
	for _, w := range regexp.MustCompile(`[a-zA-Z]+`).FindAllString(text, -1) {
		counts[strings.ToLower(w)]++
	}
	var lines []string
	for w, n := range counts {
		lines = append(lines, fmt.Sprintf("%s\t%d\n", w, n))
	}
	slices.SortFunc(lines, func(a, b string) int { // by word: a TAB is below every letter
		return strings.Compare(a, b)
	})
	return strings.Join(lines, "")
}

// sources are the names of the sources of a recovery.
func sources(r supervise.Recovery) []string {
	var names []string
	for _, s := range r.Sources {
		names = append(names, s.Name)
	}
	return names
}

func failures(r *report) []string {
	var names []string
	for _, v := range r.Recoveries {
		names = append(names, v.Failure)
	}
	return names
}

func TestEveryFailureIsSurvivedFromTheNearestCopy(t *testing.T) {
	t.Parallel()
	dir, want := corpus(t, 1<<20)
	out, r, o := counted(t, "-tasks", "3", "-every", "3ms", "-inject", "losedisk@75%,panic@25%,kill@50%", dir)
	require.Equal(t, want, out)
	require.Equal(t, []string{"panic", "kill", "losedisk"}, failures(r))
	for i, source := range []string{"heap", "file", "primary"} {
		v := r.Recoveries[i]
		require.Equal(t, []string{source}, sources(v))
		require.Positive(t, v.Checkpoint)
		require.Positive(t, v.Entries)
		require.Positive(t, v.FirstRecord)
		require.Positive(t, v.Took)
		require.Equal(t, 128, v.Groups)
		row, _, _ := strings.Cut(v.Grid, "\n")
		require.Contains(t, o.stdout, row)
		share := []float64{0.25, 0.5, 0.75}[i]
		require.InDelta(t, share, r.Injected[i].Share, 0.02)
	}
	require.NotEmpty(t, r.Checkpoints)
	require.Equal(t, 1, r.Input.Skipped.Binary)
	require.Contains(t, o.stdout, "verified")
	require.Contains(t, o.stdout, "recovered from checkpoint")
	require.Contains(t, o.stderr, " 50 % of")
	require.Empty(t, r.Warnings)
}

func TestLocalModes(t *testing.T) {
	t.Parallel()
	dir, want := corpus(t, 300<<10)
	for local, source := range map[string][2]string{ // after a panic, after a kill
		"disabled":  {"primary", "primary"},
		"heap":      {"heap", "primary"},
		"file":      {"file", "file"},
		"heap+file": {"heap", "file"},
	} {
		t.Run(local, func(t *testing.T) {
			t.Parallel()
			out, r, _ := counted(t, "-local", local, "-tasks", "2", "-every", "3ms", "-inject", "panic@40%,kill@60%", dir)
			require.Equal(t, want, out)
			require.Equal(t, []string{"panic", "kill"}, failures(r))
			for i, v := range r.Recoveries {
				require.Equal(t, []string{source[i]}, sources(v))
			}
		})
	}
}

func TestManyFailuresAtOnePlace(t *testing.T) {
	t.Parallel()
	dir, want := corpus(t, 100<<10)
	out, r, _ := counted(t, "-tasks", "4", "-every", "2ms", "-inject", "panic@50%,panic@50%,kill@50%,panic@50%,kill@99%", dir)
	require.Equal(t, want, out)
	require.Equal(t, []string{"panic", "panic", "kill", "panic", "kill"}, failures(r))
}

func TestFailuresBeforeAnyCheckpoint(t *testing.T) {
	t.Parallel()
	dir, want := corpus(t, 100<<10)
	out, r, _ := counted(t, "-tasks", "2", "-every", "1h", "-inject", "panic@30%,kill@60%", dir)
	require.Equal(t, want, out)
	require.Len(t, r.Recoveries, 2)
	for _, v := range r.Recoveries {
		require.Zero(t, v.Checkpoint)
		require.Equal(t, 128, v.Empty)
	}
}

func TestAnEmptyInput(t *testing.T) {
	t.Parallel()
	out, r, _ := counted(t, "-tasks", "5", "-every", "2ms", t.TempDir())
	require.Empty(t, out)
	require.Zero(t, r.Input.Files)
}

func TestASecondRunOnADirectoryGoesOnWithAnotherNumberOfTasks(t *testing.T) {
	t.Parallel()
	dir, want := corpus(t, 600<<10)
	state := filepath.Join(t.TempDir(), "made", "state")
	require.NoError(t, os.MkdirAll(filepath.Dir(state), 0o700))
	// The panic waits for a checkpoint and its local copies; then the end comes before the next one.
	out, first, _ := counted(t, "-dir", state, "-tasks", "2", "-every", "1s", "-inject", "panic@90%", dir)
	require.Equal(t, want, out)
	require.Zero(t, first.ResumedFrom)
	for _, tasks := range []string{"3", "7", "1"} {
		out, r, _ := counted(t, "-dir", state, "-tasks", tasks, "-every", "1s", "-inject", "panic@1%", dir)
		require.Equal(t, want, out)
		require.Positive(t, r.ResumedFrom)
		require.Equal(t, []string{"resume"}, failures(r), "the panic lies before the checkpoint")
		require.Equal(t, r.ResumedFrom, r.Recoveries[0].Checkpoint)
		require.Contains(t, sources(r.Recoveries[0]), "file", "files of other key group ranges are used too")
	}
	require.NoDirExists(t, filepath.Join(state, "result"))
}

func TestTheRunsOwnFilesAreNotCounted(t *testing.T) {
	t.Parallel()
	dir, want := corpus(t, 50<<10)
	state, out := filepath.Join(dir, "state"), filepath.Join(dir, "out")
	for range 2 { // the second time they are all there
		o := ended(t, program(t, "-dir", state, "-out", out, "-every", "2ms", dir))
		require.Zero(t, o.code, o.stderr)
		got, err := os.ReadFile(out)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	require.NoError(t, os.RemoveAll(state))
	for range 2 { // together with a standard input that is empty
		o := ended(t, program(t, "-dir", state, "-out", out, "-every", "2ms", dir, "-"))
		require.Zero(t, o.code, o.stderr)
		got, err := os.ReadFile(out)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

func TestStandardInput(t *testing.T) {
	t.Parallel()
	text := randomText(rand.New(rand.NewPCG(3, 3)), 5<<18/slowness)
	state := filepath.Join(t.TempDir(), "state")
	out := filepath.Join(t.TempDir(), "out")
	run := func(text string, args ...string) outcome {
		cmd := program(t, append([]string{"-dir", state, "-out", out, "-every", "3ms"}, args...)...)
		cmd.Stdin = strings.NewReader(text)
		return ended(t, cmd)
	}
	o := run("given up before its first checkpoint", "-every", "1h", "-")
	require.Zero(t, o.code, o.stderr)
	o = run(text, "-tasks", "2", "-inject", "kill@50%", "-")
	require.Zero(t, o.code, o.stderr)
	got, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, expected(text), string(got))

	o = run(text, "-tasks", "3", "-")
	require.Zero(t, o.code, o.stderr)
	require.Contains(t, o.stdout, "going on from checkpoint")

	before := tree(t, state)
	spooled, err := filepath.Glob(filepath.Join(state, "spool", "*"))
	require.NoError(t, err)
	require.Len(t, spooled, 1)
	o = run("x"+text[1:], "-")
	require.Equal(t, 2, o.code, "other text of the same length")
	require.Contains(t, o.stderr, "another input")
	o = run("", "-")
	require.Equal(t, 2, o.code)
	require.Equal(t, before, tree(t, state))
}

// tree is everything below a directory, with contents.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			all[path] = "directory"
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = string(b)
		return err
	})
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return all
}
