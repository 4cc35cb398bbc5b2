package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// realEnv makes the program run the queries of Nexmark, not those that the harness is tried with.
const realEnv = "HEAPSTATE_NEXMARK_REAL"

func TestTheQueriesOfNexmarkAreRightWhateverHappens(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"-tasks 2 -inject panic@30%,kill@60%",
		"-rescale 2:3 -inject kill@30%,panic@80% -local file",
		"-rescale 3:2 -inject losedisk@60% -seed 2",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && !strings.Contains(args, "2:3") {
				t.Skip("each is 24 processes or more")
			}
			// At this rate the input spans many windows and sessions.
			all := append(strings.Fields(args), "-query", "all", "-quiet", "-check", "-every", "10ms", "-rate", "200", "-events", fmt.Sprint(16_000/slowness))
			o := ended(t, realEnv+"=1", all...)
			require.Zero(t, o.code, "%s%s", o.stdout, o.stderr)
			require.Equal(t, 8, strings.Count(o.stdout, ": verified, "), o.stdout)
			require.NotContains(t, o.stdout, "verified, 0 results")
			require.Empty(t, o.stderr)
		})
	}
}

func TestTheQueriesOfNexmarkSayWhatTheyUse(t *testing.T) {
	t.Parallel()
	o := ended(t, realEnv+"=1", "-help")
	require.Zero(t, o.code)
	for _, want := range []string{
		"\n   3  local item suggestion\n      value sellers, list waiting; no timers;",
		"\n  12  processing time windows\n      value counts by window; processing timers",
		"\n  18  find last bid\n",
	} {
		require.Contains(t, o.stdout, want)
	}
}
