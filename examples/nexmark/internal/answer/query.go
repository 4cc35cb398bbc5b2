package answer

import (
	"errors"
	"strconv"

	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
)

// ErrFact says that a key or a value is not of a fact of the query, or that there is no such query.
var ErrFact = errors.New("answer: not a fact of this query")

// Lengths of the windows.
const (
	Window event.Millis = 10_000 // of queries 5, 7, 8 and 12
	Slide  event.Millis = 2000   // how long after the one before a window of query 5 begins
	Gap    event.Millis = 10_000 // between two sessions of query 11
)

// LocalCategory is the category that query 3 asks for.
const LocalCategory = 10

// Local reports whether query 3 asks for sellers of the state: Oregon, Idaho and California.
func Local(state string) bool { return state == "OR" || state == "ID" || state == "CA" }

// A Query is one of the questions, by its Nexmark number.
type Query int

// The queries.
const (
	// Q3, local item suggestion: the auctions of category 10 whose seller is a person in OR, ID or CA. There is no window: a person
	// and an auction are joined however long the one comes after the other, and in whichever order.
	// An auction whose seller never registers is not in the answer.
	//
	// Facts: [LocalItem], once both are there. They are the answer.
	Q3 Query = 3

	// Q4, average price for a category: the average over the auctions of a category of what the winning bid offers. The bids of an
	// auction are those within [At, Expires) of it that reach its reserve (>=); the winner is the one with the highest price, of
	// several the one with the earliest At, of several the one with the lowest index. An auction without a bid that counts is
	// not in the average. A bid may arrive before its auction.
	//
	// Facts: [ClosedAuction], once the auction has closed: time (the watermark) has come to Expires. Final averages them:
	// the answer has a [CategoryAverage] for each category in which something was sold.
	Q4 Query = 4

	// Q5, hot items: the auctions with the most bids in each window of 10 s, a new one beginning every 2 s. Each auction with the greatest
	// number is in the answer. A window without bids has none. All bids count, whether or not the auction is open or known.
	//
	// Facts: [AuctionBids], once the window has closed. A task may leave out auctions that have fewer bids in the window
	// than another auction it knows. Final keeps those with the greatest number in each window.
	Q5 Query = 5

	// Q7, highest bid: the bids with the highest price in each window of 10 s. Each bid with that price is in the answer.
	//
	// Facts: [HighBid]. A task may leave out bids that are lower than another it knows in the window, and may set those that turn out
	// not to be the highest. Final keeps those with the highest price in each window.
	Q7 Query = 7

	// Q8, monitor new users: the people who registered in a window of 10 s and opened an auction in the same window, in either order.
	//
	// Facts: [NewSeller], once both are there. They are the answer.
	Q8 Query = 8

	// Q11, user sessions: how many bids each bidder makes in each session. A session is a row of a bidder's bids, in the order of
	// their At, each less than 10 s after the one before; it ends 10 s after the last. A bid exactly 10 s after another
	// begins a new session, if there is none in between: a session is over when time comes to its end.
	//
	// Facts: [SessionBids], once the session is over. They are the answer.
	Q11 Query = 11

	// Q12, processing time windows: how many bids of each bidder arrive in each window of 10 s, by ArrivedAt.
	//
	// Facts: [PeriodBids], once the window has closed. They are the answer.
	Q12 Query = 12

	// Q18, find last bid: the last bid of each bidder in each auction: the one with the latest At, of several the one with the
	// highest index.
	//
	// Facts: [LastBid], whenever a bid is later than the ones before, so that the one set last is the answer.
	Q18 Query = 18
)

// Queries returns all queries in the order of their numbers.
func Queries() []Query { return []Query{Q3, Q4, Q5, Q7, Q8, Q11, Q12, Q18} }

// String is the short name of the query, as in q3.
func (q Query) String() string { return "q" + strconv.Itoa(int(q)) }

// Title is what the query is called, or "" if there is no such query.
func (q Query) Title() string {
	switch q {
	case Q3:
		return "local item suggestion"
	case Q4:
		return "average price for a category"
	case Q5:
		return "hot items"
	case Q7:
		return "highest bid"
	case Q8:
		return "monitor new users"
	case Q11:
		return "user sessions"
	case Q12:
		return "processing time windows"
	case Q18:
		return "find last bid"
	}
	return ""
}
