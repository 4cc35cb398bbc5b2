// Package queries has the queries of the Nexmark example, each an operator on keyed state.
//
// # Words
//
// A window is a half-open length of time, [Start, End). What an answer is, and which facts an operator sets on the way to it, says
// package answer; this package says how it is found with state.
//
// # Model
//
// One file has one query. They are made of the same few things:
//
//	     key         states                                              timers                              TTL
//	 3   seller      value of the person, list of auctions that wait     none                                none
//	 4   auction     value of the auction, reducing of its best bid,     event time: when it closes, and     10 s: that it has
//	                 map of bids before it, value that it has closed     when bids before it are forgotten   closed
//	 5   auction     aggregating of the bids in each pane of 2 s         event time: the end of each window  none
//	 7   auction     reducing of the highest bids in each window         event time: the end of each window  none
//	 8   person      values in each window: the name, a sale             event time: the end of each window  none
//	11   bidder      reducing of the bids in each session, merged        event time: the end of each session none
//	12   bidder      value of the bids in each window                    processing time: its end            none
//	18   bidder      value of the last bid in each auction               none                                a day
//
// Windows, panes, sessions and, in query 18, auctions are namespaces: states and timers are registered in a scope of keys in namespaces, and
// all of a key's are in one task.
//
// # Time
//
// No event below the watermark comes any more, so a window [s, e) is complete when the watermark is e: its timer is at e, and timers up to
// and including the watermark fire. An event is never late. What can still come decides how long a state is kept; there is nothing left of a
// window, an auction or a session that is over.
//
// Timers say exactly when something is not needed any more. A time to live is counted from the watermark at which an entry was
// written, which may be far behind the event that wrote it; so it is used only where an entry that is gone too early does no harm
// (query 4), or where too early is out of the question (query 18).
//
// # Concurrency, errors
//
// An operator belongs to its task's goroutine. Its errors are those of the state, and end the attempt.
package queries
