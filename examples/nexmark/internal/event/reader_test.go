package event

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newReader(t testing.TB, g *Generator, partition int) *Reader {
	t.Helper()
	r, err := g.Reader(partition)
	require.NoError(t, err)
	return r
}

func TestPartitionsShareTheEvents(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 2, 3, 50, 64} {
		for _, events := range []int64{1, 49, 50, 1000} {
			g := newGenerator(t, Config{Seed: 5, Events: events, Partitions: partitions})
			seen := map[int64]int{}
			for p := range partitions {
				r := newReader(t, g, p)
				require.Equal(t, p, r.Partition())
				n := int64(0)
				for e, ok := r.Next(); ok; e, ok = r.Next() {
					require.Equal(t, g.Event(e.Index), e)
					require.Equal(t, p, int(e.Index)%partitions)
					require.Equal(t, n*int64(partitions)+int64(p), e.Index, "in the order of the index")
					n++
					require.Equal(t, n, r.Position())
					seen[e.Index]++
				}
				require.Equal(t, n, r.Len())
			}
			require.Len(t, seen, int(events))
			for index, times := range seen {
				require.Equal(t, 1, times, "event %d", index)
			}
		}
	}
}

func TestNoEventIsBeforeTheWatermark(t *testing.T) {
	t.Parallel()
	for _, bound := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond, 3 * time.Second} {
		for _, partitions := range []int{1, 3, 8} {
			t.Run(fmt.Sprintf("bound=%v/partitions=%d", bound, partitions), func(t *testing.T) {
				t.Parallel()
				c := Config{Seed: 11, Events: 8000, Rate: 1000, Partitions: partitions, OutOfOrder: bound, DelayedPercent: 50}
				if bound <= time.Millisecond {
					c.Rate = 20_000 // a partition has several events in a millisecond
				}
				g := newGenerator(t, c)
				for p := range partitions {
					watermarkHolds(t, newReader(t, g, p), bound.Milliseconds())
				}
			})
		}
	}
}

// watermarkHolds reads a partition to its end.
func watermarkHolds(t *testing.T, r *Reader, bound Millis) {
	require.Equal(t, MinMillis, r.Watermark())
	newest, before, onTime := MinMillis, MinMillis, 0
	for {
		watermark := r.Watermark()
		require.GreaterOrEqual(t, watermark, before, "a watermark never decreases")
		if newest != MinMillis {
			require.GreaterOrEqual(t, watermark, newest-bound, "not below what the events alone say")
		}
		e, ok := r.Next()
		if !ok {
			break
		}
		require.GreaterOrEqual(t, e.At, watermark, "event %d is late", e.Index)
		if e.At == watermark {
			onTime++
		}
		if r.Position() < r.Len() {
			require.Equal(t, e.ArrivedAt-bound, r.Watermark())
		}
		newest, before = max(newest, e.At), watermark
	}
	require.Equal(t, MaxMillis, r.Watermark())
	if bound <= 1 {
		require.Positive(t, onTime, "a watermark one millisecond later would be wrong")
	}
}

func TestAReaderGoesOnFromAnyPosition(t *testing.T) {
	t.Parallel()
	g := newGenerator(t, Config{Seed: 2, Events: 1003, Partitions: 4, OutOfOrder: time.Second})
	for p := range 4 {
		whole, other := newReader(t, g, p), newReader(t, g, p)
		for more := true; more; {
			require.NoError(t, other.SeekTo(0))
			require.NoError(t, other.SeekTo(whole.Position()))
			require.Equal(t, whole.Watermark(), other.Watermark())
			var want, got Event
			want, more = whole.Next()
			got, ok := other.Next()
			require.Equal(t, more, ok)
			require.Equal(t, want, got)
		}
		require.Equal(t, whole.Len(), other.Position())
		require.Equal(t, MaxMillis, other.Watermark())
	}
}

func TestAReaderStaysWithinItsPartition(t *testing.T) {
	t.Parallel()
	g := newGenerator(t, Config{Seed: 2, Events: 5, Partitions: 3})
	for _, partition := range []int{-1, 3} {
		_, err := g.Reader(partition)
		require.ErrorIs(t, err, ErrPosition)
	}
	r := newReader(t, g, 2) // events 2 only: 5 is not there
	require.NoError(t, r.SeekTo(1))
	for _, position := range []int64{-1, 2} {
		require.ErrorIs(t, r.SeekTo(position), ErrPosition)
		require.Equal(t, int64(1), r.Position())
	}
}

func TestAPartitionWithoutEventsHasEnded(t *testing.T) {
	t.Parallel()
	r := newReader(t, newGenerator(t, Config{Events: 2, Partitions: 3}), 2)
	require.Zero(t, r.Len())
	require.Equal(t, MaxMillis, r.Watermark())
	_, ok := r.Next()
	require.False(t, ok)
}
