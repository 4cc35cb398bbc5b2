// Package answer says what the queries ask, and what an answer looks like.
//
// # Model
//
// The answer to a [Query] over the whole input is a map of keys to values, both short texts: fields with a | between them, numbers in
// decimal digits, times in milliseconds since the Unix epoch. A window is named by its first millisecond.
//
// A program that runs in several tasks, and starts over from checkpoints, does not write the answer down at once. Each task sets keys to
// values as it comes to know them, a [Fact] at a time. Setting a key again replaces its value; so what is written twice
// after a restart does no harm. When the input has ended, [Final] makes the answer of all facts.
//
//	task 0 ── facts ──┐
//	task 1 ── facts ──┼─▶ key -> value ── Final ──▶ answer
//	task 2 ── facts ──┘
//
// For most queries the facts are the answer. Where it needs more than one task knows (the greatest of all, an average
// of all), the facts are what it is made of, and Final does the rest.
//
// The facts are the only thing that the streaming program and the batch computation it is verified against have in common, besides the events.
//
// # Time
//
// Windows are half open: a window [s, e) has the events from s on and before e. Windows of length d begin at multiples of their period since
// the Unix epoch. Query 12 goes by ArrivedAt, all others by At. At the end of the input time is infinite: every window and every auction closes.
//
// # Concurrency, errors, cost
//
// Everything is a function of its arguments. [ErrFact] says that something that is no fact of the query was given to Final.
// A fact costs a few small allocations.
package answer
