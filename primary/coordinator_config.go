package primary

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/keygroups"
)

// TaskID names one parallel instance of one operator.
type TaskID struct {
	// Operator is the name of the operator.
	Operator string
	// Task is the index of the task, from 0.
	Task int
}

// String returns "operator/task".
func (t TaskID) String() string { return t.Operator + "/" + strconv.Itoa(t.Task) }

func compareTasks(a, b TaskID) int {
	return cmp.Or(strings.Compare(a.Operator, b.Operator), cmp.Compare(a.Task, b.Task))
}

// TaskPlan is a task and the key groups it owns.
type TaskPlan struct {
	TaskID
	// Range is the task's key groups, not empty.
	Range keygroups.Range
}

// Trigger is what a task is told when a checkpoint begins.
type Trigger struct {
	// Checkpoint is the id.
	Checkpoint uint64
	// Savepoint asks for a self-contained copy: the task's object holds
	// everything and its ack names no other object.
	Savepoint bool
	// Object is the name under which the task stores its state.
	Object string
}

// Transport carries what a coordinator has to say to the attempts of the tasks:
// a function call in one process, a message between several. The coordinator
// calls it from one goroutine at a time, in order, without holding a lock: it
// may call back into the coordinator. Its methods MUST NOT block. Messages may be
// lost: a lost trigger becomes a timeout, the others are only good news delayed.
type Transport interface {
	// Trigger asks an attempt for a checkpoint. An error declines it.
	Trigger(task TaskID, attempt uuid.UUID, c Trigger) error
	// Confirm tells an attempt that a checkpoint it took part in is complete.
	// Savepoints are not confirmed: they make no earlier checkpoint superfluous.
	Confirm(task TaskID, attempt uuid.UUID, checkpoint uint64)
	// Abort tells an attempt that a checkpoint it took part in will never
	// complete; the cause is an *AbortError.
	Abort(task TaskID, attempt uuid.UUID, checkpoint uint64, cause error)
}

// Defaults of CoordinatorConfig.
const (
	// DefaultTimeout is the timeout of a checkpoint.
	DefaultTimeout = 10 * time.Minute
	// DefaultMaxConcurrent is how many checkpoints may be pending.
	DefaultMaxConcurrent = 1
	// DefaultRetain is how many completed checkpoints are kept.
	DefaultRetain = 1
	// DefaultShutdownGrace is how long a coordinator goes on deleting when it ends.
	DefaultShutdownGrace = 5 * time.Second
)

// CoordinatorConfig configures [OpenCoordinator]. Zero values mean the defaults
// named at each field.
type CoordinatorConfig struct {
	// Store holds the checkpoints. Required.
	Store Store
	// Job is the name of the job: one element of an object name. Required.
	Job string
	// M is the max parallelism of the job, 1 to keygroups.Max. Required.
	M int
	// Seed is that of the job's key hash; 0 means the one in the newest
	// manifest, or a random one if there is none. See [Coordinator.Seed].
	Seed uint64
	// Tasks are all tasks of the job, in any order. The ranges of one operator
	// ascend with the task's index and cover [0, M) exactly. Required.
	Tasks []TaskPlan
	// Interval is the time from one periodic trigger to the next; 0 means none.
	Interval time.Duration
	// Timeout is how long a checkpoint may be pending; 0 means DefaultTimeout.
	// It bounds every single call of the store as well.
	Timeout time.Duration
	// MinPause is the shortest time from a completion to the next periodic
	// trigger; 0 means none.
	MinPause time.Duration
	// MaxConcurrent is how many checkpoints may be pending before no other is
	// triggered; 0 means DefaultMaxConcurrent. A savepoint is never held back,
	// but counts while it is pending.
	MaxConcurrent int
	// TolerableFailures is how many checkpoints may fail in a row before Run
	// gives up: 0 means none, below 0 any number.
	TolerableFailures int
	// Retain is how many completed checkpoints are kept; 0 means DefaultRetain.
	Retain int
	// ShutdownGrace is how long Run goes on with deletions still to do when it
	// ends, and then once more how long it waits for calls of the store that do not
	// return although their context is over; 0 means DefaultShutdownGrace.
	ShutdownGrace time.Duration
	// SharedStore allows other jobs beside this one in the same store. Without
	// it their presence is taken for a wrong store: a *MismatchError.
	SharedStore bool
	// DropOperators are the operators whose state the newest checkpoint may have
	// although no task is of them: from the next checkpoint on it is gone. Without
	// its name here such an operator is a *MismatchError.
	DropOperators []string
	// SkipCorrupt lets the coordinator go on from an older checkpoint if the record
	// of the newest cannot be read, from either copy, instead of failing; it is
	// logged as an error. If no retained checkpoint is readable it fails
	// nevertheless: the job would start empty. What is corrupt stays in the store,
	// and as long as it does no orphans of earlier coordinators are swept, by this
	// one and by later ones.
	SkipCorrupt bool
	// Transport carries triggers, confirmations and aborts. Required.
	Transport Transport
	// Logger gets what an operator should know; nil means nothing is logged.
	Logger *slog.Logger
}

