// Package query is the contract between the harness of the Nexmark example and what it runs: the queries, their input, and the answers
// they are verified against. It holds no query.
//
// # A query
//
// A [Query] names the key of an event and opens an [Operator] on the keyed state of one task. The harness reads the
// input, routes every event to the task that owns its key, and calls the operator, on one goroutine:
//
//	Open, then (Process | Advance)*
//
// Every instance after a failure is opened anew and finds in its states what they held at the checkpoint. An operator has no
// other memory: what is not in a state is lost.
//
// # Time
//
// Nothing looks at a clock on the wall. Event time moves with the watermarks of the input, processing time with the
// arrival times in it; both are part of the input, and so a query of processing time has one right answer too. [Clock] shows both to
// states that expire. Advance is called when either has moved; at the end of the input both are math.MaxInt64. All times are in
// milliseconds since the Unix epoch.
//
// # Results
//
// An operator emits upserts: a value under a key replaces the one before it. After a failure some are emitted again,
// and the last one counts: an operator that does the same again emits the same again. A result key has to belong
// to one key of the state, so that the upserts of it are in order. What has to be put together from several
// keys (a maximum over all of them, say) is put together by [Program].Final, from the upserts.
//
// # Concurrency
//
// An operator and its clock belong to the task's goroutine. The functions of a Program may be called from any.
package query
