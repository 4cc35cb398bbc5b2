package recovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// Defaults of [RestoreConfig].
const (
	// DefaultMemoryBytes is the encoded state a restore holds at once.
	DefaultMemoryBytes = 256 << 20
	// DefaultLocalTimeout is how long one key group may take to come from one local copy.
	DefaultLocalTimeout = 10 * time.Second
)

// cancelGrace is how long a cancelled or failed restore waits for its reads to notice.
const cancelGrace = 100 * time.Millisecond

// RestoreConfig says what to restore into, and from where.
type RestoreConfig struct {
	// Backend receives the key groups and the operator state: its states are registered, and it covers the plan's
	// range. What it held is replaced. It is changed once, at the end of a restore that succeeds, on the calling
	// goroutine, which must be its owner.
	Backend heapbackend.AnyBackend
	// Plan says where each key group comes from; MakePlan makes it.
	Plan *Plan
	// Locals are the copies behind the plan's local sources, in the same order.
	Locals []localcopy.Copy
	// Store holds the primary copy. It may be nil if no key group needs it.
	Store primary.Store
	// Parallelism is how many key groups are read at once; 0 means GOMAXPROCS.
	Parallelism int
	// MemoryBytes bounds the encoded state held at once, above the restored state itself; 0 means DefaultMemoryBytes. A
	// single key group larger than that is read alone.
	MemoryBytes int64
	// LocalTimeout is how long one key group may take to come from one local copy before it goes to its next source; 0
	// means DefaultLocalTimeout. The primary copy has no limit but the context.
	LocalTimeout time.Duration
	// Logger gets one warning for each source that failed; nil means none.
	Logger *slog.Logger
}

// SourceError is one source that could not give one key group.
type SourceError struct {
	// Source is the source's name: that of a local format, or "primary".
	Source string
	// Object is the primary object that was read, "" for a local copy.
	Object string
	// Offset is where in Object the key group lies.
	Offset int64
	// Err is the cause.
	Err error
}

// Error names the source and, for the primary, the object and the offset.
func (e *SourceError) Error() string {
	if e.Object == "" {
		return fmt.Sprintf("%s: %v", e.Source, e.Err)
	}
	return fmt.Sprintf("%s object %q at offset %d: %v", e.Source, e.Object, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// RestoreError is a key group that none of its sources could give. It unwraps to every cause.
type RestoreError struct {
	// Checkpoint is the checkpoint being restored, Operator its operator and Group the key group: M, the max
	// parallelism, + the index of a task for the operator state that the task left.
	Checkpoint uint64
	Operator   string
	Group, M   int
	// Object is the primary object the key group lies in, and Offset where.
	Object string
	Offset int64
	// Causes has one error for each source, in the order tried.
	Causes []SourceError
}

// Error names the checkpoint, the key group, the object, the offset and every cause.
func (e *RestoreError) Error() string {
	var b strings.Builder
	block := fmt.Sprint("key group ", e.Group)
	if e.M > 0 && e.Group >= e.M {
		block = fmt.Sprint("operator state of task ", e.Group-e.M)
	}
	fmt.Fprintf(&b, "recovery: checkpoint %d operator %q %s (object %q at offset %d) has no source left", e.Checkpoint, e.Operator, block, e.Object, e.Offset)
	for i := range e.Causes {
		fmt.Fprintf(&b, "; %v", &e.Causes[i])
	}
	return b.String()
}

// Unwrap returns every cause.
func (e *RestoreError) Unwrap() []error {
	out := make([]error, len(e.Causes))
	for i := range e.Causes {
		out[i] = &e.Causes[i]
	}
	return out
}

// Restore executes a plan: it reads the key groups in parallel, each from the first of its sources that gives it, and
// then installs all of them in one step. Until that step the backend is as it was; on any error it stays so.
//
// It is called on the goroutine that owns the backend and returns promptly when ctx ends, with an error wrapping ctx's
// cause. A read that does not notice that ctx ended is left behind; its result is thrown away. Errors: [RestoreError]
// when a key group has no source left; what Backend.Install returns; otherwise none. Key groups whose copy in memory
// is dropped before they are installed go to their next source like any other.
//
// A key group adopted from a heap copy costs no I/O and no time that depends on its size. All others cost their bytes
// once for each source tried; at most MemoryBytes of encoded bytes are held at a time.
func Restore(ctx context.Context, cfg RestoreConfig) (*Report, error) {
	start := time.Now()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := newRestorer(ctx, cfg)
	defer r.cancel(nil)
	for {
		if err := r.run(ctx); err != nil {
			return nil, err
		}
		staged, err := r.staged()
		if err != nil {
			return nil, err
		}
		err = cfg.Backend.Install(staged)
		if err == nil {
			return r.report(time.Since(start)), nil
		}
		// A heap copy that was dropped since it was staged, by a slot that was lost: its key groups have other sources.
		if !errors.Is(err, heapbackend.ErrReleased) || !r.restage(err) {
			return nil, fmt.Errorf("recovery: install checkpoint %d: %w", cfg.Plan.Checkpoint, err)
		}
	}
}

func (cfg *RestoreConfig) check() error {
	var faults []error
	if cfg.Backend == nil {
		faults = append(faults, errors.New("no Backend"))
	}
	if cfg.Plan == nil {
		faults = append(faults, errors.New("no Plan"))
	} else if len(cfg.Locals) != len(cfg.Plan.Locals) {
		faults = append(faults, fmt.Errorf("%d Locals for the %d of the plan", len(cfg.Locals), len(cfg.Plan.Locals)))
	}
	if cfg.Parallelism < 0 || cfg.MemoryBytes < 0 || cfg.LocalTimeout < 0 {
		faults = append(faults, errors.New("negative Parallelism, MemoryBytes or LocalTimeout"))
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: restore: %w", ErrConfig, errors.Join(faults...))
	}
	if cfg.Parallelism == 0 {
		cfg.Parallelism = runtime.GOMAXPROCS(0)
	}
	if cfg.MemoryBytes == 0 {
		cfg.MemoryBytes = DefaultMemoryBytes
	}
	if cfg.LocalTimeout == 0 {
		cfg.LocalTimeout = DefaultLocalTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
