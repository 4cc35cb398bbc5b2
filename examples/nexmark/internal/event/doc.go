// Package event makes the events of an auction house after the Nexmark benchmark: people who register, auctions they open, and bids.
//
// # Model
//
// Of every 50 events 1 is a [Person], 3 are [Auction]s and 46 are [Bid]s, in this order. Event i is a pure function of the seed and of i:
// a source can begin anywhere, and two readers of the same event see the same one.
//
//	index      0      1  2  3     4 ... 49   50     51 52 53   54 ...
//	kind       person auction x3  bid x46    person auction x3 bid ...
//	partition  index mod Partitions: any task can read any partition
//
// Ids count up from 1000, for people and auctions alike; an id follows from the index. Three in four bids are of one hot bidder, one in two
// bids is on one hot auction, three in four auctions are of one hot seller; which one is hot changes with every 100th person
// or auction. All others are drawn from the people and auctions that are new enough to be active, and from the 10 ids that follow: a
// bid can name an auction that opens later, and an auction a seller who registers later.
//
// # Time
//
// There are two times, both in milliseconds since the Unix epoch. ArrivedAt is the processing time, and depends on the index and the
// rate alone: Base + index × 1000 / Rate, rounded down. It is what an injected clock shows when the event is read. At is the event time. Most events
// arrive when they happen; some, DelayedPercent in a hundred, arrive up to OutOfOrder later than they happened:
//
//	ArrivedAt - OutOfOrder <= At <= ArrivedAt
//
// ArrivedAt never decreases from event to event, and so no event after one that arrived at t happened before t - OutOfOrder: that is
// the watermark ([Reader.Watermark]), and nothing is ever late for it.
//
// An auction is open as long as it takes, on average, until InFlightAuctions more have opened.
//
// # Differences from the published generators
//
// The proportions, fields, ids, ratios, prices and sizes are the published ones (the suite of Apache Beam, and nexmark-flink).
// The random numbers are not, so the events of a seed are not theirs either. Long strings are cut from one random text, so that a
// bid costs no allocation. The prices come from whole-number arithmetic: a seed gives the same events on every platform.
//
// # Concurrency and cost
//
// A [Generator] is immutable once made and free to use from any goroutine; a [Reader] belongs to one. A generator holds
// about 2 MB. An event takes well under a microsecond; only people and auctions allocate.
//
// # Errors
//
// [ErrConfig] says that a configuration cannot be used; [ErrPosition] that a reader cannot be put where it was to go.
package event
