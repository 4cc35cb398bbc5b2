package flow

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// Task is all that this runtime calls on a task; *recovery.Task has these
// methods. Due and DueC are called on the source half's goroutine, the others on the one
// that called Run.
type Task interface {
	// Index is the task, 0..tasks-1.
	Index() int
	// DueC can be received from when a checkpoint may have become due.
	DueC() <-chan struct{}
	// Due returns the checkpoint that is due, if one is.
	Due() (id uint64, ok bool)
	// Checkpoint captures the state as the task's part of checkpoint id, together
	// with the source position that belongs to it.
	Checkpoint(ctx context.Context, id uint64, position []byte) error
}

// Source yields the records of one instance. It MUST be replayable: a source
// opened at an earlier Position yields the same records again. All methods are called on one goroutine.
type Source[R any] interface {
	// Ready returns nil when Next may be called at once, else a channel that is
	// closed when that has changed. Barriers go on while the source waits.
	Ready() <-chan struct{}
	// Next emits some records, in bounded time, and reports whether more may follow.
	// It returns an error of emit as it is.
	Next(emit func(R) error) (more bool, err error)
	// Position encodes where the source stands after the last Next. The caller
	// keeps it and does not change it.
	Position() []byte
	// Close frees what the source holds.
	Close() error
}

// Operator is the keyed half of an instance, called on one goroutine only: the
// one that owns the backend.
type Operator[R any] interface {
	// Process takes in a batch; the slice is the runtime's again afterwards.
	Process(records []R) error
	// Finish is called once, after every record of every source has been processed
	// by the operator it belongs to.
	Finish(ctx context.Context) error
}

// Instance is one parallel instance of a program.
type Instance[R any] struct {
	Source   Source[R] // closed when Run returns
	Operator Operator[R]
	Route    func(R) int // the task a record belongs to, see ByKey; or All
}

// Run drives one instance until the input of all tasks has ended and the
// operator has finished. It waits for all tasks of the exchange to be here first.
//
// It returns the first error of the source, the operator or the task, ctx's
// error when ctx ends, and ErrRestartScope. A panic of the operator passes
// through, one of the source becomes an error; the source half has ended in either case. After a failure of another
// task it waits for ctx to end: the job is about to restart them all.
func (x *Exchange[R]) Run(ctx context.Context, task Task, in Instance[R]) (err error) {
	defer func() { err = errors.Join(err, in.Source.Close()) }()
	m, err := x.join(ctx, task.Index())
	if err != nil {
		return err
	}
	defer x.leave(m, task.Index(), ctx)

	sourceCtx, cancel := context.WithCancelCause(ctx)
	var source sync.WaitGroup
	defer source.Wait()
	defer cancel(nil)
	source.Go(func() {
		s := sourceHalf[R]{task: task, source: in.Source, route: in.Route, meeting: m, batch: x.batch}
		// An error ends the keyed half too, which is the one that returns it.
		if err := s.runGuarded(sourceCtx); err != nil {
			cancel(err)
		}
	})
	k := keyedHalf[R]{task: task, operator: in.Operator, meeting: m}
	if err = k.run(sourceCtx); err != nil {
		return err
	}
	return in.Operator.Finish(ctx)
}

// runGuarded turns a panic into an error: this goroutine is not the job's, so
// nobody else would catch it and the process would end.
func (s *sourceHalf[R]) runGuarded(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("flow: source of task %d panicked: %v\n%s", s.task.Index(), p, debug.Stack())
		}
	}()
	return s.run(ctx)
}
