package main

import (
	"encoding/json"
	"time"

	"github.com/heapstate/heapstate/examples/internal/supervise"
	"github.com/heapstate/heapstate/examples/wordcount/internal/input"
)

// report is the record of a run: what -report writes. Times ending in _ns are in
// nanoseconds. Elapsed is that of the count, without the verification.
type report struct {
	Job     string        `json:"job"`
	Started time.Time     `json:"started"`
	Tasks   int           `json:"tasks"`
	Groups  int           `json:"groups"`
	Every   time.Duration `json:"every_ns"`
	Local   []string      `json:"local"`
	Input   reportInput   `json:"input"`
	supervise.Record
	Result reportResult `json:"result"`
}

// reportInput says what was counted.
type reportInput struct {
	Files   int           `json:"files"`
	Bytes   int64         `json:"bytes"`
	Skipped input.Skipped `json:"skipped"`
}

// reportResult is what came out.
type reportResult struct {
	Words    uint64        `json:"words"`
	Distinct uint64        `json:"distinct"`
	Verified bool          `json:"verified"` // the same as an independent count
	VerifyNS time.Duration `json:"verify_ns"`
	Error    string        `json:"error,omitempty"` // why the run failed
}

// json is the report as indented JSON.
func (r *report) json() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	return append(b, '\n'), err
}
