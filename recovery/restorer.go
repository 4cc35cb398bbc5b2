package recovery

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/primary"
)

// errHung is the cause of a local source that was given up.
var errHung = errors.New("recovery: local copy did not answer in time")

// errNotTried is the cause for the key groups that come after.
var errNotTried = fmt.Errorf("%w for other key groups", errHung)

// restorer is one running restore.
//
// Its workers take key groups from a queue and try their sources in turn. A worker that has been on one local source
// for longer than the limit is written off by the watchdog: its key group goes back to the queue with that source
// marked as failed, another worker takes its place, and what it does when it wakes up is thrown away. A source that
// let two workers be written off without an answer in between is taken for hung: the other key groups do not try it.
//
// Goroutines: workers end when the queue is empty or the context ends; run waits for them, except for those written
// off, which end when their read returns.
type restorer struct {
	cfg    RestoreConfig
	ctx    context.Context
	cancel context.CancelCauseFunc
	memory *semaphore.Weighted

	mu      sync.Mutex // guards what follows
	groups  []groupState
	queue   []int // indices into groups
	workers map[*worker]struct{}
	hung    map[int]int   // by local source, how often a worker was written off since its last answer
	running int           // workers not written off
	idle    chan struct{} // closed when running reaches 0
	err     error         // the first key group without a source
}

// hungAfter is how many workers in a row are written off before a local source is taken for hung.
const hungAfter = 2

// groupState is how far one key group has come.
type groupState struct {
	source int // the index of the source being tried
	staged *heapbackend.Staged
	failed []SourceError
	took   time.Duration
}

// worker is one goroutine of a restorer; the restorer's mu guards it.
type worker struct {
	group   int       // what it is on
	source  int       // from where
	local   bool      // on a local source
	since   time.Time // since when
	held    int64     // of the memory semaphore
	written bool      // written off
}

func newRestorer(ctx context.Context, cfg RestoreConfig) *restorer {
	r := &restorer{cfg: cfg, memory: semaphore.NewWeighted(cfg.MemoryBytes),
		groups: make([]groupState, len(cfg.Plan.Groups)), workers: map[*worker]struct{}{}, hung: map[int]int{}, idle: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	for i := range cfg.Plan.Groups {
		if !cfg.Plan.Groups[i].Empty {
			r.queue = append(r.queue, i)
		}
	}
	return r
}

// run fills every group's staged, or returns why it cannot.
func (r *restorer) run(ctx context.Context) error {
	r.mu.Lock()
	if len(r.queue) == 0 || r.err != nil {
		r.mu.Unlock()
		return r.result(ctx)
	}
	for range min(r.cfg.Parallelism, len(r.queue)) {
		r.startLocked()
	}
	r.mu.Unlock()
	watch := time.NewTicker(max(r.cfg.LocalTimeout/4, time.Millisecond))
	defer watch.Stop()
	for {
		select {
		case <-r.idle:
			return r.result(ctx)
		case <-watch.C:
			r.writeOff(time.Now())
		case <-r.ctx.Done():
			grace := time.NewTimer(cancelGrace)
			defer grace.Stop()
			select {
			case <-r.idle:
			case <-grace.C:
			}
			return r.result(ctx)
		}
	}
}

// result is the outcome, once the workers are idle or given up.
func (r *restorer) result(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("recovery: restore of checkpoint %d cancelled: %w", r.cfg.Plan.Checkpoint, context.Cause(ctx))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *restorer) startLocked() {
	w := &worker{}
	r.workers[w] = struct{}{}
	r.running++
	go r.work(w)
}

// work is the loop of one worker.
func (r *restorer) work(w *worker) {
	start, ended := time.Time{}, false
	defer func() {
		if !ended { // a decoder called runtime.Goexit: another worker goes on
			r.replace(w, start)
		}
	}()
	for r.take(w) {
		start = time.Now()
		source, err := r.begin(w, start)
		var staged *heapbackend.Staged
		if err == nil {
			staged, err = r.load(w.group, source)
		}
		if !r.finish(w, start, staged, err) {
			break
		}
	}
	ended = true
}

// replace puts another worker in the place of one whose goroutine is ending.
func (r *restorer) replace(w *worker, start time.Time) {
	if !r.finish(w, start, nil, ErrGoexit) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.startLocked()
	r.endLocked(w)
}

// take gives the worker its next key group; false ends the worker.
func (r *restorer) take(w *worker) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) > 0 && r.ctx.Err() == nil {
		w.group, r.queue = r.queue[0], r.queue[1:]
		w.source = r.cfg.Plan.Groups[w.group].Sources[r.groups[w.group].source].Local
		if r.hung[w.source] < hungAfter {
			return true
		}
		r.failLocked(w.group, errNotTried)
	}
	r.endLocked(w)
	return false
}

