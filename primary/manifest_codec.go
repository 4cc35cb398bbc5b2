package primary

import (
	"errors"
	"fmt"

	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary/internal/frame"
)

// Field counts, and the least bytes one element can take: what bounds the memory
// taken for an array by the bytes present.
const (
	manifestMagic   = "\x89hsman\r\n"
	manifestVersion = 1

	manifestFields = 8
	operatorFields = 2
	taskFields     = 10
	groupFields    = 2
	refFields      = 8

	minOperator = 1 + operatorFields
	minTask     = 1 + taskFields + 2*16 // two uuids
	minObject   = 2                     // a name has a byte
	minGroup    = 1 + groupFields + minRef
	minRef      = 1 + refFields
)

// Append appends the encoded manifest to dst. The same manifest always gives the
// same bytes. It does not check m: see Check.
func (m *Manifest) Append(dst []byte) []byte {
	return frame.Append(dst, manifestMagic, manifestVersion, func(b []byte) []byte {
		b = wire.AppendArrayLen(b, manifestFields)
		b = wire.AppendString(b, m.Job)
		b = wire.AppendUint(b, m.Sequence)
		b = wire.AppendUint(b, m.Checkpoint)
		b = wire.AppendBool(b, m.Savepoint)
		b = wire.AppendTime(b, m.Created)
		b = wire.AppendInt(b, int64(m.M))
		b = wire.AppendUint(b, m.Seed)
		b = wire.AppendArrayLen(b, len(m.Operators))
		for i := range m.Operators {
			b = m.Operators[i].append(b)
		}
		return b
	})
}

func (o *Operator) append(b []byte) []byte {
	b = wire.AppendArrayLen(b, operatorFields)
	b = wire.AppendString(b, o.Name)
	b = wire.AppendArrayLen(b, len(o.Tasks))
	for i := range o.Tasks {
		b = o.Tasks[i].append(b)
	}
	return b
}

func (t *TaskState) append(b []byte) []byte {
	b = wire.AppendArrayLen(b, taskFields)
	b = wire.AppendInt(b, int64(t.Task))
	b = wire.AppendInt(b, int64(t.Range.First))
	b = wire.AppendInt(b, int64(t.Range.End))
	b = wire.AppendBytes(b, t.Attempt[:])
	b = wire.AppendBytes(b, t.Allocation[:])
	b = wire.AppendBytes(b, t.Schema)
	b = wire.AppendUint(b, uint64(t.Compression))
	b = wire.AppendBytes(b, t.Position)
	b = wire.AppendArrayLen(b, len(t.Objects))
	for _, name := range t.Objects {
		b = wire.AppendString(b, name)
	}
	b = wire.AppendArrayLen(b, len(t.Groups))
	for i := range t.Groups {
		b = t.Groups[i].append(b)
	}
	return b
}

func (g *GroupState) append(b []byte) []byte {
	b = wire.AppendArrayLen(b, groupFields)
	b = wire.AppendInt(b, int64(g.Group))
	b = wire.AppendArrayLen(b, len(g.Segments))
	for i := range g.Segments {
		b = wire.AppendArrayLen(b, refFields)
		b = wire.AppendInt(b, int64(g.Segments[i].Object))
		b = appendSegment(b, &g.Segments[i].Segment)
	}
	return b
}

// DecodeManifest reads the manifest that is the whole of b and checks it as
// Check does. The result aliases nothing of b; byte slices and lists without
// elements come back nil. The memory it takes is a small multiple of len(b),
// whatever b says. Errors: a *CorruptError, which is ErrCorrupt, and ErrVersion.
func DecodeManifest(b []byte) (*Manifest, error) {
	body, err := openFrame(b, manifestMagic, manifestVersion)
	if err != nil {
		return nil, err
	}
	r := wire.NewReader(body)
	m := readManifest(r)
	readEnd(r)
	if err := r.Err(); err != nil {
		return nil, corruptAt(frame.Head, "manifest does not decode", err)
	}
	if err := m.Check(); err != nil {
		return nil, corruptAt(frame.Head, "manifest makes no sense", err)
	}
	return m, nil
}

func readManifest(r *wire.Reader) *Manifest {
	readFields(r, manifestFields)
	m := &Manifest{
		Job:        r.String(),
		Sequence:   r.Uint(),
		Checkpoint: r.Uint(),
		Savepoint:  r.Bool(),
		Created:    r.Time(),
		M:          readInt(r),
		Seed:       r.Uint(),
	}
	m.Operators = readList(r, minOperator, readOperator)
	return m
}

