package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/heapstate/heapstate/examples/internal/inject"
	"github.com/heapstate/heapstate/keygroups"
)

const (
	maxTasks     = 256 // every task has a link to every other one
	defaultEvery = 200 * time.Millisecond
	// demo is what happens without any flag or argument.
	demo = "panic@25%,kill@50%,losedisk@75%"
)

// options are the command line, checked.
type options struct {
	tasks      int
	groups     int
	every      time.Duration
	local      []string
	dir        string // absolute; "": a temporary one
	injections []inject.Injection
	out        string // absolute; "": none
	report     string // absolute; "": none
	verify     bool
	checked    bool
	inputs     []string // without standard input
	stdin      bool
}

// errUsage marks what is wrong with the command line or the directory: exit code 2.
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

// parse reads the command line. An error is errUsage, or flag.ErrHelp after the help was printed to help.
func parse(args []string, help io.Writer) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("wordcount", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.IntVar(&o.tasks, "tasks", min(max(runtime.GOMAXPROCS(0), 2), 16), "number of parallel tasks, 1 to 256")
	fs.IntVar(&o.groups, "groups", 0, "number of key groups, fixed for the life of -dir (default 128, more for many tasks)")
	fs.DurationVar(&o.every, "every", defaultEvery, "time between checkpoints")
	local := fs.String("local", "heap+file", "local copies: disabled, heap, file or heap+file")
	fs.StringVar(&o.dir, "dir", "", "directory of the checkpoints and the local copies (default a temporary one, removed at the end)")
	injections := fs.String("inject", "none", "failures, each at a share of the input: a list of panic@N%, kill@N% and losedisk@N%, or none;\nwithout any flag or argument: "+demo)
	fs.StringVar(&o.out, "out", "", "file for the result: word TAB count, sorted by word")
	fs.StringVar(&o.report, "report", "", "file for a report as JSON: every checkpoint, every recovery")
	fs.BoolVar(&o.checked, "check", false, "check what the program does with values that are kept; slow, for tests")
	fs.BoolVar(&o.verify, "verify", true, "compare the result with an independent count")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		fs.SetOutput(help)
		_, _ = fmt.Fprintln(help, "usage: wordcount [flags] [file | directory | -]...\n\nWithout arguments the source tree of the installed Go is counted; - is standard input.")
		fs.PrintDefaults()
		return nil, err
	} else if err != nil {
		return nil, usage("%w (see -help)", err)
	}
	if len(args) == 0 {
		*injections = demo
	}
	for _, arg := range fs.Args() {
		if arg == "-" {
			o.stdin = true
		} else {
			o.inputs = append(o.inputs, arg)
		}
	}
	return o, o.check(*local, *injections)
}

// check checks what was parsed and completes it.
func (o *options) check(local, injections string) (err error) {
	if o.tasks < 1 || o.tasks > maxTasks {
		return usage("-tasks %d is not in 1..%d", o.tasks, maxTasks)
	}
	if o.groups == 0 {
		if o.groups, err = keygroups.DefaultMax(o.tasks); err != nil {
			return usage("-tasks %d: %w", o.tasks, err)
		}
	}
	if o.groups < o.tasks || o.groups > keygroups.Max {
		return usage("-groups %d is not in %d..%d: from the number of tasks to what there can be", o.groups, o.tasks, keygroups.Max)
	}
	if o.every <= 0 {
		return usage("-every %s is not above 0", o.every)
	}
	if o.local, err = parseLocal(local); err != nil {
		return err
	}
	if o.injections, err = inject.Parse(injections); err != nil {
		return usage("-inject: %w", err)
	}
	if o.dir, err = absolute("-dir", o.dir); err != nil {
		return err
	}
	if o.out, err = outputFile("-out", o.out); err != nil {
		return err
	}
	if o.report, err = outputFile("-report", o.report); err != nil {
		return err
	}
	if o.out != "" && o.out == o.report {
		return usage("-out and -report are the same file")
	}
	return nil
}

func parseLocal(list string) ([]string, error) {
	if list == "disabled" {
		return []string{}, nil
	}
	var formats []string
	for name := range strings.SplitSeq(list, "+") {
		if name != "heap" && name != "file" || slices.Contains(formats, name) {
			return nil, usage("-local %q is none of disabled, heap, file, heap+file", list)
		}
		formats = append(formats, name)
	}
	return formats, nil
}

// absolute makes a path absolute and resolves what there is of it.
func absolute(name, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", usage("%s: %w", name, err)
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	if parent, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		return filepath.Join(parent, filepath.Base(abs)), nil
	}
	return abs, nil
}

// outputFile checks that a file can be written in the end, by making and removing one
// beside it.
func outputFile(name, path string) (string, error) {
	path, err := absolute(name, path)
	if path == "" || err != nil {
		return "", err
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return "", usage("%s %s is not a regular file", name, path)
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".wordcount-")
	if err != nil {
		return "", usage("%s: %w", name, err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return "", usage("%s: %w", name, err)
	}
	return path, nil
}
