package latency

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"time"
)

const (
	precision = 5 // bits kept below the leading one
	classes   = (64 - precision + 1) << precision
)

// ErrCorrupt: bytes are not those of a histogram.
var ErrCorrupt = errors.New("latency: not a histogram")

// Histogram counts durations. The zero value is empty. It is for one goroutine at a time.
type Histogram struct {
	counts [classes]uint64
	total  uint64
}

// Record counts n times a duration; below 0 counts as 0.
func (h *Histogram) Record(d time.Duration, n uint64) {
	h.counts[class(uint64(max(d, 0)))] += n
	h.total += n
}

// class is the size class of a value: the value itself up to 2^(precision+1), and from
// there on the exponent with the bits below the leading one.
func class(v uint64) int {
	shift := max(bits.Len64(v)-precision-1, 0)
	return shift<<precision + int(v>>shift)
}

// top is the largest value of a class.
func top(class int) uint64 {
	shift := max(class>>precision-1, 0)
	return (uint64(class-shift<<precision)+1)<<shift - 1
}

// Count is how many durations were recorded.
func (h *Histogram) Count() uint64 { return h.total }

// Quantile is a duration that a share q of all is not above: the largest of its class. 0 when nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := min(uint64(q*float64(h.total)), max(h.total, 1)-1)
	var seen uint64
	for c, n := range h.counts {
		if seen += n; seen > rank {
			return time.Duration(top(c))
		}
	}
	return 0
}

// Add adds what another histogram has.
func (h *Histogram) Add(other *Histogram) {
	for c, n := range other.counts {
		h.counts[c] += n
	}
	h.total += other.total
}

// Append appends the histogram's bytes: how many classes are not empty, and for each the distance from the one
// before and its count.
func (h *Histogram) Append(b []byte) []byte {
	used := 0
	for _, n := range h.counts {
		if n > 0 {
			used++
		}
	}
	b = binary.AppendUvarint(b, uint64(used))
	last := 0
	for c, n := range h.counts {
		if n > 0 {
			b = binary.AppendUvarint(b, uint64(c-last))
			b = binary.AppendUvarint(b, n)
			last = c
		}
	}
	return b
}

// AddBytes adds the histogram at the front of b and returns what follows it. After ErrCorrupt the histogram may
// have been added in part.
func (h *Histogram) AddBytes(b []byte) ([]byte, error) {
	used, b, ok := uvarint(b)
	c := uint64(0)
	for ; ok && used > 0; used-- {
		var step, n uint64
		if step, b, ok = uvarint(b); !ok {
			break
		}
		if n, b, ok = uvarint(b); !ok {
			break
		}
		if step >= classes || c+step >= classes {
			ok = false
			break
		}
		c += step
		h.counts[c] += n
		h.total += n
	}
	if !ok {
		return nil, ErrCorrupt
	}
	return b, nil
}

func uvarint(b []byte) (uint64, []byte, bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}
