// Package supervise starts the worker process, breaks it as asked, starts it
// again, and keeps the record of what happened.
//
//	process.go   one worker process: start, command, kill
//	run.go       the loop: events in, commands out, a new process when one is gone
//	record.go    the record, for a report
//	display.go   the record, as text while it happens
//
// The supervisor holds no state that a run's dataflow needs: kill it, and the next one goes
// on from what is in the directory.
package supervise
