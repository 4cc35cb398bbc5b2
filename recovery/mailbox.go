package recovery

import "sync"

// mailbox is an unbounded queue whose put never blocks: what arrives are a task's life events and reports, few and small.
type mailbox[T any] struct {
	mu    sync.Mutex // guards items
	items []T
	ready chan struct{} // holds a token while there may be items
}

func newMailbox[T any]() *mailbox[T] { return &mailbox[T]{ready: make(chan struct{}, 1)} }

// put adds an item. Any goroutine.
func (m *mailbox[T]) put(item T) {
	m.mu.Lock()
	m.items = append(m.items, item)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// take empties the mailbox. Called after a receive from ready.
func (m *mailbox[T]) take() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	return items
}

// crew is the goroutines of one owner. Unlike a sync.WaitGroup it may be waited for with a limit, and may grow meanwhile.
type crew struct {
	mu   sync.Mutex // guards n and idle
	n    int
	idle chan struct{} // closed when n falls to 0; nil when nobody waits
}

// start runs do on a goroutine of the crew.
func (c *crew) start(do func()) {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	go func() {
		defer c.done()
		do()
	}()
}

func (c *crew) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.n == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
}

// wait returns a channel that is closed once no goroutine of the crew runs.
func (c *crew) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	return c.idle
}
