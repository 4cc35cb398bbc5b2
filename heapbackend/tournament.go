package heapbackend

// tournament knows which of several groups has the earliest time: O(1) to ask, O(log groups) for each change.
type tournament struct {
	heads []head
	// winner has at index i, from 1, the better of what stands at 2i and 2i+1, where group g stands at len(winner)+g.
	winner []int32
}

// head is the earliest time of a group.
type head struct {
	at  Timestamp
	any bool // whether there is one
}

func (h head) before(o head) bool {
	if h.any != o.any {
		return h.any
	}
	return h.at < o.at
}

// newTournament returns one in which no group has a time. There is at least one group.
func newTournament(groups int) tournament {
	size := 1
	for size < groups {
		size *= 2
	}
	t := tournament{heads: make([]head, size), winner: make([]int32, size)}
	for i := size - 1; i > 0; i-- {
		t.winner[i] = t.at(2 * i)
	}
	return t
}

func (t *tournament) at(i int) int32 {
	if i >= len(t.winner) {
		return int32(i - len(t.winner))
	}
	return t.winner[i]
}

// set says what the earliest time of a group is.
func (t *tournament) set(group int, h head) {
	if t.heads[group] == h {
		return
	}
	t.heads[group] = h
	for i := (len(t.winner) + group) / 2; i > 0; i /= 2 {
		best, other := t.at(2*i), t.at(2*i+1)
		if t.heads[other].before(t.heads[best]) {
			best = other
		}
		t.winner[i] = best
	}
}

// first returns the group with the earliest time, the lowest of several, and that time.
func (t *tournament) first() (group int, h head) {
	group = int(t.at(1))
	return group, t.heads[group]
}
