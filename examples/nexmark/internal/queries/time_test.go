package queries

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
)

// find returns a query.
func find(t *testing.T, number answer.Query) query.Query[event.Event] {
	all := All()
	i := slices.IndexFunc(all, func(q query.Query[event.Event]) bool { return q.Number == int(number) })
	require.GreaterOrEqual(t, i, 0)
	return all[i]
}

func bidAt(at event.Millis, price int64) *event.Event {
	return &event.Event{Kind: event.KindBid, At: at, ArrivedAt: at, Bid: event.Bid{Auction: 1, Bidder: 2, Price: price, At: at}}
}

func auctionOpen(at, expires event.Millis) *event.Event {
	return &event.Event{Kind: event.KindAuction, At: at, ArrivedAt: at, Auction: &event.Auction{ID: 1, Seller: 2, Category: 10, Reserve: 5, At: at, Expires: expires}}
}

// What is over is told at once, and what is not over is open to the last millisecond.
func TestFactsAreSetWhenTimeHasComeToTheEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		query     answer.Query
		before    []*event.Event // processed before time comes to 1 ms before the end
		last      *event.Event   // processed then
		end       event.Millis
		key, want string
	}{
		{answer.Q4, []*event.Event{auctionOpen(0, 1000), bidAt(500, 10)}, bidAt(999, 20), 1000, "1", "10|20"},
		{answer.Q5, []*event.Event{bidAt(0, 10)}, bidAt(1999, 10), 2000, "-8000|1", "2"},
		{answer.Q7, []*event.Event{bidAt(0, 10)}, bidAt(9999, 20), 10_000, "0|0", "20|1|2"},
		{answer.Q11, []*event.Event{bidAt(0, 10)}, nil, 10_000, "2|0", "10000|1"},
		{answer.Q12, []*event.Event{bidAt(0, 10)}, bidAt(9999, 20), 10_000, "0|2", "2"},
	} {
		t.Run(c.query.String(), func(t *testing.T) {
			t.Parallel()
			f := open(t, find(t, c.query), 1, map[string]string{})
			f.advance(0, 0)
			for _, e := range c.before {
				f.process(e)
			}
			f.advance(c.end-1, c.end-1)
			if c.last != nil {
				f.process(c.last)
			}
			require.Empty(t, f.upserts)
			f.advance(c.end, c.end)
			require.Equal(t, map[string]string{c.key: c.want}, f.upserts)
		})
	}
}

func TestAClosedAuctionIsRememberedForAWhile(t *testing.T) {
	t.Parallel()
	f := open(t, find(t, answer.Q4), 1, map[string]string{})
	early := f.tasks[0].operator.(*closeAuctions).early
	f.advance(0, 0)
	f.process(auctionOpen(0, 1000))
	f.process(bidAt(500, 10))
	f.advance(1000, 1000)
	want := map[string]string{"1": "10|10"}
	require.Equal(t, want, f.upserts)
	f.process(bidAt(1000, 20))
	require.Zero(t, early.Keys(), "a bid that comes too late waits for nothing")
	f.advance(10_999, 10_999)
	require.EqualValues(t, 1, f.entries())
	f.advance(11_000, 11_000)
	require.Zero(t, f.entries())
	f.process(bidAt(11_000, 30))
	require.Equal(t, 1, early.Keys(), "for all we know an auction may come")
	f.advance(11_001, 11_001)
	require.Zero(t, f.entries(), "but not one that was open then")
	require.Equal(t, want, f.upserts)
}

func TestALastBidIsRememberedForADay(t *testing.T) {
	t.Parallel()
	const day = 24 * 60 * 60 * 1000
	f := open(t, find(t, answer.Q18), 1, map[string]string{})
	f.advance(0, 0)
	f.process(bidAt(10, 10))
	f.process(bidAt(5, 20))
	require.Equal(t, map[string]string{"2|1": "0|10|10|"}, f.upserts, "the other was before it")
	f.advance(day-1, day-1)
	require.EqualValues(t, 1, f.entries())
	f.advance(day, day)
	require.Zero(t, f.entries())
	f.process(bidAt(day, 30))
	require.Equal(t, map[string]string{"2|1": "0|86400000|30|"}, f.upserts)
}
