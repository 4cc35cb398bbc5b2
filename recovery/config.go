package recovery

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// Defaults of [Config].
const (
	// DefaultOperator is the name of a job's keyed operator.
	DefaultOperator = "main"
	// DefaultGrace is how long tasks have to return after their context has ended.
	DefaultGrace = 10 * time.Second
)

// Config says what a job is. Zero values mean the defaults named at each field; NewJob reports every fault together.
type Config struct {
	// Name is the job's name: one element of an object name, see primary.CheckName. Required.
	Name string
	// Operator is the name of the keyed operator its tasks are instances of, one element too; "" means DefaultOperator.
	Operator string
	// Tasks is the parallelism, 1 to M. Required. It may change from one run to the next.
	Tasks int
	// M is the max parallelism, 1 to keygroups.Max, fixed for the life of the job. 0 means what the job's newest
	// checkpoint (or From) has, and for a new job keygroups.DefaultMax of Tasks.
	M int
	// Primary is the durable store. Required.
	Primary primary.Store
	// SharedStore allows other jobs beside this one in Primary.
	SharedStore bool
	// Local are the local copies, in order of preference; the zero value keeps none.
	Local localcopy.Formats
	// Worker is a name for this worker that is the same after its process was started again, and that no other worker
	// of the job has: a host name, a pod name. With it, a new process finds the local copies the old one left. ""
	// means a name nobody will have again, so that no local copy outlives a Run; if Local has a format that could,
	// that is logged.
	Worker string

	// Every is the time from one checkpoint to the next; 0 means that checkpoints are only taken by Job.Checkpoint.
	Every time.Duration
	// Timeout is how long a checkpoint may take; 0 means primary.DefaultTimeout.
	Timeout time.Duration
	// MinPause is the shortest time from a completed checkpoint to the next periodic one.
	MinPause time.Duration
	// MaxConcurrent is how many checkpoints may be under way; 0 means 1.
	MaxConcurrent int
	// TolerableFailures is how many checkpoints may fail in a row before the tasks are restarted; 0 means none, below 0
	// any number.
	TolerableFailures int
	// Retain is how many checkpoints are kept; 0 means 1, and 2 with StepBack.
	Retain int
	// Compression is that of the primary copy; the zero value is S2.
	Compression primary.Compression

	// Restart decides whether and when failed tasks are restarted; nil means Exponential{}, as in Flink.
	Restart RestartStrategy
	// Region says which tasks restart when one fails.
	Region RestartScope
	// StepBack lets a restore go back to an older retained checkpoint, for all tasks that restart, when it is proved
	// that the newer one cannot be read: see [Verdict]. A store that does not answer proves nothing. What was done in
	// between is done again. A checkpoint that is Damaged is discarded with the next commit; one that is Unreadable
	// stays as long as it is retained.
	StepBack bool
	// From is a savepoint (or any manifest whose objects are in Primary) to start from. It may be of another job. It
	// is used until the job has a checkpoint of its own that is newer, so it may stay in a configuration. So it does
	// not take a job back: one that has gone on after a savepoint ignores it, with a warning. Rolling back needs a new
	// job: another Name (with SharedStore, or another Primary), and From.
	From *primary.Manifest
	// Grace is how long a restart or a stop waits for tasks whose context has ended; 0 means DefaultGrace. A task
	// function that has not returned by then is left behind and can no longer commit. The end of Run takes three times
	// Grace at most.
	Grace time.Duration

	// Seed is the seed of the key hash; 0 means that of the newest checkpoint, and for a new job a random one.
	Seed uint64
	// DropOperators are the operators whose state the newest checkpoint may have although the job is not of them: from
	// the next checkpoint on it is gone. Without its name here such an operator refuses the start: a
	// *primary.MismatchError.
	DropOperators []string
	// RefuseUnknown refuses to restore states that are not registered, instead of carrying them through unread.
	RefuseUnknown bool
	// CheckValues is the debug mode of backends, for tests: they check what the program does with values, and a fault
	// ends the job with heapbackend.ErrCheck; see heapbackend.Config.
	CheckValues bool
	// Parallelism is how many key groups of a task are read or written at once; 0 means GOMAXPROCS.
	Parallelism int
	// MemoryBytes bounds the encoded state each restoring task holds; 0 means DefaultMemoryBytes.
	MemoryBytes int64
	// LocalTimeout is how long one key group may take to come from one local copy; 0 means DefaultLocalTimeout.
	LocalTimeout time.Duration

	// Logger gets what an operator should know; nil means nothing is logged.
	Logger *slog.Logger
	// OnCheckpoint, if not nil, is called when a checkpoint has completed or was aborted. The callbacks of one Run are
	// called one at a time, in order, on goroutines of their own, and none after Run has returned. Run waits for them
	// for Grace; one that has not returned by then is left behind, and those after it are not called. A panic or a
	// runtime.Goexit in one is logged, and the next is called: what a callback could not do it has to keep for itself,
	// since the checkpoint is complete. A checkpoint of which it is not known how it ended when Run gives its store up,
	// Grace after the end of the tasks, is not reported: whether it is there is seen by the next Run, which starts from
	// it if it is.
	OnCheckpoint func(CheckpointReport)
	// OnRecovery, if not nil, is called when a task has been restored, for the first start too; as OnCheckpoint is.
	OnRecovery func(RecoveryReport)
}

