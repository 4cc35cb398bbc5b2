package heapbackend

import (
	"fmt"

	"github.com/heapstate/heapstate/internal/wire"
)

// Staged is one block, a key group or a task's operator state, ready to be installed: decoded from bytes, or found fit
// to be taken over from a snapshot. A Staged that is not installed needs no clean-up.
type Staged struct {
	backend *core
	group   int
	entries uint64
	tasks   int       // of operator state: how many there were, 0 if it is empty
	parts   []content // by index of the state; states without one become empty
	carried []carriedGroup
	from    *Snapshot // whose memory it shares, nil if none
	done    bool      // installed: what it held belongs to the backend now
}

// Group returns the number of the block: the key group or, for operator state, M + the index of the task that wrote it.
func (s *Staged) Group() int { return s.group }

// Entries returns the number of entries over all states.
func (s *Staged) Entries() uint64 { return s.entries }

// check returns why a group cannot be staged.
func (c *core) check(group int) error {
	if err := c.guard.failed(); err != nil {
		return err
	}
	if !c.cfg.takes(group) {
		return fmt.Errorf("%w: group %d, this backend holds %v", ErrGroup, group, c.cfg.Range)
	}
	return nil
}

// StageEmpty prepares to make a block empty. Errors: ErrGroup, ErrClosed.
func (c *core) StageEmpty(group int) (*Staged, error) {
	if err := c.check(group); err != nil {
		return nil, err
	}
	return &Staged{backend: c, group: group, parts: make([]content, len(c.states))}, nil
}

// StageBlock decodes a block that Snapshot.AppendGroup wrote, under the schema that Snapshot.Schema returned then. A
// state whose value type has changed since is read field by field, by name, or migrated. The caller has verified the
// block's checksum; what it holds is checked all the same. It touches nothing of the backend,
// keeps neither slice, and may be called from any goroutine, several at once. Memory is bounded by that of the entries
// present. Errors: ErrCorrupt, ErrSchema, ErrUnknownState, ErrMismatch for a carried state with other keys, ErrGroup,
// ErrClosed.
func (c *core) StageBlock(schema []byte, group int, block []byte) (*Staged, error) {
	s, err := c.StageEmpty(group)
	if err != nil {
		return nil, err
	}
	infos, err := c.schemas.read(schema)
	if err != nil {
		return nil, err
	}
	r := wire.NewReader(block)
	for last := -1; r.Len() > 0; {
		if n := r.ArrayLen(); n != 3 && r.Err() == nil {
			return nil, fmt.Errorf("%w: group %d: a state's part has %d elements, not 3", ErrCorrupt, group, n)
		}
		index, entries, records := r.Uint(), r.Uint(), r.Bytes()
		if err := r.Err(); err != nil {
			return nil, fmt.Errorf("%w: group %d: %w", ErrCorrupt, group, err)
		}
		if index >= uint64(len(infos)) || int(index) <= last || entries == 0 {
			return nil, fmt.Errorf("%w: group %d: state %d of %d with %d entries after state %d", ErrCorrupt, group, index, len(infos), entries, last)
		}
		last = int(index)
		if err := s.admit(infos[index]); err != nil {
			return nil, err
		}
		if err := c.stagePart(s, infos[index], entries, records); err != nil {
			return nil, err
		}
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("%w: group %d: %w", ErrCorrupt, group, err)
	}
	return s, nil
}

// admit checks that a state can have something in the block, and notes how many tasks there were.
func (s *Staged) admit(info *stateInfo) error {
	m := s.backend.cfg.M
	if info.operator() != s.backend.cfg.isOperator(s.group) {
		return fmt.Errorf("%w: group %d: state %q is not of that sort", ErrCorrupt, s.group, info.name)
	}
	if !info.operator() {
		return nil
	}
	if info.tasks > uint64(m) || info.tasks <= uint64(s.group-m) || s.tasks != 0 && info.tasks != uint64(s.tasks) {
		return fmt.Errorf("%w: state %q: task %d of %d", ErrCorrupt, info.name, s.group-m, info.tasks)
	}
	s.tasks = int(info.tasks)
	return nil
}

