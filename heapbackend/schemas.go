package heapbackend

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
)

// mostKnown is how many schemas a backend remembers: those of a restore that reads blocks of several objects by turns.
const mostKnown = 8

// schemas spares a backend to encode or read the same schema twice. One may describe thousands of states, and a capture
// and each block of a restore need it whole.
type schemas struct {
	// own is the backend's schema, nil if it has to be made anew.
	own atomic.Pointer[[]byte]

	mu    sync.Mutex    // guards known
	known []knownSchema // those read since the last Install, the last used one first; at most mostKnown
}

// knownSchema is a schema and what it says, which nobody changes.
type knownSchema struct {
	schema []byte
	infos  []*stateInfo
}

// read is readSchema for a schema that was perhaps read before. It keeps no reference to b. Any goroutine.
func (s *schemas) read(b []byte) ([]*stateInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, k := range s.known {
		if bytes.Equal(k.schema, b) {
			copy(s.known[1:i+1], s.known[:i])
			s.known[0] = k
			return k.infos, nil
		}
	}
	infos, err := readSchema(b)
	if err != nil {
		return nil, err
	}
	s.known = slices.Insert(s.known[:min(len(s.known), mostKnown-1)], 0, knownSchema{slices.Clone(b), infos})
	return infos, nil
}

// forget lets go of what was read: a restore is over.
func (s *schemas) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = nil
}
