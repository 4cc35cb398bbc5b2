package recovery

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/keygroups"
)

// ErrPlacement is matched by every error of [Place]: the claims or the slots contradict themselves.
var ErrPlacement = errors.New("recovery: contradictory placement")

// FreshSlot is the Slot of an [Assignment] for which none of the offered slots is free: the caller has to provide a new one.
const FreshSlot = -1

// Claim is one task that needs a slot.
type Claim struct {
	// Task is the task's index. Claims of one call have distinct tasks.
	Task int
	// Previous is the allocation the task last ran in, or uuid.Nil when it has none: it never ran, or the parallelism was
	// changed and it is another task now. Two claims of one call never name the same allocation.
	Previous uuid.UUID
	// Range is the key groups the task is to own, [First, End).
	Range keygroups.Range
}

// Slot is one place that is alive.
type Slot struct {
	// Allocation names the slot. Slots of one call have distinct, non-nil allocations.
	Allocation uuid.UUID
	// Busy says that a task that is not recovering runs in the slot. A busy slot is never given away.
	Busy bool
	// Held is what the local copies of this slot hold, in any order; nil when it has none.
	Held []GroupBytes
}

// GroupBytes is the size of one key group in the local copies of a slot.
type GroupBytes struct {
	// Group is the key group.
	Group int
	// Bytes is its size; what counts is the ratio to other key groups.
	Bytes int64
}

// Assignment says where one task goes.
type Assignment struct {
	// Task is the claim's task.
	Task int
	// Slot is an index into the slots, or FreshSlot.
	Slot int
	// Returned says that the slot is the one of the claim's previous allocation.
	Returned bool
	// Score is the bytes of the task's key groups that the slot holds, counting a key group of no bytes as one byte.
	Score int64
}

// Place decides which task runs in which slot. It is a pure function of its arguments; the result has one assignment per
// claim, in the order of the claims.
//
//   - A task whose previous allocation is among the slots that are not busy returns to it, whatever else is there.
//   - Every other task takes a slot that no task claims: first, greedily, the pair of task and slot with the most bytes of
//     the task's key groups, ties going to the lower task and then the lower slot; tasks for which no slot holds
//     anything take the slots that hold the least.
//   - A task for which no slot is left gets FreshSlot.
//
// So no recovering task is ever driven from a slot it can return to. The cost is O(claims x slots + claims x held key groups).
func Place(tasks []Claim, slots []Slot) ([]Assignment, error) {
	at, err := checkPlacement(tasks, slots)
	if err != nil {
		return nil, err
	}
	out := make([]Assignment, len(tasks))
	free := make([]bool, len(slots))
	for i, s := range slots {
		free[i] = !s.Busy
	}
	var homeless []int
	for i, c := range tasks {
		out[i] = Assignment{Task: c.Task, Slot: FreshSlot}
		if s, ok := at[c.Previous]; ok && !slots[s].Busy {
			out[i] = Assignment{Task: c.Task, Slot: s, Returned: true, Score: score(c.Range, slots[s])}
			free[s] = false
			continue
		}
		homeless = append(homeless, i)
	}
	placeByScore(tasks, slots, homeless, free, out)
	placeAnywhere(slots, homeless, free, out)
	return out, nil
}

// checkPlacement returns the index of every allocation, or what is contradictory.
func checkPlacement(tasks []Claim, slots []Slot) (map[uuid.UUID]int, error) {
	at := make(map[uuid.UUID]int, len(slots))
	for i, s := range slots {
		if s.Allocation == uuid.Nil {
			return nil, fmt.Errorf("%w: slot %d has no allocation", ErrPlacement, i)
		}
		if j, dup := at[s.Allocation]; dup {
			return nil, fmt.Errorf("%w: slots %d and %d have one allocation %s", ErrPlacement, j, i, s.Allocation)
		}
		at[s.Allocation] = i
	}
	seen := make(map[int]bool, len(tasks))
	claimed := make(map[uuid.UUID]int, len(tasks))
	for _, c := range tasks {
		if seen[c.Task] {
			return nil, fmt.Errorf("%w: task %d claims twice", ErrPlacement, c.Task)
		}
		seen[c.Task] = true
		if c.Previous == uuid.Nil {
			continue
		}
		if other, dup := claimed[c.Previous]; dup {
			return nil, fmt.Errorf("%w: tasks %d and %d claim one allocation %s", ErrPlacement, other, c.Task, c.Previous)
		}
		claimed[c.Previous] = c.Task
	}
	return at, nil
}

// score sums what the slot holds of the range. A key group without bytes still counts, so that a placement by overlap does
// not silently turn into one by chance when sizes are unknown.
func score(r keygroups.Range, s Slot) int64 {
	var sum int64
	for _, h := range s.Held {
		if r.Contains(h.Group) {
			sum += max(1, h.Bytes)
		}
	}
	return sum
}

// placeByScore gives the homeless tasks the free slots that hold their key groups, best pair first.
func placeByScore(tasks []Claim, slots []Slot, homeless []int, free []bool, out []Assignment) {
	type pair struct {
		claim, slot int
		score       int64
	}
	var pairs []pair
	for _, i := range homeless {
		for s := range slots {
			if !free[s] {
				continue
			}
			if n := score(tasks[i].Range, slots[s]); n > 0 {
				pairs = append(pairs, pair{i, s, n})
			}
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(tasks[a.claim].Task, tasks[b.claim].Task), cmp.Compare(a.slot, b.slot))
	})
	for _, p := range pairs {
		if out[p.claim].Slot == FreshSlot && free[p.slot] {
			out[p.claim].Slot, out[p.claim].Score = p.slot, p.score
			free[p.slot] = false
		}
	}
}

// placeAnywhere gives the tasks that no slot has anything for the slots that are left, those that hold the least first, so
// that copies another task may want are the last to be displaced.
func placeAnywhere(slots []Slot, homeless []int, free []bool, out []Assignment) {
	var left []int
	for s := range slots {
		if free[s] {
			left = append(left, s)
		}
	}
	slices.SortStableFunc(left, func(a, b int) int { return cmp.Compare(heldBytes(slots[a]), heldBytes(slots[b])) })
	for _, i := range homeless {
		if out[i].Slot != FreshSlot || len(left) == 0 {
			continue
		}
		out[i].Slot, left = left[0], left[1:]
		free[out[i].Slot] = false
	}
}

func heldBytes(s Slot) int64 {
	var sum int64
	for _, h := range s.Held {
		sum += max(1, h.Bytes)
	}
	return sum
}
