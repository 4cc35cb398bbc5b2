package recovery

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/primary"
)

// picky writes text, but not every text.
type picky struct{}

var errPicky = errors.New("not that text")

func (picky) ID() string { return "picky/1" }

func (picky) Append(dst []byte, v *string) ([]byte, error) {
	if strings.HasPrefix(*v, "bad") {
		return nil, errPicky
	}
	return wire.AppendString(dst, *v), nil
}

func (picky) Decode(src []byte, v *string) ([]byte, error) {
	r := wire.NewReader(src)
	*v = r.String()
	return r.Rest(), r.Err()
}

// TestJobGoesOnAfterACodecThatFails puts a value that cannot be written among others of its key group.
func TestJobGoesOnAfterACodecThatFails(t *testing.T) {
	for _, state := range []string{"texts", "split texts"} {
		t.Run(state, func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.Name, c.Restart, c.TolerableFailures = "j", Fixed{}, -1 })
			put := make(chan string)
			job, err := NewJob(w.cfg)
			require.NoError(t, err)
			done := make(chan error, 1)
			w.job = job
			go func() { done <- job.Run(context.Background(), pickyTask(w, state, put)) }()
			w.recovered(w.cfg.Tasks)
			for round := range 2 {
				put <- "good"
				w.checkpoint()
				put <- "bad"
				_, err = job.Checkpoint(t.Context())
				require.ErrorIs(t, err, primary.ErrDeclined)
				w.until("the report", func() bool { return len(w.checks) == 2*(round+1) })
				failed := w.checks[2*round+1].Err
				require.ErrorIs(t, failed, errPicky)
				require.ErrorContains(t, failed, `state "`+state+`"`)
			}
			put <- "good again"
			id := w.checkpoint()
			require.Equal(t, id, job.Latest().Checkpoint)
			w.recovered(w.cfg.Tasks) // nobody was restarted
			_, err = job.Stop(t.Context(), false)
			require.NoError(t, err)
			require.NoError(t, <-done)
			for _, name := range w.store.objects(t) {
				require.True(t, inUse(t, w.store, name), "%s was left by a checkpoint that failed", name)
			}
		})
	}
}

func inUse(t *testing.T, store primary.Store, name string) bool {
	for _, m := range retained(t, store) {
		for _, ts := range m.Operators[0].Tasks {
			for _, o := range ts.Objects {
				if o == name {
					return true
				}
			}
		}
	}
	return false
}

// pickyTask is a task function whose first task puts what it is told, for one key among many or as one element.
func pickyTask(w *world, state string, put <-chan string) TaskFunc {
	return func(ctx context.Context, t *Task) error {
		b, err := heapbackend.For[uint64](t)
		if err != nil {
			return err
		}
		o := heapbackend.Options[string]{Codec: picky{}}
		texts, err1 := heapbackend.NewValue(b, "texts", o)
		split, err2 := heapbackend.NewSplitList(b, "split texts", o)
		_, err = t.Restore(ctx)
		if err := errors.Join(err1, err2, err); err != nil {
			return err
		}
		var told <-chan string
		if t.Index() == 0 {
			told = put
		}
		for k := range uint64(testKeys) {
			if t.Range().Contains(groupOf(w, k)) {
				err = errors.Join(err, texts.Put(k, "fine"))
			}
		}
		for offset := int64(0); err == nil; offset++ {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-t.DueC():
			case text := <-told:
				if state == "texts" {
					err = texts.Put(firstKey(w, t), text)
				} else {
					err = split.Set("fine", text, "fine")
				}
			}
			err = errors.Join(err, t.Advance(ctx, offset))
		}
		return err
	}
}
