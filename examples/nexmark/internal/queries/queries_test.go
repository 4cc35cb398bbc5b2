package queries

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/batch"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
)

var plans = []plan{
	{[]int{1}, false},
	{[]int{1, 1, 1}, true},
	{[]int{3, 3, 3}, true},
	{[]int{3, 3, 3}, false},
	{[]int{2, 3, 2}, true},
	{[]int{1, 3, 2, 1}, false},
}

// verify runs a query and compares what comes out with the batch computation.
func verify(t *testing.T, q query.Query[event.Event], events []event.Event, p plan, rng *rand.Rand) *fleet {
	number := answer.Query(q.Number)
	want, err := batch.Answer(number, slices.Values(events))
	require.NoError(t, err)
	f := run(t, q, events, p, rng)
	got, err := answer.Final(number, f.upserts)
	require.NoError(t, err)
	require.Equal(t, want, got, "%v", p)
	return f
}

func TestEveryQueryIsThere(t *testing.T) {
	t.Parallel()
	var numbers []answer.Query
	for _, q := range All() {
		numbers = append(numbers, answer.Query(q.Number))
		require.Equal(t, answer.Query(q.Number).Title(), q.Title)
		require.Contains(t, q.States, "timers")
		require.Contains(t, q.States, "TTL")
	}
	require.Equal(t, answer.Queries(), numbers)
}

func TestAnswersAreThoseOfTheBatchComputation(t *testing.T) {
	t.Parallel()
	g, err := event.New(event.Config{Seed: 3, Events: 3000, Rate: 30, OutOfOrder: 2 * time.Second, ActivePeople: 20, InFlightAuctions: 50})
	require.NoError(t, err)
	events := slices.Collect(g.All())
	for _, q := range All() {
		t.Run(answer.Query(q.Number).String(), func(t *testing.T) {
			t.Parallel()
			for i, p := range plans {
				f := verify(t, q, events, p, rand.New(rand.NewPCG(uint64(i), 1)))
				require.NotEmpty(t, f.upserts)
			}
		})
	}
}

// Few people, auctions and prices, and times that are multiples of a second: everything that can coincide does.
func TestAnswersWhereEverythingCoincides(t *testing.T) {
	t.Parallel()
	for _, q := range All() {
		t.Run(answer.Query(q.Number).String(), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(60) {
				rng := rand.New(rand.NewPCG(seed, 2))
				verify(t, q, crowded(rng), plans[seed%uint64(len(plans))], rng)
			}
		})
	}
}

// crowded returns events of some two minutes, in no order of time. There are bids on an auction that never opens.
func crowded(rng *rand.Rand) []event.Event {
	events := make([]event.Event, 120)
	var people, auctions int64
	for i := range events {
		at := rng.Int64N(120) * 1000
		e := event.Event{Index: int64(i), At: at, ArrivedAt: at + rng.Int64N(2)*1000}
		switch kind := rng.IntN(10); {
		case kind == 0 && people < 6:
			people++
			e.Kind, e.Person = event.KindPerson, &event.Person{ID: people, Name: fmt.Sprint("name", people), City: "city", State: []string{"OR", "WA"}[rng.IntN(2)], At: at}
		case kind < 3 && auctions < 6:
			auctions++
			e.Kind, e.Auction = event.KindAuction, &event.Auction{
				ID: auctions, Seller: 1 + rng.Int64N(6), Category: 10 + rng.Int64N(2), Reserve: rng.Int64N(3),
				At: at, Expires: at + 1000 + rng.Int64N(60)*1000 + rng.Int64N(2),
			}
		default:
			e.Kind, e.Bid = event.KindBid, event.Bid{Auction: 1 + rng.Int64N(7), Bidder: 1 + rng.Int64N(6), Price: 1 + rng.Int64N(4), At: at, Channel: "channel"}
		}
		events[i] = e
	}
	return events
}

func TestNothingIsLeftOfWhatIsOver(t *testing.T) {
	t.Parallel()
	for _, q := range All() {
		rng := rand.New(rand.NewPCG(1, 3))
		f := verify(t, q, crowded(rng), plan{[]int{2, 2}, true}, rng)
		switch answer.Query(q.Number) {
		case answer.Q3:
			for _, task := range f.tasks {
				o := task.operator.(*joinLocal)
				for key := range o.sellers.All() {
					require.Zero(t, o.waiting.Len(key))
				}
			}
		default:
			require.Zero(t, f.entries(), "query %d", q.Number)
		}
	}
}
