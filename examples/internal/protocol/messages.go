package protocol

import (
	"encoding/json"
	"time"
)

// Start says what a worker is to do.
type Start struct {
	Primary   string          // directory of the checkpoints
	LocalDir  string          // directory of the local copies
	Tasks     int             // parallelism
	Groups    int             // max parallelism; 0: what the checkpoints have, else the default
	Every     time.Duration   // between checkpoints
	Local     []string        // local formats, the most preferred first: "heap", "file"
	Restarts  int             // restarts of failed tasks before the job gives up
	Limit     int64           // amount of input at which the sources wait; see Command
	Stops     int             // how often the job was stopped with a savepoint before; each time it goes on under another name
	Savepoint uint64          // the savepoint it was last stopped with; 0: it has a newer checkpoint, or was never stopped
	Check     bool            // check what the program does with values; slow
	Program   json.RawMessage // the program's own part
}

// Command tells a worker to do something now.
type Command struct {
	// Limit is the amount of input, over all tasks, at which sources wait.
	Limit int64
	// Panic makes one keyed task panic, before it processes another record.
	Panic bool
	// Stop ends the work with a savepoint. The sources have to be held at Limit.
	Stop bool
}

// Event is something that happened in a worker: exactly one field is set, beside Read.
type Event struct {
	// Read is how much of the input has been read, in the program's unit. It goes back when a task starts over.
	Read int64

	Checkpoint *Checkpoint `json:",omitempty"`
	Sealed     uint64      `json:",omitempty"` // the checkpoint whose local copies are complete, in every format
	Recovery   *Recovery   `json:",omitempty"`
	First      *First      `json:",omitempty"`
	Warning    string      `json:",omitempty"`
	Payload    []byte      `json:",omitempty"` // the program's own, in its own form
	Stopped    uint64      `json:",omitempty"` // the savepoint the worker ended with
	Done       bool        `json:",omitempty"` // the work is done, and all of it has been said
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