func (r *restorer) endLocked(w *worker) {
	delete(r.workers, w)
	r.running--
	if r.running == 0 {
		close(r.idle)
	}
}

// begin waits for memory and marks the worker as busy on the current source of its key group.
func (r *restorer) begin(w *worker, now time.Time) (source int, err error) {
	gp := &r.cfg.Plan.Groups[w.group]
	r.mu.Lock()
	choice := gp.Sources[r.groups[w.group].source]
	r.mu.Unlock()
	weight := min(r.weight(gp, choice), r.cfg.MemoryBytes)
	if weight > 0 {
		if err := r.memory.Acquire(r.ctx, weight); err != nil {
			return choice.Local, err
		}
		now = time.Now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w.local, w.since, w.held = choice.Local != Primary, now, weight
	return choice.Local, nil
}

// weight is the encoded bytes held while one source of a key group is read. A copy in memory is adopted, not decoded,
// but operator state may be another task's.
func (r *restorer) weight(gp *GroupPlan, c Choice) int64 {
	if c.Local != Primary && r.cfg.Plan.Locals[c.Local].Letter == LetterHeap && gp.Group < r.cfg.Plan.M {
		return 0
	}
	sum := c.Bytes
	for _, s := range gp.Segments {
		sum += s.Raw
	}
	return sum
}

// finish records the outcome of one source. It returns false when the worker has been written off and must end.
func (r *restorer) finish(w *worker, start time.Time, staged *heapbackend.Staged, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.hung, w.source) // it answers, late or not
	if w.written {
		return false
	}
	r.memory.Release(w.held)
	w.local, w.held = false, 0
	g := &r.groups[w.group]
	g.took += time.Since(start)
	switch {
	case err == nil:
		g.staged = staged
	case r.ctx.Err() != nil: // the failure is ours, not the source's
	default:
		r.failLocked(w.group, err)
	}
	return true
}

// failLocked sends a key group to its next source, or ends the restore when there is none.
func (r *restorer) failLocked(group int, err error) {
	g, gp := &r.groups[group], &r.cfg.Plan.Groups[group]
	cause := SourceError{Source: r.name(gp.Sources[g.source].Local), Err: err}
	object, offset := gp.place()
	if gp.Sources[g.source].Local == Primary {
		cause.Object, cause.Offset = object, offset
	}
	g.failed = append(g.failed, cause)
	g.source++
	if err != errNotTried { // said already
		r.cfg.Logger.Warn("recovery: source failed", "checkpoint", r.cfg.Plan.Checkpoint, "operator", r.cfg.Plan.Operator,
			"group", gp.Group, "source", cause.Source, "error", err)
	}
	if g.source < len(gp.Sources) {
		r.queue = append(r.queue, group)
		return
	}
	if r.err == nil {
		r.err = &RestoreError{Checkpoint: r.cfg.Plan.Checkpoint, Operator: r.cfg.Plan.Operator, Group: gp.Group, M: r.cfg.Plan.M,
			Object: object, Offset: offset, Causes: g.failed}
		r.cancel(r.err)
	}
}

// writeOff gives up the workers that hang in a local source.
func (r *restorer) writeOff(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range r.workers {
		if !w.local || now.Sub(w.since) < r.cfg.LocalTimeout {
			continue
		}
		w.written = true
		r.hung[w.source]++
		r.memory.Release(w.held)
		r.groups[w.group].took += now.Sub(w.since)
		r.failLocked(w.group, errHung)
		r.startLocked()
		r.endLocked(w)
	}
}

// restage sends the key groups that came from memory to their next sources; false if there are none. Called when
// nothing runs any more; run has to follow. What was staged from elsewhere is kept.
func (r *restorer) restage(cause error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for i := range r.groups {
		gp, g := &r.cfg.Plan.Groups[i], &r.groups[i]
		if gp.Empty {
			continue
		}
		if c := gp.Sources[g.source]; c.Local != Primary && r.cfg.Plan.Locals[c.Local].Letter == LetterHeap {
			g.staged = nil
			r.failLocked(i, cause)
			n++
		}
	}
	r.idle = make(chan struct{})
	return n > 0
}

