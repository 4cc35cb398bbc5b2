package heapbackend

import (
	"bytes"

	"github.com/zeebo/xxh3"

	"github.com/heapstate/heapstate/keygroups"
)

// checkedState is a state whose values can be checked.
type checkedState interface {
	state
	// checkAll compares everything with what was written.
	checkAll() error
}

// checkStates compares what the states hold with what was written. The guard is entered.
func (c *core) checkStates() error {
	if !c.cfg.CheckValues {
		return nil
	}
	for _, s := range c.states {
		if s, ok := s.(checkedState); ok {
			if err := s.checkAll(); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkPoint makes sure that what was captured is written in one way and can be read back, and records what it looks
// like.
func (c *core) checkPoint(p *point) error {
	p.sums = map[int][]uint64{}
	for i, f := range p.states {
		blocks := c.cfg.Range
		if own, _ := c.cfg.OperatorGroup(); f.described().operator() {
			blocks = keygroups.Range{First: own, End: own + 1}
		}
		for g := range blocks.All() {
			sum, err := c.checkRecords(f, g)
			if err != nil {
				return err
			}
			p.sums[i] = append(p.sums[i], sum)
		}
	}
	return nil
}

// checkRecords returns the hash of the records of one block.
func (c *core) checkRecords(f frozen, group int) (sum uint64, err error) {
	records, err := f.appendGroup(nil, group)
	if err != nil {
		return 0, err
	}
	again, err := f.appendGroup(nil, group)
	if err != nil {
		return 0, err
	}
	info := f.described()
	if !bytes.Equal(records, again) {
		return 0, &CheckError{State: info.name, Group: group, Entry: -1, Fault: FaultUnsteady}
	}
	if st, _ := c.lookup(info.name); st != nil && len(records) > 0 {
		if _, err := st.stage(info, group, f.entries(group), records); err != nil {
			return 0, &CheckError{State: info.name, Group: group, Entry: -1, Fault: FaultUnreadable, Cause: err}
		}
	}
	return xxh3.Hash(records), nil
}

// index is where the hash of a block is in a state's list: a state has blocks of one sort.
func (c Config) index(group int) int {
	if c.isOperator(group) {
		return 0
	}
	return group - c.Range.First
}

// check compares the records of state i in a block with what they were at the capture.
func (p *point) check(records []byte, i int, cfg Config, group int) error {
	sums := p.sums[i]
	if sums == nil || sums[cfg.index(group)] == xxh3.Hash(records) {
		return nil
	}
	return &CheckError{State: p.states[i].described().name, Group: group, Entry: -1, Fault: FaultModified}
}
