package recovery

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/heapstate/heapstate/keygroups"
)

// alloc is a readable allocation: the same letter is the same slot.
func alloc(n int) uuid.UUID {
	if n < 0 {
		return uuid.Nil
	}
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(fmt.Sprint(n)))
}

func held(r keygroups.Range, bytes int64) []GroupBytes {
	var out []GroupBytes
	for g := range r.All() {
		out = append(out, GroupBytes{Group: g, Bytes: bytes})
	}
	return out
}

func rng(first, end int) keygroups.Range { return keygroups.Range{First: first, End: end} }

func TestPlace(t *testing.T) {
	tests := map[string]struct {
		claims []Claim
		slots  []Slot
		want   []int
	}{
		"everyone returns": {
			claims: []Claim{{Task: 0, Previous: alloc(1)}, {Task: 1, Previous: alloc(0)}},
			slots:  []Slot{{Allocation: alloc(0)}, {Allocation: alloc(1)}},
			want:   []int{1, 0},
		},
		"a return beats a better score of another": {
			claims: []Claim{{Task: 0, Range: rng(0, 8)}, {Task: 1, Previous: alloc(0), Range: rng(8, 16)}},
			slots:  []Slot{{Allocation: alloc(0), Held: held(rng(0, 8), 100)}, {Allocation: alloc(1)}},
			want:   []int{1, 0},
		},
		"a lost slot sends its task to one nobody claims": {
			claims: []Claim{{Task: 0, Previous: alloc(9)}, {Task: 1, Previous: alloc(1)}},
			slots:  []Slot{{Allocation: alloc(1)}, {Allocation: alloc(2)}},
			want:   []int{1, 0},
		},
		"none left means a fresh slot": {
			claims: []Claim{{Task: 0, Previous: alloc(9)}, {Task: 1, Previous: alloc(1)}},
			slots:  []Slot{{Allocation: alloc(1)}},
			want:   []int{FreshSlot, 0},
		},
		"a busy slot is not given away, not even to the one that had it": {
			claims: []Claim{{Task: 0, Previous: alloc(0)}},
			slots:  []Slot{{Allocation: alloc(0), Busy: true}, {Allocation: alloc(1)}},
			want:   []int{1},
		},
		"rescale 3 to 2 goes where the bytes are": {
			claims: []Claim{{Task: 0, Range: rng(0, 8)}, {Task: 1, Range: rng(8, 16)}},
			slots: []Slot{
				{Allocation: alloc(0), Held: held(rng(0, 6), 1)},
				{Allocation: alloc(1), Held: held(rng(6, 11), 10)},
				{Allocation: alloc(2), Held: held(rng(11, 16), 1)},
			},
			want: []int{0, 1},
		},
		"key groups without bytes still count": {
			claims: []Claim{{Task: 0, Range: rng(0, 8)}},
			slots:  []Slot{{Allocation: alloc(0)}, {Allocation: alloc(1), Held: held(rng(4, 8), 0)}},
			want:   []int{1},
		},
		"a task with nothing anywhere displaces the least": {
			claims: []Claim{{Task: 0, Range: rng(20, 24)}},
			slots:  []Slot{{Allocation: alloc(0), Held: held(rng(0, 8), 5)}, {Allocation: alloc(1)}},
			want:   []int{1},
		},
		"no claims": {slots: []Slot{{Allocation: alloc(0)}}, want: []int{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Place(tt.claims, tt.slots)
			require.NoError(t, err)
			slots := make([]int, len(got))
			for i, a := range got {
				require.Equal(t, tt.claims[i].Task, a.Task)
				slots[i] = a.Slot
			}
			require.Equal(t, tt.want, slots)
		})
	}
}

func TestPlaceRefusesContradictions(t *testing.T) {
	tests := map[string]struct {
		claims []Claim
		slots  []Slot
	}{
		"slot without allocation":     {slots: []Slot{{}}},
		"two slots, one allocation":   {slots: []Slot{{Allocation: alloc(0)}, {Allocation: alloc(0)}}},
		"one task twice":              {claims: []Claim{{Task: 1}, {Task: 1}}},
		"two tasks claim one another": {claims: []Claim{{Task: 1, Previous: alloc(3)}, {Task: 2, Previous: alloc(3)}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Place(tt.claims, tt.slots)
			require.ErrorIs(t, err, ErrPlacement)
		})
	}
}

