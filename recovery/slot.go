package recovery

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// allocationSpace is the name space of the allocations of workers that have a stable name. It may never change: it is
// how a new process finds what the old one left.
var allocationSpace = uuid.MustParse("6f1c1f0e-2a3b-5d0c-9a7e-7d4b6c1e0a55")

// findSlots is how many slots of a worker are looked for in a checkpoint: the number of slots it can have lost in one
// life and still find its local copies in the next.
const findSlots = 1024

// SlotInfo describes one slot of a running job.
type SlotInfo struct {
	// Index is the slot's number: what Job.LoseSlot takes. Numbers of lost slots are not given again.
	Index int
	// Allocation is the slot's id.
	Allocation uuid.UUID
	// Task is the index of the task that runs in it, or -1.
	Task int
}

// slot is a place for one task, with the local copies that belong to it.
type slot struct {
	index      int
	allocation uuid.UUID
	// The run's mu guards what follows. A task keeps the keeper it was started with.
	keeper *localcopy.Keeper
	owner  int // the task the keeper is for
	task   int // the task that runs in it, -1 when none does
}

// allocationOf names a slot of a worker of a job: a uuid of version 5, the same in every process.
func allocationOf(job, worker string, index int) uuid.UUID {
	return uuid.NewSHA1(allocationSpace, fmt.Appendf(nil, "%d:%s%d:%s%d", len(job), job, len(worker), worker, index))
}

// slotsFor returns the numbers of the slots a worker starts with: those a checkpoint was taken in, because local
// copies may be there, and then unused ones until every task has one.
func slotsFor(job, worker string, tasks int, manifests []*primary.Manifest) []int {
	used := map[uuid.UUID]bool{}
	for _, m := range manifests {
		for _, op := range m.Operators {
			for _, ts := range op.Tasks {
				used[ts.Allocation] = true
			}
		}
	}
	var known []int
	for i := range findSlots + tasks {
		if len(used) > 0 && used[allocationOf(job, worker, i)] {
			known = append(known, i)
		}
	}
	for i := 0; len(known) < tasks; i++ {
		if !slices.Contains(known, i) {
			known = append(known, i)
		}
	}
	slices.Sort(known)
	return known
}

// warnUnnamed says that local copies that could outlive the process will not, because nobody could find them again.
func (r *run) warnUnnamed() {
	if r.cfg.Worker != "" {
		return
	}
	for _, f := range r.cfg.Local {
		if f.Letter() != LetterHeap {
			r.cfg.Logger.Warn("recovery: local copies are removed when this Run ends, and the next one reads the primary: "+
				"set Config.Worker to keep them", "job", r.cfg.Name, "format", f.Name())
		}
	}
}

// addSlotLocked opens a slot whose copies belong to a task.
func (r *run) addSlotLocked(index, owner int) *slot {
	s := &slot{index: index, allocation: allocationOf(r.cfg.Name, r.worker, index), task: -1}
	s.keep(r, owner)
	r.slots = append(r.slots, s)
	r.nextSlot = max(r.nextSlot, index+1)
	return s
}

// keep gives the slot a keeper for the copies of a task. What another task's keeper has sealed in the allocation
// stays, and is found by the new one.
func (s *slot) keep(r *run, task int) {
	if s.keeper != nil {
		s.keeper.Dispose(false)
		r.retireLocked(s.keeper)
	}
	s.owner = task
	s.keeper = localcopy.NewKeeper(localcopy.KeeperConfig{
		Formats: r.formats, Logger: r.cfg.Logger, MaxPending: r.cfg.MaxConcurrent + localcopy.DefaultMaxPending,
		Owner: localcopy.Owner{Job: r.cfg.Name, Operator: r.cfg.Operator, Task: task, Allocation: s.allocation},
	})
}

// retireLocked puts a keeper among those that are waited for at the end, and takes those out that have nothing more to
// do: a job that goes on for months loses many slots.
func (r *run) retireLocked(k *localcopy.Keeper) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	idle := func(k *localcopy.Keeper) bool { return k.Wait(over) == nil }
	r.retired = append(slices.DeleteFunc(r.retired, idle), k)
}

