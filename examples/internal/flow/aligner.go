package flow

// aligner lets the messages of several inputs through so that a barrier splits
// all of them at once. It is the whole of barrier alignment: no goroutine, no
// channel, no clock.
//
// An input whose barrier has come in is blocked: what follows on it is held, in
// order. When the barrier has come in on every input it is let through once, and
// then what was held. A newer barrier gives up the older alignment; a barrier
// that is not newer than the newest seen to its end is dropped.
//
// Invariant: between two barriers let through, every input's messages are let
// through in their order, each exactly once.
type aligner[R any] struct {
	current uint64         // the barrier being aligned; 0 for none
	settled uint64         // no barrier up to this one is aligned any more
	waiting int            // inputs the current barrier has not come in on
	blocked []bool         // by input: has the current barrier come in?
	held    [][]message[R] // by input: what came in behind it
	backlog []message[R]   // held messages of unblocked inputs, to be looked at again

	position []byte // the current barrier's position, once it came in
}

func newAligner[R any](inputs int) *aligner[R] {
	return &aligner[R]{blocked: make([]bool, inputs), held: make([][]message[R], inputs)}
}

// push takes in one message and calls deliver for everything it lets through:
// records and ends as they are, and a barrier once for all inputs. After an
// error of deliver the aligner is of no further use.
func (a *aligner[R]) push(m message[R], deliver func(message[R]) error) error {
	err := a.step(m, deliver)
	for i := 0; i < len(a.backlog) && err == nil; i++ { // step may append to it
		err = a.step(a.backlog[i], deliver)
	}
	clear(a.backlog)
	a.backlog = a.backlog[:0]
	return err
}

func (a *aligner[R]) step(m message[R], deliver func(message[R]) error) error {
	switch {
	case m.kind == kindBarrier && m.barrier <= a.settled:
		return nil
	case a.blocked[m.from]:
		a.held[m.from] = append(a.held[m.from], m)
		return nil
	case m.kind != kindBarrier:
		return deliver(m)
	}
	if m.barrier < a.current {
		return nil
	}
	if m.barrier > a.current {
		a.giveUp() // nothing is held on m's own input: it was not blocked
		a.current, a.waiting, a.position = m.barrier, len(a.blocked), nil
	}
	a.blocked[m.from] = true
	a.waiting--
	if m.position != nil {
		a.position = m.position
	}
	if a.waiting > 0 {
		return nil
	}
	whole := message[R]{kind: kindBarrier, barrier: a.current, position: a.position}
	a.giveUp()
	return deliver(whole)
}

// giveUp ends the current alignment, if any, and unblocks every input; what was
// held on it is looked at next.
func (a *aligner[R]) giveUp() {
	a.settled, a.current = max(a.settled, a.current), 0
	for input, held := range a.held {
		a.backlog = append(a.backlog, held...)
		clear(held)
		a.held[input] = held[:0]
		a.blocked[input] = false
	}
}
