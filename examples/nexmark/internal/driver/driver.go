package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/heapstate/heapstate/examples/internal/inject"
	"github.com/heapstate/heapstate/examples/internal/protocol"
	"github.com/heapstate/heapstate/examples/internal/supervise"
	"github.com/heapstate/heapstate/examples/nexmark/internal/output"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/examples/nexmark/internal/worker"
	"github.com/heapstate/heapstate/keygroups"
)

// Config says how queries are run.
type Config struct {
	// Env is a variable whose presence in the environment makes this program a worker.
	Env string
	// Dir is where each query has a directory of its own, which must not be there yet.
	Dir      string
	Settings query.Settings
	// Tasks is the parallelism, and Rescaled that after half of the input; 0 when it does not change.
	Tasks, Rescaled int
	Every           time.Duration
	Local           []string // formats, the most preferred first
	Injections      []inject.Injection
	// Check makes backends check what the queries do with values.
	Check bool
	// Quiet leaves only the verdicts.
	Quiet bool
	// Out gets what there is to say, and Err the progress.
	Out io.Writer
	Err *os.File
}

// half is where the parallelism changes, in percent of the input.
const half = 50

// errNotRescaled: the run is over and the parallelism has not changed.
var errNotRescaled = errors.New("the number of tasks did not change")

// Run runs the queries with the given numbers, in that order, and verifies each. After a difference it goes on with
// the next query; any other failure ends it. The error says which queries failed, and matches ErrDiffers if results
// differ.
func Run[E any](ctx context.Context, p *query.Program[E], numbers []int, cfg Config) error {
	var failed []error
	var rows []row
	for _, n := range numbers {
		r := running[E]{Config: cfg, program: p, query: p.Find(n), results: output.NewResults()}
		err := r.run(ctx)
		if err != nil {
			err = fmt.Errorf("query %d: %w", n, err)
			failed = append(failed, err)
		}
		if err != nil && !errors.Is(err, ErrDiffers) {
			break
		}
		rows = append(rows, r.row(err == nil))
	}
	if len(numbers) > 1 && !cfg.Quiet {
		table(cfg.Out, rows)
	}
	return errors.Join(failed...)
}

// running is one run of one query.
type running[E any] struct {
	Config
	program *query.Program[E]
	query   *query.Query[E]
	results *output.Results
	record  supervise.Record
	found   int // results
}

func (r *running[E]) run(ctx context.Context) error {
	groups, err := keygroups.DefaultMax(max(r.Tasks, r.Rescaled))
	if err != nil {
		return err
	}
	work, err := json.Marshal(worker.Work{Query: r.query.Number, Settings: r.Settings})
	if err != nil {
		return err
	}
	dir := filepath.Join(r.Dir, fmt.Sprintf("query%d", r.query.Number))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	r.introduce(groups)
	display := r.display()
	err = supervise.Run(ctx, supervise.Config{
		Env: r.Env,
		Start: protocol.Start{
			Primary: filepath.Join(dir, "primary"), LocalDir: filepath.Join(dir, "local"),
			Tasks: r.Tasks, Groups: groups, Every: r.Every, Local: r.Local, Check: r.Check, Program: work,
		},
		Rescaled:     r.Rescaled,
		Injections:   r.injections(),
		Total:        r.Settings.Events,
		Payload:      r.results.Take,
		OnCheckpoint: func(c *protocol.Checkpoint) { showCheckpoint(display, c) },
		Display:      display,
		Record:       &r.record,
	})
	if err != nil {
		return err
	}
	if r.Rescaled > 0 && !slices.ContainsFunc(r.record.Recoveries, func(v supervise.Recovery) bool { return v.Failure == string(inject.Rescale) }) {
		return errNotRescaled
	}
	r.summarise()
	return r.verify()
}

// injections are the failures asked for, and the change of parallelism among them.
func (r *running[E]) injections() []inject.Injection {
	if r.Rescaled == 0 {
		return r.Injections
	}
	return inject.Sort(append(slices.Clone(r.Injections), inject.Injection{Failure: inject.Rescale, Percent: half}))
}

func (r *running[E]) display() *supervise.Display {
	out, errs := r.Out, r.Err
	if r.Quiet {
		out, errs = io.Discard, nil
	}
	return supervise.NewDisplay(out, errs, r.Settings.Events, 0, func(n int64) string { return fmt.Sprintf("%d events", n) })
}

// introduce says what is about to be done.
func (r *running[E]) introduce(groups int) {
	local := "no local copies"
	if len(r.Local) > 0 {
		local = "local copies in " + strings.Join(r.Local, " and ")
	}
	tasks := fmt.Sprintf("%d tasks", r.Tasks)
	if r.Rescaled > 0 {
		tasks = fmt.Sprintf("%d tasks, then %d", r.Tasks, r.Rescaled)
	}
	r.say("query %d: %s", r.query.Number, r.query.Title)
	r.say("states: %s", r.query.States)
	r.say("%d events, %s, %d key groups, a checkpoint every %s, %s", r.Settings.Events, tasks, groups, r.Every, local)
}

// showCheckpoint is the line of one checkpoint.
func showCheckpoint(d *supervise.Display, c *protocol.Checkpoint) {
	if c.Error != "" {
		d.Line("checkpoint %d: aborted: %s", c.ID, c.Error)
		return
	}
	d.Line("checkpoint %d: %s, %d entries, pause %s, took %s", c.ID, supervise.Bytes(c.Bytes), c.Entries, short(c.Paused), short(c.Took))
}

// verify compares the results with the answer, which it finds first.
func (r *running[E]) verify() error {
	began := time.Now()
	answer, err := r.program.Answer(r.query.Number, r.Settings)
	if err != nil {
		return fmt.Errorf("the answer to verify against: %w", err)
	}
	took := time.Since(began)
	got, err := r.program.Final(r.query.Number, r.results.Upserts)
	if err != nil {
		return fmt.Errorf("the results of the tasks: %w", err)
	}
	r.found = len(got)
	if err := compare(got, answer); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(r.Out, "query %d: verified, %d results (the batch computation took %s)\n", r.query.Number, len(got), short(took))
	return nil
}

func (r *running[E]) say(format string, args ...any) {
	if !r.Quiet {
		_, _ = fmt.Fprintf(r.Out, format+"\n", args...)
	}
}