// withDefaults returns a checked copy of cfg that shares nothing with it, or all
// its faults in one error that wraps ErrInvalid.
func (cfg CoordinatorConfig) withDefaults() (CoordinatorConfig, error) {
	cfg.Timeout = cmp.Or(cfg.Timeout, DefaultTimeout)
	cfg.MaxConcurrent = cmp.Or(cfg.MaxConcurrent, DefaultMaxConcurrent)
	cfg.Retain = cmp.Or(cfg.Retain, DefaultRetain)
	cfg.ShutdownGrace = cmp.Or(cfg.ShutdownGrace, DefaultShutdownGrace)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Tasks, cfg.DropOperators = slices.Clone(cfg.Tasks), slices.Clone(cfg.DropOperators)
	slices.SortFunc(cfg.Tasks, func(a, b TaskPlan) int { return compareTasks(a.TaskID, b.TaskID) })
	faults := cfg.faults()
	if len(faults) == 0 {
		return cfg, nil
	}
	return cfg, fmt.Errorf("%w: %w", ErrInvalid, errors.Join(faults...))
}

func (cfg *CoordinatorConfig) faults() []error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("coordinator: "+format, args...))
		}
	}
	check(cfg.Store != nil, "no store")
	check(cfg.Transport != nil, "no transport")
	check(cfg.M >= 1 && cfg.M <= keygroups.Max, "max parallelism %d is not in 1..%d", cfg.M, keygroups.Max)
	check(cfg.Interval >= 0, "interval %v is negative", cfg.Interval)
	check(cfg.Timeout > 0, "timeout %v is negative", cfg.Timeout)
	check(cfg.ShutdownGrace > 0, "shutdown grace %v is negative", cfg.ShutdownGrace)
	check(cfg.MinPause >= 0, "min pause %v is negative", cfg.MinPause)
	check(cfg.MaxConcurrent > 0, "max concurrent %d is negative", cfg.MaxConcurrent)
	check(cfg.Retain > 0, "retain %d is negative", cfg.Retain)
	if err := checkJob(cfg.Job); err != nil {
		faults = append(faults, err)
	}
	return append(faults, cfg.taskFaults()...)
}

// taskFaults expects the tasks sorted.
func (cfg *CoordinatorConfig) taskFaults() []error {
	if len(cfg.Tasks) == 0 {
		return []error{errors.New("coordinator: no tasks")}
	}
	var faults []error
	for i, t := range cfg.Tasks {
		name := objectName(cfg.Job, Trigger{Checkpoint: math.MaxUint64, Savepoint: true}, t.TaskID, uuid.Max, math.MaxUint64)
		if err := CheckName(name); err != nil || strings.Contains(t.Operator, "/") {
			faults = append(faults, fmt.Errorf("coordinator: operator name %q: %w", t.Operator, cmp.Or(err, ErrName)))
		}
		first := i == 0 || cfg.Tasks[i-1].Operator != t.Operator
		last := i+1 == len(cfg.Tasks) || cfg.Tasks[i+1].Operator != t.Operator
		from := 0
		if !first {
			from = cfg.Tasks[i-1].Range.End
		}
		switch {
		case t.Task < 0 || !first && cfg.Tasks[i-1].Task == t.Task:
			faults = append(faults, fmt.Errorf("coordinator: task %v is negative or given twice", t.TaskID))
		case t.Range.Empty() || t.Range.First != from || t.Range.End > cfg.M || last && t.Range.End != cfg.M:
			faults = append(faults, fmt.Errorf("coordinator: task %v: ranges of an operator must cover [0,%d) in order, got %v after %d",
				t.TaskID, cfg.M, t.Range, from))
		}
	}
	return faults
}
