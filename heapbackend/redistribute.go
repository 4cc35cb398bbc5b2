package heapbackend

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/heapstate/heapstate/internal/wire"
)

// inheritance is what the tasks of a checkpoint had of one operator state.
type inheritance[T any] struct {
	tasks  int   // how many there were, 0 if nothing says so
	staged []int // the tasks that were staged, ascending
	parts  []inherited[T]
}

// inherited is the part of one task; a task that had nothing has none.
type inherited[T any] struct {
	task int
	part T
}

// of returns the part of one task, zero if it had none.
func (i *inheritance[T]) of(task int) (none T) {
	for _, p := range i.parts {
		if p.task == task {
			return p.part
		}
	}
	return none
}

// copyFor returns the part of the old task whose copy of a broadcast state goes to a task. Where that old task was not
// staged at all, not even as empty, any other copy is as good.
func (i *inheritance[T]) copyFor(task int) (none T) {
	if i.tasks == 0 || len(i.parts) == 0 {
		return none
	}
	if from := task % i.tasks; slices.Contains(i.staged, from) {
		return i.of(from)
	}
	return i.parts[0].part
}

// share returns which of n elements are those of a task: a run, as long as those of the others or, for the first
// tasks, one element longer.
func share(n, task, tasks int) (first, end int) {
	size, more := n/tasks, n%tasks
	first = task*size + min(task, more)
	if task < more {
		size++
	}
	return first, first + size
}

// operatorStaged returns the staged blocks of operator state, by task, and how many tasks there were.
func (c *core) operatorStaged(staged []*Staged) (blocks []*Staged, tasks int, err error) {
	for _, s := range staged {
		if !c.cfg.isOperator(s.group) {
			continue
		}
		blocks = append(blocks, s)
		if s.tasks != 0 && tasks != 0 && s.tasks != tasks {
			return nil, 0, fmt.Errorf("%w: operator state of %d tasks and of %d", ErrMismatch, tasks, s.tasks)
		}
		tasks = max(tasks, s.tasks)
	}
	slices.SortFunc(blocks, func(a, b *Staged) int { return cmp.Compare(a.group, b.group) })
	return blocks, tasks, nil
}

// inherit collects the parts of one operator state. part returns that of a block, and whether there is one.
func inherit[T any](c *core, blocks []*Staged, tasks int, part func(*Staged) (T, bool)) (i inheritance[T]) {
	i.tasks = tasks
	for _, b := range blocks {
		task := b.group - c.cfg.M
		i.staged = append(i.staged, task)
		if p, ok := part(b); ok {
			i.parts = append(i.parts, inherited[T]{task, p})
		}
	}
	return i
}

// installOperator makes what blocks of a checkpoint's tasks hold the operator state of this one.
func (c *core) installOperator(blocks []*Staged, tasks int) {
	if len(blocks) == 0 {
		return
	}
	own, _ := c.cfg.OperatorGroup()
	for index, s := range c.states {
		if o, ok := s.(operatorState); ok {
			o.install(own, o.combine(inherit(c, blocks, tasks, func(b *Staged) (content, bool) {
				if index >= len(b.parts) {
					return nil, false
				}
				return b.parts[index], b.parts[index] != nil
			})))
		}
	}
}

// carriedOf returns what the staged blocks hold of states that are not registered: of operator state, this task's
// share. It may read what is adopted, and changes nothing.
func (c *core) carriedOf(staged, blocks []*Staged, tasks int) (groups []carriedGroup, err error) {
	for _, s := range staged {
		if !c.cfg.isOperator(s.group) {
			groups = append(groups, s.carried...)
		}
	}
	seen := map[string]bool{}
	for _, b := range blocks {
		for _, g := range b.carried {
			if seen[g.info.name] {
				continue
			}
			seen[g.info.name] = true
			g, err := c.combineCarried(inherit(c, blocks, tasks, func(b *Staged) (carriedGroup, bool) { return b.carriedAs(g.info.name) }))
			if err != nil {
				return nil, err
			}
			if g.n > 0 {
				groups = append(groups, g)
			}
		}
	}
	return groups, nil
}

// carriedAs returns what a staged block holds of a state that is not registered.
func (s *Staged) carriedAs(name string) (carriedGroup, bool) {
	for _, g := range s.carried {
		if g.info.name == name {
			return g, true
		}
	}
	return carriedGroup{}, false
}

