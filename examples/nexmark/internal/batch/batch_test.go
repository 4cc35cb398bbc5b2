package batch

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
)

// The events of a test are written by these; number gives them their index, and lets them arrive as they happen.

func person(id int64, at event.Millis, state string) event.Event {
	return event.Event{Kind: event.KindPerson, At: at, ArrivedAt: at, Person: &event.Person{
		ID: id, Name: "Ann Lee", City: "Bend", State: state, At: at,
	}}
}

func auction(id, seller, category, reserve int64, at, expires event.Millis) event.Event {
	return event.Event{Kind: event.KindAuction, At: at, ArrivedAt: at, Auction: &event.Auction{
		ID: id, Seller: seller, Category: category, Reserve: reserve, At: at, Expires: expires,
	}}
}

func bid(auction, bidder, price int64, at event.Millis) event.Event {
	return event.Event{Kind: event.KindBid, At: at, ArrivedAt: at, Bid: event.Bid{
		Auction: auction, Bidder: bidder, Price: price, At: at, Channel: "Apple",
	}}
}

func arriving(e event.Event, at event.Millis) event.Event {
	e.ArrivedAt = at
	return e
}

func number(events ...event.Event) []event.Event {
	for i := range events {
		events[i].Index = int64(i)
	}
	return events
}

type answers = map[string]string

