package output

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/heapstate/heapstate/examples/nexmark/internal/latency"
)

// flushBytes is how much a buffer holds before it is sent.
const flushBytes = 64 << 10

// Buffer collects what one attempt of one task has to say. It belongs to the task's goroutine.
type Buffer struct {
	send func([]byte) error
	body []byte // the upserts
	n    uint64 // how many
	// Since the last flush: records processed without, and with, a checkpoint under way.
	quiet, during latency.Histogram
	message       []byte // used again
	err           error  // the first of send
}

// NewBuffer returns an empty buffer. send sends a message whole, or blocks until it
// can; the message is the buffer's again afterwards.
func NewBuffer(send func([]byte) error) *Buffer { return &Buffer{send: send} }

// Emit takes in an upsert. It may send what there is; an error shows at the next Flush or Err.
func (b *Buffer) Emit(key, value string) {
	b.body = appendString(appendString(b.body, key), value)
	b.n++
	if len(b.body) >= flushBytes {
		b.flush()
	}
}

// Record counts records that took as long as d.
func (b *Buffer) Record(d time.Duration, records uint64, checkpoint bool) {
	if checkpoint {
		b.during.Record(d, records)
	} else {
		b.quiet.Record(d, records)
	}
}

// Err is the first error of sending.
func (b *Buffer) Err() error { return b.err }

// Flush sends what there is. Nothing is sent for an attempt whose ctx has ended:
// a later one may be at work already.
func (b *Buffer) Flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b.flush()
	return b.err
}

func (b *Buffer) flush() {
	if b.err != nil {
		return
	}
	b.message = binary.AppendUvarint(b.message[:0], b.n)
	b.message = append(b.message, b.body...)
	b.message = b.quiet.Append(b.message)
	b.message = b.during.Append(b.message)
	b.err = b.send(b.message)
	b.body, b.n = b.body[:0], 0
	b.quiet, b.during = latency.Histogram{}, latency.Histogram{}
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
