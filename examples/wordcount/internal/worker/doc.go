// Package worker is the process that counts: a recovery.Job whose tasks run the
// dataflow of package flow. It is the part of this example to start from when
// writing a program of one's own; the rest is there to break it.
//
//	pipeline.go  the task function: backend, restore, source, operator
//	count.go     the operator: words in, counts in the keyed state, files out
//	worker.go    what the word count adds to the process of package child, where the job and its configuration are
package worker
