package child

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/heapstate/heapstate/examples/internal/protocol"
	"github.com/heapstate/heapstate/recovery"
)

// events turns what happens in the job into messages to the supervisor. Safe for
// concurrent use.
type events struct {
	out   *protocol.Writer
	tasks int
	read  func() int64 // how much of the input has been read

	mu        sync.Mutex
	restored  map[int]recovery.RecoveryReport // guarded by mu; by task, of the start under way
	recovered int                             // guarded by mu; the newest start reported
	started   int                             // guarded by mu; the newest start with a first record
}

func newEvents(out *protocol.Writer, tasks int) *events {
	return &events{out: out, tasks: tasks, restored: map[int]recovery.RecoveryReport{}}
}

// send writes an event. If the supervisor is gone this process ends soon, so an
// error has nobody to go to.
func (e *events) send(event protocol.Event) {
	event.Read = e.read()
	_ = e.out.Write(event)
}

// progress sends how far the sources are, until ctx ends.
func (e *events) progress(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			e.send(protocol.Event{})
		}
	}
}

func (e *events) checkpoint(r recovery.CheckpointReport) {
	c := &protocol.Checkpoint{ID: r.Checkpoint}
	if r.Err != nil {
		c.Error = r.Err.Error()
	}
	for _, t := range r.Tasks {
		c.Bytes += t.Bytes
		c.Entries += t.Entries
		c.Paused = max(c.Paused, t.Paused)
		c.Took = max(c.Took, t.Took)
	}
	e.send(protocol.Event{Checkpoint: c})
}

// recovery collects the reports of one start of all tasks and sends them as one.
func (e *events) recovery(r recovery.RecoveryReport) {
	e.mu.Lock()
	for task, other := range e.restored {
		if other.Attempts != r.Attempts {
			delete(e.restored, task) // it failed again before all tasks were back
		}
	}
	e.restored[r.Task] = r
	if len(e.restored) < e.tasks || r.Attempts <= e.recovered {
		e.mu.Unlock()
		return
	}
	e.recovered = r.Attempts
	whole := merge(e.restored)
	e.mu.Unlock()
	e.send(protocol.Event{Recovery: whole})
}

// merge makes one report of the reports of all tasks.
func merge(tasks map[int]recovery.RecoveryReport) *protocol.Recovery {
	out := &protocol.Recovery{}
	all := &recovery.Report{}
	for task := range len(tasks) {
		r := tasks[task]
		out.Start = r.Attempts
		if r.Cause != nil {
			out.Cause = r.Cause.Error()
		}
		out.Failed = r.Failed
		if r.Restored.After(out.Restored) {
			out.Restored = r.Restored
		}
		all.Checkpoint = max(all.Checkpoint, r.Report.Checkpoint)
		all.Took = max(all.Took, r.Report.Took)
		all.Groups = append(all.Groups, r.Report.Groups...)
	}
	out.Checkpoint, out.Took, out.Groups = all.Checkpoint, all.Took, len(all.Groups)
	out.Entries, out.FellBack, out.Empty = all.Entries(), all.FellBack(), len(all.Groups)
	took := map[string]time.Duration{}
	for _, g := range all.Groups {
		took[g.Source] += g.Took
	}
	for _, s := range all.Totals() {
		out.Sources = append(out.Sources, protocol.Source{Name: s.Source, Groups: s.Groups, Bytes: s.Bytes, Entries: s.Entries, Took: took[s.Source]})
		out.Empty -= s.Groups
	}
	out.Summary, out.Grid = all.String(), all.Grid()
	return out
}

// first notes that a task has its first records after a start of all tasks.
func (e *events) first(start int) {
	now := time.Now()
	e.mu.Lock()
	newest := start > e.started
	e.started = max(e.started, start)
	e.mu.Unlock()
	if newest {
		e.send(protocol.Event{First: &protocol.First{Start: start, At: now}})
	}
}

func (e *events) done() { e.send(protocol.Event{Done: true}) }

// failed says in one line why the job ended.
func (e *events) failed(err error) {
	e.send(protocol.Event{Failed: oneLine(err)})
}

// logger returns a logger whose warnings reach the supervisor.
func (e *events) logger() *slog.Logger { return slog.New(warnings{e}) }

// warnings is a slog.Handler that keeps warnings and errors, in one line, without attributes of several lines (stacks).
type warnings struct{ events *events }

// Enabled is part of slog.Handler.
func (w warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle is part of slog.Handler.
func (w warnings) Handle(_ context.Context, r slog.Record) error {
	line := strings.Builder{}
	line.WriteString(r.Message)
	expected := false
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			expected = expected || errors.Is(err, ErrInjected)
		}
		if s := a.String(); !strings.Contains(s, "\n") {
			line.WriteString(" " + s)
		}
		return true
	})
	if expected {
		return nil // the supervisor asked for it
	}
	w.events.send(protocol.Event{Warning: strings.ReplaceAll(line.String(), "\n", " ")})
	return nil
}

// WithAttrs is part of slog.Handler.
func (w warnings) WithAttrs([]slog.Attr) slog.Handler { return w }

// WithGroup is part of slog.Handler.
func (w warnings) WithGroup(string) slog.Handler { return w }
