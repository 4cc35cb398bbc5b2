package recovery

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// ErrMismatch is matched by the error of a manifest that cannot serve what is wanted: see [MismatchError].
var ErrMismatch = errors.New("recovery: checkpoint does not fit")

// MismatchError says which property of a checkpoint is not the wanted one. It unwraps to ErrMismatch.
type MismatchError struct {
	// Checkpoint is the checkpoint's id.
	Checkpoint uint64
	// Property is "job", "operator", "max parallelism", "seed" or "range".
	Property string
	// Have is what the checkpoint has and Want what was asked for, both as text.
	Have, Want string
}

// Error names the checkpoint, the property and both values.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("recovery: checkpoint %d does not fit: its %s is %s, wanted %s", e.Checkpoint, e.Property, e.Have, e.Want)
}

// Unwrap returns ErrMismatch.
func (e *MismatchError) Unwrap() error { return ErrMismatch }

// Primary is the Local of a [Choice] that stands for the primary copy.
const Primary = -1

// Reason says why a source is chosen for a key group, or why it is not.
type Reason string

// The reasons. Those of a choice come first, those of a rejection after them.
const (
	// ReasonLocal: the local copy is of this checkpoint, by this attempt, and its digest is that of the primary copy.
	ReasonLocal Reason = "local copy matches the primary"
	// ReasonTruth: the primary copy is always a source.
	ReasonTruth Reason = "primary copy"
	// ReasonJob: the local copy is of another job.
	ReasonJob Reason = "other job"
	// ReasonOperator: the local copy is of another operator.
	ReasonOperator Reason = "other operator"
	// ReasonCheckpoint: the local copy is of another checkpoint.
	ReasonCheckpoint Reason = "other checkpoint"
	// ReasonTask: the checkpoint's task with that index is not there or does not own the key group.
	ReasonTask Reason = "other task"
	// ReasonAttempt: the local copy was made by an attempt that did not commit the checkpoint.
	ReasonAttempt Reason = "other attempt"
	// ReasonRange: the local copy says that its task had other key groups than the checkpoint says.
	ReasonRange Reason = "other key group range"
	// ReasonM: the local copy was made under another max parallelism.
	ReasonM Reason = "other max parallelism"
	// ReasonSeed: the local copy was made under another hash seed.
	ReasonSeed Reason = "other hash seed"
	// ReasonSchema: the local copy has other states than the primary copy.
	ReasonSchema Reason = "other schema"
	// ReasonDigest: the local copy of the key group is not the content of the primary copy: its digest, its length or
	// its number of entries is another.
	ReasonDigest Reason = "other digest"
	// ReasonEmpty: the checkpoint says that the key group is empty.
	ReasonEmpty Reason = "primary says the key group is empty"
)

// Want is what a task wants to restore.
type Want struct {
	// Job and Operator name the state.
	Job, Operator string
	// M is the max parallelism and Seed the hash seed of the job.
	M    int
	Seed uint64
	// Range is the key groups wanted, [First, End); any range, whatever the ranges of the checkpoint's tasks were.
	Range keygroups.Range
	// Task is the index of the task and Tasks how many there are. Only operator state needs them: a checkpoint that
	// has any is refused if Tasks is 0, unless Range is all of [0, M).
	Task, Tasks int
}

// backend is the configuration of a backend for what is wanted.
func (w *Want) backend() heapbackend.Config {
	return heapbackend.Config{M: w.M, Range: w.Range, Seed: w.Seed, Task: w.Task, Tasks: w.Tasks}
}

// LocalSource describes one local copy.
type LocalSource struct {
	// Name is the format's name ("heap") and Letter its letter in a grid ('H').
	Name   string
	Letter byte
	// Meta says whose copy it is.
	Meta localcopy.Meta
	// Groups are the key groups the copy holds, in any order.
	Groups []localcopy.GroupInfo
}

// Plan says, for every key group of a range, where its state comes from.
type Plan struct {
	// Checkpoint is the id of the checkpoint, 0 when there is none and every key group is empty.
	Checkpoint uint64
	// Operator is the name of the operator.
	Operator string
	// M is the max parallelism.
	M int
	// Locals are the local copies the plan speaks of, in the order given to MakePlan.
	Locals []LocalSource
	// Groups are the key groups of the wanted range, ascending, one for each. After them come the blocks of operator
	// state that the task needs of the checkpoint, ascending by the task that wrote them: see
	// [heapbackend.OperatorBlocks].
	Groups []GroupPlan
}

// GroupPlan is the plan of one key group, or of the operator state of one task of the checkpoint.
type GroupPlan struct {
	// Group is the key group; of operator state it is M + the index of the task that wrote it.
	Group int
	// Empty says that the checkpoint has nothing in it: there is nothing to read.
	Empty bool
	// Sources are tried in this order. The last is the primary copy. None when the key group is empty.
	Sources []Choice
	// Rejected are the local copies that hold the key group and are not used.
	Rejected []Rejection
	// Task is the checkpoint's task that owned it; it belongs to the manifest. Nil when there is no checkpoint.
	Task *primary.TaskState
	// Segments are the key group's primary segments; they belong to the manifest.
	Segments []primary.SegmentRef
}

