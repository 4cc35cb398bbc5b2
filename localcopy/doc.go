// Package localcopy keeps a second copy of a task's snapshot beside the task, so that a recovery need not read the
// durable store.
//
// # Words
//
// The primary copy is the serialized snapshot in the durable store, and the truth. A local copy is a secondary one of
// the same snapshot, in any [Format]. A copy belongs to an allocation: the claim of a task on the place it runs. The
// twin of a copy is the primary object written from the same snapshot; its digests say what the copy must hold. A
// group is a key group, or the operator state of the task, which is numbered M + the index of the task.
//
// # Model
//
//	                 Store(meta, snapshot)      PrimaryDone(n, twin)       Confirm(n)
//	checkpoint n ──────────┬───────────────────────────┬───────────────────────┬──────▶
//	                       ▼                           ▼                       ▼
//	copy n           Begin, WriteGroup ...       Seal: digests == twin's?   copies < n are dropped
//	                                             no: abandoned, logged
//
// A [Format] writes, finds and removes copies; it knows nothing of checkpoints that complete or fail. [Heap] retains
// the snapshot itself, [File] writes the primary object's format below a local directory. [Stack] puts formats in an
// order of preference, [Disabled] is the empty stack. Package localcopytest is the suite every format has to pass.
//
// A [Keeper] is the life of the copies of one task in one allocation. Its rules:
//   - a copy is registered before its checkpoint is acknowledged, and sealed once its primary is durable;
//   - confirming n drops what is older than n, and confirming a checkpoint that was never stored (a savepoint) drops nothing;
//   - aborting n drops only n, also when it comes before the copy does;
//   - having restored r keeps only r;
//   - storing an id twice keeps the newer;
//   - after Dispose a late store is discarded; a freed allocation loses its copies;
//   - what a dead process left is found at start, and kept only if an allocation of today claims it.
//
// # Never in the way
//
// No method of a Keeper that a checkpoint passes through touches a format: Store, PrimaryDone, Confirm, Abort,
// Restored and Dispose change a table under a mutex and return. Formats run on goroutines of the keeper, each copy on
// its own, so a disk that is slow, full, read-only or hung costs the local copy and nothing else: not the checkpoint,
// not the memory of the snapshot (the file format lets go of it although the write hangs), not an unbounded number of
// goroutines (KeeperConfig.MaxPending). The copy is counted in [FormatStats], and the first of a run of failures is
// logged. [Keeper.Copies], which recovery calls, waits for at most KeeperConfig.LookupTimeout, and for a format that
// hangs once: a disk that does not answer delays one start of a process, and none of the later restarts until it
// answers again.
//
// # Trust
//
// Local files are not synced and not trusted. Files are 0600 in directories of 0700, opened below an os.Root; a
// symbolic link and a file or directory of another user are refused. Every block is checked by checksum and digest
// when it is loaded, and what fails is an error for that group alone: the primary stands behind it. A copy whose index
// is damaged is removed when it is found, and reported once; one that cannot be read for another reason goes with its
// checkpoint. What a format has not written itself is never removed. Memory is bounded by what the format allows and,
// in a recovery, by what the manifest says of a group, whatever a file claims.
//
// # Cost
//
// A heap copy costs the pages written while it is retained; begin, seal and load are O(groups) with no I/O. A file copy
// encodes and compresses the snapshot a second time, on one goroutine, in memory bounded by a few blocks.
package localcopy
