package heapbackend

import (
	"errors"
	"fmt"
	"runtime"
	"weak"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/keygroups"
)

// Config describes the part of a job's keyed state that one backend holds.
type Config struct {
	// M is the job's max parallelism, the number of its key groups: 1 to keygroups.Max. Required.
	M int
	// Range is the key groups this backend holds, within [0, M). Required, not empty.
	Range keygroups.Range
	// Task is the index of the task the backend is for, and Tasks the number of tasks there are, the job's
	// parallelism: 0 to Tasks-1, and 1 to M. Only operator state needs them; it is refused if Tasks is 0, unless Range
	// is all of [0, M): then the task is the only one.
	Task, Tasks int
	// Seed is the job's hash seed. All backends of a job use one.
	Seed uint64
	// RefuseUnknown makes a restore fail with ErrUnknownState if the checkpoint holds a state that is not registered.
	// By default such a state is carried, unread, into every later snapshot.
	RefuseUnknown bool
	// CheckValues is the debug mode: it makes the backend check what the program does with values, and name the state,
	// the key group and the kind of fault in a *CheckError. The package's documentation says what is found. It is for
	// tests: an operation that writes costs what encoding and decoding the whole entry costs, all of a list or of a
	// key's map, and a capture what encoding everything three times and decoding it once costs, with 50 bytes kept for
	// each entry. Without it nothing is checked, and nothing costs anything.
	CheckValues bool
}

// Backend is the keyed state of one task: any number of named, typed states, each partitioned into the key groups of
// the backend's range, all with keys of type K.
//
// It belongs to one goroutine at a time. Snapshots are free to all, and so are StageBlock and StageSnapshot.
type Backend[K comparable] struct {
	core
	hasher keygroups.Hasher[K]
	keys   keyCodec[K]
	of     scopeOf[K]
}

// AnyBackend is a Backend without its key type: what checkpointing and recovery need of it.
type AnyBackend interface {
	// Config returns what the backend was made with.
	Config() Config
	// Schema describes the states a snapshot taken now would hold, in the encoding that Snapshot.Schema has. The caller
	// must not change it.
	Schema() []byte
	// Capture takes a snapshot. Owner only.
	Capture() (*Snapshot, error)
	// Err returns the error that made the backend refuse further use, if any.
	Err() error
	// StageBlock decodes one block that Snapshot.AppendGroup wrote: that of a key group, or of operator state. Any
	// goroutine, also several at once, but not while states are being registered.
	StageBlock(schema []byte, group int, block []byte) (*Staged, error)
	// StageSnapshot prepares to take one block over from a snapshot, sharing its memory. As StageBlock.
	StageSnapshot(s *Snapshot, group int) (*Staged, error)
	// StageEmpty prepares to make one block empty. As StageBlock.
	StageEmpty(group int) (*Staged, error)
	// Install makes staged blocks the content of the backend's: all of them or, if there is an error, none. Owner only.
	Install(staged []*Staged) error
	// Close ends the backend; operations then return ErrClosed. Snapshots stay readable.
	Close() error
}

// New returns an empty backend with keys of type K: strings, integers, floats, booleans, and arrays and structs of
// these (package keygroups says exactly which). Errors: ErrConfig, keygroups.ErrKeyType, ErrStateType.
func New[K comparable](cfg Config) (*Backend[K], error) {
	if cfg.M < 1 || cfg.M > keygroups.Max {
		return nil, fmt.Errorf("%w: max parallelism %d is not in [1, %d]", ErrConfig, cfg.M, keygroups.Max)
	}
	if r := cfg.Range; r.First < 0 || r.First >= r.End || r.End > cfg.M {
		return nil, fmt.Errorf("%w: key groups %v are not a non-empty part of [0,%d)", ErrConfig, r, cfg.M)
	}
	if err := cfg.checkPlace(); err != nil {
		return nil, err
	}
	h, err := keygroups.NewHasher[K](cfg.Seed)
	if err != nil {
		return nil, fmt.Errorf("heapbackend: %w", err)
	}
	keys, err := newKeyCodec[K](h)
	if err != nil {
		return nil, err
	}
	b := &Backend[K]{hasher: h, keys: keys}
	b.core = core{cfg: cfg, space: cow.NewSpace(), byName: map[string]int{}, keyType: h.Type()}
	b.space.OnMisuse(b.guard.teller())
	// What adopted from this backend may go on to refer to its space: of a backend that is forgotten nothing else must
	// stay.
	runtime.AddCleanup(b, func(space weak.Pointer[cow.Space]) {
		if s := space.Value(); s != nil {
			s.Close()
		}
	}, weak.Make(b.space))
	b.of = scopeOf[K]{core: &b.core, keys: keys, keyType: b.keyType}
	return b, nil
}

