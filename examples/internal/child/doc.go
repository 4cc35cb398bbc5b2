// Package child is the worker process's side of an example that is run by package supervise: everything between the supervisor and a
// recovery.Job that is not the dataflow itself.
//
//	child.go     the process: start, obey, end
//	job.go       the job and its configuration
//	events.go    what the supervisor is told
//	throttle.go  how the supervisor holds the sources at a share of the input
//	sealed.go    how the supervisor learns that local copies are complete
//
// A program gives [Main] a function that makes its task function. A worker ends
// with its supervisor: it sees the end of its standard input, and exits.
package child
