package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/heapstate/heapstate/examples/internal/flow"
	"github.com/heapstate/heapstate/examples/wordcount/internal/protocol"
	"github.com/heapstate/heapstate/examples/wordcount/internal/state"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
	"github.com/heapstate/heapstate/recovery"
)

const (
	// progressEvery is how often the supervisor hears how far the sources are.
	progressEvery = 50 * time.Millisecond
	// restartDelay is the pause before failed tasks start over.
	restartDelay = 5 * time.Millisecond
	// tolerable is how many checkpoints may fail in a row.
	tolerable = 2
)

// worker is the state of a worker process.
type worker struct {
	start    *protocol.Start
	layout   state.Layout
	events   *events
	throttle *throttle
	exchange *flow.Exchange[string]
	trouble  atomic.Bool // the next keyed task to look panics
}

// Main is the worker process: in and out are the supervisor's. It returns the
// exit code: 0 when the work is done, 1 when it cannot be done.
func Main(in io.Reader, out io.Writer) int {
	// An interrupt from the terminal reaches the whole process group; the supervisor decides what it means.
	signal.Ignore(os.Interrupt)
	w := &worker{}
	messages := json.NewDecoder(bufio.NewReaderSize(in, 1<<16))
	if err := messages.Decode(&w.start); err != nil {
		fmt.Fprintln(os.Stderr, "wordcount: this is the worker process; it is started by the program itself:", err)
		return 1
	}
	w.layout = state.Layout{Dir: w.start.Dir}
	w.events = newEvents(protocol.NewWriter(out), w.start.Tasks)
	w.throttle = newThrottle(w.start.Tasks, w.start.Limit, func() { w.events.send(protocol.Event{}) })
	w.events.read = w.throttle.read
	w.exchange = flow.NewExchange[string](w.start.Tasks)

	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	// These two end with the process: nothing waits for a pipe that may stay silent.
	go w.obey(messages)
	go w.events.progress(ctx, progressEvery)
	if err := w.run(ctx); err != nil {
		w.events.failed(err)
		return 1
	}
	w.events.done()
	return 0
}

// obey does what the supervisor says, and ends the process at once when the
// supervisor is gone: a worker without one would only be in the way of the next.
func (w *worker) obey(messages *json.Decoder) {
	for {
		var c protocol.Command
		if err := messages.Decode(&c); err != nil {
			os.Exit(1)
		}
		if c.Panic {
			w.trouble.Store(true)
		}
		w.throttle.setLimit(c.Limit)
	}
}

// run opens the store, makes the job and runs it to the end of its input.
func (w *worker) run(ctx context.Context) (err error) {
	store, err := primary.OpenDir(w.layout.Primary())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	formats, err := w.formats()
	if err != nil {
		return err
	}
	job, err := recovery.NewJob(recovery.Config{
		Name:     state.Job,
		Operator: "count",
		Tasks:    w.start.Tasks,
		M:        w.start.Groups,
		Primary:  store,
		Local:    formats,
		Worker:   "worker", // the same in the next process, which so finds the files of this one
		Every:    w.start.Every,
		Region:   recovery.RestartAll, // the tasks exchange records
		Restart:  recovery.Fixed{Attempts: w.start.Restarts, Delay: restartDelay},

		TolerableFailures: tolerable,
		Logger:            w.events.logger(),
		OnCheckpoint:      w.events.checkpoint,
		OnRecovery:        w.events.recovery,
	})
	if err != nil {
		return err
	}
	return job.Run(ctx, w.task)
}

// formats are the local copies that were asked for.
func (w *worker) formats() (localcopy.Formats, error) {
	seals := newSealCounter(w.start.Tasks*len(w.start.Local), w.events.sealed)
	var formats []localcopy.Format
	for _, name := range w.start.Local {
		switch name {
		case "heap":
			formats = append(formats, seals.watch(localcopy.Heap()))
		case "file":
			formats = append(formats, seals.watch(localcopy.File(w.layout.Local())))
		default:
			return nil, fmt.Errorf("worker: unknown local format %q", name)
		}
	}
	return localcopy.Stack(formats...), nil
}

func (w *worker) resultFile(task int) string {
	return filepath.Join(w.layout.Result(), fmt.Sprintf("part-%05d", task))
}
