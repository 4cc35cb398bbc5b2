package heapbackend_test

import (
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// stage stages the groups of s that tk holds, each in a way that depends on seed, and says what tk holds after that.
func (m *machine[K]) stage(tk *task[K], s *shot[K], seed int) (staged []*heapbackend.Staged, then func()) {
	from := map[int]bool{} // staged groups: whether they come from s
	for g := range tk.b.Config().Range.Intersect(s.handle.Range()).All() {
		var x *heapbackend.Staged
		var err error
		switch (g*7 + seed) % 5 {
		case 0, 1:
			x, err = decoded(tk.b, s.handle, g)
		case 2, 3:
			x, err = adopted(tk.b, s.handle, g)
		default:
			if seed%2 == 0 {
				continue // what the group holds stays
			}
			x, err = tk.b.StageEmpty(g)
		}
		require.NoError(m.t, err)
		from[g] = (g*7+seed)%5 != 4
		staged = append(staged, x)
	}
	return staged, func() {
		tk.want.take(contents{}, func(k string) bool { _, ok := from[m.groups[k]]; return ok })
		tk.want.take(s.want, func(k string) bool { return from[m.groups[k]] })
	}
}

// rollback takes groups of snapshot b over into the living task a, which may be the one it is of.
func (m *machine[K]) rollback(o op) {
	if len(m.shots) == 0 {
		return
	}
	tk, s := m.tasks[o.a%len(m.tasks)], m.shots[o.b%len(m.shots)]
	staged, then := m.stage(tk, s, o.c)
	require.NoError(m.t, tk.b.Install(staged))
	then()
}

// restart replaces task a by a new one restored from snapshot b.
func (m *machine[K]) restart(o op) {
	if len(m.shots) == 0 {
		return
	}
	i, s := o.a%len(m.tasks), m.shots[o.b%len(m.shots)]
	old := m.tasks[i]
	tk := m.fresh(old.b.Config().Range)
	staged, then := m.stage(tk, s, o.c)
	require.NoError(m.t, tk.b.Install(staged))
	then()
	m.tasks[i] = tk
	m.retire(old, o.c)
}

// rescale replaces all tasks by a % 5 + 1 new ones restored from snapshots of the old.
func (m *machine[K]) rescale(o op) {
	ranges, err := keygroups.Ranges(testM, o.a%5+1)
	require.NoError(m.t, err)
	var shots []*shot[K]
	for _, tk := range m.tasks {
		shots = append(shots, m.shoot(tk))
	}
	old := m.tasks
	m.tasks = nil
	for i, r := range ranges {
		tk := m.fresh(r)
		var all []*heapbackend.Staged
		var after []func()
		for _, s := range shots {
			staged, then := m.stage(tk, s, o.c+i)
			all, after = append(all, staged...), append(after, then)
		}
		require.NoError(m.t, tk.b.Install(all))
		for _, then := range after {
			then()
		}
		m.tasks = append(m.tasks, tk)
	}
	for i, tk := range old {
		m.retire(tk, o.b+i)
	}
	for _, s := range shots {
		s.handle.Release()
	}
}

// retire closes a task or lets it go on as a ghost.
func (m *machine[K]) retire(tk *task[K], seed int) {
	if seed%3 == 0 && len(m.ghosts) < 3 {
		m.ghosts = append(m.ghosts, tk)
		return
	}
	require.NoError(m.t, tk.b.Close())
}
