// Package output brings the upserts of the tasks, and how long their records took, to the process that verifies them.
//
//	task   Buffer ──┐
//	                ├──▶ the worker's pipe ──▶ Results
//	task   Buffer ──┘
//
// # No result is lost
//
// A checkpoint says that everything before it has been done, and that includes its results: after a failure nobody emits
// them again. So whoever takes a checkpoint calls [Buffer.Flush] first. When it returns, the bytes are in the pipe, and bytes in
// a pipe outlive the process that wrote them. Only then is the state captured, and only after that can the checkpoint become
// one that is restored from. The reader of the pipe reads it to its end before another worker process starts.
//
//	emit ─▶ buffer ─▶ flush: in the pipe ─▶ capture ─▶ durable ─▶ manifest: restored from it
//	                  ^ lost before: emitted again      ^ lost from here on: nothing that is not in the pipe
//
// The other way round, what was emitted behind the newest checkpoint is emitted again after a failure, and arrives twice. The later
// one replaces the earlier one under the same key, which is why results are upserts. One task owns a result key, attempts
// follow one another, and a pipe keeps the order: so the last one to arrive is the last one emitted.
//
// # Form
//
// One message: the number of upserts, each a key and a value with its length before it; then two histograms, of records processed
// without and with a checkpoint under way. All numbers are uvarints.
package output
