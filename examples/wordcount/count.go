package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/heapstate/heapstate/examples/internal/protocol"
	"github.com/heapstate/heapstate/examples/internal/supervise"
	"github.com/heapstate/heapstate/examples/wordcount/internal/input"
	"github.com/heapstate/heapstate/examples/wordcount/internal/state"
	"github.com/heapstate/heapstate/examples/wordcount/internal/worker"
	"github.com/heapstate/heapstate/primary"
)

// counting is one run of the program, from a checked command line on.
type counting struct {
	*options
	stdout io.Writer
	stderr *os.File

	place  *state.Dir
	list   *input.List
	newest *primary.Manifest // the checkpoint to go on from, nil for none
	read   int64             // bytes of the input before it
	record report
}

// count lists the input, counts it, and writes, shows and verifies the result. An error that is
// errUsage has changed nothing.
func count(ctx context.Context, o *options, stdin io.Reader, stdout io.Writer, stderr *os.File) (err error) {
	c := &counting{options: o, stdout: stdout, stderr: stderr}
	if err := c.open(ctx, stdin); err != nil {
		return err
	}
	defer func() {
		if o.dir == "" {
			err = errors.Join(err, c.place.Remove())
		} else {
			err = errors.Join(err, os.RemoveAll(c.place.Result()), c.place.Close())
		}
	}()
	c.fillReport()
	err = c.countAndVerify(ctx)
	if err != nil {
		c.record.Result.Error = err.Error()
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted")
		if o.dir != "" {
			err = fmt.Errorf("interrupted; the same command goes on from the last checkpoint in %s", o.dir)
		}
	}
	return errors.Join(err, c.writeReport())
}

// open prepares the input and the directory. Everything that can be wrong with
// what the user asked for is found here, before anything is changed.
func (c *counting) open(ctx context.Context, stdin io.Reader) (err error) {
	if c.dir != "" {
		if err := state.Check(c.dir); err != nil {
			return usage("-dir: %w", err)
		}
	}
	if len(c.inputs) == 0 && !c.stdin {
		src, err := goSource(ctx)
		if err != nil {
			return usage("no input: %w", err)
		}
		c.inputs = []string{src}
	}
	own := slices.DeleteFunc([]string{c.dir, c.out, c.report}, func(s string) bool { return s == "" })
	if c.list, err = input.Walk(ctx, c.inputs, nil, own); err != nil {
		return c.blame(err)
	}
	return c.openDir(ctx, stdin, own)
}

// blame makes the user's fault of what is not the program's.
func (c *counting) blame(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	return usage("%w", err)
}

// openDir opens the directory, spools standard input into it, and checks that what is there
// fits. When it fails everything is as it was.
func (c *counting) openDir(ctx context.Context, stdin io.Reader, own []string) (err error) {
	path := c.dir
	if path == "" {
		if path, err = os.MkdirTemp("", "wordcount-"); err != nil {
			return usage("-dir: %w", err)
		}
	}
	if c.place, err = state.Open(ctx, path); err != nil {
		return usage("-dir: %w", err)
	}
	var spool *input.Spool
	defer func() {
		if err == nil {
			return
		}
		if spool != nil {
			err = errors.Join(err, spool.Discard())
		}
		if c.dir == "" {
			err = errors.Join(err, c.place.Remove())
		} else {
			err = errors.Join(err, c.place.Discard())
		}
	}()
	if c.newest, err = c.place.Newest(ctx, c.groups); err != nil {
		return usage("-dir: %w", err)
	}
	if c.stdin {
		if spool, err = input.NewSpool(ctx, c.place.Spool(), stdin); err != nil {
			return c.blame(err)
		}
		if c.list, err = input.Walk(ctx, c.inputs, spool, own); err != nil {
			return c.blame(err)
		}
	}
	if err := c.checkPositions(); err != nil {
		return err
	}
	if spool != nil {
		return spool.Sweep()
	}
	return nil
}