// CheckpointReport says how one checkpoint of a job ended.
type CheckpointReport struct {
	// Checkpoint is its id and Savepoint whether it was a savepoint.
	Checkpoint uint64
	Savepoint  bool
	// Err is nil when it completed, otherwise why it was aborted. Where it matches primary.ErrUncertain it may have
	// completed all the same: a sink that commits with checkpoints must not throw away what it prepared for it, but
	// find out with the next restore which checkpoint counts.
	Err error
	// Tasks has what each task contributed until then, in the order of their indices.
	Tasks []TaskCheckpoint
}

// TaskCheckpoint is one task's part in a checkpoint.
type TaskCheckpoint struct {
	// Task is the task's index.
	Task int
	// Paused is how long the task was held up by capturing.
	Paused time.Duration
	// Took is the time from the capture until the primary copy was durable; 0 when it never was.
	Took time.Duration
	// Bytes is the size of its object and Entries the number of entries in it.
	Bytes   int64
	Entries uint64
}

// RecoveryReport says how one task came to its state.
type RecoveryReport struct {
	// Task is the task's index, Attempts how often it had been started in this Run, this time included, and Attempt
	// the id.
	Task, Attempts int
	Attempt        uuid.UUID
	// Slot is the index of its slot and Allocation the slot's id; Returned says that it is the one it last had.
	Slot       int
	Allocation uuid.UUID
	Returned   bool
	// Cause is the failure that made the restart necessary; nil for the first start.
	Cause error
	// Failed is when that failure was noticed, and Restored when the state was in place.
	Failed, Restored time.Time
	// Report says where each key group came from.
	Report *Report
}

// withDefaults returns the configuration with its defaults set, or all its faults in one error matching ErrConfig.
func (c Config) withDefaults() (Config, error) {
	c.Operator = cmp.Or(c.Operator, DefaultOperator)
	c.Grace = cmp.Or(c.Grace, DefaultGrace)
	if c.Restart == nil {
		c.Restart = Exponential{}
	}
	if c.Retain == 0 && c.StepBack {
		c.Retain = 2
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if faults := c.faults(); len(faults) > 0 {
		return c, fmt.Errorf("%w: %w", ErrConfig, errors.Join(faults...))
	}
	return c, nil
}

func (c *Config) faults() []error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	for _, n := range [][2]string{{"Name", c.Name}, {"Operator", c.Operator}} {
		if err := primary.CheckName(n[1]); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", n[0], err))
		} else {
			check(!strings.Contains(n[1], "/"), "%s: %w: %q has a slash", n[0], primary.ErrName, n[1])
		}
	}
	check(c.Primary != nil, "Primary is nil")
	check(c.M >= 0 && c.M <= keygroups.Max, "M %d is not in 1..%d", c.M, keygroups.Max)
	check(c.Tasks >= 1 && c.Tasks <= keygroups.Max, "Tasks %d is not in 1..%d", c.Tasks, keygroups.Max)
	check(c.M <= 0 || c.Tasks <= c.M, "Tasks %d is more than M %d", c.Tasks, c.M)
	check(c.From == nil || c.M == 0 || c.From.M == c.M, "From has max parallelism %d, M is %d", fromM(c.From), c.M)
	check(min(c.Every, c.Timeout, c.MinPause, c.Grace, c.LocalTimeout) >= 0, "a duration is negative")
	check(min(c.MaxConcurrent, c.Retain, c.Parallelism) >= 0, "MaxConcurrent, Retain or Parallelism is negative")
	check(c.MemoryBytes >= 0, "MemoryBytes %d is negative", c.MemoryBytes)
	check(!c.StepBack || c.Retain >= 2, "StepBack needs Retain of at least 2, it is %d", c.Retain)
	check(c.Compression <= primary.None, "Compression %d is unknown", c.Compression)
	check(c.Region <= RestartOne, "Region %d is unknown", c.Region)
	if s, ok := c.Restart.(interface{ check() error }); ok {
		if err := s.check(); err != nil {
			faults = append(faults, fmt.Errorf("Restart: %w", err))
		}
	}
	return faults
}

func fromM(m *primary.Manifest) int {
	if m == nil {
		return 0
	}
	return m.M
}
