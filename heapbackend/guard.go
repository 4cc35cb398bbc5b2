package heapbackend

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"weak"
)

// guard detects that a backend is used by two goroutines at once. It costs two plain stores an operation, like the
// check in Go's own maps: it finds most misuse soon, not every instance. Under the race detector it is exact.
//
// Invariant: state is busy only while an operation runs; once reason is set the state stays broken.
type guard struct {
	state  word
	reason atomic.Pointer[error] // set before state becomes broken
}

const (
	idle uint32 = iota
	busy
	broken
)

// enter begins an operation; the owner calls leave after it. A false result means that the operation must not run, and
// that refused says why.
func (g *guard) enter() bool { return g.state.swapIf(idle, busy) }

// leave ends an operation.
func (g *guard) leave() {
	if !g.state.swapIf(busy, idle) {
		g.intruded()
	}
}

// intruded is told that an operation found at its end that it was not alone: another has ended meanwhile, or failed,
// which has a reason already.
func (g *guard) intruded() {
	if g.failed() == nil {
		g.fail(ErrConcurrent)
	}
}

// torn is told that state was found as no single goroutine leaves it.
func (g *guard) torn(cause any) { g.fail(fmt.Errorf("%w: %v", ErrConcurrent, cause)) }

// teller returns what calls torn, for those whom adopters of the backend's state may keep alive longer than the
// backend.
func (g *guard) teller() func(cause any) {
	w := weak.Make(g)
	return func(cause any) {
		if g := w.Value(); g != nil {
			g.torn(cause)
		}
	}
}

// rescue is deferred by operations that are rare enough: a panic that only misuse leads to becomes the failure of the
// backend, and of the operation if it returns an error.
func (g *guard) rescue(err *error) {
	cause := recover()
	if cause == nil {
		return
	}
	if _, ours := cause.(runtime.Error); !ours {
		panic(cause)
	}
	g.torn(cause)
	if err != nil {
		*err = g.failed()
	}
}

// refused is the error of an operation that enter refused.
func (g *guard) refused() error {
	if err := g.failed(); err != nil {
		return err
	}
	return g.fail(ErrConcurrent)
}

// fail makes the backend refuse all further use because of err, unless it does already, and returns the reason.
func (g *guard) fail(err error) error {
	g.reason.CompareAndSwap(nil, &err)
	g.state.store(broken)
	return *g.reason.Load()
}

// failed returns why the backend refuses use, nil if it does not.
func (g *guard) failed() error {
	if r := g.reason.Load(); r != nil {
		return *r
	}
	return nil
}

// close makes the backend refuse use because it is closed; it reports whether this was the first time.
func (g *guard) close() bool {
	err := ErrClosed
	old := g.reason.Swap(&err)
	g.state.store(broken)
	return old == nil || *old != ErrClosed
}
