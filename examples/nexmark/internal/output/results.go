package output

import (
	"encoding/binary"
	"errors"

	"github.com/heapstate/heapstate/examples/nexmark/internal/latency"
)

// ErrCorrupt: bytes are not those of a message.
var ErrCorrupt = errors.New("output: not a message of results")

// Results are the upserts of all tasks, the last one under each key. One goroutine uses them.
type Results struct {
	// Upserts are by key, and Received how many have come in.
	Upserts  map[string]string
	Received uint64
	// Quiet and During are how long records took without, and with, a checkpoint under way.
	Quiet, During latency.Histogram
}

// NewResults returns no results.
func NewResults() *Results { return &Results{Upserts: map[string]string{}} }

// Take takes in a message. After ErrCorrupt part of it may have been taken in.
func (r *Results) Take(message []byte) error {
	n, b, ok := uvarint(message)
	for ; ok && n > 0; n-- {
		var key, value string
		if key, b, ok = str(b); !ok {
			break
		}
		if value, b, ok = str(b); !ok {
			break
		}
		r.Upserts[key] = value
		r.Received++
	}
	if !ok {
		return ErrCorrupt
	}
	for _, h := range []*latency.Histogram{&r.Quiet, &r.During} {
		var err error
		if b, err = h.AddBytes(b); err != nil {
			return errors.Join(ErrCorrupt, err)
		}
	}
	if len(b) > 0 {
		return ErrCorrupt
	}
	return nil
}

func uvarint(b []byte) (uint64, []byte, bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}

func str(b []byte) (string, []byte, bool) {
	n, b, ok := uvarint(b)
	if !ok || n > uint64(len(b)) {
		return "", nil, false
	}
	return string(b[:n]), b[n:], true
}
