package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/heapstate/heapstate/examples/internal/inject"
	"github.com/heapstate/heapstate/examples/internal/protocol"
)

// spareRestarts is how often tasks, or worker processes, may fail beyond what was
// injected.
const spareRestarts = 3

// resume is the failure that a run follows which goes on where an earlier one ended.
const resume = "resume"

// Config is what a run does.
type Config struct {
	// Env is a variable whose presence in the environment makes this program a worker.
	Env string
	// Lend, if not nil, adds to the command of a worker process before it starts.
	Lend func(*exec.Cmd)
	// Start is what a worker is to do; Limit, Restarts, Stops and Savepoint are set by Run.
	Start protocol.Start
	// Rescaled is the number of tasks from the injected inject.Rescale on.
	Rescaled   int
	Injections []inject.Injection
	// Total is the amount of input, and Read how much of it is before the checkpoint the run begins at, both in the unit in
	// which workers report.
	Total, Read int64
	// Payload takes in the program's own messages, in the order in which one worker process sent them; all those of a process
	// before those of the next. An error ends the run. nil: there are none.
	Payload func(payload []byte) error
	// OnCheckpoint, if not nil, is called for every checkpoint.
	OnCheckpoint func(*protocol.Checkpoint)
	Display      *Display
	Record       *Record // filled in by Run
}

// Run starts a worker process, breaks it as asked, and starts another when one is
// gone, until the work is done. When ctx ends the worker is killed and ctx's
// error returned; what is in the directory can be gone on from.
func Run(ctx context.Context, cfg Config) error {
	r := &run{Config: cfg, began: time.Now()}
	r.Start.Restarts = len(cfg.Injections) + spareRestarts
	var passed []inject.Injection
	r.schedule, passed = inject.NewSchedule(cfg.Injections, cfg.Total, cfg.Read, cfg.Start.Every, len(cfg.Start.Local) > 0)
	for _, i := range passed {
		r.Display.Line("%s: passed before; the run goes on at %.1f %%", i, 100*r.share())
	}
	if r.Record.ResumedFrom > 0 {
		r.failure, r.failed = resume, r.began
	}
	defer func() {
		r.Display.Finish()
		r.Record.Elapsed = time.Since(r.began)
	}()
	for {
		done, err := r.worker(ctx)
		if done || err != nil {
			return err
		}
	}
}

// run is the state of a run. One goroutine uses it.
type run struct {
	Config
	began    time.Time
	schedule *inject.Schedule
	crashes  int // worker processes that died since the last checkpoint, not by us

	failure string    // the failure that the next recovery follows; "": none
	failed  time.Time // when it happened
	lost    bool      // the worker's disk is to be lost

	// Of the current worker process.
	process  *process
	limit    int64             // what it was told
	live     bool              // its tasks have been restored; what it says about progress counts
	killed   bool              // by us
	done     bool              // it has finished
	refused  string            // why it gave up
	fault    error             // of Config.Payload
	stopped  bool              // it has ended with a savepoint
	recovery *Recovery         // not shown yet: its first record is missing
	firsts   map[int]time.Time // first records, by start
}

// worker runs one worker process to its end. done says that the count is complete; no error and not
// done means that another process has to go on.
func (r *run) worker(ctx context.Context) (done bool, err error) {
	r.schedule.Restarted()
	r.limit = r.schedule.Limit()
	r.live, r.killed, r.stopped, r.refused, r.recovery, r.firsts = false, false, false, "", nil, map[int]time.Time{}
	first := r.Start
	first.Limit = r.limit
	if r.process, err = start(r.Env, r.Lend, &first); err != nil {
		return false, err
	}
	r.follow(ctx)
	exit := r.process.wait()
	r.showRecovery()
	switch {
	case r.fault != nil:
		return false, r.fault
	case r.done:
		return true, nil
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case r.refused != "":
		return false, errors.New(r.refused)
	case r.killed:
		return false, r.loseDisk()
	case r.stopped:
		r.Start.Tasks = r.Rescaled
		r.crashes = 0
		return false, nil
	}
	r.crashes++
	if r.crashes > spareRestarts {
		return false, fmt.Errorf("the worker process died %d times without a checkpoint: %w", r.crashes, exit)
	}
	r.failure, r.failed = "died", time.Now()
	r.warn(fmt.Sprintf("the worker process died (%v); starting another", exit))
	return false, nil
}

// loseDisk removes the local copies, if that was the failure.
func (r *run) loseDisk() error {
	if !r.lost {
		return nil
	}
	r.lost = false
	return os.RemoveAll(r.Start.LocalDir)
}

// follow handles the worker's events until there are no more, which is when the process has ended.
func (r *run) follow(ctx context.Context) {
	events := make(chan protocol.Event)
	decoder := r.process.events
	go func() { // ends with the process, whose output it reads
		defer close(events)
		for {
			var e protocol.Event
			if decoder.Decode(&e) != nil {
				return
			}
			events <- e
		}
	}()
	stop := ctx.Done()
	for {
		select {
		case <-stop:
			r.process.kill()
			stop = nil
		case e, ok := <-events:
			if !ok {
				return
			}
			r.event(&e)
			if !r.killed {
				r.steer()
			}
		}
	}
}

