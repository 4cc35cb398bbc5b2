package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/heapstate/heapstate/examples/internal/flow"
	"github.com/heapstate/heapstate/examples/wordcount/internal/input"
	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/recovery"
)

// task is the task function: one parallel instance of the word count, from its
// state to the end of its input.
func (w *worker) task(ctx context.Context, t *recovery.Task) error {
	backend, err := heapbackend.For[string](t)
	if err != nil {
		return err
	}
	counts, err := heapbackend.NewValue[uint64](backend, "counts")
	if err != nil {
		return err
	}
	if _, err := t.Restore(ctx); err != nil {
		return err
	}
	cursors, err := w.work.List.Cursors(t.Index(), t.Tasks(), t.Positions())
	if err != nil {
		return recovery.Permanent(err) // other input, or positions that are not ours
	}
	route, err := flow.ByKey(func(word string) string { return word }, t.M(), t.Tasks(), t.BackendConfig().Seed)
	if err != nil {
		return err
	}
	err = w.exchange.Run(ctx, t, flow.Instance[string]{
		Source: input.NewReader(w.work.List, cursors, w.Control(t.Index())),
		Route:  route,
		Operator: &counter{
			counts:  counts,
			result:  w.resultFile(t.Index()),
			trouble: w.PanicOnDemand,
			first:   func() { w.First(t.Attempts()) },
			done:    func(words, distinct uint64) { w.finished(t.Index(), Totals{words, distinct}) },
		},
	})
	switch {
	case errors.Is(err, input.ErrChanged):
		return recovery.Permanent(err)
	case err != nil:
		return fmt.Errorf("task %d: %w", t.Index(), err)
	}
	return nil
}
