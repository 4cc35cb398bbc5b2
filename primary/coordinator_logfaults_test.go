package primary

import (
	"log/slog"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// Of each record there are two files. The loss of one costs nothing, and is told; that of both names both.
func TestLossOfAFileOfARecordIsLogged(t *testing.T) {
	now, _, _, newest := aJob(t, situations["after a checkpoint"], 3)
	const slot = 5 // the newest; slot 1 is the claim, 2 to 5 are checkpoints 1 to 4
	record, second := commitlog.RecordName(testJob, slot), commitlog.CopyName(testJob, slot)
	read, skipped := `level=WARN msg="commit log record read from its copy"`, `level=ERROR msg="commit log record skipped"`
	for name, tt := range map[string]struct {
		change func(c contents)
		want   string // of the first start
		opened uint64
	}{
		"none":                       {func(contents) {}, "", newest},
		"the copy is lost":           {func(c contents) { delete(c, second) }, "", newest},
		"the record is lost":         {func(c contents) { delete(c, record) }, read, newest},
		"the record is damaged":      {func(c contents) { c[record] = flipped(c[record], 30) }, read, newest},
		"both are damaged":           {func(c contents) { c[record], c[second] = c[record][:40], c[second][:40] }, skipped, newest - 1},
		"the record of one in three": {func(c contents) { delete(c, commitlog.RecordName(testJob, slot-1)) }, read, newest},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, _ Store) {
				changed := maps.Clone(now)
				tt.change(changed)
				store := changed.store(t)
				start := func() (string, *rig) {
					var b strings.Builder
					r := startRig(t, store, func(cfg *CoordinatorConfig) {
						cfg.Retain, cfg.SkipCorrupt, cfg.Logger = 3, true, slog.New(slog.NewTextHandler(&b, nil))
					})
					return b.String(), r
				}
				logged, r := start()
				require.Equal(t, tt.opened, r.c.Latest().Checkpoint)
				if tt.want == "" {
					require.Empty(t, logged)
				} else {
					require.Equal(t, 1, strings.Count(logged, "level="), logged)
					require.Contains(t, logged, tt.want)
				}
				if tt.want == skipped {
					require.Contains(t, logged, " record="+record+" copy="+second+" ", "what repair.md says to delete")
				}
				r.complete()
				r.stop()
				logged, r = start()
				require.Empty(t, logged, "the claim of the first start is whole")
				r.stop()
			})
		})
	}
}