func (b *Backend[K]) scope() *scopeOf[K] { return &b.of }

// Group returns the key group of a key, in [0, M), whether or not it is one of the backend's: what a source that is
// read by several tasks needs to keep the records of its own. Any goroutine. O(1).
func (b *Backend[K]) Group(k K) int { return keygroups.Of(b.hasher.Hash(k), b.cfg.M) }

// Owner is what makes backends for a task: a recovery.Task, or the task of another engine.
type Owner interface {
	// BackendConfig returns the configuration of the task's backend.
	BackendConfig() Config
	// Attach tells the owner of the task's backend. It is called once; a second call is an error.
	Attach(AnyBackend) error
}

// For returns the backend of a task's key groups, empty, and attaches it to the task, which captures it at checkpoints
// and restores it. Errors are those of New and of Attach.
func For[K comparable](o Owner) (*Backend[K], error) {
	b, err := New[K](o.BackendConfig())
	if err != nil {
		return nil, err
	}
	if err := o.Attach(b); err != nil {
		return nil, err
	}
	return b, nil
}

// core is the part of a backend that does not depend on its key type.
type core struct {
	guard   guard
	cfg     Config
	keyType string
	space   *cow.Space
	states  []state        // in the order of registration, which is the order of the schema
	byName  map[string]int // index in states
	carried []carried      // states of the restored checkpoint that are not registered
	schemas schemas
}

// state is one registered state without its types.
type state interface {
	described() *stateInfo
	freeze() frozen
	// stage decodes the records of one group, written as the description says, into what install takes. Any goroutine.
	stage(written *stateInfo, group int, entries uint64, records []byte) (content, error)
	// stageFrozen is stage for a group of another backend's frozen state; it shares memory where the types are the
	// same.
	stageFrozen(f frozen, group int) (content, error)
	// install makes staged content that of a group; nil makes the group empty. O(1), but O(pages) for what was decoded.
	install(group int, c content)
	// drop lets go of everything, since the backend is closed.
	drop()
}

// rewinder is a state that remembers more than what it holds.
type rewinder interface {
	// rewind forgets it, since all groups are going to be installed: what follows must be as it was in the run that the
	// snapshot is of.
	rewind()
}

// content is what a state staged for one group: nil, the frozen state to take it over from, or a table of its own.
type content any

// frozen is one state of a snapshot.
type frozen interface {
	described() *stateInfo
	// appendGroup appends the records of a group.
	appendGroup(dst []byte, group int) ([]byte, error)
	entries(group int) uint64
	// only returns the same for one of its groups alone: it refers to nothing of the others, nor to the backend.
	only(group int) frozen
}

// Config returns what the backend was made with.
func (c *core) Config() Config { return c.cfg }

// Err returns the error that made the backend refuse further use: ErrConcurrent, ErrGroup, ErrFull, ErrClosed or what
// a Clone function's misbehaviour led to; nil while it is usable. After a panic in an operation, that of an Update
// function say, it is nil until the next operation, which is refused.
func (c *core) Err() error { return c.guard.failed() }

// Close ends the backend and lets go of memory kept for reuse. Idempotent; it never fails. It may be called by a
// supervisor once the owner goroutine has ended.
func (c *core) Close() error {
	if c.guard.close() {
		for _, s := range c.states {
			s.drop()
		}
		c.schemas.forget()
		c.carried = nil // a state of this backend may be carried on, and its backend with it
		c.space.Close()
	}
	return nil
}

// ended ends a loop over a view of the backend, and gives back what was kept for it. Owner only.
func (c *core) ended(view *cow.View) {
	view.Release()
	if c.guard.enter() {
		c.space.Hear()
		c.guard.leave()
	}
}

// full is the failure of a write to a state whose table refused it.
func (c *core) full(state string, err error) error {
	if errors.Is(err, cow.ErrTorn) {
		return c.guard.fail(fmt.Errorf("%w: state %q: %w", ErrConcurrent, state, err))
	}
	return c.guard.fail(fmt.Errorf("%w: state %q: %w", ErrFull, state, err))
}

// lookup returns the registered state of that name, nil if there is none, and its index.
func (c *core) lookup(name string) (state, int) {
	if i, ok := c.byName[name]; ok {
		return c.states[i], i
	}
	return nil, -1
}

// groups returns the number of key groups of the backend.
func (c *core) groups() int { return c.cfg.Range.Len() }

// groupOf returns the key group of a hash.
func (c *core) groupOf(hash uint64) int { return keygroups.Of(hash, c.cfg.M) }
