// Package inject reads a list of failures from a command line and decides when each of them happens.
//
//	panic@25%,kill@50%,losedisk@75%
//
// A failure happens at its share of the input, once a checkpoint has completed
// since the last start, with its local copies: a demonstration shows where state
// comes from, and not a race. To make that so on a fast machine too, the sources are held
// at a limit that the schedule moves. An injection does not wait for ever: not for checkpoints that hardly ever come, and not for local
// copies that never do.
//
// Everything here is pure: no goroutine, no clock, no process.
package inject
