package flow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Sizes of the exchange. A batch is large enough that its channel operation does not count, and smaller where many tasks
// would otherwise hold much memory in batches that are filling.
const (
	batchesPerLink = 3
	maxBatch       = 1024
	minBatch       = 16
	maxInFlight    = 1 << 21 // records, over all links, as long as minBatch allows it
)

// ErrRestartScope is returned by [Exchange.Run] to a task that starts over while
// other tasks of the exchange do not: the job has to restart all of them
// together (recovery.RestartAll).
var ErrRestartScope = errors.New("flow: a task started over alone; an exchange needs all its tasks to start over together")

// Exchange connects the sources and the keyed halves of one program's tasks. It
// outlives the attempts of the tasks: one Exchange per job, made before the
// tasks start, safe for concurrent use.
type Exchange[R any] struct {
	tasks int
	batch int

	mu      sync.Mutex
	meeting *meeting[R] // guarded by mu; the newest one
}

// NewExchange returns the exchange of a program with the given number of tasks,
// at least 1. A link holds 3 batches of up to 1024 records; from some 26 tasks
// on, of fewer.
func NewExchange[R any](tasks int) *Exchange[R] {
	tasks = max(tasks, 1)
	batch := min(max(maxInFlight/(tasks*tasks*batchesPerLink), minBatch), maxBatch)
	return &Exchange[R]{tasks: tasks, batch: batch}
}

// meeting is one start of all the tasks together, with links of its own.
type meeting[R any] struct {
	links   [][]link[R]       // [source][keyed half]
	inboxes []chan message[R] // by keyed half
	members []context.Context // guarded by Exchange.mu; by task; nil: not here (yet, or any more)
	present int               // guarded by Exchange.mu
	full    chan struct{}     // closed once every task is here
	left    bool              // guarded by Exchange.mu; someone left after it was full
	running atomic.Int64      // keyed halves that have not seen the end of every input
	over    chan struct{}     // closed once running is 0
	newest  atomic.Uint64     // the newest barrier any source has sent
	wake    []chan struct{}   // by source, one deep: newest has grown
}

func (x *Exchange[R]) newMeeting() *meeting[R] {
	m := &meeting[R]{
		links:   make([][]link[R], x.tasks),
		inboxes: make([]chan message[R], x.tasks),
		members: make([]context.Context, x.tasks),
		full:    make(chan struct{}),
		over:    make(chan struct{}),
		wake:    make([]chan struct{}, x.tasks),
	}
	m.running.Store(int64(x.tasks))
	for to := range x.tasks {
		m.inboxes[to] = make(chan message[R], x.tasks*(batchesPerLink+2))
		m.wake[to] = make(chan struct{}, 1)
	}
	for from := range x.tasks {
		for to := range x.tasks {
			m.links[from] = append(m.links[from], newLink(m.inboxes[to]))
		}
	}
	return m
}

// announce makes id the newest barrier, so that every source sends it soon: an
// alignment that began then ends, even if a task hears of the checkpoint late or
// the checkpoint is aborted before it does.
func (m *meeting[R]) announce(id uint64) {
	for {
		old := m.newest.Load()
		if id <= old {
			return
		}
		if m.newest.CompareAndSwap(old, id) {
			break
		}
	}
	for _, wake := range m.wake {
		select {
		case wake <- struct{}{}:
		default: // it has a wake-up waiting and will read newest after taking it
		}
	}
}

// inputEnded is called by a keyed half that has seen the end of every input.
func (m *meeting[R]) inputEnded() {
	if m.running.Add(-1) == 0 {
		close(m.over)
	}
}

// join waits until every task is here and returns the meeting they share. The
// caller leaves it when it is done.
func (x *Exchange[R]) join(ctx context.Context, task int) (*meeting[R], error) {
	m, err := x.enter(ctx, task)
	if err != nil {
		return nil, err
	}
	select {
	case <-m.full:
		return m, nil
	case <-ctx.Done():
		x.leave(m, task, ctx)
		return nil, ctx.Err()
	}
}

func (x *Exchange[R]) enter(ctx context.Context, task int) (*meeting[R], error) {
	if task < 0 || task >= x.tasks {
		return nil, fmt.Errorf("flow: task %d in an exchange of %d tasks", task, x.tasks)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	m := x.meeting
	if m == nil || m.left || m.members[task] != nil {
		if m != nil && m.stillAtWorkLocked() {
			return nil, ErrRestartScope
		}
		m = x.newMeeting()
		x.meeting = m
	}
	m.members[task] = ctx
	m.present++
	if m.present == x.tasks {
		close(m.full)
	}
	return m, nil
}

// stillAtWorkLocked reports whether a task in the meeting has not been told to
// stop. A task that was told to and hangs does not count.
func (m *meeting[R]) stillAtWorkLocked() bool {
	for _, ctx := range m.members {
		if ctx != nil && ctx.Err() == nil {
			return true
		}
	}
	return false
}

func (x *Exchange[R]) leave(m *meeting[R], task int, ctx context.Context) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if m.members[task] != ctx {
		return // a later attempt took the place while the meeting was filling
	}
	m.members[task] = nil
	if m.present == x.tasks {
		m.left = true
		return
	}
	m.present--
}
