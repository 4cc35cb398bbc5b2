package primary

import (
	"context"
	"iter"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/keygroups"
)

// Header says whose state an object holds.
type Header struct {
	// Job and Operator are names; Task is the index of the task, from 0.
	Job, Operator string
	Task          int
	// Attempt is the run of the task that wrote the object.
	Attempt uuid.UUID
	// Checkpoint is the id of the checkpoint the object belongs to.
	Checkpoint uint64
	// M is the job's max parallelism, 1 to keygroups.Max.
	M int
	// Range is the key groups the task owns, not empty, within [0, M).
	Range keygroups.Range
	// Seed is the seed of the job's key hash.
	Seed uint64
	// Schema describes the states in the blocks: msgpack, opaque here.
	Schema []byte
	// Compression is that of every block in the object.
	Compression Compression
}

// SegmentKind says what a block is relative to the key group's earlier ones.
type SegmentKind uint8

// The kinds. Their numbers are part of the format.
const (
	// Base is the whole state of its key group.
	Base SegmentKind = 0
	// Delta is what changed since the segments before it in the chain.
	Delta SegmentKind = 1
)

// String returns "base" or "delta".
func (k SegmentKind) String() string {
	if k == Base {
		return "base"
	}
	return "delta"
}

// Segment says where the block of one key group, or of a task's operator state,
// lies in an object, and what it must be.
type Segment struct {
	// Group is the key group; of operator state it is M + the index of the task.
	Group int
	// Kind is Base or Delta.
	Kind SegmentKind
	// Offset and Length are where the stored bytes lie in the object.
	Offset, Length int64
	// Raw is the length of the block in bytes once decompressed.
	Raw int64
	// CRC is the CRC-32C (Castagnoli) of the stored bytes.
	CRC uint32
	// Digest is the XXH3-64, seed 0, of the decompressed block: what two copies
	// of the same key group have in common, whatever their compression.
	Digest uint64
	// Entries is the number of entries in the block.
	Entries uint64
}

// Source gives the blocks of one task's key groups; a heapbackend snapshot is
// one.
type Source interface {
	// Range is the key groups of the source.
	Range() keygroups.Range
	// AppendGroup appends the block of group to dst and returns the extended
	// slice and the number of entries in it. It MUST be safe for concurrent
	// calls on different groups and MUST append the same bytes every time. A
	// group with no entries and no bytes is empty and gets no segment.
	AppendGroup(dst []byte, group int) (block []byte, entries uint64, err error)
}

// BlockSource is a Source of a task that may have operator state: state of the
// task as a whole. It is one more block, numbered M + the index of the task.
type BlockSource interface {
	Source
	// Blocks yields the numbers of the source's blocks, ascending: the key groups
	// of its range and, if it has any, the operator state. AppendGroup takes each.
	Blocks() iter.Seq[int]
}

// WriteOptions tunes WriteObject; the zero value is ready to use.
type WriteOptions struct {
	// Parallelism is how many groups are encoded at once; 0 or less means
	// GOMAXPROCS. Memory held is Parallelism times the largest block, raw and
	// stored.
	Parallelism int
	// OnBlock, if not nil, is called once for each segment, in ascending order
	// of group, one call at a time, after the block was written. raw is the
	// decompressed block, valid only during the call.
	OnBlock func(seg Segment, raw []byte)
}

// Index is what an object says about itself.
type Index struct {
	// Header is the object's header.
	Header Header
	// Segments are the non-empty key groups and, if there is any, the operator
	// state, ascending by Group.
	Segments []Segment
	// Size is the length of the whole object in bytes.
	Size int64
}

// RangeReader reads ranges of one object. Implementations MUST be safe for
// concurrent use; ReadAt follows the rules of [Store].ReadAt. One that has a
// method Name() string is named by it in errors.
type RangeReader interface {
	ReadAt(ctx context.Context, p []byte, off int64) error
}