// Choice is one source of a key group.
type Choice struct {
	// Local is an index into the local sources, or Primary.
	Local int
	// Reason is ReasonLocal or ReasonTruth.
	Reason Reason
	// Bytes is the size of the source's copy of the key group, as stored.
	Bytes int64
}

// Rejection is a local copy that holds a key group and must not be used for it.
type Rejection struct {
	// Local is an index into the local sources.
	Local int
	// Reason says why not.
	Reason Reason
}

// MakePlan decides where the key groups of a range come from. It is a pure function: the manifest says what is true,
// and a local copy is a source for a key group only if it is of the same job, operator, checkpoint, task, attempt,
// range, M, seed and schema, and the digest of the key group is that of its primary copy. The local sources are tried
// in the order given, then the primary copy. What ranges the checkpoint's tasks had does not matter: any overlap with
// a local copy is used. Blocks of operator state, of the task itself and of others, are planned like key groups.
//
// A nil manifest means that there is no checkpoint: every key group is empty. Errors: [MismatchError] when the
// manifest is of another job, operator, M or seed, or does not cover the range; ErrConfig when it has operator state
// and Want does not say which task's share is wanted. The local sources never cause one.
//
// The plan refers to the manifest and the local sources and must not outlive a change to them. The cost is O(key
// groups x local sources); the number of allocations does not depend on the number of key groups unless copies are
// rejected.
func MakePlan(w Want, m *primary.Manifest, locals []LocalSource) (*Plan, error) {
	p := &Plan{Operator: w.Operator, M: w.M, Locals: locals, Groups: make([]GroupPlan, w.Range.Len())}
	for i := range p.Groups {
		p.Groups[i] = GroupPlan{Group: w.Range.First + i, Empty: true}
	}
	if m == nil {
		return p, nil
	}
	p.Checkpoint = m.Checkpoint
	op, err := fits(w, m)
	if err != nil {
		return nil, err
	}
	if err := p.cover(w.Range, op); err != nil {
		return nil, err
	}
	if err := p.coverOperator(w, op.Tasks); err != nil {
		return nil, err
	}
	p.choose(w, op)
	return p, nil
}

// fits finds the wanted operator in a manifest of the wanted job.
func fits(w Want, m *primary.Manifest) (*primary.Operator, error) {
	mismatch := func(property string, have, want any) error {
		return &MismatchError{Checkpoint: m.Checkpoint, Property: property, Have: fmt.Sprint(have), Want: fmt.Sprint(want)}
	}
	switch {
	case m.Job != w.Job:
		return nil, mismatch("job", m.Job, w.Job)
	case m.M != w.M:
		return nil, mismatch("max parallelism", m.M, w.M)
	case m.Seed != w.Seed:
		return nil, mismatch("seed", m.Seed, w.Seed)
	}
	var names []string
	for i := range m.Operators {
		if m.Operators[i].Name == w.Operator {
			return &m.Operators[i], nil
		}
		names = append(names, m.Operators[i].Name)
	}
	return nil, mismatch("operator", names, w.Operator)
}

// cover finds the task and the segments of every key group.
func (p *Plan) cover(want keygroups.Range, op *primary.Operator) error {
	for i := range op.Tasks {
		ts := &op.Tasks[i]
		both := ts.Range.Intersect(want)
		for g := range both.All() {
			p.Groups[g-want.First].Task = ts
		}
		if both.Empty() {
			continue
		}
		for j := range ts.Groups {
			if gs := &ts.Groups[j]; both.Contains(gs.Group) && len(gs.Segments) > 0 {
				gp := &p.Groups[gs.Group-want.First]
				gp.Segments, gp.Empty = gs.Segments, false
			}
		}
	}
	for i := range p.Groups {
		if p.Groups[i].Task == nil {
			return &MismatchError{Checkpoint: p.Checkpoint, Property: "range",
				Have: fmt.Sprintf("without key group %d", p.Groups[i].Group), Want: want.String()}
		}
	}
	return nil
}

// coverOperator adds the blocks of operator state that the task needs.
func (p *Plan) coverOperator(w Want, tasks []primary.TaskState) error {
	needed, err := operatorBlocks(w, tasks)
	if err != nil {
		return fmt.Errorf("%w: checkpoint %d: %w", ErrConfig, p.Checkpoint, err)
	}
	for _, group := range needed {
		gp := GroupPlan{Group: group, Empty: true}
		for i := range tasks {
			if ts := &tasks[i]; ts.Task == group-w.M {
				gp.Task = ts
				gp.Segments = operatorSegments(ts, w.M)
				gp.Empty = len(gp.Segments) == 0
			}
		}
		p.Groups = append(p.Groups, gp)
	}
	return nil
}

