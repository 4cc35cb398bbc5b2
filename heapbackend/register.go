package heapbackend

import "fmt"

// begin checks that a state of that description can be registered, and enters the guard, which the caller leaves.
func (c *core) begin(info *stateInfo) error {
	if !c.guard.enter() {
		return c.guard.refused()
	}
	err := c.registrable(info)
	if err != nil {
		c.guard.leave()
	}
	return err
}

func (c *core) registrable(info *stateInfo) error {
	if len(info.name) < 1 || len(info.name) > MaxStateName {
		return fmt.Errorf("%w: %q must have 1 to %d bytes", ErrStateName, info.name, MaxStateName)
	}
	if old, _ := c.lookup(info.name); old != nil {
		if o := old.described(); !o.same(info) {
			return fmt.Errorf("%w: %q is registered as %s and cannot be %s too", ErrStateType, info.name, o, info)
		}
		return fmt.Errorf("%w: %q", ErrStateExists, info.name)
	}
	if len(c.states)+len(c.carried) >= MaxStates {
		return fmt.Errorf("%w: a backend holds at most %d states, MaxStates", ErrConfig, MaxStates)
	}
	return nil
}

// add makes s a state of the backend; one of the restored checkpoint that was carried under its name becomes its
// content.
func (c *core) add(s state) error {
	if err := c.claimCarried(s); err != nil {
		return err
	}
	c.byName[s.described().name] = len(c.states)
	c.states = append(c.states, s)
	c.schemas.own.Store(nil)
	return nil
}
