package primary

import (
	"time"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/keygroups"
)

// Manifest lists everything that makes up one checkpoint. Its creation under
// its name in a [Store] is the commit of that checkpoint.
type Manifest struct {
	// Job is the name of the job.
	Job string
	// Sequence is the manifest's slot in the job's commit log.
	Sequence uint64
	// Checkpoint is the id of the checkpoint.
	Checkpoint uint64
	// Savepoint says that the checkpoint is the user's to delete.
	Savepoint bool
	// Created is when the manifest was made; DecodeManifest returns it in UTC.
	Created time.Time
	// M is the job's max parallelism and Seed that of its key hash.
	M    int
	Seed uint64
	// Operators ascend by Name, without duplicates.
	Operators []Operator
}

// Operator is the state of one keyed operator.
type Operator struct {
	// Name is the operator's name.
	Name string
	// Tasks ascend by Task and by Range; ranges do not overlap.
	Tasks []TaskState
}

// TaskState is the state of one task.
type TaskState struct {
	// Task is the index of the task, from 0.
	Task int
	// Range is the key groups it owned.
	Range keygroups.Range
	// Attempt is the run that made the state and Allocation the slot it ran in.
	Attempt, Allocation uuid.UUID
	// Schema describes the states in the blocks: msgpack, opaque here.
	Schema []byte
	// Compression is that of the blocks.
	Compression Compression
	// Objects are the names of the objects that segments refer to.
	Objects []string
	// Position is the task's position in its source: opaque here.
	Position []byte
	// Groups are the non-empty key groups and, if there is any, the operator
	// state, ascending by Group.
	Groups []GroupState
}

// GroupState is the state of one key group, or the operator state of the task.
type GroupState struct {
	// Group is the key group, within the task's Range; of operator state it is
	// M + Task.
	Group int
	// Segments make up the group in the order they are applied: a Base, then
	// any number of Deltas.
	Segments []SegmentRef
}

// SegmentRef is a segment in one of the task's objects.
type SegmentRef struct {
	// Object is an index into TaskState.Objects.
	Object int
	Segment
}
