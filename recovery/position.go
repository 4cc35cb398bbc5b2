package recovery

import (
	"fmt"
	"slices"

	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// positionTag begins a position written by Task.Advance, so that it is told from one an engine brought.
const positionTag = "offset"

// position is how far a task has read, by key group.
//
// A task reads one log in order, and its state holds every record below next. After a rescale its key groups come from
// tasks that had read to different offsets; those that are ahead of next are in floors: for them records below their
// floor are in the state already and are not to be applied again.
//
// Invariant: floors are disjoint, ascending, and every floor is above next.
type position struct {
	next   int64
	floors []floor
}

// floor is the offset below which a run of key groups has every record.
type floor struct {
	groups keygroups.Range
	offset int64
}

// of is the offset below which the state of a key group has every record.
func (p *position) of(group int) int64 {
	for _, f := range p.floors {
		if f.groups.Contains(group) {
			return max(p.next, f.offset)
		}
	}
	return p.next
}

// advance moves next to offset and forgets the floors it has passed.
func (p *position) advance(offset int64) {
	p.next = offset
	keep := p.floors[:0]
	for _, f := range p.floors {
		if f.offset > offset {
			keep = append(keep, f)
		}
	}
	p.floors = keep
}

// clone returns a position that shares nothing with p.
func (p *position) clone() position { return position{p.next, slices.Clone(p.floors)} }

// append encodes the position in msgpack: ["offset", next, first, end, offset, first, end, offset, ...].
func (p *position) append(dst []byte) []byte {
	dst = wire.AppendArrayLen(dst, 2+3*len(p.floors))
	dst = wire.AppendString(dst, positionTag)
	dst = wire.AppendInt(dst, p.next)
	for _, f := range p.floors {
		dst = wire.AppendInt(dst, int64(f.groups.First))
		dst = wire.AppendInt(dst, int64(f.groups.End))
		dst = wire.AppendInt(dst, f.offset)
	}
	return dst
}

// decodePosition reads what append wrote. Anything else is an error, also nothing: a task that calls Advance always
// leaves a position, and where one that brought none had read to is not known.
func decodePosition(b []byte) (position, error) {
	var p position
	r := wire.NewReader(b)
	n := r.ArrayLen()
	if tag := r.String(); r.Err() != nil || tag != positionTag || n < 2 || (n-2)%3 != 0 {
		return p, fmt.Errorf("recovery: position of %d bytes is not one of Task.Advance", len(b))
	}
	p.next = r.Int()
	last := int64(0)
	for range (n - 2) / 3 {
		first, end, offset := r.Int(), r.Int(), r.Int()
		if first < last || end <= first || end > keygroups.Max || offset <= p.next {
			return position{}, fmt.Errorf("recovery: position has a bad floor [%d,%d) at %d", first, end, offset)
		}
		last = end
		p.floors = append(p.floors, floor{keygroups.Range{First: int(first), End: int(end)}, offset})
	}
	if r.Err() != nil || r.Len() != 0 {
		return position{}, fmt.Errorf("recovery: position of %d bytes is malformed", len(b))
	}
	return p, nil
}

// positionFor is where a task with the given key groups goes on, from the positions of the tasks that had them.
func positionFor(want keygroups.Range, tasks []primary.TaskState) (position, error) {
	at := make([]int64, want.Len())
	for i := range tasks {
		both := tasks[i].Range.Intersect(want)
		if both.Empty() {
			continue
		}
		p, err := decodePosition(tasks[i].Position)
		if err != nil {
			return position{}, err
		}
		for g := range both.All() {
			at[g-want.First] = p.of(g)
		}
	}
	if len(at) == 0 {
		return position{}, nil
	}
	out := position{next: at[0]}
	for _, offset := range at {
		out.next = min(out.next, offset)
	}
	for i, offset := range at {
		if offset == out.next {
			continue
		}
		g := want.First + i
		if n := len(out.floors); n > 0 && out.floors[n-1].groups.End == g && out.floors[n-1].offset == offset {
			out.floors[n-1].groups.End++
			continue
		}
		out.floors = append(out.floors, floor{keygroups.Range{First: g, End: g + 1}, offset})
	}
	return out, nil
}
