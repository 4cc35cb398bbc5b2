package fuzz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
	"github.com/heapstate/heapstate/recovery"
)

// The times of the small job, all by the bubble's clock.
const (
	recordTime  = 100 * time.Millisecond
	skewTime    = 20 * time.Millisecond // what a task lags behind the one before, so that calls do not race
	everyTime   = time.Second
	timeoutTime = 1500 * time.Millisecond
	graceTime   = 500 * time.Millisecond
	panicAt     = 23 // record of task 0 in its first attempt of the first process
	saveAfter   = 3500 * time.Millisecond
	readAfter   = 1200 * time.Millisecond
	firstLife   = 4 * time.Second // then the first process is killed
	laterLife   = 2 * time.Minute // then a later one hangs
	secondUntil = 48              // where the second process ends its input
	thirdUntil  = 70
)

// process is one life of the small job's process.
type process struct {
	world *world
	nth   int // from 1
	seam  *seam
	until int64
	first bool // it panics, takes a savepoint, and is read from

	opened   atomic.Bool  // a task function was called
	restored atomic.Int64 // tasks
	loud     atomic.Int64 // records of the log at level Error
}

// ending is how the life of a process ended.
type ending struct {
	err    error // what Run, or opening the store, returned
	hung   bool  // it did not return in time
	killed bool  // by a fault
	opened bool  // the checkpoints had been opened
	idle   bool  // some task was not restored, or not again
	struck int
}

// live runs a process until its job ends, it is killed, or it has had its time.
func (w *world) live(nth int, until int64, life time.Duration, faults []fault) ending {
	p := &process{world: w, nth: nth, seam: newSeam(faults), until: until, first: nth == 1}
	w.seam = p.seam
	w.mu.Lock()
	w.attempt = nth
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	done, closed := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(closed)
		p.run(ctx, done)
	}()
	timer := time.NewTimer(life)
	defer timer.Stop()
	end := ending{}
	select {
	case end.err = <-done:
	case <-p.seam.dead:
		end.killed = true
	case <-timer.C:
		end.hung = true
	}
	end.killed = end.killed || p.seam.isKilled()
	end.opened, end.idle = p.opened.Load(), p.restored.Load() < smallTasks
	p.seam.kill()
	cancel()
	select {
	case <-closed:
	case <-time.After(2 * time.Minute):
		w.fault("process %d: Run does not return after its context has ended", nth)
	}
	w.afterlife(p, faults)
	if end.struck = p.seam.struck; end.killed {
		end.err = nil
	}
	return end
}

// afterlife is what remains to be done to the disk of a process that has ended, and said about it.
func (w *world) afterlife(p *process, faults []fault) {
	if slices.ContainsFunc(faults, func(f fault) bool { return f.kind == powerKind && p.seam.met(f.call) }) {
		if err := w.switchOff(p.seam); err != nil {
			w.fault("%v", err)
		}
	}
	if len(p.seam.trace) >= mostCalls {
		w.fault("process %d makes calls without end, the last of them %v", p.nth, p.seam.trace[mostCalls-1])
	}
}

// run opens what the job needs, runs it, tells how that ended, and closes everything.
func (p *process) run(ctx context.Context, done chan<- error) {
	store, end, err := p.world.openStore(p.seam, "store")
	if err != nil {
		done <- fmt.Errorf("open the store: %w", err)
		return
	}
	defer end()
	local, err := vfs.OpenRoot(filepath.Join(p.world.dir, "local"))
	if err != nil {
		done <- err
		return
	}
	defer func() { _ = local.Close() }()
	formats := localcopy.Stack(localcopy.Heap())
	if !p.world.memory() {
		formats = append(formats, localcopy.FileFS(p.seam.over("local", local)))
	}
	done <- p.runJob(ctx, recovery.Config{
		Name: p.world.job, Tasks: smallTasks, M: smallM, Seed: smallSeed, Primary: store, Local: formats, Worker: "w",
		Every: everyTime, Timeout: timeoutTime, Grace: graceTime, LocalTimeout: time.Second, TolerableFailures: -1,
		Restart: recovery.Fixed{Attempts: 1000, Delay: 100 * time.Millisecond}, Retain: p.world.retain,
		StepBack: p.world.stepBack, Parallelism: 1, Logger: slog.New(&loudness{p}), OnCheckpoint: p.reported,
	})
}

