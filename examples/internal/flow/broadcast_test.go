package flow

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const stride = 1_000_000 // value n of source i is i*stride + n

// markedTask is one attempt of a task whose every tenth record is for all tasks.
type markedTask struct {
	index, tasks, limit int
	dueC                chan struct{}

	mu   *sync.Mutex // guards due, of all tasks together
	due  *uint64
	next int

	got   []int
	parts map[uint64]markedPart
}

// markedPart is a task's part in a checkpoint: how far its source was, and how many marks of each source it had seen.
type markedPart struct {
	next  int
	marks []int
}

func (t *markedTask) Index() int             { return t.index }
func (t *markedTask) DueC() <-chan struct{}  { return t.dueC }
func (t *markedTask) Ready() <-chan struct{} { return nil }
func (t *markedTask) Close() error           { return nil }
func (t *markedTask) Position() []byte       { return binary.AppendUvarint(nil, uint64(t.next)) }

func (t *markedTask) Due() (uint64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return *t.due, *t.due > 0
}

func (t *markedTask) Checkpoint(_ context.Context, id uint64, position []byte) error {
	next, _ := binary.Uvarint(position)
	marks := make([]int, t.tasks)
	for _, v := range t.got {
		if isMark(v) {
			marks[v/stride]++
		}
	}
	t.parts[id] = markedPart{int(next), marks}
	return nil
}

func (t *markedTask) Next(emit func(int) error) (bool, error) {
	if t.next == t.limit {
		return false, nil
	}
	if t.next%137 == 0 {
		t.mu.Lock()
		*t.due++
		t.mu.Unlock()
	}
	err := emit(t.index*stride + t.next)
	t.next++
	return true, err
}

func (t *markedTask) Process(records []int) error {
	t.got = append(t.got, records...)
	return nil
}

func (t *markedTask) Finish(context.Context) error { return nil }

func isMark(v int) bool { return v%stride%10 == 0 }

// A record for all tasks comes to each of them once, and in order with the other
// records of its source; a barrier does not come between its copies.
func TestARecordForAllTasksComesToEachInOrder(t *testing.T) {
	const tasks, limit = 3, 4000
	exchange := NewExchange[int](tasks)
	var mu sync.Mutex
	var due uint64
	all := make([]*markedTask, tasks)
	route := func(v int) int {
		if isMark(v) {
			return All
		}
		return v % stride % tasks
	}
	var running sync.WaitGroup
	for i := range all {
		all[i] = &markedTask{index: i, tasks: tasks, limit: limit, dueC: make(chan struct{}), mu: &mu, due: &due, parts: map[uint64]markedPart{}}
		running.Go(func() {
			if err := exchange.Run(t.Context(), all[i], Instance[int]{Source: all[i], Operator: all[i], Route: route}); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	for _, task := range all {
		task.requireInOrder(t)
	}
	require.NotEmpty(t, all[0].parts)
	for id := range all[0].parts {
		for from := range tasks {
			marks := (all[from].parts[id].next + 9) / 10
			for _, task := range all {
				require.Equal(t, marks, task.parts[id].marks[from], "checkpoint %d", id)
			}
		}
	}
}

// requireInOrder checks that the task got its records and all marks of each source, once and in order.
func (t *markedTask) requireInOrder(tb testing.TB) {
	got := make([][]int, t.tasks)
	for _, v := range t.got {
		got[v/stride] = append(got[v/stride], v%stride)
	}
	var want []int
	for n := range t.limit {
		if isMark(n) || n%t.tasks == t.index {
			want = append(want, n)
		}
	}
	for from := range t.tasks {
		require.Equal(tb, want, got[from], "from %d to %d", from, t.index)
	}
}
