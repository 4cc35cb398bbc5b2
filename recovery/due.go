package recovery

import (
	"context"
	"errors"
)

// dueCheckpoint is a checkpoint the task has been asked for and has not captured.
type dueCheckpoint struct {
	id        uint64
	savepoint bool
	object    string
}

// errSkipped is why a checkpoint is declined whose barrier did not come.
var errSkipped = errors.New("recovery: a newer checkpoint was captured first")

// takeDue takes the oldest due checkpoint, or the one with the given id. Older ones than that, whose barriers can no
// longer come, are declined.
func (t *Task) takeDue(id uint64) (dueCheckpoint, bool) {
	d, ok, skipped := t.dequeue(id)
	for _, old := range skipped {
		t.run.decline(t, old.id, errSkipped)
	}
	return d, ok
}

// dequeue is takeDue without the declining, which is not to be done under mu.
func (t *Task) dequeue(id uint64) (take dueCheckpoint, ok bool, skipped []dueCheckpoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.announceLocked()
	for len(t.due) > 0 && (id == 0 || t.due[0].id <= id) {
		take, t.due = t.due[0], t.due[1:]
		if id == 0 || take.id == id {
			t.captured = max(t.captured, take.id)
			return take, true, skipped
		}
		skipped = append(skipped, take)
	}
	if id == 0 || id <= t.captured {
		return dueCheckpoint{}, false, skipped
	}
	if take, ok = t.run.pending(t, id); ok {
		t.captured = id
	}
	return take, ok, skipped
}

// updateSignalLocked lets Advance pass without a look when there is nothing to see.
func (t *Task) updateSignalLocked() {
	if t.ended != nil || len(t.due) > 0 {
		t.signal.Store(1)
		return
	}
	t.signal.Store(0)
}

// announceLocked says that another checkpoint is the oldest one due, if one is: whoever waits for DueC may have taken
// the token of that one while an older one was in front of it.
func (t *Task) announceLocked() {
	t.updateSignalLocked()
	if len(t.due) == 0 {
		return
	}
	select {
	case t.dueC <- struct{}{}:
	default:
	}
}

// trigger asks for a checkpoint. Any goroutine.
func (t *Task) trigger(d dueCheckpoint) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return ErrZombie
	}
	if d.id <= t.captured {
		return nil // its barrier was faster
	}
	t.due = append(t.due, d)
	t.announceLocked()
	return nil
}

// abort forgets a checkpoint that will not complete. Any goroutine.
func (t *Task) abort(id uint64, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, d := range t.due {
		if d.id == id {
			t.due = append(t.due[:i:i], t.due[i+1:]...)
			t.announceLocked()
			break
		}
	}
	if u := t.uploads[id]; u != nil {
		u.cancel(cause)
	}
}

// end makes the attempt a past one: it captures nothing any more, its writes are cancelled, and its context ends with
// the cause. Any goroutine, any number of times; the first cause counts.
func (t *Task) end(cause error) {
	t.mu.Lock()
	if t.ended == nil {
		t.ended = cause
	}
	t.due = nil
	t.updateSignalLocked()
	t.mu.Unlock()
	t.cancel(cause)
	t.unpin()
}

// hold keeps a task that has captured a savepoint from going on while a stop is under way, until it is known whether
// the job stops. It also returns when something is due: the caller captures that, for otherwise a savepoint that was
// pending before the stop would keep the stop's own from ever being captured, and holds again.
func (t *Task) hold(ctx context.Context) error {
	release := t.run.stopping.Load()
	if release == nil {
		return nil
	}
	for {
		if _, due := t.Due(); due {
			return nil
		}
		select {
		case <-t.dueC: // may be stale
		case <-*release:
			return nil
		case <-t.ctx.Done():
			return context.Cause(t.ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
