package stream

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/examples/internal/flow"
	"github.com/heapstate/heapstate/examples/nexmark/internal/output"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
)

// numbers is an input: partition p has length events, of which the i-th is p*100+i, and happens and arrives at time i.
type numbers struct{ partitions, length int }

func (n numbers) Partitions() int { return n.partitions }

func (n numbers) Reader(partition int, position int64) (query.Reader[int], error) {
	if position > int64(n.length) {
		return nil, errors.New("no such position")
	}
	return &numberReader{n, partition, position}, nil
}

type numberReader struct {
	numbers
	partition int
	position  int64
}

func (r *numberReader) Next() (int, bool) {
	if r.position == int64(r.length) {
		return 0, false
	}
	r.position++
	return r.partition*100 + int(r.position) - 1, true
}

func (r *numberReader) Position() int64 { return r.position }

func (r *numberReader) Watermark() int64 {
	if r.position == int64(r.length) {
		return math.MaxInt64
	}
	return r.position
}

func (r *numberReader) Processing() int64 { return r.Watermark() }

// free is a control that holds nobody.
type free struct{ read int64 }

func (f *free) Ready() <-chan struct{} { return nil }
func (f *free) Advance(n int64)        { f.read += n }

func even(e *int) (uint64, bool) { return uint64(*e), *e%2 == 0 }

func TestPositionsAreDealtOutAnewForAnyNumberOfTasks(t *testing.T) {
	const partitions = 7
	in := numbers{partitions, 10}
	positions, err := Deal(nil, partitions)
	require.NoError(t, err)
	read := map[int]int{}
	for round, tasks := range []int{2, 3, 1, 9, 4} {
		var parts [][]byte
		for task := range tasks {
			c := &free{}
			s, err := NewSource(in, task, tasks, positions, func(e *int) (uint64, bool) { read[*e]++; return 0, true }, partitions*10, c)
			require.NoError(t, err)
			_, err = s.Next(func(Item[int]) error { return nil })
			require.NoError(t, err)
			parts = append(parts, s.Position())
			require.EqualValues(t, (s.readersEnd()-s.first)*(round+1), c.read, "what was read before counts")
		}
		positions, err = Deal(parts, partitions)
		require.NoError(t, err)
	}
	require.Len(t, read, partitions*5, "five rounds of one event of each partition")
	for e, n := range read {
		require.Equal(t, 1, n, e)
	}
}

func (s *Source[E]) readersEnd() int { return s.first + len(s.readers) }