func (r *run) event(e *protocol.Event) {
	switch {
	case e.Recovery != nil:
		r.recovered(e.Recovery)
	case e.First != nil:
		r.firsts[e.First.Start] = e.First.At
		if r.recovery != nil && r.recovery.Start == e.First.Start {
			r.showRecovery()
		}
	case e.Checkpoint != nil:
		r.checkpoint(e.Checkpoint)
	case e.Sealed > 0:
		r.schedule.Sealed(e.Sealed)
	case e.Warning != "":
		r.warn(e.Warning)
	case e.Failed != "":
		r.refused = e.Failed
	case e.Payload != nil:
		r.payload(e.Payload)
	case e.Stopped > 0:
		r.stopped, r.Start.Savepoint = true, e.Stopped
		r.Start.Stops++
	case e.Done:
		r.done = true
	}
	if r.live {
		r.schedule.Progress(e.Read)
		r.Display.Progress(e.Read)
	}
}

func (r *run) payload(b []byte) {
	if r.Payload == nil || r.fault != nil {
		return
	}
	if r.fault = r.Payload(b); r.fault != nil {
		r.killed = true
		r.process.kill()
	}
}

// steer lets the next failure happen if its time has come, and moves the limit.
func (r *run) steer() {
	if !r.live || r.done || r.stopped {
		return
	}
	injection, due := r.schedule.Due()
	limit := r.schedule.Limit()
	if due {
		r.inject(injection, limit)
	} else if limit != r.limit {
		r.process.command(protocol.Command{Limit: limit})
	}
	r.limit = limit
}

func (r *run) inject(i inject.Injection, limit int64) {
	r.showRecovery()
	r.failure, r.failed = string(i.Failure), time.Now()
	r.Record.Injected = append(r.Record.Injected, Injected{i.String(), time.Since(r.began), r.share()})
	switch i.Failure {
	case inject.Panic:
		r.process.command(protocol.Command{Limit: limit, Panic: true})
		r.Display.Line("%s: a keyed task panics", i)
		return
	case inject.Rescale:
		r.process.command(protocol.Command{Limit: limit, Stop: true})
		r.Display.Line("%s: the job stops with a savepoint; then %d tasks", i, r.Rescaled)
		return
	case inject.Kill:
		r.Display.Line("%s: the worker process (%d) is killed", i, r.process.cmd.Process.Pid)
	case inject.LoseDisk:
		r.lost = true
		r.Display.Line("%s: the worker process (%d) is killed, and its local disk lost", i, r.process.cmd.Process.Pid)
	}
	r.killed = true
	r.process.kill()
}

func (r *run) checkpoint(c *protocol.Checkpoint) {
	r.Record.Checkpoints = append(r.Record.Checkpoints, Checkpoint{*c, time.Since(r.began), r.share()})
	if r.OnCheckpoint != nil {
		r.OnCheckpoint(c)
	}
	if c.Error != "" {
		return
	}
	r.crashes = 0
	r.Start.Savepoint = 0 // the worker that went on from it has a checkpoint of its own
	if c.Entries == 0 {
		r.schedule.Empty(c.ID)
	} else {
		r.schedule.Checkpoint(c.ID)
	}
	r.Display.Checkpoint()
}

// recovered notes a start of all tasks. The very first one of a job is no recovery.
func (r *run) recovered(c *protocol.Recovery) {
	r.live = true
	r.schedule.Restarted()
	if c.Cause == "" && r.failure == "" {
		return
	}
	failed, failure := r.failed, r.failure
	if !c.Failed.IsZero() {
		failed = c.Failed
	}
	if failure == "" {
		failure = c.Cause
	}
	r.failure = ""
	r.recovery = &Recovery{Recovery: *c, Failure: failure, After: failed.Sub(r.began)}
	if _, ok := r.firsts[c.Start]; ok {
		r.showRecovery()
	}
}

// showRecovery shows the newest recovery, if that has not been done.
func (r *run) showRecovery() {
	v := r.recovery
	if v == nil {
		return
	}
	r.recovery = nil
	after, since := "no record was left", "failure"
	if v.Failure == resume {
		since = "start"
	}
	if at, ok := r.firsts[v.Start]; ok {
		v.FirstRecord = at.Sub(r.began) - v.After
		after = fmt.Sprintf("first record %s after the %s", v.FirstRecord.Round(100*time.Microsecond), since)
	}
	r.Record.Recoveries = append(r.Record.Recoveries, *v)
	r.Display.Line("%s: recovered from %s; %s", v.Failure, v.Summary, after)
	r.Display.Grid(v.Grid)
}

func (r *run) warn(line string) {
	r.Record.Warnings = append(r.Record.Warnings, line)
	r.Display.Line("warning: %s", line)
}

// share is the part of the input that has been read.
func (r *run) share() float64 {
	if r.Total > 0 {
		return float64(r.schedule.Read()) / float64(r.Total)
	}
	return 1
}