func drawPlacement(t *rapid.T, limit int) ([]Claim, []Slot) {
	names := rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}[:2*limit]).Draw(t, "names")
	slots := make([]Slot, rapid.IntRange(0, limit).Draw(t, "slots"))
	for i := range slots {
		slots[i] = Slot{Allocation: alloc(names[i]), Busy: rapid.IntRange(0, 3).Draw(t, "busy") == 0}
		first := rapid.IntRange(0, 12).Draw(t, "held")
		slots[i].Held = held(rng(first, first+rapid.IntRange(0, 6).Draw(t, "n")), rapid.Int64Range(0, 9).Draw(t, "bytes"))
	}
	was := rapid.Permutation(names).Draw(t, "was")
	claims := make([]Claim, rapid.IntRange(0, limit).Draw(t, "claims"))
	for i := range claims {
		claims[i] = Claim{Task: i, Previous: alloc(was[i])}
		if rapid.Bool().Draw(t, "new") {
			claims[i].Previous = uuid.Nil
		}
		first := rapid.IntRange(0, 12).Draw(t, "first")
		claims[i].Range = rng(first, first+rapid.IntRange(1, 6).Draw(t, "len"))
	}
	return claims, slots
}

func TestPlaceNeverDrivesATaskFromASlotItCanReturnTo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims, slots := drawPlacement(t, 5)
		got, err := Place(claims, slots)
		require.NoError(t, err)
		require.Len(t, got, len(claims))
		owner := map[int]int{}
		fresh := false
		for i, a := range got {
			if a.Slot == FreshSlot {
				fresh = true
				continue
			}
			require.False(t, slots[a.Slot].Busy, "task %d was put into a busy slot", a.Task)
			other, twice := owner[a.Slot]
			require.False(t, twice, "tasks %d and %d share slot %d", other, a.Task, a.Slot)
			owner[a.Slot] = a.Task
			require.Equal(t, slots[a.Slot].Allocation == claims[i].Previous, a.Returned)
		}
		for i, c := range claims {
			for s, slot := range slots {
				if slot.Allocation == c.Previous && !slot.Busy {
					require.Equal(t, s, got[i].Slot, "task %d was driven from its slot", c.Task)
				}
			}
		}
		for s, slot := range slots {
			if _, taken := owner[s]; fresh && !slot.Busy {
				require.True(t, taken, "a fresh slot was asked for while slot %d is free", s)
			}
		}
	})
}

// TestPlaceAgainstBruteForce tries every assignment: none that puts each task into its own slot or an unclaimed one has
// more tasks returned, more tasks placed, or, for the single best pair of the others, a better score.
func TestPlaceAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims, slots := drawPlacement(t, 4)
		got, err := Place(claims, slots)
		require.NoError(t, err)
		choice := make([]int, len(claims))
		best := [2]int{}
		var try func(i int, used map[int]bool)
		try = func(i int, used map[int]bool) {
			if i == len(claims) {
				best = maxPair(best, quality(claims, slots, choice))
				return
			}
			choice[i] = FreshSlot
			try(i+1, used)
			for s := range slots {
				if !used[s] && !slots[s].Busy {
					used[s], choice[i] = true, s
					try(i+1, used)
					delete(used, s)
				}
			}
		}
		try(0, map[int]bool{})
		mine := make([]int, len(got))
		for i, a := range got {
			mine[i] = a.Slot
		}
		require.Equal(t, best, quality(claims, slots, mine))
		requireBestPair(t, claims, slots, got)
	})
}

func quality(claims []Claim, slots []Slot, choice []int) [2]int {
	var q [2]int
	for i, s := range choice {
		if s == FreshSlot {
			continue
		}
		q[1]++
		if slots[s].Allocation == claims[i].Previous {
			q[0]++
		}
	}
	return q
}

// maxPair orders by returned tasks, then by placed ones.
func maxPair(a, b [2]int) [2]int {
	if b[0] > a[0] || (b[0] == a[0] && b[1] > a[1]) {
		return b
	}
	return a
}

// requireBestPair checks that among tasks that do not return and slots that nobody returned to, the best pair was made.
func requireBestPair(t require.TestingT, claims []Claim, slots []Slot, got []Assignment) {
	returned := map[int]bool{}
	for _, a := range got {
		if a.Returned {
			returned[a.Slot] = true
		}
	}
	var best, made int64
	for i, c := range claims {
		if got[i].Returned {
			continue
		}
		made = max(made, got[i].Score)
		for s := range slots {
			if !slots[s].Busy && !returned[s] {
				best = max(best, score(c.Range, slots[s]))
			}
		}
	}
	require.Equal(t, best, made)
}
