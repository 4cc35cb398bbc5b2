package event

import "math"

// Millis is a time in milliseconds since the Unix epoch, or a length of time in milliseconds.
type Millis = int64

// MinMillis and MaxMillis are before and after every event. A watermark of MaxMillis says that the input has ended.
const (
	MinMillis Millis = math.MinInt64
	MaxMillis Millis = math.MaxInt64
)

// Kind says what an event is.
type Kind uint8

// The kinds of event. The zero Kind is none of them.
const (
	KindPerson Kind = iota + 1
	KindAuction
	KindBid
)

// String is the name of the kind.
func (k Kind) String() string {
	switch k {
	case KindPerson:
		return "person"
	case KindAuction:
		return "auction"
	case KindBid:
		return "bid"
	}
	return "none"
}

// An Event is one person, one auction or one bid. What it points to is never modified and may be kept.
type Event struct {
	Kind      Kind
	Index     int64    // its number, from 0
	At        Millis   // event time; the record has the same
	ArrivedAt Millis   // processing time
	Person    *Person  // of KindPerson, else nil
	Auction   *Auction // of KindAuction, else nil
	Bid       Bid      // of KindBid, else zero; not a pointer, because nearly all events are bids
}

// A Person has registered and may sell and bid.
type Person struct {
	ID         int64
	Name       string
	Email      string
	CreditCard string // four groups of four digits
	City       string
	State      string // two letters
	At         Millis
	Extra      string // padding, so that a person is 200 bytes on average
}

// An Auction offers an item.
type Auction struct {
	ID          int64
	ItemName    string
	Description string
	InitialBid  int64 // cents
	Reserve     int64 // cents: the seller keeps the item if no bid reaches it
	At          Millis
	Expires     Millis // open in [At, Expires)
	Seller      int64  // the ID of a Person, who may register later or, at the end of the input, never
	Category    int64  // 10 to 14
	Extra       string // padding, so that an auction is 500 bytes on average
}

// A Bid offers a price in an auction.
type Bid struct {
	Auction int64 // the ID of an Auction, which may open later, have closed already, or, at the end of the input, never open
	Bidder  int64 // the ID of a Person, with the same reservation
	Price   int64 // cents
	Channel string
	URL     string
	At      Millis
	Extra   string // padding, so that a bid is 100 bytes on average, not counting Channel and URL
}
