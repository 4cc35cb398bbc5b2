package answer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
)

func TestFactsAreWrittenAsDocumented(t *testing.T) {
	t.Parallel()
	bid := &event.Bid{Auction: 1001, Bidder: 2002, Price: 333, At: 44_000, Channel: "Apple"}
	for fact, want := range map[Fact]Fact{
		LocalItem(1001, &event.Person{Name: "Kate Smith", City: "Bend", State: "OR"}): {"1001", "Kate Smith|Bend|OR"},
		ClosedAuction(1001, 12, 500):       {"1001", "12|500"},
		CategoryAverage(12, 11, 3):         {"12", "3|3"},
		AuctionBids(-2000, 1001, 7):        {"-2000|1001", "7"},
		HighBid(40_000, 9, bid):            {"40000|9", "333|1001|2002"},
		NewSeller(40_000, 2002, "Kate"):    {"40000|2002", "Kate"},
		SessionBids(2002, 5000, 15_001, 2): {"2002|5000", "15001|2"},
		PeriodBids(40_000, 2002, 3):        {"40000|2002", "3"},
		LastBid(9, bid):                    {"2002|1001", "9|44000|333|Apple"},
	} {
		require.Equal(t, want, fact)
	}
}

func TestFinalMakesTheAnswerOfTheFacts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		query Query
		facts map[string]string
		want  map[string]string
	}{
		{"averages are by category and rounded down", Q4,
			map[string]string{"1000": "10|100", "1001": "10|201", "1002": "14|7"}, map[string]string{"10": "150|2", "14": "7|1"}},
		{"the most bids in each window, all of the same number", Q5,
			map[string]string{"0|1": "9", "0|2": "10", "0|3": "10", "2000|1": "1", "-2000|1": "4"},
			map[string]string{"0|2": "10", "0|3": "10", "2000|1": "1", "-2000|1": "4"}},
		{"the highest price in each window, all of the same price", Q7,
			map[string]string{"0|5": "99|1|1", "0|7": "100|1|2", "0|8": "100|2|2", "10000|9": "5|1|1"},
			map[string]string{"0|7": "100|1|2", "0|8": "100|2|2", "10000|9": "5|1|1"}},
		{"nothing of nothing", Q7, map[string]string{}, map[string]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Final(c.query, c.facts)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestTheFactsOfOtherQueriesAreTheAnswer(t *testing.T) {
	t.Parallel()
	for _, q := range []Query{Q3, Q8, Q11, Q12, Q18} {
		facts := map[string]string{"any": "thing"}
		got, err := Final(q, facts)
		require.NoError(t, err)
		require.Equal(t, facts, got)
		got["other"] = "thing"
		require.Len(t, facts, 1, "the answer is a map of its own")
	}
}

func TestFinalRefusesWhatIsNoFact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		query      Query
		key, value string
	}{
		{Q4, "1", ""}, {Q4, "1", "10"}, {Q4, "1", "10|x"}, {Q4, "1", "10|1|1"}, {Q4, "1", "10|99999999999999999999"},
		{Q5, "1", "1"}, {Q5, "0|x", "1"}, {Q5, "0|1", ""}, {Q5, "0|1", "1|1"},
		{Q7, "0|1", "1|1"}, {Q7, "", "1|1|1"}, {Q7, "0|1|1", "1|1|1"},
		{Query(6), "0|1", "1"},
	} {
		_, err := Final(c.query, map[string]string{c.key: c.value})
		require.ErrorIs(t, err, ErrFact, "%v %q %q", c.query, c.key, c.value)
	}
}

func TestEveryQueryHasATitle(t *testing.T) {
	t.Parallel()
	require.Len(t, Queries(), 8)
	for _, q := range Queries() {
		require.NotEmpty(t, q.Title())
	}
	require.Empty(t, Query(6).Title())
	require.Equal(t, "q18", Q18.String())
}

func TestQueryThreeAsksForThreeStates(t *testing.T) {
	t.Parallel()
	for state, local := range map[string]bool{"OR": true, "ID": true, "CA": true, "WA": false, "AZ": false, "WY": false, "": false} {
		require.Equal(t, local, Local(state), state)
	}
}
