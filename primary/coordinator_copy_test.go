package primary

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// What settles a commit in doubt is in the log like any record: one damaged file of it stops nobody.
func TestWhatSettlesACommitIsCopied(t *testing.T) {
	for _, landed := range []bool{false, true} {
		t.Run(fmt.Sprintf("landed=%v", landed), func(t *testing.T) {
			var now contents
			var newest uint64
			bubble(t, func(t *testing.T, store Store) {
				hooked := &hookStore{Store: store}
				r := startRig(t, hooked)
				newest = r.complete().Checkpoint
				unknown := func(_ context.Context, o op) error {
					if o.kind == "commit" && strings.Contains(o.name, "/log/") {
						hooked.set(nil, nil)
						return ErrUncertain
					}
					return nil
				}
				if landed {
					hooked.set(nil, unknown)
				} else {
					hooked.set(unknown, nil)
				}
				id := r.trigger(false)
				r.ackAll(id, false)
				time.Sleep(time.Minute)
				if err := r.outcome(id); landed {
					require.NoError(t, err)
					newest = id
				}
				r.cancel()
				<-r.ran
				now = contentsOf(t, store)
			})
			for _, name := range slices.Sorted(maps.Keys(now)) {
				if parseName(testJob, name).area != areaLog {
					continue
				}
				for _, damaged := range [][]byte{nil, {}, flipped(now[name], 40)} {
					changed := maps.Clone(now)
					if changed[name] = damaged; damaged == nil {
						delete(changed, name)
					}
					goesOn(t, name, changed, 1, newest)
				}
			}
		})
	}
}

// A second copy that could not be written is written later, without another checkpoint.
func TestACopyThatFailsIsWrittenLater(t *testing.T) {
	for name, lead := range map[string]func(r *rig){
		"of a claim":      func(r *rig) {},
		"of a checkpoint": func(r *rig) { r.complete() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store Store) {
				hooked := &hookStore{Store: store}
				failing := func(_ context.Context, o op) error {
					if strings.HasPrefix(o.name, testJob+"/log-copy/") && o.kind == "commit" {
						return errTest
					}
					return nil
				}
				hooked.set(failing, nil)
				r := startRig(t, hooked)
				lead(r)
				time.Sleep(time.Hour)
				require.Empty(t, names(t, store, testJob+"/log-copy/"))
				hooked.set(nil, nil)
				time.Sleep(time.Minute)
				top, err := commitlog.NewestSlot(t.Context(), logStore{store}, testJob)
				require.NoError(t, err)
				require.Equal(t, []string{commitlog.CopyName(testJob, top)}, names(t, store, testJob+"/log-copy/"))
				r.stop()
			})
		})
	}
}
