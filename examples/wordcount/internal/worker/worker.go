package worker

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"github.com/heapstate/heapstate/examples/internal/child"
	"github.com/heapstate/heapstate/examples/internal/flow"
	"github.com/heapstate/heapstate/examples/wordcount/internal/input"
	"github.com/heapstate/heapstate/examples/wordcount/internal/state"
)

// Work is what a word count adds to what any worker is told.
type Work struct {
	Result string // directory of the results
	List   *input.List
}

// Totals is the end of the work.
type Totals struct {
	Words    uint64 // in the input
	Distinct uint64
}

// worker is the state of a worker process.
type worker struct {
	*child.Child
	work     *Work
	exchange *flow.Exchange[string]

	mu      sync.Mutex
	results map[int]Totals // guarded by mu; by task
}

// Main is the worker process: in and out are the supervisor's. It returns the
// exit code: 0 when the work is done, 1 when it cannot be done.
func Main(in io.Reader, out io.Writer) int {
	return child.Main(in, out, func(c *child.Child) (*child.Program, error) {
		w := &worker{Child: c}
		if err := json.Unmarshal(c.Start.Program, &w.work); err != nil {
			return nil, err
		}
		return w.program(), nil
	})
}

func (w *worker) program() *child.Program {
	w.exchange = flow.NewExchange[string](w.Start.Tasks)
	w.results = map[int]Totals{}
	return &child.Program{Name: state.Job, Operator: "count", Task: w.task, Done: w.totals}
}

// finished notes what a task has counted in the end.
func (w *worker) finished(task int, t Totals) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.results[task] = t
}

// totals is the last message to the supervisor.
func (w *worker) totals() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	var total Totals
	for _, r := range w.results {
		total.Words += r.Words
		total.Distinct += r.Distinct
	}
	b, _ := json.Marshal(total) // two numbers cannot fail
	return b
}

func (w *worker) resultFile(task int) string {
	return filepath.Join(w.work.Result, fmt.Sprintf("part-%05d", task))
}
