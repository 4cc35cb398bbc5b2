package event

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrConfig says that a [Config] cannot be used. The error that wraps it names every fault.
var ErrConfig = errors.New("event: configuration not usable")

// Limits of a Config, far above any use. They keep all arithmetic on times and indexes within 64 bits.
const (
	maxEvents = 1_000_000_000_000_000
	maxBase   = 1 << 52
	maxCount  = math.MaxInt32
)

// defaultBase is midnight UTC of 15 July 2015, where the published generators begin.
const defaultBase Millis = 1_436_918_400_000

// A Config says what a [Generator] makes. Zero fields other than Seed, Events and OutOfOrder mean the default named beside them.
type Config struct {
	Seed       uint64 // any
	Events     int64  // how many there are: 1 to 10¹⁵
	Partitions int    // how many partitions share them; 1
	Rate       int    // events per second over all partitions, by the processing time; 10,000

	// OutOfOrder is how long after it happened an event arrives at most. Whole milliseconds; 0: all events arrive at once.
	OutOfOrder time.Duration
	// DelayedPercent is how many events in a hundred arrive late, each by a time drawn evenly from [0, OutOfOrder]; 10.
	DelayedPercent int

	Base Millis // when event 0 arrives; midnight UTC of 15 July 2015

	// One in HotAuctionRatio bids is not on the hot auction; likewise of bidders and sellers. 1: none is hot. 2, 4 and 4.
	HotAuctionRatio, HotBidderRatio, HotSellerRatio int

	ActivePeople     int // how many of the newest people sell and bid; 1,000
	InFlightAuctions int // how many auctions are open at a time, on average; 100
}

// withDefaults returns the configuration with its zero fields filled in.
func (c Config) withDefaults() Config {
	setDefault(&c.Partitions, 1)
	setDefault(&c.Rate, 10_000)
	setDefault(&c.DelayedPercent, 10)
	setDefault(&c.Base, defaultBase)
	setDefault(&c.HotAuctionRatio, 2)
	setDefault(&c.HotBidderRatio, 4)
	setDefault(&c.HotSellerRatio, 4)
	setDefault(&c.ActivePeople, 1000)
	setDefault(&c.InFlightAuctions, 100)
	return c
}

func setDefault[V int | int64](field *V, v V) {
	if *field == 0 {
		*field = v
	}
}

// check returns every fault of a configuration that has its defaults.
func (c Config) check() error {
	var faults []error
	between := func(name string, v, low, high int64) {
		if v < low || v > high {
			faults = append(faults, fmt.Errorf("%s is %d, not within %d and %d", name, v, low, high))
		}
	}
	between("Events", c.Events, 1, maxEvents)
	between("Partitions", int64(c.Partitions), 1, maxCount)
	between("Rate", int64(c.Rate), 1, maxCount)
	between("DelayedPercent", int64(c.DelayedPercent), 1, 100)
	between("Base", c.Base, 0, maxBase)
	between("HotAuctionRatio", int64(c.HotAuctionRatio), 1, maxCount)
	between("HotBidderRatio", int64(c.HotBidderRatio), 1, maxCount)
	between("HotSellerRatio", int64(c.HotSellerRatio), 1, maxCount)
	between("ActivePeople", int64(c.ActivePeople), 1, maxCount)
	between("InFlightAuctions", int64(c.InFlightAuctions), 1, maxCount)
	if c.OutOfOrder < 0 || c.OutOfOrder%time.Millisecond != 0 {
		faults = append(faults, fmt.Errorf("OutOfOrder is %v, not a whole number of milliseconds from 0 on", c.OutOfOrder))
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrConfig, errors.Join(faults...))
}
