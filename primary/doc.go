// Package primary holds the durable copies of a job's state: where they are
// stored, how they are laid out in bytes, and what makes a set of them a
// checkpoint.
//
// # Words
//
// A store ([Store]) keeps immutable named objects. An object is the state of
// one task at one checkpoint ([WriteObject], [ReadIndex]): a header, one block
// per key group that holds anything, an index of those blocks and a fixed
// trailer. A segment ([Segment]) says where one such block lies and how to know
// that it is whole. A task's operator state, which belongs to no key, is one more
// block, numbered beyond the key groups: M + the task. A manifest ([Manifest]) lists, for every operator, task and
// key group, the segments that make up one checkpoint.
//
// # Model
//
//	source --AppendGroup--> block --compress--> stored bytes --> object
//	                          |                      |
//	                       Digest                   CRC           (both in the index,
//	                                                               both in the manifest)
//
// Objects are written first and the manifest last, in one atomic
// create-if-absent of the store: the manifest is the commit. What no manifest
// names never happened. docs/format.md describes every byte, for a reader that
// has no more than a msgpack library.
//
// # Concurrency
//
// A [Store] is safe for use by several goroutines and, for [Dir], by several
// processes. A [Writer] belongs to one goroutine. [WriteObject] encodes and
// compresses groups in parallel and writes them in order, so that its output
// does not depend on the parallelism.
//
// # Errors
//
// Corrupt, unsupported version, missing, existing, fenced and I/O are different
// errors: [ErrCorrupt] (with a [*CorruptError] that says where), [ErrVersion],
// [ErrNotExist], [ErrExist], [ErrFenced]; everything else is the error of the
// store underneath. Bytes read are never trusted: every length is bounded by the
// bytes actually present before memory is taken for it.
//
// # Cost
//
// Writing holds at most one raw and one stored block per worker. Reading one
// group reads its block and nothing else; reading an index reads the trailer,
// the header and the index.
package primary
