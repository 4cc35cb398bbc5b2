package answer

import (
	"strconv"
	"strings"

	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
)

// separator stands between fields. No text of an event has it.
const separator = "|"

// A Fact sets a key of a query's output to a value.
type Fact struct{ Key, Value string }

// Set sets the fact's key to its value.
func (f Fact) Set(output map[string]string) { output[f.Key] = f.Value }

// LocalItem is a fact of [Q3]: auction -> name|city|state of the seller.
func LocalItem(auction int64, seller *event.Person) Fact {
	return Fact{join(auction), seller.Name + separator + seller.City + separator + seller.State}
}

// ClosedAuction is a fact of [Q4]: auction -> category|price of the winning bid.
func ClosedAuction(auction, category, price int64) Fact {
	return Fact{join(auction), join(category, price)}
}

// CategoryAverage is a part of the answer to [Q4]: category -> average|count, where sum is that of the prices of count auctions, more than 0.
// The average is in cents, rounded down.
func CategoryAverage(category, sum, count int64) Fact {
	return Fact{join(category), join(sum/count, count)}
}

// AuctionBids is a fact of [Q5]: window|auction -> count of the bids.
func AuctionBids(window event.Millis, auction, count int64) Fact {
	return Fact{join(window, auction), join(count)}
}

// HighBid is a fact of [Q7]: window|index of the bid -> price|auction|bidder.
func HighBid(window event.Millis, index int64, bid *event.Bid) Fact {
	return Fact{join(window, index), join(bid.Price, bid.Auction, bid.Bidder)}
}

// NewSeller is a fact of [Q8]: window|person -> name.
func NewSeller(window event.Millis, person int64, name string) Fact {
	return Fact{join(window, person), name}
}

// SessionBids is a fact of [Q11]: bidder|start -> end|count of the bids in the session [start, end).
func SessionBids(bidder int64, start, end event.Millis, count int64) Fact {
	return Fact{join(bidder, start), join(end, count)}
}

// PeriodBids is a fact of [Q12]: window|bidder -> count of the bids.
func PeriodBids(window event.Millis, bidder, count int64) Fact {
	return Fact{join(window, bidder), join(count)}
}

// LastBid is a fact of [Q18]: bidder|auction -> index|at|price|channel of the bid.
func LastBid(index int64, bid *event.Bid) Fact {
	return Fact{join(bid.Bidder, bid.Auction), join(index, bid.At, bid.Price) + separator + bid.Channel}
}

// join writes numbers one after the other, as a Fact has them.
func join(numbers ...int64) string {
	text := make([]byte, 0, 40)
	for i, n := range numbers {
		if i > 0 {
			text = append(text, separator...)
		}
		text = strconv.AppendInt(text, n, 10)
	}
	return string(text)
}

// split reads what join wrote, if it is as many numbers.
func split(text string, numbers ...*int64) bool {
	fields := strings.Split(text, separator)
	if len(fields) != len(numbers) {
		return false
	}
	for i, field := range fields {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return false
		}
		*numbers[i] = n
	}
	return true
}