func TestAnswersWorkedOutByHand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		query  answer.Query
		events []event.Event
		want   answers
	}{
		{"q3 joins in either order and however far apart", answer.Q3, number(
			person(1, 0, "OR"),
			auction(11, 1, 10, 0, 5, 6),
			auction(12, 2, 10, 0, 6, 7),
			person(2, 900_000, "CA"),
			person(3, 900_000, "ID"),
			auction(13, 3, 10, 0, 900_001, 900_002),
			auction(14, 3, 10, 0, 900_001, 900_002),
		), answers{"11": "Ann Lee|Bend|OR", "12": "Ann Lee|Bend|CA", "13": "Ann Lee|Bend|ID", "14": "Ann Lee|Bend|ID"}},
		{"q3 leaves out other categories, other states and unknown sellers", answer.Q3, number(
			person(1, 0, "OR"), person(2, 0, "WA"),
			auction(11, 1, 11, 0, 5, 6), auction(12, 2, 10, 0, 5, 6), auction(13, 99, 10, 0, 5, 6),
		), answers{}},
		{"q4 averages the highest bids of each category", answer.Q4, number(
			bid(11, 1, 500, 100), // before its auction in the input, not in time
			auction(11, 1, 10, 50, 100, 200),
			bid(11, 1, 700, 150),
			bid(11, 2, 700, 160),
			bid(11, 3, 600, 170),
			auction(12, 1, 10, 50, 100, 200),
			bid(12, 1, 101, 120),
			auction(13, 1, 14, 50, 100, 200),
			bid(13, 1, 9000, 100),
		), answers{"10": "400|2", "14": "9000|1"}}, // (700 + 101) / 2, rounded down
		{"q4 counts bids within the auction's time that reach the reserve", answer.Q4, number(
			auction(11, 1, 10, 50, 100, 200),
			bid(11, 1, 999, 99),
			bid(11, 1, 50, 100),
			bid(11, 1, 49, 150),
			bid(11, 1, 60, 199),
			bid(11, 1, 999, 200),
			auction(12, 1, 11, 50, 100, 200),
			bid(12, 1, 49, 150),
			auction(13, 1, 12, 50, 100, 200),
			bid(99, 1, 999, 150),
			auction(14, 1, 13, 50, 100, 200),
			bid(14, 1, 50, 150),
		), answers{"10": "60|1", "13": "50|1"}},
		{"q5 slides by 2 s and gives all with the most bids", answer.Q5, number(
			bid(11, 1, 1, 10_000), // the windows from 2000 to 10,000
			bid(12, 1, 1, 11_999), // the same
			bid(12, 1, 1, 12_000), // the windows from 4000 to 12,000
			bid(11, 2, 1, 19_999), // the windows from 10,000 to 18,000
		), answers{
			"2000|11": "1", "2000|12": "1",
			"4000|12": "2", "6000|12": "2", "8000|12": "2",
			"10000|11": "2", "10000|12": "2",
			"12000|11": "1", "12000|12": "1",
			"14000|11": "1", "16000|11": "1", "18000|11": "1",
		}},
		{"q5 has windows before 1970", answer.Q5, number(bid(11, 1, 1, 0)), answers{
			"-8000|11": "1", "-6000|11": "1", "-4000|11": "1", "-2000|11": "1", "0|11": "1",
		}},
		{"q7 gives all bids with the highest price of each window", answer.Q7, number(
			bid(11, 1, 100, 0),
			bid(12, 2, 300, 9999),
			bid(11, 3, 300, 5000),
			bid(11, 4, 200, 10_000),
			bid(11, 5, 7, 30_000),
			bid(11, 5, 6, 39_999),
			bid(11, 5, 8, -1),
		), answers{
			"0|1": "300|12|2", "0|2": "300|11|3", "10000|3": "200|11|4", "30000|4": "7|11|5", "-10000|6": "8|11|5",
		}},
		{"q8 joins within one window", answer.Q8, number(
			person(1, 10_000, "WA"), auction(11, 1, 13, 0, 19_999, 20_000), auction(12, 1, 13, 0, 15_000, 20_000),
			auction(13, 2, 13, 0, 20_000, 30_000), person(2, 29_999, "WA"),
			person(3, 19_999, "WA"), auction(14, 3, 13, 0, 20_000, 30_000),
			person(4, 20_000, "WA"), auction(15, 4, 13, 0, 19_999, 30_000),
			person(5, 20_000, "WA"), auction(16, 99, 13, 0, 20_000, 30_000),
		), answers{"10000|1": "Ann Lee", "20000|2": "Ann Lee"}},
		{"q11 ends a session 10 s after the last bid", answer.Q11, number(
			bid(11, 1, 1, 20_000), // late: joins the two others
			bid(11, 1, 1, 10_001),
			bid(12, 1, 1, 29_999),
			bid(12, 1, 1, 39_999), // exactly 10 s after: a new session
			bid(12, 2, 1, 25_000),
		), answers{"1|10001": "39999|3", "1|39999": "49999|1", "2|25000": "35000|1"}},
		{"q12 counts by the time of arrival", answer.Q12, number(
			arriving(bid(11, 1, 1, 9999), 10_000),
			arriving(bid(12, 1, 1, 5000), 19_999),
			arriving(bid(11, 1, 1, 20_000), 20_000),
			arriving(bid(11, 2, 1, 0), 10_500),
		), answers{"10000|1": "2", "20000|1": "1", "10000|2": "1"}},
		{"q18 keeps the latest bid, of several the last", answer.Q18, number(
			bid(11, 1, 100, 5000),
			bid(11, 1, 200, 4000),
			bid(11, 2, 300, 1000),
			bid(12, 1, 500, 9000),
			bid(12, 1, 400, 9000),
		), answers{"1|11": "0|5000|100|Apple", "2|11": "2|1000|300|Apple", "1|12": "4|9000|400|Apple"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Answer(c.query, slices.Values(c.events))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			slices.Reverse(c.events)
			got, err = Answer(c.query, slices.Values(c.events))
			require.NoError(t, err)
			require.Equal(t, c.want, got, "the order of the events makes no difference")
		})
	}
}

func TestOtherQueriesAreRefused(t *testing.T) {
	t.Parallel()
	_, err := Answer(6, slices.Values([]event.Event(nil)))
	require.ErrorIs(t, err, ErrQuery)
}

func TestEveryQueryHasAnAnswerToGeneratedEventsWhateverTheirOrder(t *testing.T) {
	t.Parallel()
	g, err := event.New(event.Config{Seed: 1, Events: 50_000, Rate: 1000, OutOfOrder: 3 * time.Second})
	require.NoError(t, err)
	shuffled := slices.Collect(g.All())
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for _, q := range answer.Queries() {
		t.Run(q.String(), func(t *testing.T) {
			t.Parallel()
			want, err := Answer(q, g.All())
			require.NoError(t, err)
			require.Greater(t, len(want), 3)
			got, err := Answer(q, slices.Values(shuffled))
			require.NoError(t, err)
			require.Equal(t, want, got)
			t.Logf("%v, %s: %d keys", q, q.Title(), len(want))
		})
	}
}