func TestDamagedPositionsAreRefused(t *testing.T) {
	whole := [][]byte{appendPosition(nil, 0, []int64{1, 300}), appendPosition(nil, 2, []int64{5})}
	got, err := Deal(whole, 3)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 300, 5}, got)
	for n := range whole[0] {
		_, err := Deal([][]byte{whole[0][:n], whole[1]}, 3)
		require.ErrorIs(t, err, ErrPosition)
	}
	for name, sources := range map[string][][]byte{
		"one missing":        {whole[0]},
		"none":               {},
		"one twice":          {whole[0], whole[1], whole[1]},
		"too many":           {whole[0], appendPosition(nil, 2, []int64{5, 6})},
		"far outside":        {appendPosition(nil, math.MaxInt, []int64{5})},
		"something behind":   {whole[0], append(whole[1], 0)},
		"position too large": {whole[0], {2, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
	} {
		_, err := Deal(sources, 3)
		require.ErrorIs(t, err, ErrPosition, name)
	}
}

func TestASourceTellsTheTimeAfterEachRound(t *testing.T) {
	in := numbers{2, 3}
	s, err := NewSource(in, 0, 1, []int64{0, 1}, even, 6, &free{})
	require.NoError(t, err)
	require.Nil(t, s.Ready())
	var got []string
	more := true
	for more {
		more, err = s.Next(func(i Item[int]) error {
			to := Route[int](func(key uint64) int { return int(key) })(i)
			if i.Mark {
				require.Equal(t, flow.All, to)
				require.Equal(t, i.Watermark, i.Processing)
				if i.Watermark == math.MaxInt64 {
					got = append(got, "end")
				} else {
					got = append(got, fmt.Sprint("mark ", i.Watermark))
				}
				return nil
			}
			require.Equal(t, i.Event, to)
			require.Positive(t, i.Sent)
			got = append(got, fmt.Sprint(i.Event))
			return nil
		})
		require.NoError(t, err)
	}
	require.Equal(t, []string{"0", "mark 1", "102", "mark 2", "2", "end", "end"}, got, "odd ones are of no interest")
	broken := errors.New("broken")
	_, err = s.Next(func(Item[int]) error { return broken })
	require.ErrorIs(t, err, broken)
	_, err = NewSource(in, 0, 1, []int64{0, 4}, even, 6, &free{})
	require.ErrorContains(t, err, "no such position")
}

func TestASourceWithoutAPartitionHoldsNobodyUp(t *testing.T) {
	none, err := NewSource(numbers{2, 3}, 0, 9, []int64{0, 0}, even, 6, &free{})
	require.NoError(t, err)
	more, err := none.Next(func(i Item[int]) error {
		require.EqualValues(t, int64(math.MaxInt64), i.Watermark)
		return nil
	})
	require.NoError(t, err)
	require.False(t, more)
}

// witness is an operator that writes down what it hears.
type witness struct {
	clock *query.Clock
	heard []string
}

func (w *witness) Process(e *int, emit query.Emit) error {
	w.heard = append(w.heard, fmt.Sprintf("%d at %d", *e, w.clock.Watermark()))
	emit("key", fmt.Sprint(*e))
	return nil
}

func (w *witness) Advance(watermark, processing int64, _ query.Emit) error {
	w.heard = append(w.heard, fmt.Sprintf("advance %d %d", watermark, processing))
	return nil
}

func mark(from int32, watermark, processing int64) Item[int] {
	return Item[int]{From: from, Mark: true, Watermark: watermark, Processing: processing}
}

func TestTheClockIsTheLowestOfAllSources(t *testing.T) {
	results := output.NewResults()
	w := &witness{clock: query.NewClock()}
	w.clock.Move(10, 20) // the time at the positions of the checkpoint
	firsts := 0
	checkpoint := false
	k := NewKeyed(w, w.clock, 2, output.NewBuffer(results.Take), Hooks{
		First: func() { firsts++ }, Trouble: func() {}, Checkpointing: func() bool { return checkpoint },
	})
	early := now()
	require.NoError(t, k.Process([]Item[int]{{Event: 1, Sent: early}, mark(0, 15, 25), {Event: 2, Sent: early}, {Event: 3, Sent: early + 1}}))
	checkpoint = true
	require.NoError(t, k.Process([]Item[int]{mark(1, 12, 21), {Event: 4, Sent: early}, mark(1, 30, 21), mark(0, 14, 40)}))
	require.ErrorIs(t, k.Finish(t.Context()), errEnd)
	require.NoError(t, k.Process([]Item[int]{mark(1, math.MaxInt64, math.MaxInt64), mark(0, math.MaxInt64, math.MaxInt64)}))
	require.NoError(t, k.Finish(t.Context()))
	require.Equal(t, []string{
		"advance 10 20", "1 at 10", "2 at 10", "3 at 10",
		"advance 12 21", "4 at 12", "advance 15 21",
		"advance 15 40", "advance 9223372036854775807 9223372036854775807",
	}, w.heard)
	require.Equal(t, 1, firsts)
	require.Equal(t, map[string]string{"key": "4"}, results.Upserts)
	require.EqualValues(t, 3, results.Quiet.Count())
	require.EqualValues(t, 1, results.During.Count())
	require.Less(t, results.Quiet.Quantile(1), time.Minute)
}

func TestTheTimeAtPositionsIsThatOfThePartitionThatIsBehind(t *testing.T) {
	in := numbers{3, 10}
	watermark, processing, err := TimeAt(in, []int64{5, 3, 10})
	require.NoError(t, err)
	require.EqualValues(t, 3, watermark)
	require.EqualValues(t, 3, processing)
	watermark, _, err = TimeAt(in, []int64{10, 10, 10})
	require.NoError(t, err)
	require.EqualValues(t, int64(math.MaxInt64), watermark)
	_, _, err = TimeAt(in, []int64{10, 11, 10})
	require.Error(t, err)
}
