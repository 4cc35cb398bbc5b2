// Package worker is the process that counts: a recovery.Job whose tasks run the
// dataflow of package flow. It is the part of this example to start from when
// writing a program of one's own; the rest is there to break it.
//
//	pipeline.go  the task function: backend, restore, source, operator
//	count.go     the operator: words in, counts in the keyed state, files out
//	run.go       the job and its configuration
//	events.go    what the supervisor is told
//	throttle.go  how the supervisor holds the sources at a share of the input
package worker
