// Package protocol is what the supervising process and its worker process say to
// each other: JSON values, one to a line.
//
// The worker's standard input carries one [Start] and then any number of
// [Command]; its end tells the worker that the supervisor is gone. The worker's
// standard output carries [Event]s; its end tells the supervisor that the worker
// is.
package protocol
