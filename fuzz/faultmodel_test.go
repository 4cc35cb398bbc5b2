package fuzz

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
	"github.com/heapstate/heapstate/recovery"
)

// The small job: two tasks read one log of records, each keeping those of its own key groups, in states of four
// kinds.
const (
	smallJob    = "orders"
	smallM      = 6
	smallSeed   = 99
	smallTasks  = 2
	smallKeys   = 9
	smallAlarm  = 5 // records after which a timer is due
	smallEvery  = 4 // every so many records the operator state changes
	startStates = 0 // the checkpoint a job without one starts from
)

func smallKey(offset int64) uint64 { return uint64(offset) * 7 % smallKeys }

// smallStates are the states of one task.
type smallStates struct {
	hash  keygroups.Hasher[uint64]
	sums  *heapbackend.Value[uint64, int64]
	seen  *heapbackend.List[uint64, int64]
	late  *heapbackend.Timers[uint64]
	fired *heapbackend.Value[uint64, int]
	own   *heapbackend.OperatorList[string]
}

func newSmallStates(t *recovery.Task) (s *smallStates, err error) {
	b, err := heapbackend.For[uint64](t)
	if err != nil {
		return nil, err
	}
	s = &smallStates{}
	var errs [6]error
	s.hash, errs[0] = keygroups.NewHasher[uint64](smallSeed)
	s.sums, errs[1] = heapbackend.NewValue[int64](b, "sums")
	s.seen, errs[2] = heapbackend.NewList[int64](b, "seen")
	s.late, errs[3] = heapbackend.NewTimers(b, "late", heapbackend.EventTime)
	s.fired, errs[4] = heapbackend.NewValue[int](b, "fired")
	s.own, errs[5] = heapbackend.NewSplitList[string](b, "own")
	return s, errors.Join(errs[:]...)
}

func (s *smallStates) groupOf(offset int64) int {
	return keygroups.Of(s.hash.Hash(smallKey(offset)), smallM)
}

// apply processes one record, which may be another task's.
func (s *smallStates) apply(t *recovery.Task, offset int64) error {
	for k := range s.late.Due(heapbackend.Timestamp(offset)) {
		if err := s.fired.Update(k, func(n *int) { *n++ }); err != nil {
			return err
		}
	}
	if offset%smallEvery == int64(t.Index()) {
		if err := s.own.Append(fmt.Sprint(t.Index(), "/", offset)); err != nil {
			return err
		}
	}
	if k := smallKey(offset); t.Range().Contains(s.groupOf(offset)) {
		return errors.Join(
			s.sums.Update(k, func(n *int64) { *n += offset + 1 }), s.seen.Append(k, offset),
			s.late.Register(k, heapbackend.Timestamp(offset+smallAlarm)),
		)
	}
	return nil
}

// check compares everything a task holds with what the records below its offset make of it.
func (s *smallStates) check(t *recovery.Task, offset int64) error {
	sums, seen, fired, own := map[uint64]int64{}, map[uint64][]int64{}, map[uint64]int{}, []string(nil)
	pending := 0
	for o := range offset {
		if o%smallEvery == int64(t.Index()) {
			own = append(own, fmt.Sprint(t.Index(), "/", o))
		}
		k := smallKey(o)
		if !t.Range().Contains(s.groupOf(o)) {
			continue
		}
		sums[k] += o + 1
		seen[k] = append(seen[k], o)
		if o+smallAlarm < offset {
			fired[k]++
		} else {
			pending++
		}
	}
	lists := map[uint64][]int64{}
	for k, list := range s.seen.All() {
		lists[k] = slices.Collect(list)
	}
	return errors.Join(
		differs("sums", sums, maps.Collect(s.sums.All())), differs("lists", seen, lists),
		differs("fired", fired, maps.Collect(s.fired.All())), differs("own", own, slices.Collect(s.own.All())),
		differs("timers", pending, s.late.Len()),
	)
}

func differs(what string, want, got any) error {
	if w, g := fmt.Sprint(want), fmt.Sprint(got); w != g {
		return fmt.Errorf("%s are %s, want %s", what, g, w)
	}
	return nil
}

