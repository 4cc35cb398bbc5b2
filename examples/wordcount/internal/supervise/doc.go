// Package supervise starts the worker process, breaks it as asked, starts it
// again, and keeps the record of what happened.
//
//	inject.go    which failure happens when (pure)
//	process.go   one worker process: start, command, kill
//	run.go       the loop: events in, commands out, a new process when one is gone
//	report.go    the record, as JSON
//	display.go   the record, as text while it happens
//
// The supervisor holds no state that a run needs: kill it, and the next one goes
// on from what is in the directory.
package supervise
