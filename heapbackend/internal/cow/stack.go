package cow

// stackChunk is how many pages one chunk of a stack holds.
const stackChunk = 510

// stack is a stack of pages in chunks: push, pop and taking over a whole stack are O(1) and never copy.
type stack struct {
	top *stackNode
	n   int
}

type stackNode struct {
	next  *stackNode
	n     int
	bytes int // of the pages here
	pages [stackChunk]*header
}

func (s *stack) len() int { return s.n }

// bytes returns what the pages take. O(chunks).
func (s *stack) bytes() (bytes int) {
	for t := s.top; t != nil; t = t.next {
		bytes += t.bytes
	}
	return bytes
}

func (s *stack) push(h *header, bytes int) {
	if s.top == nil || s.top.n == stackChunk {
		s.top = &stackNode{next: s.top}
	}
	s.top.pages[s.top.n] = h
	s.top.n++
	s.top.bytes += bytes
	s.n++
}

// pop takes the page off that was pushed last, nil if there is none. bytes says what a page takes.
func (s *stack) pop(bytes func(*header) int) *header {
	if s.n == 0 {
		return nil
	}
	t := s.top
	t.n--
	h := t.pages[t.n]
	t.pages[t.n] = nil
	t.bytes -= bytes(h)
	if t.n == 0 && t.next != nil { // the last node stays: a stack that goes up and down by one allocates nothing
		s.top = t.next
	}
	s.n--
	return h
}

// dropChunk forgets the pages of the top chunk and returns what they took.
func (s *stack) dropChunk() (bytes int) {
	bytes = s.top.bytes
	s.n -= s.top.n
	s.top = s.top.next
	return bytes
}
