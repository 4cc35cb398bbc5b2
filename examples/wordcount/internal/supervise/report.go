package supervise

import (
	"encoding/json"
	"time"

	"github.com/heapstate/heapstate/examples/wordcount/internal/input"
	"github.com/heapstate/heapstate/examples/wordcount/internal/protocol"
)

// Report is the record of a run: what -report writes. Times ending in _ns are in
// nanoseconds. What happened before the run, in an earlier one on the same
// directory, is not in it.
type Report struct {
	Job         string        `json:"job"`
	Started     time.Time     `json:"started"`
	Elapsed     time.Duration `json:"elapsed_ns"` // of the count, without the verification
	Tasks       int           `json:"tasks"`
	Groups      int           `json:"groups"`
	Every       time.Duration `json:"every_ns"`
	Local       []string      `json:"local"`
	Input       Input         `json:"input"`
	ResumedFrom uint64        `json:"resumed_from"` // the checkpoint the run began at; 0: the start
	Injected    []Injected    `json:"injected"`
	Checkpoints []Checkpoint  `json:"checkpoints"`
	Recoveries  []Recovery    `json:"recoveries"`
	Warnings    []string      `json:"warnings,omitempty"`
	Result      Result        `json:"result"`
}

// Input says what was counted.
type Input struct {
	Files   int           `json:"files"`
	Bytes   int64         `json:"bytes"`
	Skipped input.Skipped `json:"skipped"`
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
	Failure string        `json:"failure"` // "panic", "kill", "losedisk"; "resume": an earlier run; or what else happened
	After   time.Duration `json:"after_ns"`
	// FirstRecord is the time from the failure to the first record processed again; 0 if there was no record left.
	FirstRecord time.Duration `json:"first_record_ns"`
}

// Result is what came out.
type Result struct {
	Words    uint64        `json:"words"`
	Distinct uint64        `json:"distinct"`
	Verified bool          `json:"verified"` // the same as an independent count
	VerifyNS time.Duration `json:"verify_ns"`
	Error    string        `json:"error,omitempty"` // why the run failed
}

// JSON is the report as indented JSON.
func (r *Report) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	return append(b, '\n'), err
}
