package primary

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// A damaged record whose copy does not answer is no lost record: the copy may be good, and a start that goes back to an
// older checkpoint would be for nothing.
func TestCopyThatDoesNotAnswerIsNoDamage(t *testing.T) {
	now, _, _, newest := aJob(t, situations["after a checkpoint"], 2)
	top := uint64(0)
	for name := range now {
		top = max(top, parseName(testJob, name).slot)
	}
	record, second := commitlog.RecordName(testJob, top), commitlog.CopyName(testJob, top)
	for what, damaged := range map[string][]byte{"flipped": flipped(now[record], 40), "empty": {}, "cut": now[record][:30]} {
		for _, kind := range []string{"size", "readat"} {
			t.Run(fmt.Sprintf("%s/%s", what, kind), func(t *testing.T) {
				c := maps.Clone(now)
				c[record] = damaged
				hooked := &hookStore{Store: c.store(t)}
				hooked.set(func(_ context.Context, o op) error {
					if o.kind == kind && o.name == second {
						return errTest
					}
					return nil
				}, nil)
				step := func(cfg *CoordinatorConfig) { cfg.Retain, cfg.SkipCorrupt = 2, true }
				_, err := OpenCoordinator(t.Context(), newRig(t, hooked, step).cfg)
				require.ErrorIs(t, err, errTest)
				require.NotErrorIs(t, err, ErrCorrupt)
				_, err = LoadRetained(t.Context(), hooked, testJob)
				require.ErrorIs(t, err, errTest)
				hooked.set(nil, nil)
				coord, err := OpenCoordinator(t.Context(), newRig(t, hooked, step).cfg)
				require.NoError(t, err)
				require.Equal(t, newest, coord.Latest().Checkpoint)
			})
		}
	}
}