// place finds a slot for each of the tasks.
func (r *run) place(tasks []int, m *primary.Manifest) (map[int]*slot, map[int]bool, error) {
	r.mu.Lock()
	slots := slices.Clone(r.slots)
	offered := make([]Slot, len(slots))
	keepers := make([]*localcopy.Keeper, len(slots))
	for i, s := range slots {
		offered[i], keepers[i] = Slot{Allocation: s.allocation, Busy: s.task >= 0}, s.keeper
	}
	r.mu.Unlock()
	claims := make([]Claim, len(tasks))
	scored := false
	for i, task := range tasks {
		claims[i] = Claim{Task: task, Previous: r.previous(task, m), Range: r.ranges[task]}
		scored = scored || !slices.ContainsFunc(offered, func(s Slot) bool { return s.Allocation == claims[i].Previous && !s.Busy })
	}
	if scored && m != nil {
		weigh(keepers, offered, m.Checkpoint, r.tasksOf(m))
	}
	assigned, err := Place(claims, offered)
	if err != nil {
		return nil, nil, err
	}
	where, returned := map[int]*slot{}, map[int]bool{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range assigned {
		if a.Slot == FreshSlot {
			where[a.Task] = r.addSlotLocked(r.nextSlot, a.Task)
		} else {
			where[a.Task] = slots[a.Slot]
		}
		s := where[a.Task]
		if s.task = a.Task; s.owner != a.Task {
			s.keep(r, a.Task)
		}
		returned[a.Task] = a.Returned
	}
	return where, returned, nil
}

// previous is the allocation a task last had: in this Run, or else in the checkpoint if it had the same key groups
// then.
func (r *run) previous(task int, m *primary.Manifest) uuid.UUID {
	if last := r.state[task].allocation; last != uuid.Nil || m == nil {
		return last
	}
	for _, ts := range r.tasksOf(m) {
		if ts.Task == task && ts.Range == r.ranges[task] {
			return ts.Allocation
		}
	}
	return uuid.Nil
}

// weigh fills in what each slot holds of the checkpoint: of what its copies say only what the checkpoint confirms. The
// slots are asked at once; each answers within the keeper's own limit.
func weigh(keepers []*localcopy.Keeper, offered []Slot, checkpoint uint64, tasks []primary.TaskState) {
	truth := segmentsOf(tasks)
	var wg sync.WaitGroup
	for i, k := range keepers {
		if offered[i].Busy {
			continue
		}
		wg.Go(func() {
			size := map[int]int64{}
			for _, c := range k.Copies(checkpoint) {
				source, err := sourceOf(c)
				if err != nil {
					continue
				}
				for _, g := range source.Groups {
					if s := truth[g.Group]; s != nil && holds(g, s) {
						size[g.Group] = g.Bytes
					}
				}
			}
			for group, bytes := range size {
				offered[i].Held = append(offered[i].Held, GroupBytes{group, bytes})
			}
		})
	}
	wg.Wait()
}

// segmentsOf is the newest segment of each key group of a checkpoint, and of each task's operator state.
func segmentsOf(tasks []primary.TaskState) map[int]*primary.Segment {
	out := map[int]*primary.Segment{}
	for i := range tasks {
		for _, g := range tasks[i].Groups {
			if n := len(g.Segments); n > 0 {
				out[g.Group] = &g.Segments[n-1].Segment
			}
		}
	}
	return out
}

// localSources finds the local copies for a restoring task: those of its own slot and, unless they hold all of its key
// groups and all operator state that it needs, those of every other slot of this worker.
func (r *run) localSources(ctx context.Context, t *Task) ([]LocalSource, []localcopy.Copy) {
	if t.manifest == nil || t.manifest.Savepoint || len(r.cfg.Local) == 0 {
		return nil, nil
	}
	var sources []LocalSource
	var copies []localcopy.Copy
	operator, err := operatorBlocks(t.want(), t.old)
	if err != nil {
		return nil, nil // MakePlan says so
	}
	missing := r.occupied(t, operator)
	add := func(k *localcopy.Keeper) {
		for _, c := range k.Copies(t.manifest.Checkpoint) {
			source, err := sourceOf(c)
			if err != nil {
				r.cfg.Logger.Warn("recovery: local copy not used", "job", r.cfg.Name, "task", t.index, "error", err)
				continue
			}
			if !serves(&source, t, operator) {
				continue
			}
			sources, copies = append(sources, source), append(copies, c)
			for _, g := range source.Groups {
				delete(missing, g.Group)
			}
		}
	}
	add(t.keeper)
	if len(missing) == 0 {
		return sources, copies
	}
	for _, k := range r.keepers() {
		if k != t.keeper && ctx.Err() == nil {
			add(k)
		}
	}
	return sources, copies
}

// serves reports whether a copy may hold something of what a task needs.
func serves(s *LocalSource, t *Task, operator []int) bool {
	return !s.Meta.Range.Intersect(t.groups).Empty() ||
		slices.ContainsFunc(s.Groups, func(g localcopy.GroupInfo) bool { return slices.Contains(operator, g.Group) })
}

// keepers are those of all slots.
func (r *run) keepers() []*localcopy.Keeper {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*localcopy.Keeper, len(r.slots))
	for i, s := range r.slots {
		out[i] = s.keeper
	}
	return out
}

