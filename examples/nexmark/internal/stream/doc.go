// Package stream is one instance of a query as a dataflow: the source half reads partitions of the input, the keyed half calls the
// query's operator, and both meet the runtime of package flow.
//
// # Partitions and positions
//
// The number of partitions is that of the input and does not depend on the number of tasks. Task t of n reads the partitions
// [t*P/n, (t+1)*P/n), a few events of each in turn. A source's position is where it stands in each of them; when the parallelism has
// changed, the positions of all old sources are put together and dealt out anew ([Deal]).
//
// # Time
//
// After each round a source tells every task what time it is: the lowest watermark of its partitions, and the lowest processing time.
// The keyed half remembers both for each source. Its clock is the lowest of them, and when that has moved the
// operator hears of it.
//
//	source 0 ── events ─ mark(12:00:04) ─ events ─ mark(12:00:09) ──▶ ┐
//	                                                                   ├ clock = min = 12:00:07
//	source 1 ── events ─ mark(12:00:07) ──▶ ┘
//
// A mark goes down every link in order with the events, and a checkpoint barrier is aligned: so at a checkpoint the clock of every task
// is the lowest watermark at the positions in it. Therefore no clock is stored. After a restore each task works it out from the
// positions of all partitions, before the first event, and goes on from there: no time is seen twice, and none is seen too early.
//
// # Latency
//
// A source reads the monotonic clock once a round, before it reads; a keyed half once a batch, behind it. Every record of the round
// has the first as its beginning, and every record of the batch the second as its end, so a latency is never too low, and too high by
// at most the time a round or a batch takes. What it has in it is the time in the exchange, waiting, alignment and capture included.
package stream
