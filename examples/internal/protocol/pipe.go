package protocol

import (
	"encoding/json"
	"io"
	"sync"
)

// Writer writes messages, one to a line. It is safe for concurrent use.
type Writer struct {
	mu  sync.Mutex
	enc *json.Encoder // guarded by mu
}

// NewWriter returns a writer on w.
func NewWriter(w io.Writer) *Writer { return &Writer{enc: json.NewEncoder(w)} }

// Write writes one message. It blocks while the other side does not read.
func (w *Writer) Write(message any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.enc.Encode(message)
}