// checkPositions checks that the checkpoint to go on from is of this input.
func (c *counting) checkPositions() (err error) {
	c.read, err = c.list.Done(state.Positions(c.newest))
	switch {
	case errors.Is(err, input.ErrOtherInput):
		return usage("-dir: %s does not fit: its checkpoint is of another input, or the input has changed", c.place.Dir)
	case err != nil:
		return usage("-dir: %s does not fit: %w", c.place.Dir, err)
	}
	return nil
}

// goSource is the source tree of the installed Go.
func goSource(ctx context.Context) (string, error) {
	root := os.Getenv("GOROOT")
	if root == "" {
		b, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
		if err != nil {
			return "", fmt.Errorf("the installed Go cannot be found (%w); name files or directories", err)
		}
		root = strings.TrimSpace(string(b))
	}
	return filepath.Join(root, "src"), nil
}

func (c *counting) fillReport() {
	c.record = report{
		Job: state.Job, Started: time.Now(), Tasks: c.tasks, Groups: c.groups, Every: c.every, Local: c.local,
		Input: reportInput{Files: len(c.list.Files), Bytes: c.list.Bytes, Skipped: c.list.Skipped},
		Record: supervise.Record{
			Injected:    []supervise.Injected{},
			Checkpoints: []supervise.Checkpoint{},
			Recoveries:  []supervise.Recovery{},
		},
	}
	if c.newest != nil {
		c.record.ResumedFrom = c.newest.Checkpoint
	}
}

func (c *counting) countAndVerify(ctx context.Context) error {
	c.introduce()
	if err := os.RemoveAll(c.place.Result()); err != nil {
		return err
	}
	if err := os.Mkdir(c.place.Result(), 0o700); err != nil {
		return err
	}
	work, err := json.Marshal(worker.Work{Result: c.place.Result(), List: c.list})
	if err != nil {
		return err
	}
	err = supervise.Run(ctx, supervise.Config{
		Env:  workerEnv,
		Lend: c.place.Lend,
		Start: protocol.Start{
			Primary: c.place.Primary(), LocalDir: c.place.Local(), Tasks: c.tasks, Groups: c.groups,
			Every: c.every, Local: c.local, Check: c.checked, Program: work,
		},
		Injections: c.injections,
		Total:      c.list.Bytes,
		Read:       c.read,
		Payload:    c.totals,
		Display:    supervise.NewDisplay(c.stdout, c.stderr, c.list.Bytes, c.read, supervise.Bytes),
		Record:     &c.record.Record,
	})
	if err != nil {
		return err
	}
	return c.finish(ctx)
}

// totals takes in the last message of a worker that has counted everything.
func (c *counting) totals(payload []byte) error {
	var t worker.Totals
	if err := json.Unmarshal(payload, &t); err != nil {
		return fmt.Errorf("the worker's result: %w", err)
	}
	c.record.Result.Words, c.record.Result.Distinct = t.Words, t.Distinct
	return nil
}

// introduce says what is about to be done.
func (c *counting) introduce() {
	local := "no local copies"
	if len(c.local) > 0 {
		local = "local copies in " + strings.Join(c.local, " and ")
	}
	c.say("%d files, %s: %d tasks, %d key groups, a checkpoint every %s, %s",
		len(c.list.Files), supervise.Bytes(c.list.Bytes), c.tasks, c.groups, c.every, local)
	if s := c.list.Skipped; s.Total() > 0 {
		c.say("skipped: %d binary, %d unreadable, %d symbolic links, %d special files", s.Binary, s.Unreadable, s.Links, s.Special)
	}
	if c.newest != nil {
		c.say("going on from checkpoint %d, at %.1f %% of the input", c.newest.Checkpoint, 100*float64(c.read)/float64(max(c.list.Bytes, 1)))
	}
}

func (c *counting) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.stdout, format+"\n", args...)
}
