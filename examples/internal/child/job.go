package child

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/heapstate/heapstate/examples/internal/protocol"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
	"github.com/heapstate/heapstate/recovery"
)

const (
	// restartDelay is the pause before failed tasks start over.
	restartDelay = 5 * time.Millisecond
	// tolerable is how many checkpoints may fail in a row.
	tolerable = 2
	// stopTries is how often a stop is tried, and stopDelay the time between: a failure that comes in between makes it
	// fail.
	stopTries = 50
	stopDelay = 20 * time.Millisecond
)

// Run opens the store, makes the job and runs it to the end of its input, or
// until the supervisor stops it, and says so.
func (c *Child) Run(ctx context.Context, p *Program) (err error) {
	store, err := primary.OpenDir(c.Start.Primary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	job, err := c.job(ctx, p, store)
	if err != nil {
		return err
	}
	ended, end := context.WithCancelCause(ctx)
	defer end(nil)
	stopped := make(chan uint64, 1)
	go func() { // returns soon after end
		savepoint, err := c.stopOnDemand(ctx, ended, job)
		if err != nil {
			end(err)
		}
		stopped <- savepoint
	}()
	if err := job.Run(ended, p.Task); err != nil {
		return err
	}
	end(nil)
	if savepoint := <-stopped; savepoint > 0 {
		c.events.send(protocol.Event{Stopped: savepoint})
		return nil
	}
	if p.Done != nil {
		if err := c.Send(p.Done()); err != nil {
			return err
		}
	}
	c.events.done()
	return nil
}

func (c *Child) job(ctx context.Context, p *Program, store primary.Store) (*recovery.Job, error) {
	formats, err := c.formats()
	if err != nil {
		return nil, err
	}
	// A job that goes on from a savepoint has another name. Under the same one it would go on from a periodic
	// checkpoint that was under way beside the savepoint and completed after it.
	var from *primary.Manifest
	if c.Start.Savepoint > 0 {
		if from, err = primary.LoadSavepoint(ctx, store, nameAfter(p.Name, c.Start.Stops-1), c.Start.Savepoint); err != nil {
			return nil, err
		}
	}
	return recovery.NewJob(recovery.Config{
		Name:     nameAfter(p.Name, c.Start.Stops),
		Operator: p.Operator,
		Tasks:    c.Start.Tasks,
		M:        c.Start.Groups,
		Primary:  store,
		Local:    formats,
		Worker:   "worker", // the same in the next process, which so finds the files of this one
		Every:    c.Start.Every,
		From:     from,

		SharedStore: c.Start.Stops > 0,
		CheckValues: c.Start.Check,

		Region:  recovery.RestartAll, // the tasks exchange records
		Restart: recovery.Fixed{Attempts: c.Start.Restarts, Delay: restartDelay},

		TolerableFailures: tolerable,
		Logger:            c.events.logger(),
		OnCheckpoint: func(r recovery.CheckpointReport) {
			if p.OnCheckpoint != nil {
				p.OnCheckpoint(r)
			}
			c.events.checkpoint(r)
		},
		OnRecovery: c.events.recovery,
	})
}

// nameAfter is the name of a job after a number of stops.
func nameAfter(name string, stops int) string {
	if stops == 0 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, stops)
}

// stopOnDemand stops the job with a savepoint when the supervisor says so, and returns the savepoint; 0 when the job
// has ended first, an error when it cannot be stopped. A stop that has begun is never given up because the job ends:
// that is what it looks like when it succeeds.
func (c *Child) stopOnDemand(ctx, ended context.Context, job *recovery.Job) (uint64, error) {
	select {
	case <-ended.Done():
		return 0, nil
	case <-c.stop:
	}
	var err error
	for range stopTries {
		var m *primary.Manifest
		if m, err = job.Stop(ctx, true); err == nil {
			return m.Checkpoint, nil
		}
		select {
		case <-ended.Done():
			return 0, nil
		case <-time.After(stopDelay): // tasks that were starting over are back
		}
	}
	return 0, fmt.Errorf("stop with a savepoint: %w", err)
}

// formats are the local copies that were asked for.
func (c *Child) formats() (localcopy.Formats, error) {
	seals := newSealCounter(c.Start.Tasks*len(c.Start.Local), func(id uint64) { c.events.send(protocol.Event{Sealed: id}) })
	var formats []localcopy.Format
	for _, name := range c.Start.Local {
		switch name {
		case "heap":
			formats = append(formats, seals.watch(localcopy.Heap()))
		case "file":
			formats = append(formats, seals.watch(localcopy.File(c.Start.LocalDir)))
		default:
			return nil, fmt.Errorf("unknown local format %q", name)
		}
	}
	return localcopy.Stack(formats...), nil
}
