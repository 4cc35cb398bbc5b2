// Package heapbackend holds the keyed state of one task in heap memory, so that a point-in-time view of it costs
// microseconds and a restart from that view costs as little.
//
// # Words
//
// A backend is the keyed state of one task. A state is one named, typed part of it: a Value, a List or a Map for each
// key. Every key belongs to one key group, and a backend holds a range of them. A capture takes a snapshot: the backend
// as it was at that moment, immutable, readable from any goroutine. To stage a key group is to get it ready, from bytes
// or from a snapshot; to install staged groups is to make them the backend's content.
//
// # Model
//
//	Backend[K] ── state "totals" ── key group 0 ── table ── pages of up to 64 entries
//	   │              │             key group 1 ── table ── ...
//	   │              └ ...
//	   └───────── state "seen"   ── ...
//
//	Capture ──> Snapshot ──> AppendGroup ──> bytes ──> StageBlock ─────┐
//	                 └───────────────────────────────> StageSnapshot ──┴──> Install
//
// A state is, for each key group, one hash table made of pages (internal/cow tells how). A capture remembers the tables'
// directories; from then on the first write to a page copies that page, and only while the snapshot is held. Taking a
// group over from a snapshot shares the pages the same way. So capture and takeover depend on the number of states and
// key groups, never on the amount of data.
//
// Register every state, then restore, then work. A state that a restored checkpoint holds and the program has not
// registered is carried, unread, into every later snapshot.
//
// # Rules for values
//
// Values without slices, maps and pointers need no thought. Strings are shared. For others: what was given to Put
// belongs to the state; what Get and All return must not be modified, for a snapshot may share it; Update is the way to
// modify in place, on a copy where that is needed. Config.VerifyFrozen finds programs that break this.
//
// # Time to live
//
// With Options.TTL the values of a state, the elements of its lists or the entries of its maps expire some time after they
// were last written, or read. What has expired is not returned, is left out of snapshots by the time of their capture, and is
// removed a few entries with each operation. The clock is the program's choice: wall time or a watermark.
//
// # Concurrency
//
// A backend belongs to one goroutine at a time; use from two at once is detected, most of the time, and makes it refuse
// further use with ErrConcurrent. Snapshots and their views are free to all goroutines, as are StageBlock and
// StageSnapshot. The package starts no goroutine.
//
// # Errors
//
// Nothing panics on bad input. An operation that finds the backend misused (ErrConcurrent, ErrGroup) or at a limit
// (ErrFull) returns the error and makes the backend refuse everything after it, the next Capture included: a program
// may check each operation or only the capture, and can never checkpoint a state that lacks a write.
//
// # Cost
//
// Get, Put, Update, Delete: O(1), one hash and one probe. The first write to a page after a capture copies up to about
// 4 KiB, or eight entries where those are larger. Capture: O(states x key groups). AppendGroup and StageBlock:
// O(entries of the group). With a TTL each operation reads the clock and looks at a few entries more, and a snapshot counts a
// group once, when it is first asked. Benchmarks beside the code print the ratios to Go's own map: go test -bench . ./heapbackend.
package heapbackend
