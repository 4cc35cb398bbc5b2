package event

import "iter"

// Of perEpoch events in a row, the first is a person, the next three are auctions and the rest are bids.
const (
	personsPerEpoch  = 1
	auctionsPerEpoch = 3
	perEpoch         = 50
)

// A Generator makes the events of one configuration. It is immutable: any number of goroutines may use it.
type Generator struct {
	config   Config // with defaults
	start    uint64 // of the random numbers of event 0
	bound    Millis // Config.OutOfOrder
	lifetime Millis // one less than the longest an auction can be open; half of it is the average

	words    string // letters and single spaces: what item names and descriptions are cut from
	padding  string // letters: what Extra is cut from
	prices   []int64
	hot      []channel
	channels []channel
}

// New returns the generator of a configuration, or an error that wraps [ErrConfig]. It takes some milliseconds.
func New(c Config) (*Generator, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	d := dice(mix(c.Seed))
	g := &Generator{
		config: c,
		start:  d.next(),
		bound:  c.OutOfOrder.Milliseconds(),
		words:  randomWords(&d),
		prices: newPrices(),
	}
	g.padding = randomLetters(&d, textBytes)
	g.hot, g.channels = newChannels(&d)
	// By then as many auctions have opened as are open at a time.
	events := int64(c.InFlightAuctions) * perEpoch / auctionsPerEpoch
	g.lifetime = max(2*(events*1000/int64(c.Rate)), 1)
	return g, nil
}

// Config returns the configuration with its defaults filled in.
func (g *Generator) Config() Config { return g.config }

// ArrivedAt is the processing time of event index, in O(1). It never decreases with the index.
func (g *Generator) ArrivedAt(index int64) Millis {
	return g.config.Base + index*1000/int64(g.config.Rate)
}

// Event returns event index, which is in [0, Events), in O(1). The events beyond are defined too, but are not part of the input.
func (g *Generator) Event(index int64) Event {
	// mix is one to one, so no two events begin with the same number.
	d := dice(mix(g.start + uint64(index)))
	arrived := g.ArrivedAt(index)
	e := Event{Index: index, ArrivedAt: arrived, At: arrived - g.delay(&d)}
	switch offset := index % perEpoch; {
	case offset < personsPerEpoch:
		e.Kind, e.Person = KindPerson, g.person(&d, index, e.At)
	case offset < personsPerEpoch+auctionsPerEpoch:
		e.Kind, e.Auction = KindAuction, g.auction(&d, index, e.At)
	default:
		e.Kind = KindBid
		g.bid(&d, index, e.At, &e.Bid)
	}
	return e
}

// All yields all events in the order of their index, as often as it is ranged over.
func (g *Generator) All() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for i := range g.config.Events {
			if !yield(g.Event(i)) {
				return
			}
		}
	}
}

// delay draws how long after it happened an event arrives.
func (g *Generator) delay(d *dice) Millis {
	if d.below(100) >= int64(g.config.DelayedPercent) {
		return 0
	}
	return d.below(g.bound + 1)
}
