package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/heapstate/heapstate/examples/nexmark/internal/driver"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/examples/nexmark/internal/worker"
)

// workerEnv is set in the environment of a worker process: it is what makes this
// program one.
const workerEnv = "HEAPSTATE_NEXMARK_WORKER"

func main() { os.Exit(process(nexmark())) }

// process is a whole process, whichever it is; it returns the exit code.
func process[E any](p *query.Program[E]) int {
	if os.Getenv(workerEnv) != "" {
		return worker.Main(p, os.Stdin, os.Stdout)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return run(ctx, p, os.Args[1:], os.Stdout, os.Stderr)
}

// run is the supervising process; it returns the exit code.
func run[E any](ctx context.Context, p *query.Program[E], args []string, stdout io.Writer, stderr *os.File) int {
	o, err := parse(args, p, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = measure(ctx, p, o, stdout, stderr)
	}
	if err == nil {
		return 0
	}
	text := strings.TrimRight(err.Error(), "\n")
	if errors.Is(err, errUsage) {
		text = strings.ReplaceAll(text, "\n", "; ")
	}
	_, _ = fmt.Fprintln(stderr, "nexmark:", text)
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

// measure runs the queries in the directory, which it makes, and removes if nobody asked for it.
func measure[E any](ctx context.Context, p *query.Program[E], o *options, stdout io.Writer, stderr *os.File) (err error) {
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "nexmark-"); err != nil {
			return usage("-dir: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else if err = os.MkdirAll(dir, 0o700); err != nil {
		return usage("-dir: %w", err)
	}
	err = driver.Run(ctx, p, o.queries, driver.Config{
		Env: workerEnv, Dir: dir, Settings: o.settings, Tasks: o.tasks, Rescaled: o.rescaled, Every: o.every, Local: o.local,
		Injections: o.injections, Check: o.checked, Quiet: o.quiet, Out: stdout, Err: stderr,
	})
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}
