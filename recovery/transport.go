package recovery

import (
	"time"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/primary"
)

// transport carries what the coordinator says to the tasks of one run: function calls, because they share a process. None blocks.
type transport struct{ r *run }

// openCheckpoint is a checkpoint that was triggered and has not ended.
type openCheckpoint struct {
	savepoint bool
	tasks     map[int]TaskCheckpoint
}

// keepOpen is how many open checkpoints are remembered at most, in case the coordinator never says how one ended.
const keepOpen = 256

// Trigger implements primary.Transport.
func (tr transport) Trigger(id primary.TaskID, attempt uuid.UUID, c primary.Trigger) error {
	r := tr.r
	r.mu.Lock()
	if r.open[c.Checkpoint] == nil {
		r.open[c.Checkpoint] = &openCheckpoint{savepoint: c.Savepoint, tasks: map[int]TaskCheckpoint{}}
		r.forgetLocked(c.Checkpoint)
	}
	t := r.currentLocked(id, attempt)
	r.mu.Unlock()
	if t == nil {
		return ErrZombie
	}
	return t.trigger(dueCheckpoint{id: c.Checkpoint, savepoint: c.Savepoint, object: c.Object})
}

// Confirm implements primary.Transport. Every slot is told: one that no task runs in holds copies too, after a rescale.
func (tr transport) Confirm(_ primary.TaskID, _ uuid.UUID, checkpoint uint64) {
	r := tr.r
	if !r.endCheckpoint(checkpoint, nil) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.slots {
		if s.task >= 0 {
			s.keeper.Confirm(checkpoint)
		} else { // what it holds was for a rescale that is over
			s.keeper.Restored(checkpoint)
		}
	}
}

// Abort implements primary.Transport.
func (tr transport) Abort(id primary.TaskID, attempt uuid.UUID, checkpoint uint64, cause error) {
	r := tr.r
	r.mu.Lock()
	t := r.currentLocked(id, attempt)
	r.mu.Unlock()
	if t != nil {
		t.abort(checkpoint, cause)
		t.keeper.Abort(checkpoint)
	}
	r.endCheckpoint(checkpoint, cause)
}

// currentLocked is the task's current attempt, if it is the given one.
func (r *run) currentLocked(id primary.TaskID, attempt uuid.UUID) *Task {
	if id.Operator != r.cfg.Operator || id.Task < 0 || id.Task >= len(r.current) {
		return nil
	}
	if t := r.current[id.Task]; t != nil && t.attempt == attempt {
		return t
	}
	return nil
}

// forgetLocked drops the oldest open checkpoints when there are too many.
func (r *run) forgetLocked(newest uint64) {
	for id := range r.open {
		if id+keepOpen <= newest {
			delete(r.open, id)
		}
	}
}

// pending describes a checkpoint that other tasks have been asked for and this one not yet. Called with the task's mu held.
func (r *run) pending(t *Task, id uint64) (dueCheckpoint, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	open := r.open[id]
	if open == nil {
		return dueCheckpoint{}, false
	}
	return dueCheckpoint{id: id, savepoint: open.savepoint, object: r.coordinator().ObjectName(r.taskID(t.index), t.attempt, id, open.savepoint)}, true
}

// uploaded notes one task's part in a checkpoint.
func (r *run) uploaded(u *upload, index *primary.Index, took time.Duration) {
	part := TaskCheckpoint{Task: u.task.index, Paused: u.paused, Took: took, Bytes: index.Size}
	for _, s := range index.Segments {
		part.Entries += s.Entries
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if open := r.open[u.due.id]; open != nil {
		open.tasks[part.Task] = part
	}
}

// endCheckpoint reports the end of a checkpoint; false if it was reported before.
func (r *run) endCheckpoint(id uint64, err error) bool {
	r.mu.Lock()
	open := r.open[id]
	delete(r.open, id)
	r.mu.Unlock()
	if open == nil {
		return false
	}
	if r.cfg.OnCheckpoint == nil {
		return true
	}
	report := CheckpointReport{Checkpoint: id, Savepoint: open.savepoint, Err: err}
	for task := range r.cfg.Tasks {
		if part, ok := open.tasks[task]; ok {
			report.Tasks = append(report.Tasks, part)
		}
	}
	r.notes.put(func() { r.cfg.OnCheckpoint(report) })
	return true
}

// decline tells the coordinator that a task cannot contribute to a checkpoint.
func (r *run) decline(t *Task, id uint64, cause error) {
	// It answers with an error when the checkpoint is over already, which is as good.
	_ = r.coordinator().Decline(r.taskID(t.index), t.attempt, id, cause)
}
