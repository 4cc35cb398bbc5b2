package queries

import (
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/heapbackend"
)

// window is [Start, End).
type window struct{ Start, End event.Millis }

// Keys in windows, and their scope.
type (
	windows  = heapbackend.Namespaces[uint64, window]
	windowed = heapbackend.NamespacedKey[uint64, window]
)

// windowAt is the window of a length that has a time, of those that begin at multiples of the length. It rounds down, also before 1970.
func windowAt(at, length event.Millis) window {
	rest := at % length
	if rest < 0 {
		rest += length
	}
	return window{at - rest, at - rest + length}
}

// overlaps reports whether there is a time in both windows: those that only touch have none.
func (w window) overlaps(other window) bool { return w.Start < other.End && other.Start < w.End }

// union is the shortest window that has both.
func (w window) union(other window) window {
	return window{min(w.Start, other.Start), max(w.End, other.End)}
}
