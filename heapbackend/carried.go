package heapbackend

import (
	"fmt"
	"maps"
	"slices"
)

// carried is a state of the restored checkpoint that is not registered: it goes into every snapshot as it came.
//
// Invariant: groups is never changed once a snapshot may hold it; installs make a new one.
type carried struct {
	info   *stateInfo
	groups map[int]carriedGroup
}

// carriedGroup is what one key group holds of such a state: its records, or where they are.
type carriedGroup struct {
	info    *stateInfo
	group   int
	n       uint64
	records []byte
	from    frozen // of an adopted snapshot, whose pages are not used again; the group alone
}

// carriedFrom returns one group of a frozen state for carrying; of one that was carried already, what it was carried
// as, so that no chain grows from restore to restore.
func carriedFrom(f frozen, group int) carriedGroup {
	if c, ok := f.(*carried); ok {
		return c.groups[group]
	}
	from := f.only(group)
	return carriedGroup{info: from.described(), group: group, n: f.entries(group), from: from}
}

func (g *carriedGroup) append(dst []byte) ([]byte, error) {
	if g.from != nil {
		return g.from.appendGroup(dst, g.group)
	}
	return append(dst, g.records...), nil
}

func (c *carried) described() *stateInfo { return c.info }

// only implements frozen.
func (c *carried) only(group int) frozen {
	return &carried{info: c.info, groups: map[int]carriedGroup{group: c.groups[group]}}
}

func (c *carried) entries(group int) uint64 { return c.groups[group].n }

func (c *carried) appendGroup(dst []byte, group int) ([]byte, error) {
	g, ok := c.groups[group]
	if !ok {
		return dst, nil
	}
	return g.append(dst)
}

// checkCarried refuses staged groups, and groups that stay carried, that give one state two meanings, a state that was
// registered since it was staged, and more states than the next snapshot could hold.
func (c *core) checkCarried(installed map[int]bool, staged []*Staged) error {
	infos := map[string]*stateInfo{}
	for i := range c.carried {
		for group := range c.carried[i].groups {
			if !installed[group] {
				infos[c.carried[i].info.name] = c.carried[i].info
			}
		}
	}
	for _, s := range staged {
		for _, g := range s.carried {
			if st, _ := c.lookup(g.info.name); st != nil {
				return fmt.Errorf("%w: state %q was registered after group %d was staged", ErrMismatch, g.info.name, s.group)
			}
			if old := infos[g.info.name]; old != nil && !old.same(g.info) {
				return mismatch(old, g.info, nil)
			}
			infos[g.info.name] = g.info
		}
	}
	if n := len(c.states) + len(infos); n > MaxStates {
		return fmt.Errorf("%w: %d states, registered and carried, are more than the %d, MaxStates, that a snapshot can say",
			ErrConfig, n, MaxStates)
	}
	return nil
}

// installCarried replaces what the installed groups hold of unregistered states.
func (c *core) installCarried(installed map[int]bool, groups []carriedGroup) {
	var next []carried
	index := map[string]int{}
	put := func(g carriedGroup) {
		i, ok := index[g.info.name]
		if !ok {
			i = len(next)
			index[g.info.name] = i
			next = append(next, carried{info: g.info, groups: map[int]carriedGroup{}})
		}
		next[i].groups[g.group] = g
	}
	for _, old := range c.carried {
		for group, g := range old.groups {
			if !installed[group] {
				put(g)
			}
		}
	}
	for _, g := range groups {
		put(g)
	}
	c.carried = next
	c.schemas.own.Store(nil)
}

// claimCarried makes what was carried under the name of a state that is being registered its content.
func (c *core) claimCarried(s state) error {
	for i := range c.carried {
		old := &c.carried[i]
		if old.info.name != s.described().name {
			continue
		}
		parts := map[int]content{}
		for _, group := range slices.Sorted(maps.Keys(old.groups)) {
			g := old.groups[group]
			part, err := g.stageInto(s, group)
			if err != nil {
				return fmt.Errorf("key group %d: %w", group, err)
			}
			parts[group] = part
		}
		for group, part := range parts {
			s.install(group, part)
		}
		rest := make([]carried, 0, len(c.carried)-1)
		rest = append(rest, c.carried[:i]...)
		c.carried = append(rest, c.carried[i+1:]...)
		return nil
	}
	return nil
}

func (g *carriedGroup) stageInto(s state, group int) (content, error) {
	if g.from != nil {
		return s.stageFrozen(g.from, group)
	}
	return s.stage(g.info, group, g.n, g.records)
}
