//go:build !race

package heapbackend

// word is a plain word: see guard.
type word struct{ v uint32 }

func (w *word) load() uint32   { return w.v }
func (w *word) store(v uint32) { w.v = v }

func (w *word) swapIf(old, v uint32) bool {
	if w.v != old {
		return false
	}
	w.v = v
	return true
}
