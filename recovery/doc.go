// Package recovery brings keyed state back, and runs tasks so that there is state to bring back.
//
// # Purpose
//
// A task that fails should continue where its last checkpoint left it, and it should get its state from the nearest
// place that has it: the memory of its own process, its own disk, and only then the durable store. The durable store
// (package primary) is the truth; everything else (package localcopy) is a faster way to the same bytes and is
// believed only as far as it can prove that it is the same.
//
// # Words
//
//	attempt     one run of a task; a uuid. Only the current attempt of a task may commit.
//	slot        a place a task can run
//	allocation  a task's claim on a slot; a uuid. Local copies belong to an allocation.
//	source      where one key group can be read from: a local copy, or the primary copy
//	plan        for every key group of a range, its sources in the order in which they are tried, with the reason
//
// What is said of key groups holds for operator state too: a task leaves at most one block of it in a checkpoint,
// numbered M + the index of the task, and a plan lists those that the restoring task needs, its own and other tasks',
// after the key groups.
//
// # The parts
//
// Each is usable without the ones after it; an engine that has its own scheduling and its own barriers takes the first
// four.
//
//	Place     pure: which task runs in which slot, so that the most state is found where it is needed
//	Chooser   which checkpoint is restored: one for all tasks of a job
//	MakePlan  pure: which source serves which key group, and why the others do not
//	Restore   executes a plan: key groups in parallel, memory bounded, each falling back on its own
//	Job       runs tasks as goroutines in slots: attempts, restarts, restores, checkpoints, savepoints
//
// Data flows one way through them:
//
//	manifest + local copies -> Plan -> staged key groups -> backend
//	backend -> snapshot -> primary object (-> ack -> manifest)  and, beside it, local copies
//
// # What a restore promises
//
// All or nothing: key groups are staged beside the backend and installed in one step at the end, so a restore that
// fails or is cancelled has changed nothing. A local copy of the wrong job, operator, task, checkpoint, attempt, range,
// M, seed, schema or digest is never used, and a key group that the manifest says is empty is empty. A source that
// fails its checksum, its decoding or its I/O, or that hangs, or that panics, loses one key group and no more: that
// group goes to its next source. A restore fails only when a key group has no source left, with a [RestoreError] naming
// the object, the offset, the key group and every cause. What that says of the checkpoint is the [Verdict] of [Judge]:
// most often nothing, because the store did not answer. Bytes that look damaged have been read twice by then.
//
// # What a job promises
//
// A checkpoint holds the state and the position of every task of the same instant, or does not exist. What an attempt
// that was given up does afterwards (a zombie: hung in a call, or cut off) never reaches a checkpoint and never delays
// the attempt that replaced it. Go cannot end a goroutine from outside: a task function has to return when its context
// ends, and one that does not is left behind after [Config].Grace, with everything it holds, until it returns on its
// own.
//
// After a restore from a checkpoint has begun, none of an older attempt completes: a restart first waits until the
// store has said what became of a commit under way, and restores what the log then has as the newest. What is restored
// is not deleted meanwhile. A missing object sends a job back to the log: it may be another's by now, which is
// primary.ErrFenced, and no damage.
//
// # Concurrency
//
// The task function owns its [Task] and the backend attached to it: Restore, Advance, Checkpoint and the states are for
// its goroutine alone. Capturing happens there too, in microseconds; encoding and writing happen on goroutines of the
// attempt, which Run waits for. [Job]'s methods are for any goroutine. Place, MakePlan and the restart strategies
// are pure functions.
//
// # Cost
//
// Task.Advance is one atomic load and one store when no checkpoint is due. Recovering from heap copies does no I/O and
// is O(states x key groups) whatever the size of the state. Restoring from files or from the primary copy is bounded
// by [RestoreConfig].MemoryBytes of encoded key groups above the state itself.
package recovery