// readList reads an array whose elements take at least size bytes each.
func readList[T any](r *wire.Reader, size int, read func(*wire.Reader) T) []T {
	n := readCount(r, size)
	if n == 0 {
		return nil
	}
	list := make([]T, 0, n)
	for range n {
		list = append(list, read(r))
		if r.Err() != nil {
			return nil
		}
	}
	return list
}

func readOperator(r *wire.Reader) Operator {
	readFields(r, operatorFields)
	return Operator{Name: r.String(), Tasks: readList(r, minTask, readTask)}
}

func readTask(r *wire.Reader) TaskState {
	readFields(r, taskFields)
	return TaskState{
		Task:        readInt(r),
		Range:       keygroups.Range{First: readInt(r), End: readInt(r)},
		Attempt:     readUUID(r),
		Allocation:  readUUID(r),
		Schema:      readBlob(r),
		Compression: readCompression(r),
		Position:    readBlob(r),
		Objects:     readList(r, minObject, (*wire.Reader).String),
		Groups:      readList(r, minGroup, readGroup),
	}
}

func readGroup(r *wire.Reader) GroupState {
	readFields(r, groupFields)
	group := readInt(r)
	return GroupState{Group: group, Segments: readList(r, minRef, func(r *wire.Reader) SegmentRef {
		readFields(r, refFields)
		return SegmentRef{Object: readInt(r), Segment: readSegment(r, group)}
	})}
}

// Check says whether m can be committed: nil, or an error that wraps ErrInvalid and names the first rule broken.
// Operators ascend by name; tasks ascend and their ranges are within M, not empty and disjoint; key groups ascend
// within their task's range, and operator state, M + the task, comes after them; every key group is a Base followed by
// Deltas, each in an object the task names; object names are good. That the tasks of an operator cover all of M is not
// checked.
func (m *Manifest) Check() error {
	if m.Job == "" {
		return fmt.Errorf("%w: manifest of a job without name", ErrInvalid)
	}
	if m.M < 1 || m.M > keygroups.Max {
		return fmt.Errorf("%w: manifest with max parallelism %d", ErrInvalid, m.M)
	}
	last := ""
	for i := range m.Operators {
		o := &m.Operators[i]
		if o.Name <= last {
			return fmt.Errorf("%w: operator %q out of order or without name", ErrInvalid, o.Name)
		}
		last = o.Name
		if err := o.check(m.M); err != nil {
			return fmt.Errorf("%w: operator %q: %w", ErrInvalid, o.Name, err)
		}
	}
	return nil
}

func (o *Operator) check(m int) error {
	task, end := -1, 0
	for i := range o.Tasks {
		t := &o.Tasks[i]
		if t.Task <= task || t.Task >= m {
			return fmt.Errorf("task %d out of order or not below %d", t.Task, m)
		}
		if !rangeIn(t.Range, m) || t.Range.First < end {
			return fmt.Errorf("task %d: range %v overlaps the one before or is not within %d key groups", t.Task, t.Range, m)
		}
		task, end = t.Task, t.Range.End
		if err := t.check(m); err != nil {
			return fmt.Errorf("task %d: %w", t.Task, err)
		}
	}
	return nil
}

func (t *TaskState) check(m int) error {
	if !t.Compression.valid() {
		return fmt.Errorf("unknown %v", t.Compression)
	}
	for _, name := range t.Objects {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	last := t.Range.First - 1
	for i := range t.Groups {
		g := &t.Groups[i]
		if g.Group <= last || !blockIn(g.Group, t.Range, m, t.Task) {
			return fmt.Errorf("key group %d out of order or not in %v", g.Group, t.Range)
		}
		last = g.Group
		if err := g.check(t); err != nil {
			return fmt.Errorf("key group %d: %w", g.Group, err)
		}
	}
	return nil
}

func (g *GroupState) check(t *TaskState) error {
	if len(g.Segments) == 0 {
		return errors.New("no segments")
	}
	for i := range g.Segments {
		s := &g.Segments[i]
		if s.Object < 0 || s.Object >= len(t.Objects) {
			return fmt.Errorf("segment %d is in object %d of %d", i, s.Object, len(t.Objects))
		}
		if s.Group != g.Group {
			return fmt.Errorf("segment %d is of key group %d", i, s.Group)
		}
		if (s.Kind == Base) != (i == 0) {
			return fmt.Errorf("segment %d of %d is a %v", i, len(g.Segments), s.Kind)
		}
		if err := s.check(t.Compression); err != nil {
			return fmt.Errorf("segment %d: %w", i, err)
		}
	}
	return nil
}
