package primary

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenReportsEveryFault(t *testing.T) {
	_, err := OpenCoordinator(t.Context(), CoordinatorConfig{
		Job: "a/b", M: 0, Interval: -1, Timeout: -1, MinPause: -1, MaxConcurrent: -1, Retain: -1,
	})
	require.ErrorIs(t, err, ErrInvalid)
	for _, part := range []string{
		"no store", "no transport", "job name", "max parallelism 0", "interval", "timeout", "min pause",
		"max concurrent", "retain", "no tasks",
	} {
		require.ErrorContains(t, err, part)
	}
}

func TestOpenChecksTasks(t *testing.T) {
	cases := map[string]struct {
		change func([]TaskPlan) []TaskPlan
		says   string
	}{
		"gap":           {func(p []TaskPlan) []TaskPlan { p[1].Range.First++; return p }, "must cover"},
		"overlap":       {func(p []TaskPlan) []TaskPlan { p[1].Range.First--; return p }, "must cover"},
		"short":         {func(p []TaskPlan) []TaskPlan { return p[:1] }, "must cover"},
		"beyond M":      {func(p []TaskPlan) []TaskPlan { p[1].Range.End++; return p }, "must cover"},
		"empty":         {func(p []TaskPlan) []TaskPlan { p[0].Range.End = 0; return p }, "must cover"},
		"twice":         {func(p []TaskPlan) []TaskPlan { return append(p, p[0]) }, "twice"},
		"negative":      {func(p []TaskPlan) []TaskPlan { p[0].Task = -1; return p }, "negative"},
		"bad operator":  {func(p []TaskPlan) []TaskPlan { p[0].Operator = "ma in"; return p }, "operator name"},
		"slash":         {func(p []TaskPlan) []TaskPlan { p[0].Operator = "ma/in"; return p }, "operator name"},
		"long operator": {func(p []TaskPlan) []TaskPlan { p[0].Operator = strings.Repeat("x", 200); return p }, "operator name"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			store := NewMemory()
			r := newRig(t, store, func(cfg *CoordinatorConfig) { cfg.Tasks = tc.change(cfg.Tasks) })
			_, err := OpenCoordinator(t.Context(), r.cfg)
			require.ErrorIs(t, err, ErrInvalid)
			require.ErrorContains(t, err, tc.says)
			require.Empty(t, names(t, store, ""))
		})
	}
}

func TestOpenRefusesWhatDoesNotFitAndChangesNothing(t *testing.T) {
	cases := map[string]struct {
		change func(*CoordinatorConfig)
		what   string
	}{
		"another job":  {func(cfg *CoordinatorConfig) { cfg.Job = "other" }, "job"},
		"another M":    {func(cfg *CoordinatorConfig) { cfg.M, cfg.Tasks = 16, testPlans(16, 2) }, "max parallelism"},
		"another seed": {func(cfg *CoordinatorConfig) { cfg.Seed = 8 }, "seed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				r := startRig(t, store)
				r.complete()
				r.stop()
				before := dump(t, store)
				_, err := OpenCoordinator(t.Context(), newRig(t, store, tc.change).cfg)
				require.ErrorIs(t, err, ErrMismatch)
				var mismatch *MismatchError
				require.ErrorAs(t, err, &mismatch)
				require.Equal(t, tc.what, mismatch.What)
				require.Equal(t, before, dump(t, store))
			})
		})
	}
}

func TestSharedStoreHoldsSeveralJobs(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		a := startRig(t, store)
		a.complete()
		a.stop()
		b := newRig(t, store, func(cfg *CoordinatorConfig) { cfg.Job, cfg.SharedStore = "other", true })
		b.open()
		require.Nil(t, b.c.Latest())
		require.NoError(t, b.c.Close())
		require.Equal(t, []uint64{1}, requireIntact(t, store))
	})
}

func TestSeedComesFromTheStore(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		unset := func(cfg *CoordinatorConfig) { cfg.Seed = 0 }
		r := startRig(t, store, unset)
		seed := r.c.Seed()
		require.NotZero(t, seed)
		require.Equal(t, seed, r.complete().Seed)
		r.stop()
		again := newRig(t, store, unset)
		again.open()
		require.Equal(t, seed, again.c.Seed())
	})
}
