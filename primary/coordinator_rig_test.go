package primary

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

const testJob = "orders"

var errTest = errors.New("test: injected")

// message is what a fake transport was asked to send.
type message struct {
	kind       string // trigger, confirm, abort
	task       TaskID
	attempt    uuid.UUID
	checkpoint uint64
	trigger    Trigger
	cause      error
}

// fakeTransport records messages; onTrigger may answer triggers.
type fakeTransport struct {
	mu        sync.Mutex
	messages  []message
	onTrigger func(message) error
}

func (f *fakeTransport) add(m message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages = append(f.messages, m)
}

func (f *fakeTransport) Trigger(task TaskID, attempt uuid.UUID, c Trigger) error {
	m := message{kind: "trigger", task: task, attempt: attempt, checkpoint: c.Checkpoint, trigger: c}
	f.add(m)
	if f.onTrigger != nil {
		return f.onTrigger(m)
	}
	return nil
}

func (f *fakeTransport) Confirm(task TaskID, attempt uuid.UUID, id uint64) {
	f.add(message{kind: "confirm", task: task, attempt: attempt, checkpoint: id})
}

func (f *fakeTransport) Abort(task TaskID, attempt uuid.UUID, id uint64, cause error) {
	f.add(message{kind: "abort", task: task, attempt: attempt, checkpoint: id, cause: cause})
}

// ids returns the checkpoints a kind of message was sent about, once per task 0.
func (f *fakeTransport) ids(kind string) []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []uint64
	for _, m := range f.messages {
		if m.kind == kind && m.task.Task == 0 {
			ids = append(ids, m.checkpoint)
		}
	}
	return ids
}

func (f *fakeTransport) of(kind string, id uint64) []message {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.messages), func(m message) bool {
		return m.kind != kind || m.checkpoint != id
	})
}

// tester is a *testing.T, or a *rapid.T in a bubble.
type tester interface {
	require.TestingT
	Helper()
	Context() context.Context
	Cleanup(func())
}

// rig is a coordinator with tasks that do what the test says.
type rig struct {
	t        tester
	store    Store
	sent     *fakeTransport
	cfg      CoordinatorConfig
	c        *Coordinator
	attempts map[TaskID]uuid.UUID
	cancel   context.CancelFunc
	ran      chan error
}

func testPlans(m, tasks int) []TaskPlan {
	ranges, err := keygroups.Ranges(m, tasks)
	if err != nil {
		panic(err)
	}
	plans := make([]TaskPlan, tasks)
	for i, r := range ranges {
		plans[i] = TaskPlan{TaskID: TaskID{Operator: "main", Task: i}, Range: r}
	}
	return plans
}

// newRig prepares a coordinator of two tasks over store; change edits its config.
func newRig(t tester, store Store, change ...func(*CoordinatorConfig)) *rig {
	r := &rig{t: t, store: store, sent: &fakeTransport{}, attempts: map[TaskID]uuid.UUID{}}
	r.cfg = CoordinatorConfig{Store: store, Job: testJob, M: 8, Seed: 7, Tasks: testPlans(8, 2), Transport: r.sent}
	for _, f := range change {
		f(&r.cfg)
	}
	return r
}

// start opens the coordinator, registers an attempt of every task and runs it.
func startRig(t tester, store Store, change ...func(*CoordinatorConfig)) *rig {
	r := newRig(t, store, change...)
	r.open()
	r.startTasks()
	r.run()
	return r
}

func (r *rig) open() {
	r.t.Helper()
	c, err := OpenCoordinator(r.t.Context(), r.cfg)
	require.NoError(r.t, err)
	r.c = c
}

func (r *rig) startTasks() {
	r.t.Helper()
	for _, p := range r.cfg.Tasks {
		r.startTask(p.Task)
	}
}

func (r *rig) startTask(task int) {
	r.t.Helper()
	id := r.cfg.Tasks[task].TaskID
	r.attempts[id] = uuid.New()
	require.NoError(r.t, r.c.SetAttempt(id, r.attempts[id]))
}

func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.ran = cancel, make(chan error, 1)
	go func() { r.ran <- r.c.Run(ctx) }()
	r.t.Cleanup(cancel)
}

// stop ends Run by its context, as the death of the process would.
func (r *rig) stop() {
	r.t.Helper()
	r.cancel()
	require.ErrorIs(r.t, <-r.ran, context.Canceled)
}

func (r *rig) trigger(savepoint bool) uint64 {
	r.t.Helper()
	id, err := r.c.Trigger(r.t.Context(), savepoint)
	require.NoError(r.t, err)
	return id
}

// part writes the object of a task's part of a checkpoint and returns its ack;
// more are older objects it names too.
func (r *rig) part(task int, id uint64, savepoint bool, more ...string) Ack {
	r.t.Helper()
	plan := r.cfg.Tasks[task]
	name := r.c.ObjectName(plan.TaskID, r.attempts[plan.TaskID], id, savepoint)
	require.NoError(r.t, createObject(r.t.Context(), r.store, name, []byte("state of "+name)))
	a := Ack{
		Task: plan.TaskID, Attempt: r.attempts[plan.TaskID], Allocation: uuid.New(), Checkpoint: id,
		Schema: []byte{0x90}, Objects: append([]string{name}, more...), Position: []byte(fmt.Sprint("at ", id)),
	}
	group := GroupState{Group: plan.Range.First}
	for i := range a.Objects {
		seg := SegmentRef{Object: len(a.Objects) - 1 - i, Segment: Segment{Group: group.Group, Kind: Delta, Offset: 8, Length: 10, Raw: 10, Entries: 1}}
		if i == 0 {
			seg.Kind = Base
		}
		group.Segments = append(group.Segments, seg)
	}
	a.Groups = []GroupState{group}
	return a
}

