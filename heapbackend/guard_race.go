//go:build race

package heapbackend

import "sync/atomic"

// word is an atomic word, so that the race detector sees the misuse that the guard missed and not the guard.
type word struct{ v atomic.Uint32 }

func (w *word) load() uint32              { return w.v.Load() }
func (w *word) store(v uint32)            { w.v.Store(v) }
func (w *word) swapIf(old, v uint32) bool { return w.v.CompareAndSwap(old, v) }
