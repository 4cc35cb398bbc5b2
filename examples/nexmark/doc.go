// Command nexmark runs queries of the Nexmark benchmark on keyed state, breaks them on the way, and verifies what comes out.
//
//	go run ./examples/nexmark -query 5 -events 1000000 -inject panic@30%,kill@60%
//
// It prints a line for each checkpoint, for each failure where the state came back from, at the end the rate and how long records took,
// and compares the results with an independent batch computation of the same query in plain Go.
//
//	go run ./examples/nexmark -query all -rescale 2:3
//
// runs every query, and changes the number of tasks half way through the input, through a savepoint.
//
// # The queries
//
// What each asks is in internal/answer, and how it is answered in internal/queries. Together they use every kind of keyed state, timers of both
// times, namespaces that stay and namespaces that are merged, and times to live:
//
//	                                      key      states                                   timers              TTL
//	 3  local item suggestion             seller   value sellers, list waiting              none                none
//	 4  average price for a category      auction  value auctions, reducing best,           event: closing,     closed
//	                                               map early, value closed                  forgetting
//	 5  hot items                         auction  aggregating counts, in panes             event: ends         none
//	 7  highest bid                       auction  reducing highest, in windows             event: ends         none
//	 8  monitor new users                 person   values registered, selling, in windows   event: ends         none
//	11  user sessions                     bidder   reducing counts, in sessions             event: ends         none
//	12  processing time windows           bidder   value counts, in windows                 processing: ends    none
//	18  find last bid                     bidder   value last, in auctions                  none                last
//
// # How it is made
//
//	supervisor  this process: starts the worker, breaks it, collects the results (internal/driver, internal/output, on
//	            examples/internal/supervise), and verifies them
//	worker      a child process: a recovery.Job whose tasks run source -> exchange by key -> query (internal/worker,
//	            internal/stream, on examples/internal/flow and examples/internal/child)
//	queries     the operators (internal/queries) on the events (internal/event); internal/batch finds the answers without them
//
// internal/query is the contract between all that and the queries: what a query is, what it reads, and what time it is. Time is part
// of the input, processing time too, so there is one right answer to every query, whatever happens on the way.
//
// # Exit codes
//
//	0  all results are those of the batch computation
//	1  a result differs, or a run failed or was interrupted
//	2  bad flags: one line says which, and nothing was changed
package main
