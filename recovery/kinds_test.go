package recovery

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/localcopy"
)

// newKinds is a checkpoint of one task with a state of every kind, in the heap, in a file and in the primary, and what is
// in it.
func newKinds(t *testing.T) (*evolved, []string) {
	e := &evolved{fixture: fixture{store: newFaultStore()}}
	s := kindsTask(t)
	require.NoError(t, s.fill(1))
	require.NoError(t, s.fill(2))
	want := s.lines()
	var err error
	e.snapshot, err = s.backend.Capture()
	require.NoError(t, err)
	t.Cleanup(e.snapshot.Release)
	e.manifest = e.write(t, 5)
	e.keep(t, localcopy.Heap())
	e.keep(t, localcopy.File(t.TempDir()))
	// What the task does then is not in the checkpoint.
	require.NoError(t, s.fill(1))
	require.NotEqual(t, want, s.lines())
	return e, want
}

func kindsTask(t *testing.T) checkpointStates {
	cfg := checkpointConfig(rng(0, testM))
	cfg.M, cfg.Seed = testM, testSeed
	s, err := openKinds(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.backend.Close()) })
	return s
}

// TestEveryKindIsTheSameFromEverySource also restores over what a task holds, and restores what that task captures.
func TestEveryKindIsTheSameFromEverySource(t *testing.T) {
	e, want := newKinds(t)
	picks := map[string]func(block int) string{"keys of the heap, operator state of the file": func(block int) string { return "HF"[block/testM:] }}
	for name, pick := range mixtures {
		picks[name] = func(block int) string { return pick(block % testM) }
	}
	for name, pick := range picks {
		for _, used := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, used %t", name, used), func(t *testing.T) {
				s := kindsTask(t)
				if used {
					require.NoError(t, s.fill(1))
				}
				r, err := e.restore(t, s.backend, pick)
				require.NoError(t, err)
				require.Zero(t, r.FellBack())
				requireLetters(t, r, pick)
				require.Equal(t, want, s.lines())
				require.Equal(t, e.snapshot.Schema(), s.backend.Schema())

				again := fixture{store: newFaultStore()}
				again.snapshot, err = s.backend.Capture()
				require.NoError(t, err)
				defer again.snapshot.Release()
				again.manifest = again.write(t, 6)
				next := kindsTask(t)
				_, err = Restore(t.Context(), again.config(t, next.backend, nil, nil))
				require.NoError(t, err)
				require.Equal(t, want, next.lines())
				require.NoError(t, next.fill(1))
			})
		}
	}
}

// requireLetters checks that each block came from where it was to come from.
func requireLetters(t *testing.T, r *Report, pick func(block int) string) {
	t.Helper()
	require.True(t, slices.ContainsFunc(r.Groups, func(g GroupReport) bool { return g.Group >= testM }), "no operator state")
	for _, g := range r.Groups {
		if g.Entries == 0 {
			continue
		}
		letter := byte(LetterPrimary)
		if from := pick(g.Group); from != "" {
			letter = from[0]
		}
		require.Equal(t, string(letter), string(g.Letter), "block %d", g.Group)
	}
}