func (r *rig) ack(task int, id uint64, savepoint bool, more ...string) error {
	r.t.Helper()
	return r.c.Ack(r.t.Context(), r.part(task, id, savepoint, more...))
}

// ackAll lets every task acknowledge, and waits until all that follows is done.
func (r *rig) ackAll(id uint64, savepoint bool) {
	r.t.Helper()
	for i := range r.cfg.Tasks {
		require.NoError(r.t, r.ack(i, id, savepoint))
	}
	synctest.Wait()
}

// complete makes one checkpoint and returns its manifest.
func (r *rig) complete() *Manifest {
	r.t.Helper()
	id := r.trigger(false)
	r.ackAll(id, false)
	m, err := r.c.Wait(r.t.Context(), id)
	require.NoError(r.t, err)
	return m
}

func (r *rig) outcome(id uint64) error {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := r.c.Wait(ctx, id)
	require.NotErrorIs(r.t, err, context.DeadlineExceeded, "checkpoint %d is still pending", id)
	return err
}

func names(t tester, s Store, prefix string) []string {
	t.Helper()
	var out []string
	for info, err := range s.List(context.Background(), prefix) {
		require.NoError(t, err)
		out = append(out, info.Name)
	}
	return out
}

func (r *rig) objects() []string    { return names(r.t, r.store, objectsPrefix(testJob)) }
func (r *rig) savepoints() []string { return names(r.t, r.store, savepointsPrefix(testJob)) }

// objectIDs returns the checkpoints that have objects, each once.
func (r *rig) objectIDs() []uint64 {
	var ids []uint64
	for _, name := range r.objects() {
		ids = append(ids, parseName(testJob, name).checkpoint)
	}
	return slices.Compact(ids)
}

// requireIntact checks that all that retained checkpoints and savepoints name is
// there, and returns the ids of the retained checkpoints, newest first.
func requireIntact(t tester, s Store) []uint64 {
	t.Helper()
	ctx := context.Background()
	all, err := LoadRetained(ctx, s, testJob)
	require.NoError(t, err)
	ids := []uint64{}
	for _, m := range all {
		ids = append(ids, m.Checkpoint)
	}
	for id, err := range Savepoints(ctx, s, testJob) {
		require.NoError(t, err)
		m, err := LoadSavepoint(ctx, s, testJob, id)
		require.NoError(t, err)
		all = append(all, m)
	}
	for _, m := range all {
		for name := range objectsOf(m) {
			_, err := s.Size(ctx, name)
			require.NoError(t, err, "checkpoint %d, savepoint %v", m.Checkpoint, m.Savepoint)
		}
	}
	return ids
}

// requireClean checks that nothing is in the store that nothing names.
func requireClean(t tester, s Store) {
	t.Helper()
	ctx := context.Background()
	named := map[string]bool{commitlog.OriginName(testJob): true}
	entries, err := ReadLog(ctx, s, testJob)
	require.NoError(t, err)
	view, err := loadLog(ctx, s, testJob)
	require.NoError(t, err)
	for _, e := range entries {
		if e.Manifest != nil {
			for name := range objectsOf(e.Manifest) {
				named[name] = true
			}
		}
	}
	for id, err := range Savepoints(ctx, s, testJob) {
		require.NoError(t, err)
		m, err := LoadSavepoint(ctx, s, testJob, id)
		require.NoError(t, err)
		named[savepointManifestName(testJob, id)] = true
		for name := range objectsOf(m) {
			named[name] = true
		}
	}
	for _, name := range names(t, s, testJob+"/") {
		if at := parseName(testJob, name); at.area == areaLog && view.Newest != nil && at.slot >= view.Newest.Begin() {
			continue // the log is retired from its beginning only
		}
		if at := parseName(testJob, name); at.area == areaSavepoint && at.epoch < view.Newest.Epoch {
			continue // of one who died before it was complete: only its manifest could say that it is nobody's
		}
		require.True(t, named[name], "nothing names %s", name)
	}
}

// dump returns everything in the store.
func dump(t tester, s Store) string {
	t.Helper()
	var b strings.Builder
	for _, name := range names(t, s, "") {
		content, err := readObject(context.Background(), s, name)
		require.NoError(t, err)
		fmt.Fprintf(&b, "%s %x\n", name, content)
	}
	return b.String()
}

func slotName(job string, slot uint64) string { return commitlog.RecordName(job, slot) }

// readObject returns the whole of an object, whatever it is.
func readObject(ctx context.Context, store Store, name string) ([]byte, error) {
	size, err := store.Size(ctx, name)
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	return b, store.ReadAt(ctx, name, b, 0)
}

// bubble runs a test over a memory store in a synctest bubble.
func bubble(t *testing.T, test func(t *testing.T, store Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, NewMemory()) })
}
