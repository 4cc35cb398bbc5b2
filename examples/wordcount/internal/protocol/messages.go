package protocol

import (
	"time"

	"github.com/heapstate/heapstate/examples/wordcount/internal/input"
)

// Start says what a worker is to do.
type Start struct {
	Dir      string        // see package state
	Tasks    int           // parallelism
	Groups   int           // max parallelism
	Every    time.Duration // between checkpoints
	Local    []string      // local formats, the most preferred first: "heap", "file"
	Restarts int           // restarts of failed tasks before the job gives up
	Limit    int64         // bytes of the input at which the sources wait; see Command
	List     *input.List
}

// Command tells a worker to do something now.
type Command struct {
	// Limit is the number of bytes of the input, over all tasks, at which sources wait.
	Limit int64
	// Panic makes one keyed task panic, before it processes another record.
	Panic bool
}

// Event is something that happened in a worker: exactly one field is set, beside Bytes.
type Event struct {
	// Bytes is how much of the input has been read. It goes back when a task starts over.
	Bytes int64

	Checkpoint *Checkpoint `json:",omitempty"`
	Sealed     uint64      `json:",omitempty"` // the checkpoint whose local copies are complete, in every format
	Recovery   *Recovery   `json:",omitempty"`
	First      *First      `json:",omitempty"`
	Warning    string      `json:",omitempty"`
	Done       *Done       `json:",omitempty"`
	Failed     string      `json:",omitempty"` // the worker ends, and starting it again would not help
}

// Checkpoint is the end of a checkpoint, over all tasks.
type Checkpoint struct {
	ID      uint64        `json:"id"`
	Error   string        `json:"error,omitempty"` // empty: it completed
	Bytes   int64         `json:"bytes"`           // of its objects
	Entries uint64        `json:"entries"`
	Paused  time.Duration `json:"paused_ns"` // longest capture
	Took    time.Duration `json:"took_ns"`   // longest time from a capture to a durable object
}

// Source is what one source gave to a recovery.
type Source struct {
	Name    string `json:"name"` // "heap", "file", "primary"
	Groups  int    `json:"groups"`
	Bytes   int64  `json:"bytes"`
	Entries uint64 `json:"entries"`
	// Took is the sum over its key groups, of which several are restored at once.
	Took time.Duration `json:"took_ns"`
}

// Recovery is a start of all tasks: where their state came from. The first start of a new job has checkpoint 0.
type Recovery struct {
	Start      int           `json:"start"` // 1 for the first start of the tasks in a worker process
	Checkpoint uint64        `json:"checkpoint"`
	Cause      string        `json:"cause,omitempty"`
	Failed     time.Time     `json:"failed,omitzero"` // when the failure was noticed
	Restored   time.Time     `json:"restored"`        // when the last task had its state
	Took       time.Duration `json:"took_ns"`         // the slowest task's restore
	Entries    uint64        `json:"entries"`
	Groups     int           `json:"groups"`
	Empty      int           `json:"empty"`     // key groups without state
	FellBack   int           `json:"fell_back"` // key groups whose first source failed
	Sources    []Source      `json:"sources"`
	Summary    string        `json:"summary"`
	Grid       string        `json:"grid"`
}

// First is the first record processed by any task after a start of all tasks.
type First struct {
	Start int
	At    time.Time
}

// Done is the end of the work.
type Done struct {
	Words    uint64 // in the input
	Distinct uint64
}