// checkCarriedRecords makes sure that records of operator state, which are shared out unread, are as many as they
// claim.
func checkCarriedRecords(info *stateInfo, entries uint64, records []byte) error {
	if !info.operator() {
		return nil
	}
	all, err := cut(records, 0, entries)
	if err == nil && len(all) < len(records) {
		err = fmt.Errorf("%d bytes too many", len(records)-len(all))
	}
	return err
}

// stagePart stages one state of a block.
func (c *core) stagePart(s *Staged, info *stateInfo, entries uint64, records []byte) error {
	s.entries += entries
	st, i := c.lookup(info.name)
	if st == nil {
		if err := checkCarriedRecords(info, entries, records); err != nil {
			return fmt.Errorf("%w: group %d: state %q: %w", ErrCorrupt, s.group, info.name, err)
		}
		return s.carry(carriedGroup{info: info, group: s.group, n: entries, records: append([]byte(nil), records...)})
	}
	part, err := st.stage(info, s.group, entries, records)
	if err != nil {
		return fmt.Errorf("key group %d: %w", s.group, err)
	}
	s.parts[i] = part
	return nil
}

// StageSnapshot prepares to take a block over from a snapshot, which may be of another backend of the job, with any
// range that holds the group. Memory is shared until either side writes; the snapshot is not changed, and as many
// backends as like may take from it. O(states), unless a state is registered with another Go type or version: then its
// entries are encoded and decoded, with the result, or the error, that StageBlock has for their bytes. So is the
// operator state of another task or of another parallelism. The snapshot must not be released before Install. Errors:
// ErrMismatch, ErrSchema, ErrUnknownState, ErrGroup, ErrReleased, ErrClosed, ErrCheck.
func (c *core) StageSnapshot(snap *Snapshot, group int) (*Staged, error) {
	s, err := c.StageEmpty(group)
	if err != nil {
		return nil, err
	}
	p, err := snap.acquire()
	if err != nil {
		return nil, err
	}
	defer p.view.Release()
	if snap.cfg.M != c.cfg.M || snap.cfg.Seed != c.cfg.Seed {
		return nil, fmt.Errorf("%w: it has %d key groups and another seed or number than this backend's %d", ErrMismatch, snap.cfg.M, c.cfg.M)
	}
	if !snap.holds(group) {
		return nil, fmt.Errorf("%w: group %d, the snapshot holds %v", ErrGroup, group, snap.cfg.Range)
	}
	if c.cfg.isOperator(group) && !c.cfg.samePlace(snap.cfg) {
		// Adopting makes the other backend copy all that the snapshot sees once more. For what may be a few elements of
		// another task's that is too much.
		block, _, err := snap.AppendGroup(nil, group)
		if err != nil {
			return nil, err
		}
		return c.StageBlock(snap.schema, group, block)
	}
	if p.sums != nil {
		if _, _, err := snap.AppendGroup(nil, group); err != nil {
			return nil, err
		}
	}
	for _, f := range p.in(c.cfg, group) {
		if f.entries(group) == 0 {
			continue
		}
		s.from = snap // an empty block shares nothing
		if err := c.stageFrozen(s, f); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// stageFrozen stages one state of a snapshot.
func (c *core) stageFrozen(s *Staged, f frozen) (err error) {
	if err := s.admit(f.described()); err != nil {
		return err
	}
	s.entries += f.entries(s.group)
	g := carriedFrom(f, s.group)
	st, i := c.lookup(f.described().name)
	if st == nil {
		return s.carry(g)
	}
	if s.parts[i], err = g.stageInto(st, s.group); err != nil {
		return fmt.Errorf("key group %d: %w", s.group, err)
	}
	return nil
}

// carry keeps what belongs to a state that is not registered.
func (s *Staged) carry(g carriedGroup) error {
	if s.backend.cfg.RefuseUnknown {
		return fmt.Errorf("%w: the checkpoint holds %q; register it, or leave RefuseUnknown unset to carry it along", ErrUnknownState, g.info.name)
	}
	if g.info.key != s.backend.keyType && !g.info.operator() {
		return fmt.Errorf("%w: state %q has keys of type %s, this backend %s", ErrMismatch, g.info.name, g.info.key, s.backend.keyType)
	}
	s.carried = append(s.carried, g)
	return nil
}

// Install makes staged blocks the content of the backend's: what those key groups held before is gone, others are not
// touched. Blocks of operator state together replace all of the backend's: each state gets this task's share of what
// they hold, as its constructor says, so all that OperatorBlocks names are installed at once.
//
// All are checked before the first is installed, so that an error leaves the backend as it was. It must be called by
// the owner, once for each Staged. O(states x staged groups), O(pages) for groups that were decoded, and O(elements)
// for lists that are put together from those of several tasks. Errors: ErrMismatch for groups staged for another
// backend or installed before and for operator state of checkpoints of different parallelism, ErrGroup for one staged
// twice, ErrReleased, ErrSchema, ErrConcurrent, ErrClosed, ErrConfig for more than MaxStates states.
func (c *core) Install(staged []*Staged) (err error) {
	if !c.guard.enter() {
		return c.guard.refused()
	}
	defer c.guard.leave()
	defer c.guard.rescue(&err)
	seen, err := c.checkStaged(staged)
	if err != nil {
		return err
	}
	blocks, tasks, err := c.operatorStaged(staged)
	if err != nil {
		return err
	}
	if own, _ := c.cfg.OperatorGroup(); len(blocks) > 0 {
		seen[own] = true
	}
	if err := c.checkCarried(seen, staged); err != nil {
		return err
	}
	held := map[*Snapshot]*point{}
	defer releaseAll(held)
	if err := holdAll(held, staged); err != nil {
		return err
	}
	carried, err := c.carriedOf(staged, blocks, tasks)
	if err != nil {
		return err
	}
	for _, p := range held {
		c.space.Adopt(p.view)
	}
	c.installAll(staged, blocks, tasks)
	c.installCarried(seen, carried)
	c.schemas.forget()
	return nil
}

// installAll installs what was checked. The program may keep what it gave, but that holds nothing then.
func (c *core) installAll(staged, blocks []*Staged, tasks int) {
	if len(staged)-len(blocks) == c.groups() {
		c.rewind()
	}
	for _, s := range staged {
		c.installGroup(s)
	}
	c.installOperator(blocks, tasks)
	for _, s := range staged {
		s.done, s.parts, s.carried, s.from = true, nil, nil, nil
	}
}

// holdAll acquires every snapshot that staged blocks share the memory of.
func holdAll(held map[*Snapshot]*point, staged []*Staged) error {
	for _, s := range staged {
		if s.from == nil || held[s.from] != nil {
			continue
		}
		p, err := s.from.acquire()
		if err != nil {
			return err
		}
		held[s.from] = p
	}
	return nil
}

func releaseAll(held map[*Snapshot]*point) {
	for _, p := range held {
		p.view.Release()
	}
}

// checkStaged returns the groups that are staged, or why they cannot be installed.
func (c *core) checkStaged(staged []*Staged) (map[int]bool, error) {
	seen := make(map[int]bool, len(staged))
	for _, s := range staged {
		if s == nil || s.backend != c {
			return nil, fmt.Errorf("%w: a group staged for another backend", ErrMismatch)
		}
		if s.done {
			return nil, fmt.Errorf("%w: group %d was installed already; stage it again", ErrMismatch, s.group)
		}
		if seen[s.group] {
			return nil, fmt.Errorf("%w: group %d is staged twice", ErrGroup, s.group)
		}
		seen[s.group] = true
	}
	return seen, nil
}

func (c *core) rewind() {
	for _, s := range c.states {
		if r, ok := s.(rewinder); ok {
			r.rewind()
		}
	}
}

// installGroup installs a key group.
func (c *core) installGroup(s *Staged) {
	if c.cfg.isOperator(s.group) {
		return
	}
	for i, st := range c.states {
		if st.described().operator() {
			continue
		}
		var part content
		if i < len(s.parts) {
			part = s.parts[i]
		}
		st.install(s.group, part)
	}
}
