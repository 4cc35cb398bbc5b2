// Package protocol is what a supervising process and its worker process say to
// each other: JSON values, one to a line.
//
// The worker's standard input carries one [Start] and then any number of
// [Command]; its end tells the worker that the supervisor is gone. The worker's
// standard output carries [Event]s; its end tells the supervisor that the worker
// is.
//
// What one program says beyond what all of them do travels in Start.Program and
// Event.Payload, which this package carries unread.
package protocol
