package fuzz

import (
	"maps"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// mostKindsShots bounds the snapshots a program holds.
const mostKindsShots = 5

func (j *kindsJob) capture() bool {
	if len(j.shots) >= mostKindsShots {
		return false
	}
	s := &kindsShot{tasks: j.tasks, at: j.now, gone: kindsGone{{}, {}}}
	s.want = j.want.part(j.now, func(string) bool { return true })
	for state := range s.gone {
		for g := range j.m {
			s.gone[state][g] = j.now.Add(-kindsAfter)
			if old, ok := j.gone[state][g]; ok {
				s.gone[state][g] = max(old, s.gone[state][g])
			}
		}
	}
	for _, k := range j.tasks {
		snap, err := k.backend.Capture()
		j.must(err)
		s.snaps = append(s.snaps, snap)
		s.seen = append(s.seen, kindsTimes{max(k.known[0], j.now), max(k.known[1], j.now)})
	}
	j.shots = append(j.shots, s)
	return true
}

func (j *kindsJob) release(i int) {
	for _, snap := range j.shots[i].snaps {
		snap.Release()
	}
	j.shots = slices.Delete(j.shots, i, i+1)
}

// restore makes new tasks of a snapshot. With bit 3 of how the old ones fire their timers and are written to first,
// which must not reach the new ones; with bit 2 the clock stays where it is, be it before the snapshot's time.
func (j *kindsJob) restore(s *kindsShot, n, how int) {
	old := j.tasks
	next := j.fresh(n)
	j.install(next, s, how)
	j.tasks = next
	if how&8 == 0 {
		return
	}
	for _, k := range old {
		for s := range k.timers.Due(heapbackend.MaxTimestamp) {
			j.must(k.sums.Add(s, 1))
			j.must(k.notes.Append(s, -1))
			j.must(k.scope.Merge(k.notes, s.Key, kindsSpace(0), s.Namespace))
			j.must(k.values.Put(s.Key, -1))
			j.must(k.maps.Put(s.Key, s.Namespace, -1))
		}
		j.must(k.backend.Err())
	}
}

// install makes all groups of tasks what a snapshot holds, and the clock that of the snapshot.
func (j *kindsJob) install(tasks []*kindsTask, s *kindsShot, how int) {
	if how&4 == 0 {
		j.now = s.at
	}
	for _, k := range tasks {
		var staged []*heapbackend.Staged
		k.known = kindsTimes{}
		for g := range k.r.All() {
			staged = append(staged, j.stage(k, s, g, how))
			j.learn(k, s, g, how)
		}
		j.must(k.backend.Install(staged))
	}
	j.want = s.want.part(s.at, func(string) bool { return true })
	j.gone = kindsGone{{}, {}}
	for g := range j.m {
		if p := s.want.part(s.at, func(key string) bool { return j.group(key) == g }); !decodes(how, g) {
			j.leave(0, g, len(p.values), s)
			j.leave(1, g, len(p.maps), s)
		}
	}
}

// learn notes which times a task comes to know of with a group: that of the capture, or the latest stamp.
func (j *kindsJob) learn(k *kindsTask, s *kindsShot, g, how int) {
	p := s.want.part(s.at, func(key string) bool { return j.group(key) == g })
	stamps := [2][]aging{slices.Collect(maps.Values(p.values)), slices.Collect(maps.Values(p.maps))}
	for state, entries := range stamps {
		if len(entries) > 0 && !decodes(how, g) {
			k.known[state] = max(k.known[state], s.seen[s.of(g)][state])
			continue
		}
		for _, a := range entries {
			k.known[state] = max(k.known[state], a.stamp)
		}
	}
}

// of returns the index of the snapshot that has a group.
func (s *kindsShot) of(g int) int {
	return slices.IndexFunc(s.snaps, func(snap *heapbackend.Snapshot) bool { return snap.Range().Contains(g) })
}

// leave notes what the snapshot that a group was adopted from left out, if it had n entries and not none.
func (j *kindsJob) leave(state, g, n int, s *kindsShot) {
	if n > 0 {
		j.gone[state][g] = s.gone[state][g]
	}
}

// decodes says whether a group goes through bytes, by bits 0 and 1 of how: none, all, or every second one.
func decodes(how, g int) bool { return []bool{false, true, g%2 == 0, g%2 == 1}[how&3] }

// stage stages one group, adopted or decoded.
func (j *kindsJob) stage(k *kindsTask, s *kindsShot, g, how int) (staged *heapbackend.Staged) {
	snap := s.snaps[s.of(g)]
	want := uint64(s.want.part(s.at, func(key string) bool { return j.group(key) == g }).entries())
	require.Equal(j.t, want, snap.Entries(g))
	block, n, err := snap.AppendGroup(nil, g)
	j.must(err)
	require.Equal(j.t, want, n)
	if decodes(how, g) {
		staged, err = k.backend.StageBlock(snap.Schema(), g, block)
	} else {
		staged, err = k.backend.StageSnapshot(snap, g)
	}
	j.must(err)
	require.Equal(j.t, want, staged.Entries())
	return staged
}
