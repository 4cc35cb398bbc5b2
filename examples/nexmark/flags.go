package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/heapstate/heapstate/examples/internal/inject"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
)

const (
	maxTasks     = 256 // every task has a link to every other one
	maxEvents    = 1_000_000_000
	maxRate      = 1_000_000_000
	defaultEvery = 200 * time.Millisecond
)

// options are the command line, checked.
type options struct {
	queries    []int
	settings   query.Settings
	tasks      int
	rescaled   int // 0: the number of tasks does not change
	every      time.Duration
	local      []string
	injections []inject.Injection
	dir        string // absolute; "": a temporary one
	quiet      bool
	checked    bool
}

// errUsage marks what is wrong with the command line: exit code 2.
var errUsage = errors.New("usage")

func usage(format string, args ...any) error {
	return fmt.Errorf("%w%w", hidden{errUsage}, fmt.Errorf(format, args...))
}

// hidden is an error that can be found and has no text.
type hidden struct{ error }

// Error is empty.
func (hidden) Error() string { return "" }

// Unwrap returns the error.
func (h hidden) Unwrap() error { return h.error }

// texts are the flags whose values are read by hand.
type texts struct{ query, rescale, local, inject string }

// parse reads the command line. An error is errUsage, or flag.ErrHelp after the help was printed to help.
func parse[E any](args []string, p *query.Program[E], help io.Writer) (*options, error) {
	o, t := &options{}, &texts{}
	set := flags(o, t)
	if err := set.Parse(args); errors.Is(err, flag.ErrHelp) {
		set.SetOutput(help)
		_, _ = fmt.Fprint(help, helpHead)
		set.PrintDefaults()
		_, _ = fmt.Fprintln(help, "\nQueries:")
		for _, q := range p.Queries {
			_, _ = fmt.Fprintf(help, "  %2d  %s\n      %s\n", q.Number, q.Title, q.States)
		}
		return nil, err
	} else if err != nil {
		return nil, usage("%w (see -help)", err)
	}
	if set.NArg() > 0 {
		return nil, usage("%q is not a flag, and there is nothing else to say (see -help)", set.Arg(0))
	}
	var err error
	if o.queries, err = parseQuery(t.query, p); err != nil {
		return nil, err
	}
	tasksGiven := false
	set.Visit(func(f *flag.Flag) { tasksGiven = tasksGiven || f.Name == "tasks" })
	if err := o.parseRescale(t.rescale, tasksGiven); err != nil {
		return nil, err
	}
	return o, o.check(t)
}

const helpHead = `usage: nexmark -query N|all [flags]

Runs queries of the Nexmark benchmark on keyed state, breaks them on the way, and compares the results with a batch computation in plain
Go. For example

  nexmark -query 5 -events 1000000 -inject panic@30%,kill@60%
  nexmark -query all -rescale 2:3

Every event is a function of -seed and its number: the same command has the same results, whatever happens on the way.
Exit code 0: all verified. 1: a difference, or a run that failed. 2: a bad command line.

Flags:
`

// flags declares the flags.
func flags(o *options, t *texts) *flag.FlagSet {
	set := flag.NewFlagSet("nexmark", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&t.query, "query", "all", "number of the query to run, or all")
	set.Int64Var(&o.settings.Events, "events", 1_000_000, "number of events in the input")
	set.Uint64Var(&o.settings.Seed, "seed", 1, "seed of the input: another one, other events")
	set.IntVar(&o.settings.Rate, "rate", 10_000, "events per second of the input's own time, which decides how many fall into a window;\nthey are read as fast as they are processed")
	set.IntVar(&o.tasks, "tasks", min(max(runtime.GOMAXPROCS(0), 2), 16), "number of parallel tasks, 1 to 256")
	set.StringVar(&t.rescale, "rescale", "", "A:B runs the first half of the input on A tasks, stops with a savepoint, and goes on from it on B")
	set.DurationVar(&o.every, "every", defaultEvery, "time between checkpoints")
	set.StringVar(&t.local, "local", "heap,file", "local copies, the most preferred first: heap, file, both, or none")
	set.StringVar(&t.inject, "inject", "none", "failures, each at a share of the input: a list of\n  panic@N%     a task panics\n  kill@N%      the worker process is killed with SIGKILL\n  losedisk@N%  the same, and its local copies are gone\nor none")
	set.StringVar(&o.dir, "dir", "", "directory for checkpoints and local copies, empty or not there yet; it is kept\n(default a temporary one, removed at the end)")
	set.BoolVar(&o.checked, "check", false, "check what the queries do with values that are kept; slow, for tests")
	set.BoolVar(&o.quiet, "quiet", false, "say only whether the results are right")
	return set
}

func parseQuery[E any](text string, p *query.Program[E]) ([]int, error) {
	var all []int
	for _, q := range p.Queries {
		all = append(all, q.Number)
	}
	if text == "all" && len(all) > 0 {
		return all, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || !slices.Contains(all, n) {
		return nil, usage("-query %s is none of all, %s", text, strings.Trim(fmt.Sprint(all), "[]"))
	}
	return []int{n}, nil
}

func (o *options) parseRescale(text string, tasksGiven bool) error {
	if text == "" {
		return nil
	}
	first, second, found := strings.Cut(text, ":")
	a, errA := strconv.Atoi(first)
	b, errB := strconv.Atoi(second)
	if !found || errA != nil || errB != nil {
		return usage("-rescale %q: want A:B, for example 2:3", text)
	}
	if tasksGiven && o.tasks != a {
		return usage("-rescale %s begins with %d tasks, -tasks says %d", text, a, o.tasks)
	}
	if a == b || min(a, b) < 1 || max(a, b) > maxTasks {
		return usage("-rescale %s: want two different numbers in 1..%d", text, maxTasks)
	}
	o.tasks, o.rescaled = a, b
	return nil
}

// check checks what was parsed and completes it.
func (o *options) check(t *texts) (err error) {
	switch s := o.settings; {
	case s.Events < 1 || s.Events > maxEvents:
		return usage("-events %d is not in 1..%d", s.Events, maxEvents)
	case s.Rate < 1 || s.Rate > maxRate:
		return usage("-rate %d is not in 1..%d", s.Rate, maxRate)
	case o.tasks < 1 || o.tasks > maxTasks:
		return usage("-tasks %d is not in 1..%d", o.tasks, maxTasks)
	case o.every <= 0:
		return usage("-every %s is not above 0", o.every)
	}
	if o.local, err = parseLocal(t.local); err != nil {
		return err
	}
	if o.injections, err = inject.Parse(t.inject); err != nil {
		return usage("-inject: %w", err)
	}
	return o.checkDir()
}

func parseLocal(list string) ([]string, error) {
	if list == "none" {
		return []string{}, nil
	}
	var formats []string
	for name := range strings.SplitSeq(list, ",") {
		if name != "heap" && name != "file" || slices.Contains(formats, name) {
			return nil, usage("-local %q is neither none nor a list of heap and file", list)
		}
		formats = append(formats, name)
	}
	return formats, nil
}

// checkDir checks that the directory is nobody's, and changes nothing.
func (o *options) checkDir() (err error) {
	if o.dir == "" {
		return nil
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return usage("-dir: %w", err)
	}
	entries, err := os.ReadDir(o.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return usage("-dir: %w", err)
	case len(entries) > 0:
		return usage("-dir %s is not empty", o.dir)
	}
	return nil
}
