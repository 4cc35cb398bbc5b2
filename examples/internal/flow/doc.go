// Package flow is a small in-process dataflow runtime for the examples: sources, an exchange by key, aligned barriers, and
// keyed operators. It shows where an engine meets this library, and that the place is small.
//
// # Model
//
// A program runs p parallel instances. Every instance is one task: a source half and a keyed half.
//
//	instance 0   source ──┬────────────┬──▶ keyed operator ──▶ sink
//	                      │  exchange  │
//	instance 1   source ──┴────────────┴──▶ keyed operator ──▶ sink
//
// Every source has a link to every keyed half. Records travel on it in batches; the route of a record is the task that owns
// the key group of its key ([ByKey]), or every task ([All]). A link holds a fixed number of batches: a source that is ahead waits, which
// is all the flow control there is, and batches are used again, so that the exchange allocates nothing per record.
//
// # Checkpoints
//
// When a checkpoint is due a source writes down its position and sends a barrier down all its links, behind the records read
// so far. A keyed half that has the barrier of one input keeps what follows on that input aside until the barrier has come
// in on all of them. At that moment its state holds exactly the records before the positions the sources wrote down, and it
// takes its checkpoint. A newer barrier gives up the alignment of an older one.
//
// # What an engine has to call
//
// Nothing in this library knows this package, and another engine can take its place. What it has to do is what this package and the
// task function around it do:
//
//  1. heapbackend.For(task), then register the states: the backend of the task's key groups.
//  2. task.Restore(ctx), then task.Positions(): the state, and the source positions that belong to it.
//  3. [Task].Due and [Task].Checkpoint: learn that a checkpoint is due, and take it when state and position agree.
//
// The interface [Task] is the third in full; recovery.Task implements it. An engine that schedules its tasks itself needs no recovery.Job either:
// heapbackend.New, recovery.MakePlan with recovery.Restore, and Backend.Capture with primary.WriteObject are the same three steps.
//
// # Concurrency and failure
//
// The keyed half runs on the goroutine that called [Exchange.Run], because that one owns the backend; the source half runs on a
// second one, which Run waits for. All tasks of an exchange start over together (recovery.RestartAll): records in
// flight belong to nobody's checkpoint. Run therefore begins with a meeting of all tasks, and each meeting has links of its own: what an
// attempt that was given up still sends reaches nobody.
//
// # Cost
//
// One indirect call and one append per record, one channel operation per batch. Memory is bounded by
// tasks² × (batches per link) × (records per batch), see [NewExchange].
package flow