// combineCarried is what operatorState.combine is, for a state that is not registered: nothing of it is decoded, none
// of it dropped and, although it may be of a union list, none of it multiplied.
func (c *core) combineCarried(old inheritance[carriedGroup]) (carriedGroup, error) {
	task, tasks := c.cfg.place()
	switch {
	case old.parts[0].part.info.kind == kindBroadcast:
		return c.asOwn(old.copyFor(task), tasks)
	case old.tasks == tasks:
		return c.asOwn(old.of(task), tasks)
	}
	n := 0
	for _, p := range old.parts {
		n += int(p.part.n)
	}
	first, end := share(n, task, tasks)
	out := carriedGroup{info: old.parts[0].part.info}
	for _, p := range old.parts {
		g := p.part
		if first < int(g.n) && end > 0 {
			records, err := g.append(nil)
			if err != nil {
				return out, err
			}
			from, to := max(first, 0), min(end, int(g.n))
			if records, err = cut(records, uint64(from), uint64(to)); err != nil {
				return out, fmt.Errorf("%w: state %q: %w", ErrCorrupt, g.info.name, err)
			}
			out.records, out.n = append(out.records, records...), out.n+uint64(to-from)
		}
		first, end = first-int(g.n), end-int(g.n)
	}
	return c.asOwn(out, tasks)
}

// asOwn makes what was carried by one of another number of tasks, or by another task, this task's.
func (c *core) asOwn(g carriedGroup, tasks int) (carriedGroup, error) {
	own, _ := c.cfg.OperatorGroup()
	if g.n == 0 || g.group == own && g.info.tasks == uint64(tasks) {
		return g, nil
	}
	if g.from != nil {
		records, err := g.append(nil)
		if err != nil {
			return g, err
		}
		g.records, g.from = records, nil
	}
	info := *g.info
	info.tasks = uint64(tasks)
	g.info, g.group = &info, own
	return g, nil
}

// cut returns the records [first, end) of those in b, which may be nested deeper than any value; end is at most that of
// all records. Memory is shared.
func cut(b []byte, first, end uint64) ([]byte, error) {
	r := wire.NewReader(b)
	for i := uint64(0); i < first && r.Err() == nil; i++ {
		r.Pass()
	}
	from := len(b) - r.Len()
	for i := first; i < end && r.Err() == nil; i++ {
		r.Pass()
	}
	return b[from : len(b)-r.Len()], r.Err()
}

// OperatorBlock is a block of operator state that there is in a checkpoint.
type OperatorBlock struct {
	// Group is its number, M + the index of the task that wrote it.
	Group int
	// Schema is the schema it was written under, as Snapshot.Schema returned it.
	Schema []byte
}

// OperatorBlocks returns which blocks of operator state a task needs to restore a checkpoint, ascending, given those
// there are, ascending too. The task needs the block of the old task it continues, its own where the parallelism is
// the same; and all of them if one has a union list, or a split list and the parallelism has changed. The old task's
// block is among the result even if there is none: then it is empty, and to be staged with StageEmpty. Where there are
// no blocks none is needed.
//
// A schema that cannot be read makes all blocks needed: staging them says what is wrong. Error: ErrConfig if the
// configuration does not say which task it is of. O(states x blocks), but a schema that is equal to the one before is
// not read.
func OperatorBlocks(c Config, have []OperatorBlock) ([]int, error) {
	if len(have) == 0 {
		return nil, nil
	}
	task, tasks := c.place()
	if tasks == 0 {
		return nil, fmt.Errorf("%w: the checkpoint holds operator state, which needs Config.Tasks", ErrConfig)
	}
	groups := make([]int, 0, len(have))
	all := false
	for i, b := range have {
		if i == 0 || !bytes.Equal(b.Schema, have[i-1].Schema) {
			old, every := readNeeds(c.M, b.Schema, tasks)
			all = all || every
			if old > 0 {
				groups = append(groups, c.M+task%old)
			}
		}
	}
	for _, b := range have {
		if all {
			groups = append(groups, b.Group)
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups), nil
}

// readNeeds returns how many tasks wrote the operator states of a schema, 0 if it describes none, and whether the
// blocks of all of them are needed.
func readNeeds(m int, schema []byte, tasks int) (old int, all bool) {
	infos, err := readSchema(schema)
	if err != nil {
		return 0, true
	}
	for _, i := range infos {
		if !i.operator() {
			continue
		}
		if i.tasks < 1 || i.tasks > uint64(m) {
			return 0, true
		}
		old = int(i.tasks)
		all = all || i.kind == kindUnion || i.kind == kindSplit && old != tasks
	}
	return old, all || old == 0
}