// occupied is the key groups of a task, and the blocks of operator state, that the checkpoint has something in.
func (r *run) occupied(t *Task, operator []int) map[int]struct{} {
	out := map[int]struct{}{}
	for i := range t.old {
		for _, g := range t.old[i].Groups {
			if t.groups.Contains(g.Group) || slices.Contains(operator, g.Group) {
				out[g.Group] = struct{}{}
			}
		}
	}
	return out
}

// loseSlot takes a slot away with everything in it. On the supervisor's goroutine.
func (r *run) loseSlot(index int) error {
	r.mu.Lock()
	at := slices.IndexFunc(r.slots, func(s *slot) bool { return s.index == index })
	if at < 0 {
		r.mu.Unlock()
		return fmt.Errorf("%w: no slot %d", ErrConfig, index)
	}
	lost := r.slots[at]
	r.slots = slices.Delete(r.slots, at, at+1)
	r.retireLocked(lost.keeper)
	var victim *Task
	if lost.task >= 0 {
		victim = r.current[lost.task]
	}
	r.mu.Unlock()
	if victim != nil { // before its copies go: it must not store another
		r.setAttempt(victim.index, uuid.Nil) // first, or its cancelled uploads count as failed checkpoints
		victim.end(ErrSlotLost)
	}
	lost.keeper.Dispose(true)
	r.cfg.Logger.Warn("recovery: slot lost", "job", r.cfg.Name, "slot", index, "allocation", lost.allocation)
	if victim != nil {
		r.failed(victim, ErrSlotLost)
	}
	return nil
}

// tasksOf is the tasks of the job's operator in a manifest.
func (r *run) tasksOf(m *primary.Manifest) []primary.TaskState {
	if m == nil {
		return nil
	}
	for i := range m.Operators {
		if m.Operators[i].Name == r.cfg.Operator {
			return m.Operators[i].Tasks
		}
	}
	return nil
}

// taskID names a task to the coordinator.
func (r *run) taskID(task int) primary.TaskID {
	return primary.TaskID{Operator: r.cfg.Operator, Task: task}
}

// plans are all tasks with their key groups.
func plans(operator string, ranges []keygroups.Range) []primary.TaskPlan {
	out := make([]primary.TaskPlan, len(ranges))
	for i, g := range ranges {
		out[i] = primary.TaskPlan{TaskID: primary.TaskID{Operator: operator, Task: i}, Range: g}
	}
	return out
}