// operatorBlocks returns the blocks of operator state that a task needs of those that the tasks of a checkpoint left.
func operatorBlocks(w Want, tasks []primary.TaskState) ([]int, error) {
	var have []heapbackend.OperatorBlock
	for i := range tasks {
		if len(operatorSegments(&tasks[i], w.M)) > 0 {
			have = append(have, heapbackend.OperatorBlock{Group: w.M + tasks[i].Task, Schema: tasks[i].Schema})
		}
	}
	return heapbackend.OperatorBlocks(w.backend(), have)
}

// operatorSegments returns the segments of a task's operator state, which is the last of its blocks; none if it has
// none.
func operatorSegments(ts *primary.TaskState, m int) []primary.SegmentRef {
	if n := len(ts.Groups); n > 0 && ts.Groups[n-1].Group == m+ts.Task {
		return ts.Groups[n-1].Segments
	}
	return nil
}

// find returns the plan of a block, nil if it is not wanted.
func (p *Plan) find(want keygroups.Range, group int) *GroupPlan {
	if want.Contains(group) {
		return &p.Groups[group-want.First]
	}
	if group < p.M {
		return nil
	}
	for i := want.Len(); i < len(p.Groups); i++ {
		if p.Groups[i].Group == group {
			return &p.Groups[i]
		}
	}
	return nil
}

// choose orders the sources of every key group: local copies as given, then the primary.
func (p *Plan) choose(w Want, op *primary.Operator) {
	width := len(p.Locals) + 1
	choices := make([]Choice, len(p.Groups)*width)
	for i := range p.Groups {
		p.Groups[i].Sources = choices[i*width : i*width : (i+1)*width]
	}
	for l := range p.Locals {
		whole := p.judge(w, op, &p.Locals[l].Meta)
		for _, info := range p.Locals[l].Groups {
			gp := p.find(w.Range, info.Group)
			if gp == nil {
				continue
			}
			switch reason := whole; {
			case reason == ReasonLocal:
				gp.offer(l, info, &p.Locals[l].Meta)
			default:
				gp.Rejected = append(gp.Rejected, Rejection{l, reason})
			}
		}
	}
	for i := range p.Groups {
		gp := &p.Groups[i]
		if gp.Empty {
			gp.Sources = nil
			continue
		}
		var size int64
		for _, s := range gp.Segments {
			size += s.Length
		}
		gp.Sources = append(gp.Sources, Choice{Primary, ReasonTruth, size})
	}
}

// judge says whether a copy as a whole can be a source, or why not.
func (p *Plan) judge(w Want, op *primary.Operator, m *localcopy.Meta) Reason {
	switch {
	case m.Job != w.Job:
		return ReasonJob
	case m.Operator != w.Operator:
		return ReasonOperator
	case m.Checkpoint != p.Checkpoint:
		return ReasonCheckpoint
	case m.M != w.M:
		return ReasonM
	case m.Seed != w.Seed:
		return ReasonSeed
	}
	for i := range op.Tasks {
		ts := &op.Tasks[i]
		switch {
		case ts.Task != m.Task:
		case ts.Attempt != m.Attempt || m.Attempt == uuid.Nil:
			return ReasonAttempt
		case ts.Range != m.Range:
			return ReasonRange
		case !bytes.Equal(ts.Schema, m.Schema):
			return ReasonSchema
		default:
			return ReasonLocal
		}
	}
	return ReasonTask
}

// offer adds a local copy as a source of the key group, if it is what the primary has. One of another length is
// refused here, before anything of it is read: reading takes the memory that the copy says, and the restore has set
// aside what the checkpoint says.
func (gp *GroupPlan) offer(local int, info localcopy.GroupInfo, m *localcopy.Meta) {
	reject := func(r Reason) { gp.Rejected = append(gp.Rejected, Rejection{local, r}) }
	switch n := len(gp.Sources); {
	case gp.Task == nil || gp.Task.Task != m.Task:
		reject(ReasonTask)
	case gp.Empty:
		reject(ReasonEmpty)
	case !holds(info, &gp.Segments[len(gp.Segments)-1].Segment) || info.Entries != gp.entries():
		reject(ReasonDigest)
	case n > 0 && gp.Sources[n-1].Local == local: // listed twice
	default:
		gp.Sources = append(gp.Sources, Choice{local, ReasonLocal, info.Bytes})
	}
}

// holds reports whether a local copy of a key group says that it has the content of a primary segment.
func holds(info localcopy.GroupInfo, s *primary.Segment) bool {
	return info.Digest == s.Digest && info.Bytes == s.Raw
}

// entries is the number of entries of the key group in the checkpoint.
func (gp *GroupPlan) entries() uint64 {
	var n uint64
	for _, s := range gp.Segments {
		n += s.Entries
	}
	return n
}