// load reads one key group from one source. A panic of a format or of a decoder is an error like any other.
func (r *restorer) load(group, source int) (staged *heapbackend.Staged, err error) {
	defer func() {
		if v := recover(); v != nil {
			staged, err = nil, &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	gp := &r.cfg.Plan.Groups[group]
	if source != Primary {
		return r.cfg.Locals[source].Load(r.ctx, gp.Group, r.cfg.Backend)
	}
	return r.loadPrimary(gp)
}

// loadPrimary reads one key group from the primary copy.
func (r *restorer) loadPrimary(gp *GroupPlan) (*heapbackend.Staged, error) {
	if r.cfg.Store == nil {
		return nil, fmt.Errorf("%w: no Store", ErrConfig)
	}
	if len(gp.Segments) != 1 || gp.Segments[0].Kind != primary.Base {
		return nil, fmt.Errorf("%w: a chain of %d segments", primary.ErrVersion, len(gp.Segments))
	}
	ref := gp.Segments[0]
	if ref.Object < 0 || ref.Object >= len(gp.Task.Objects) {
		return nil, fmt.Errorf("%w: segment of object %d of %d", primary.ErrCorrupt, ref.Object, len(gp.Task.Objects))
	}
	block, err := r.readBlock(gp.Task.Objects[ref.Object], ref.Segment, gp.Task.Compression)
	if err != nil {
		return nil, err
	}
	return r.cfg.Backend.StageBlock(gp.Task.Schema, gp.Group, block)
}

func (r *restorer) name(source int) string {
	if source == Primary {
		return "primary"
	}
	return r.cfg.Plan.Locals[source].Name
}

// staged is what to install, ascending by key group. A key group that is empty in the checkpoint is made empty, and so
// is the backend's operator state if the checkpoint has none. Called when nothing runs any more.
func (r *restorer) staged() ([]*heapbackend.Staged, error) {
	out := make([]*heapbackend.Staged, len(r.groups))
	for i := range r.groups {
		gp := &r.cfg.Plan.Groups[i]
		if out[i] = r.groups[i].staged; !gp.Empty {
			continue
		}
		var err error
		if out[i], err = r.cfg.Backend.StageEmpty(gp.Group); err != nil {
			return nil, fmt.Errorf("recovery: empty key group %d: %w", gp.Group, err)
		}
	}
	own, ok := r.cfg.Backend.Config().OperatorGroup()
	if n := len(r.groups); !ok || n > 0 && r.cfg.Plan.Groups[n-1].Group >= r.cfg.Plan.M {
		return out, nil
	}
	none, err := r.cfg.Backend.StageEmpty(own)
	if err != nil {
		return nil, fmt.Errorf("recovery: empty operator state: %w", err)
	}
	return append(out, none), nil
}

// report says where everything came from. Called when nothing runs any more.
func (r *restorer) report(took time.Duration) *Report {
	out := &Report{Checkpoint: r.cfg.Plan.Checkpoint, M: r.cfg.Plan.M, Took: took, Groups: make([]GroupReport, len(r.groups))}
	for i := range r.groups {
		g, gp := &r.groups[i], &r.cfg.Plan.Groups[i]
		gr := GroupReport{Group: gp.Group, Letter: LetterEmpty, Reason: ReasonEmpty, Rejected: gp.Rejected}
		if !gp.Empty {
			c := gp.Sources[g.source]
			gr.Source, gr.Letter, gr.Reason, gr.Bytes = r.name(c.Local), LetterPrimary, c.Reason, c.Bytes
			gr.Entries, gr.Took, gr.Failed = gp.entries(), g.took, g.failed
			if c.Local != Primary {
				gr.Letter = r.cfg.Plan.Locals[c.Local].Letter
			}
		}
		out.Groups[i] = gr
	}
	return out
}

// place is where the key group's newest segment lies in the primary copy.
func (gp *GroupPlan) place() (object string, offset int64) {
	if n := len(gp.Segments); n > 0 {
		if ref := gp.Segments[n-1]; ref.Object >= 0 && ref.Object < len(gp.Task.Objects) {
			return gp.Task.Objects[ref.Object], ref.Offset
		}
	}
	return "", 0
}