// truth is what the world outside has been told of the job, over all its processes.
type truth struct {
	mu         sync.Mutex // guards what follows
	completed  map[uint64]bool
	aborted    map[uint64]bool
	savepoints map[uint64]bool
	captures   map[uint64][smallTasks]capture
	restored   [smallTasks][]uint64 // what each task was restored from, in order
	attempt    int                  // of the process
	process    [smallTasks]int      // the one in which each task was last restored
	wrong      []string
}

// capture is when a task gave its part to a checkpoint.
type capture struct {
	offset   int64
	restores int // of the task by then; 0 for no capture
}

func newTruth() *truth {
	return &truth{
		completed: map[uint64]bool{}, aborted: map[uint64]bool{}, savepoints: map[uint64]bool{},
		captures: map[uint64][smallTasks]capture{},
	}
}

// clone returns a copy that the events of other processes can be added to.
func (w *truth) clone() *truth {
	c := &truth{
		completed: maps.Clone(w.completed), aborted: maps.Clone(w.aborted), savepoints: maps.Clone(w.savepoints),
		captures: maps.Clone(w.captures), attempt: w.attempt, process: w.process,
	}
	for i := range w.restored {
		c.restored[i] = slices.Clone(w.restored[i])
	}
	return c
}

// fault notes that something is wrong.
func (w *truth) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faultLocked(format, args...)
}

func (w *truth) faultLocked(format string, args ...any) {
	if len(w.wrong) < 8 {
		w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
	}
}

// floor is the newest checkpoint that was reported complete, 0 if none was.
func (w *truth) floor() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.floorLocked()
}

func (w *truth) floorLocked() (newest uint64) {
	for id := range w.completed {
		newest = max(newest, id)
	}
	return newest
}

// captured notes that a task is about to capture a checkpoint.
func (w *truth) captured(id uint64, task int, offset int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.captures[id]
	c[task] = capture{offset, len(w.restored[task])}
	w.captures[id] = c
}

// reported notes how a checkpoint ended. One that completes is one that no task has gone back behind since it
// captured.
func (w *truth) reported(r recovery.CheckpointReport) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case errors.Is(r.Err, primary.ErrUncertain): // whoever acts on that waits for the next restore
		return
	case r.Err != nil:
		w.aborted[r.Checkpoint] = true
		return
	case r.Savepoint:
		w.savepoints[r.Checkpoint] = true
	default:
		w.completed[r.Checkpoint] = true
	}
	for task, c := range w.captures[r.Checkpoint] {
		for _, from := range w.restored[task][c.restores:] {
			if c.restores > 0 && from < r.Checkpoint {
				w.faultLocked("checkpoint %d completes after task %d, which captured it, was restored from %d",
					r.Checkpoint, task, from)
			}
		}
	}
}

// restoredFrom notes what a task begins with. older says that going behind the newest checkpoint is allowed. A
// checkpoint that was reported as aborted is gone for those who acted on that.
func (w *truth) restoredFrom(id uint64, task int, offset int64, older bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.restartLocked(id, task)
	w.restored[task] = append(w.restored[task], id)
	newest := w.floorLocked()
	c := w.captures[id][task]
	switch {
	case id == startStates && newest > 0:
		w.faultLocked("task %d starts empty, checkpoint %d had been committed", task, newest)
	case id < newest && !older:
		w.faultLocked("task %d is restored from checkpoint %d, %d had been committed", task, id, newest)
	case id < newest: // the job has gone back, and said so
		maps.DeleteFunc(w.completed, func(other uint64, _ bool) bool { return other > id })
	case w.aborted[id]:
		w.faultLocked("task %d is restored from checkpoint %d, which was reported as aborted", task, id)
	case c.restores > 0 && c.offset != offset:
		w.faultLocked("task %d is at offset %d in checkpoint %d, it captured it at %d", task, offset, id, c.offset)
	}
}

// restartLocked forgets what a task gave to checkpoints that the process before it may not have told of: their ids are
// given again. In a process, no id is given twice.
func (w *truth) restartLocked(id uint64, task int) {
	if w.attempt == w.process[task] {
		return
	}
	w.process[task] = w.attempt
	for other, c := range w.captures {
		if other > id {
			c[task] = capture{}
			w.captures[other] = c
			delete(w.aborted, other)
		}
	}
}
