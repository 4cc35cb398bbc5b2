package latency

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEveryValueIsInAClassThatHardlyExceedsIt(t *testing.T) {
	values := []uint64{0, 1, 31, 32, 63, 64, 65, 127, 128, math.MaxInt64, math.MaxUint64}
	for range 10000 {
		values = append(values, rand.Uint64()>>rand.IntN(64))
	}
	for _, v := range values {
		c := class(v)
		require.Less(t, c, classes, v)
		require.GreaterOrEqual(t, top(c), v)
		require.LessOrEqual(t, float64(top(c)-v), float64(v)/32, v)
		if c > 0 {
			require.Less(t, top(c-1), v)
		}
	}
}

func TestQuantilesAreThoseOfTheSortedDurations(t *testing.T) {
	var h, half Histogram
	require.Zero(t, h.Quantile(0.5))
	var all []time.Duration
	for i := range 10000 {
		d := time.Duration(rand.ExpFloat64() * 1e6)
		all = append(all, d)
		if i%2 == 0 {
			h.Record(d, 1)
		} else {
			half.Record(d, 1)
		}
	}
	h.Add(&half)
	slices.Sort(all)
	require.EqualValues(t, len(all), h.Count())
	for _, q := range []float64{0, 0.5, 0.99, 0.999, 1} {
		want := all[min(int(q*float64(len(all))), len(all)-1)]
		require.GreaterOrEqual(t, h.Quantile(q), want, q)
		require.LessOrEqual(t, h.Quantile(q), want+want/32, q)
	}
}

func TestBytesOfAHistogram(t *testing.T) {
	var h, back Histogram
	h.Record(-time.Second, 3)
	h.Record(time.Millisecond, 200)
	h.Record(time.Duration(math.MaxInt64), 1)
	b := h.Append([]byte("x"))
	rest, err := back.AddBytes(append(b[1:], "rest"...))
	require.NoError(t, err)
	require.Equal(t, "rest", string(rest))
	require.Equal(t, h, back)
	for n := range len(b) - 1 {
		_, err := new(Histogram).AddBytes(b[1 : 1+n])
		require.ErrorIs(t, err, ErrCorrupt)
	}
	_, err = new(Histogram).AddBytes([]byte{2, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1})
	require.ErrorIs(t, err, ErrCorrupt, "a class that there is not")
}
