package supervise

import (
	"time"

	"github.com/heapstate/heapstate/examples/internal/protocol"
)

// Record is what happened in a run. Times ending in _ns are in nanoseconds. What
// happened before the run, in an earlier one on the same directory, is not in it.
type Record struct {
	Elapsed     time.Duration `json:"elapsed_ns"`
	ResumedFrom uint64        `json:"resumed_from"` // the checkpoint the run began at; 0: the start
	Injected    []Injected    `json:"injected"`
	Checkpoints []Checkpoint  `json:"checkpoints"`
	Recoveries  []Recovery    `json:"recoveries"`
	Warnings    []string      `json:"warnings,omitempty"`
}

// Injected is an injected failure that happened.
type Injected struct {
	Injection string        `json:"injection"`
	After     time.Duration `json:"after_ns"` // since the run began
	Share     float64       `json:"share"`    // of the input that had been read, 0 to 1
}

// Checkpoint is one checkpoint, complete or not.
type Checkpoint struct {
	protocol.Checkpoint
	After time.Duration `json:"after_ns"`
	Share float64       `json:"share"`
}

// Recovery is one start of all tasks after a failure, or after an earlier run.
type Recovery struct {
	protocol.Recovery
	Failure string        `json:"failure"` // "panic", "kill", "losedisk"; "rescale"; "resume": an earlier run; or what else happened
	After   time.Duration `json:"after_ns"`
	// FirstRecord is the time from the failure to the first record processed again; 0 if there was no record left.
	FirstRecord time.Duration `json:"first_record_ns"`
}
