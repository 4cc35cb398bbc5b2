package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/heapstate/heapstate/examples/internal/child"
	"github.com/heapstate/heapstate/examples/internal/flow"
	"github.com/heapstate/heapstate/examples/nexmark/internal/output"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/examples/nexmark/internal/stream"
	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/recovery"
)

// Job is the name of the job, and so of its checkpoints.
const Job = "nexmark"

// Work is what a query adds to what any worker is told.
type Work struct {
	Query    int
	Settings query.Settings
}

// worker is the state of a worker process.
type worker[E any] struct {
	*child.Child
	work     Work
	query    *query.Query[E]
	input    query.Input[E]
	exchange *flow.Exchange[stream.Item[E]]

	// The newest checkpoint that a task has captured, and the newest that has ended.
	captured, ended atomic.Uint64
}

// Main is the worker process: in and out are the supervisor's. It returns the
// exit code: 0 when the work is done or was stopped, 1 when it cannot be done.
func Main[E any](p *query.Program[E], in io.Reader, out io.Writer) int {
	return child.Main(in, out, func(c *child.Child) (*child.Program, error) {
		w := &worker[E]{Child: c}
		if err := json.Unmarshal(c.Start.Program, &w.work); err != nil {
			return nil, err
		}
		if w.query = p.Find(w.work.Query); w.query == nil {
			return nil, fmt.Errorf("there is no query %d", w.work.Query)
		}
		var err error
		if w.input, err = p.Input(w.work.Settings); err != nil {
			return nil, err
		}
		w.exchange = flow.NewExchange[stream.Item[E]](c.Start.Tasks)
		return &child.Program{
			Name:     Job,
			Operator: fmt.Sprintf("query%d", w.work.Query),
			Task:     w.task,
			OnCheckpoint: func(r recovery.CheckpointReport) {
				raise(&w.ended, r.Checkpoint)
			},
		}, nil
	})
}

// task is the task function: one parallel instance of the query, from its state to
// the end of its input.
func (w *worker[E]) task(ctx context.Context, t *recovery.Task) error {
	backend, err := heapbackend.For[uint64](t)
	if err != nil {
		return err
	}
	clock := query.NewClock()
	operator, err := w.query.Open(backend, clock)
	if err != nil {
		return recovery.Permanent(err)
	}
	if _, err := t.Restore(ctx); err != nil {
		return err
	}
	positions, err := stream.Deal(t.Positions(), w.input.Partitions())
	if err != nil {
		return recovery.Permanent(err)
	}
	watermark, processing, err := stream.TimeAt(w.input, positions)
	if err != nil {
		return recovery.Permanent(err)
	}
	clock.Move(watermark, processing)
	out := output.NewBuffer(w.Send)
	instance, err := w.instance(t, positions, stream.NewKeyed(operator, clock, t.Tasks(), out, stream.Hooks{
		First:         func() { w.First(t.Attempts()) },
		Trouble:       w.PanicOnDemand,
		Checkpointing: func() bool { return w.captured.Load() > w.ended.Load() },
	}))
	if err != nil {
		return err
	}
	if err := w.exchange.Run(ctx, &flushing{Task: t, out: out, captured: &w.captured}, instance); err != nil {
		return fmt.Errorf("task %d: %w", t.Index(), err)
	}
	return nil
}

// instance puts source, route and operator together.
func (w *worker[E]) instance(t *recovery.Task, positions []int64, keyed *stream.Keyed[E]) (i flow.Instance[stream.Item[E]], err error) {
	byKey, err := flow.ByKey(func(key uint64) uint64 { return key }, t.M(), t.Tasks(), t.BackendConfig().Seed)
	if err != nil {
		return i, err
	}
	i.Operator, i.Route = keyed, stream.Route[E](byKey)
	i.Source, err = stream.NewSource(w.input, t.Index(), t.Tasks(), positions, w.query.Key, w.work.Settings.Events, w.Control(t.Index()))
	return i, err
}

// flushing is a task whose results are in the pipe before its state is captured: see package output.
type flushing struct {
	*recovery.Task
	out      *output.Buffer
	captured *atomic.Uint64
}

// Checkpoint is part of flow.Task.
func (f *flushing) Checkpoint(ctx context.Context, id uint64, position []byte) error {
	if err := f.out.Flush(ctx); err != nil {
		return err
	}
	raise(f.captured, id)
	return f.Task.Checkpoint(ctx, id, position)
}

// raise makes a number at least v.
func raise(n *atomic.Uint64, v uint64) {
	for {
		old := n.Load()
		if v <= old || n.CompareAndSwap(old, v) {
			return
		}
	}
}
