package heapbackend

import (
	"fmt"

	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/keygroups"
)

// Operator state belongs to a task, not to a key: an OperatorList or a Broadcast. In snapshots and whatever is made of
// them it is one more block, whose number is beyond the key groups: M + the index of the task that wrote it.

// OperatorGroup returns the number of the block that holds the operator state of the configuration's task, M + Task,
// and whether the task is known, so that there can be any.
func (c Config) OperatorGroup() (group int, ok bool) {
	task, tasks := c.place()
	return c.M + task, tasks > 0
}

// place returns the task and how many there are, 0 if that is not known. Who holds every key group is alone.
func (c Config) place() (task, tasks int) {
	if c.Tasks == 0 && c.Range == (keygroups.Range{End: c.M}) {
		return 0, 1
	}
	return c.Task, c.Tasks
}

// checkPlace returns what is wrong with Task and Tasks.
func (c Config) checkPlace() error {
	if c.Tasks < 0 || c.Tasks > c.M || c.Task < 0 || c.Task >= max(1, c.Tasks) {
		return fmt.Errorf("%w: task %d of %d, with %d key groups", ErrConfig, c.Task, c.Tasks, c.M)
	}
	return nil
}

// takes reports whether a block of that number can be staged: one of the range, or the operator state of any task.
func (c Config) takes(group int) bool {
	_, ok := c.OperatorGroup()
	return c.Range.Contains(group) || ok && c.isOperator(group)
}

// isOperator reports whether a block's number is that of a task's operator state.
func (c Config) isOperator(group int) bool { return c.M <= group && group < 2*c.M }

// operator reports whether the state belongs to a task and not to keys.
func (i *stateInfo) operator() bool {
	return i.kind == kindSplit || i.kind == kindUnion || i.kind == kindBroadcast
}

// operatorState is a registered state that belongs to the task. Its install takes what stage, stageFrozen and combine
// return.
type operatorState interface {
	state
	// combine returns what this task gets of what the tasks of a checkpoint had. Owner only, once views are adopted.
	combine(old inheritance[content]) content
}

// operator is what the kinds of operator state have in common.
type operator struct {
	core *core
	info stateInfo
}

// newOperator is the description of an operator state of this backend, checked.
func (c *core) newOperator(info stateInfo, life *lifetime) (operator, error) {
	if err := life.refused(info.name); err != nil {
		return operator{}, err
	}
	_, tasks := c.cfg.place()
	if tasks == 0 {
		return operator{}, fmt.Errorf("%w: operator state %q needs Config.Tasks", ErrConfig, info.name)
	}
	info.tasks = uint64(tasks)
	return operator{core: c, info: info}, nil
}

// registerOperator adds an operator state to the backend.
func (c *core) registerOperator(s operatorState) error {
	if err := c.begin(s.described()); err != nil {
		return err
	}
	defer c.guard.leave()
	return c.add(s)
}

// Name returns the name the state is registered under.
func (o *operator) Name() string { return o.info.name }

func (o *operator) described() *stateInfo { return &o.info }

// enter begins an operation that cannot return an error.
func (o *operator) enter() bool {
	if !o.core.guard.enter() {
		o.core.guard.refused()
		return false
	}
	return true
}

// readRecords calls one for each record, and turns what can go wrong into the errors of stage. least is the length of
// the shortest record.
func (o *operator) readRecords(written *stateInfo, entries uint64, records []byte, least int, one func(*wire.Reader) error) error {
	if entries > uint64(len(records)/least) {
		return fmt.Errorf("%w: state %q: %d entries in %d bytes", ErrCorrupt, o.info.name, entries, len(records))
	}
	r := wire.NewReader(records)
	for range entries {
		if err := one(r); err != nil {
			return o.info.unreadable(written, err)
		}
	}
	if r.Len() > 0 {
		return fmt.Errorf("%w: state %q: %d bytes too many", ErrCorrupt, o.info.name, r.Len())
	}
	return nil
}

// stageRecords is stageFrozen for what was frozen by a state of other Go types: through the bytes.
func (o *operator) stageRecords(s state, f frozen, group int) (content, error) {
	if !o.info.related(f.described()) {
		return nil, mismatch(&o.info, f.described(), nil)
	}
	records, err := f.appendGroup(nil, group)
	if err != nil {
		return nil, err
	}
	return s.stage(f.described(), group, f.entries(group), records)
}

// samePlace reports whether two configurations are of the same task of as many.
func (c Config) samePlace(o Config) bool {
	task, tasks := c.place()
	otherTask, otherTasks := o.place()
	return task == otherTask && tasks == otherTasks
}