func (p *process) runJob(ctx context.Context, cfg recovery.Config) error {
	job, err := recovery.NewJob(cfg)
	if err != nil {
		return err
	}
	var others sync.WaitGroup
	defer others.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if p.first {
		others.Go(func() { p.savepoint(ctx, job) })
		others.Go(func() { p.read(ctx) })
	}
	return job.Run(ctx, p.task)
}

func (p *process) reported(r recovery.CheckpointReport) {
	if !p.seam.isKilled() {
		p.world.reported(r)
	}
}

// savepoint takes a savepoint in good time. How it ended is reported like the checkpoints.
func (p *process) savepoint(ctx context.Context, job *recovery.Job) {
	p.seam.sleep(saveAfter)
	_, _ = job.Savepoint(ctx)
}

// read does what a program beside the job may: it reads what is retained, which is never nothing once there was
// something.
func (p *process) read(ctx context.Context) {
	p.seam.sleep(readAfter)
	store, end, err := p.world.openStore(p.seam, "reader")
	if err != nil {
		return
	}
	defer end()
	floor := p.world.floor()
	found, err := primary.LoadRetained(ctx, store, p.world.job)
	switch {
	case err == nil && floor > 0 && (len(found) == 0 || found[0].Checkpoint < floor):
		p.world.fault("LoadRetained finds %d checkpoints, %d had been committed", len(found), floor)
	case err != nil && !p.excused(err):
		p.world.fault("LoadRetained beside a running job: %v", err)
	}
	entries, err := primary.ReadLog(ctx, store, p.world.job)
	if err == nil && floor > 0 && len(entries) == 0 {
		p.world.fault("ReadLog finds nothing, checkpoint %d had been committed", floor)
	}
}

// excused tells whether an error is the fault's doing, and no finding about the store.
func (p *process) excused(err error) bool {
	kinds := []error{errFault, errKilled, context.Canceled}
	return p.seam.isKilled() || slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}

// task is the task function.
func (p *process) task(ctx context.Context, t *recovery.Task) (err error) {
	p.opened.Store(true)
	s, err := newSmallStates(t)
	if err != nil {
		return err
	}
	report, err := t.Restore(ctx)
	if err != nil {
		return err
	}
	p.restored.Add(1)
	defer func() {
		if err != nil {
			p.restored.Add(-1)
		}
	}()
	older := p.world.stepBack && len(p.world.blows) > 0 && p.loud.Load() > 0
	p.world.restoredFrom(report.Checkpoint, t.Index(), t.Offset(), older)
	if err := s.check(t, t.Offset()); err != nil {
		return p.lie(fmt.Errorf("task %d, restored from checkpoint %d at %d: %w",
			t.Index(), report.Checkpoint, t.Offset(), err))
	}
	p.seam.sleep(time.Duration(t.Index()) * skewTime)
	for o := t.Offset(); o < p.until; o++ {
		if err := p.record(ctx, t, s, o); err != nil {
			return err
		}
	}
	if err := s.check(t, p.until); err != nil {
		return p.lie(fmt.Errorf("task %d at its end: %w", t.Index(), err))
	}
	return nil
}

// lie ends a job whose state is wrong.
func (p *process) lie(err error) error {
	p.world.fault("wrong state: %v", err)
	return recovery.Permanent(err)
}

func (p *process) record(ctx context.Context, t *recovery.Task, s *smallStates, offset int64) error {
	timer := time.NewTimer(recordTime)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
	}
	if p.first && offset == panicAt && t.Index() == 0 && t.Attempts() == 1 {
		p.world.atPanic()
		panic("the panic of task 0")
	}
	if err := s.apply(t, offset); err != nil {
		return err
	}
	if id, ok := t.Due(); ok {
		p.world.captured(id, t.Index(), offset+1)
	}
	return t.Advance(ctx, offset+1)
}

// loudness is a log that counts errors, and prints what it is told when one case is looked at.
type loudness struct{ p *process }

func (l *loudness) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelError || l.p.world.print != nil
}

func (l *loudness) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		l.p.loud.Add(1)
	}
	if l.p.world.print == nil {
		return nil
	}
	now := time.Since(l.p.world.began).Milliseconds()
	line := fmt.Sprintf("%6d ms process %d: %s %s", now, l.p.nth, r.Level, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	l.p.world.print(line)
	return nil
}

func (l *loudness) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *loudness) WithGroup(string) slog.Handler      { return l }
