// Package batch answers the queries the plain way: all events at hand, loops and maps, nothing that streams.
//
// It is what the streaming program is verified against, so it shares nothing with it but the events and how an answer is
// written ([answer]), which also says precisely what each query asks. Where there is a choice, the code here is the simplest that
// is obviously right, not the fastest.
//
// # Model
//
// Each query is a function from a sequence of events to the answer. The sequence has all events, each once, in any order, and can be ranged over again: some
// functions go through it twice. event.Generator.All is such a sequence, slices.Values of a slice another. The answer
// is the final one: the input has ended, all windows and auctions have closed.
//
// # Errors, concurrency, cost
//
// [ErrQuery] says that there is no such query; nothing else fails. Memory is in proportion to what the query has to tell apart, time to the number of
// events; a million events take a few seconds at most.
package batch
