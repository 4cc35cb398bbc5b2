package flow

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func barrier(from int, id uint64) message[int] {
	return message[int]{kind: kindBarrier, from: from, barrier: id}
}

func record(from, value int) message[int] {
	return message[int]{from: from, records: []int{value}}
}

// through pushes all messages and returns what was let through: a record as its
// value, a barrier as minus its id.
func through(t require.TestingT, inputs int, messages ...message[int]) []int {
	var out []int
	a := newAligner[int](inputs)
	for _, m := range messages {
		require.NoError(t, a.push(m, func(m message[int]) error {
			switch m.kind {
			case kindRecords:
				out = append(out, m.records...)
			case kindBarrier:
				out = append(out, -int(m.barrier))
			}
			return nil
		}))
	}
	return out
}

func TestAlignerHoldsWhatFollowsABarrier(t *testing.T) {
	got := through(t, 2, record(0, 10), barrier(0, 1), record(0, 11), record(1, 20), barrier(1, 1), record(1, 21))
	require.Equal(t, []int{10, 20, -1, 11, 21}, got)
}

func TestAlignerOfOneInputLetsEverythingThrough(t *testing.T) {
	got := through(t, 1, record(0, 10), barrier(0, 1), record(0, 11), barrier(0, 4), record(0, 12))
	require.Equal(t, []int{10, -1, 11, -4, 12}, got)
}

func TestAlignerGivesUpForANewerBarrier(t *testing.T) {
	got := through(t, 2, barrier(0, 1), record(0, 10), record(1, 20), barrier(1, 2), record(1, 21), record(0, 11), barrier(0, 2))
	require.Equal(t, []int{20, 10, 11, -2, 21}, got, "checkpoint 1 never came in on input 1")
}

func TestAlignerFindsANewerBarrierAmongWhatItHeld(t *testing.T) {
	got := through(t, 2, barrier(0, 1), record(0, 10), barrier(0, 2), record(0, 11), barrier(1, 1), record(1, 20), barrier(1, 2))
	require.Equal(t, []int{-1, 10, 20, -2, 11}, got)
}

func TestAlignerDropsLateBarriers(t *testing.T) {
	got := through(t, 2, barrier(0, 2), barrier(1, 1), record(1, 20), barrier(1, 2), barrier(0, 1), record(0, 10), barrier(1, 2), record(1, 21))
	require.Equal(t, []int{20, -2, 10, 21}, got)
}

func TestAlignerKeepsThePositionOfItsOwnSource(t *testing.T) {
	a := newAligner[int](2)
	var got []byte
	deliver := func(m message[int]) error {
		got = m.position
		return nil
	}
	own := barrier(0, 1)
	own.position = []byte("here")
	require.NoError(t, a.push(own, deliver))
	require.Nil(t, got)
	require.NoError(t, a.push(barrier(1, 1), deliver))
	require.Equal(t, "here", string(got))
}

// Every input carries records and rising barriers, with gaps where a checkpoint
// passed it by. However they interleave: each input's records come through
// in order and once, and a barrier comes through exactly after the records
// that were before it on every input.
func TestAlignerSplitsAllInputsAtTheBarrier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const last = 9
		inputs := rapid.IntRange(1, 5).Draw(t, "inputs")
		queues := make([][]message[int], inputs)
		before := make([]map[int]int, inputs) // by input: barrier -> records before it
		for in := range inputs {
			before[in] = map[int]int{}
			n := 0
			for id := 1; id <= last; id++ {
				for range rapid.IntRange(0, 3).Draw(t, "records") {
					queues[in] = append(queues[in], record(in, in*1000+n))
					n++
				}
				if id == last || rapid.IntRange(0, 3).Draw(t, "skip") > 0 {
					before[in][id] = n
					queues[in] = append(queues[in], barrier(in, uint64(id)))
				}
			}
		}
		var mixed []message[int]
		for {
			open := []int{}
			for in := range inputs {
				if len(queues[in]) > 0 {
					open = append(open, in)
				}
			}
			if len(open) == 0 {
				break
			}
			in := rapid.SampledFrom(open).Draw(t, "input")
			mixed = append(mixed, queues[in][0])
			queues[in] = queues[in][1:]
		}

		got := through(t, inputs, mixed...)

		seen := make([]int, inputs)
		barriers := 0
		for _, v := range got {
			if v < 0 {
				for in := range inputs {
					require.Equal(t, before[in][-v], seen[in], "barrier %d, input %d", -v, in)
				}
				barriers++
				continue
			}
			require.Equal(t, v/1000*1000+seen[v/1000], v, "order within an input")
			seen[v/1000]++
		}
		require.Equal(t, -last, got[len(got)-1], "the last barrier is on all inputs, with nothing behind it")
		require.Positive(t, barriers)
	})
}
