package recovery

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/primary"
)

// startTasks starts an attempt of each of the tasks, all from the same manifest. On the supervisor's goroutine.
func (r *run) startTasks(tasks []int, m *primary.Manifest) error {
	where, returned, err := r.place(tasks, m)
	if err != nil {
		return err
	}
	unpin := r.pin(m, len(tasks))
	for _, i := range tasks {
		st := &r.state[i]
		st.attempts++
		st.finished = false
		st.allocation = where[i].allocation
		t := &Task{
			run: r, index: i, attempts: st.attempts, attempt: uuid.New(), slot: where[i], keeper: where[i].keeper,
			returned: returned[i],
			groups:   r.ranges[i], manifest: m, old: r.tasksOf(m), cause: st.cause, failed: st.failed,
			dueC: make(chan struct{}, 1), uploads: map[uint64]*upload{}, unpin: sync.OnceFunc(unpin),
		}
		t.ctx, t.cancel = context.WithCancelCause(r.ctx)
		t.signal.Store(1)
		r.mu.Lock()
		r.current[i] = t
		r.mu.Unlock()
		r.tasks.start(t.live)
	}
	return nil
}

// pin keeps the objects of a manifest while n tasks restore from it: until each has called what pin returns.
func (r *run) pin(m *primary.Manifest, n int) (unpin func()) {
	if m == nil {
		return func() {}
	}
	left, release := atomic.Int64{}, r.coord.Pin(m)
	left.Store(int64(n))
	return func() {
		if left.Add(-1) == 0 {
			release()
		}
	}
}

// live is the goroutine of one attempt. It ends when the task function has returned and, unless that was a failure,
// all other tasks have finished too: until then it takes part in checkpoints with its final state.
func (t *Task) live() {
	err := ErrGoexit
	defer func() { // a Goexit in the task function runs this and nothing else
		if t.backend != nil {
			err = errors.Join(err, t.backend.Close())
		}
		t.unpin()
		t.run.events.put(event{kind: taskEnded, task: t, err: err})
	}()
	err = t.call()
	if err == nil && t.ctx.Err() == nil {
		t.run.events.put(event{kind: taskFinished, task: t})
		err = t.serve()
	}
	if t.ctx.Err() != nil && (err == nil || errors.Is(err, t.ctx.Err())) {
		err = context.Cause(t.ctx)
	}
}

// call runs the task function, looks at the backend it leaves, and turns a panic into an error.
func (t *Task) call() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	if err := t.run.fn(t.ctx, t); err != nil {
		return err
	}
	return t.refused()
}

// refused is the failure of a task function that returned nil although its backend no longer takes part: it has
// overlooked an error, so that its result lacks what was refused, and starting it again would not change that. An
// operation that never ended, because the task function recovered from a panic in it, is known to the next one only: a
// capture is that, and in the debug mode it checks what no checkpoint has.
func (t *Task) refused() error {
	if t.backend == nil {
		return nil
	}
	if s, err := t.backend.Capture(); err == nil {
		s.Release()
	}
	if t.backend.Err() == nil {
		return nil
	}
	return Permanent(fmt.Errorf("recovery: task function returned nil although its backend refuses every operation, "+
		"an error that it has to return: %w", t.backend.Err()))
}

// serve answers checkpoints on behalf of a task that has finished, with its last position. A task that never had a
// record has that of its restore. Which it is follows from what the other tasks do, so serve waits for the first of
// them to take part in a checkpoint: there is one that has not finished, or the job would be over.
func (t *Task) serve() error {
	for {
		select {
		case <-t.ctx.Done():
			return nil
		case <-t.dueC:
		}
		select {
		case <-t.ctx.Done():
			return nil
		case <-t.run.style.known:
		}
		if _, due := t.Due(); !due {
			continue
		}
		if !t.advances && t.run.style.barriers.Load() {
			// An engine that brings its own positions: only it knows what the final one is.
			t.run.cfg.Logger.Info("recovery: no checkpoints from now on, a task that uses Checkpoint has finished", "job", t.run.cfg.Name, "task", t.index)
			t.run.events.put(event{kind: taskDetached, task: t})
			continue
		}
		if err := t.advanceDue(t.ctx); err != nil {
			return err
		}
	}
}
