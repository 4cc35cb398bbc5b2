package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	// programEnv makes the test binary the program: it is built once, by go test, and with what go test builds with.
	programEnv = "HEAPSTATE_NEXMARK_PROGRAM"
	// wrongEnv makes it find a wrong answer to query 2 and none to query 3.
	wrongEnv = "HEAPSTATE_NEXMARK_WRONG"
)

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) == "" {
		os.Exit(m.Run())
	}
	if os.Getenv(realEnv) != "" {
		os.Exit(process(nexmark()))
	}
	p := standIn()
	if os.Getenv(wrongEnv) != "" {
		right := p.Final
		p.Final = func(number int, upserts map[string]string) (map[string]string, error) {
			switch number {
			case 2:
				delete(upserts, "5@100")
				upserts["6@100"], upserts["extra"] = "-1", "1"
			case 3:
				return nil, errors.New("cannot be told")
			}
			return right(number, upserts)
		}
	}
	os.Exit(process(p))
}

// outcome is how a run of the program ended.
type outcome struct {
	code           int
	stdout, stderr string
}

func ended(t *testing.T, env string, args ...string) outcome {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	temp := t.TempDir()
	cmd.Env = append(os.Environ(), programEnv+"=1", "TMPDIR="+temp, env)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError), "the program cannot be started")
	}
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left, "the temporary directory is gone")
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// verified runs the program and requires that all it ran is right.
func verified(t *testing.T, args ...string) outcome {
	t.Helper()
	o := ended(t, "", args...)
	require.Zero(t, o.code, "%s%s", o.stdout, o.stderr)
	require.Contains(t, o.stdout, ": verified, ")
	require.NotContains(t, o.stdout, "warning")
	return o
}

// failures are the kinds of the recoveries, in order.
func failures(o outcome) (kinds []string) {
	for _, m := range regexp.MustCompile(`(?m)^(\w+): recovered from`).FindAllStringSubmatch(o.stdout, -1) {
		kinds = append(kinds, m[1])
	}
	return kinds
}

func TestEveryQueryIsRightWhateverHappens(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		args string
		want string // the recoveries of each query
	}{
		{"-tasks 2", "[]"},
		{"-tasks 3 -inject panic@30%,kill@60%", "[panic kill]"},
		{"-tasks 2 -inject losedisk@40%,panic@41%,kill@90% -local file", "[losedisk panic kill]"},
		{"-tasks 2 -inject panic@20%,kill@50% -local none", "[panic kill]"},
		{"-rescale 1:2", "[rescale]"},
		{"-rescale 2:3 -inject kill@49%,panic@55%", "[kill rescale panic]"},
		{"-rescale 3:2 -inject panic@50%,kill@51%", "[panic rescale kill]"},
		{"-rescale 9:2 -seed 7", "[rescale]"}, // more tasks than partitions
	} {
		t.Run(row.args, func(t *testing.T) {
			t.Parallel()
			args := append(strings.Fields(row.args), "-every", "5ms", "-rate", "1000", "-events", fmt.Sprint(60_000/slowness))
			o := verified(t, args...)
			sections := strings.Split(o.stdout, "\nstates: ")[1:]
			require.Len(t, sections, 3)
			for _, s := range sections {
				require.Equal(t, row.want, fmt.Sprint(failures(outcome{stdout: s})), s)
			}
			require.Contains(t, o.stdout, "p99.9")
			require.Contains(t, o.stdout, "events/s")
			require.Contains(t, o.stdout, "checkpoint 1: ")
		})
	}
}

func TestFailuresBeforeAnyCheckpoint(t *testing.T) {
	t.Parallel()
	o := verified(t, "-query", "1", "-tasks", "2", "-every", "1h", "-events", "5000", "-inject", "panic@30%,kill@60%")
	require.Equal(t, []string{"panic", "kill"}, failures(o))
}

func TestSmallInputs(t *testing.T) {
	t.Parallel()
	for _, events := range []string{"1", "2", "20", "300"} {
		t.Run(events, func(t *testing.T) {
			t.Parallel()
			verified(t, "-tasks", "3", "-every", "2ms", "-events", events)
		})
	}
}

func TestQuietSaysOnlyWhetherTheResultsAreRight(t *testing.T) {
	t.Parallel()
	o := verified(t, "-quiet", "-query", "3", "-events", "3000", "-every", "2ms", "-inject", "kill@50%")
	require.Equal(t, 1, strings.Count(o.stdout, "\n"), o.stdout)
	require.Empty(t, o.stderr)
}

func TestADifferenceIsAFailure(t *testing.T) {
	t.Parallel()
	o := ended(t, wrongEnv+"=1", "-query", "all", "-events", "5000", "-rate", "100")
	require.Equal(t, 1, o.code)
	require.Contains(t, o.stdout, "query 1: verified")
	require.NotContains(t, o.stdout, "query 2: verified")
	require.NotContains(t, o.stdout, "query 3: verified", "it goes on after a difference")
	require.Contains(t, o.stderr, "query 2: the results differ from the batch computation in 3 places")
	require.Contains(t, o.stderr, `"5@100": missing, should be "`)
	require.Contains(t, o.stderr, `"6@100": "-1", not "`)
	require.Contains(t, o.stderr, `"extra": "1", which should not be there`)
	require.Contains(t, o.stderr, "cannot be told")
}
