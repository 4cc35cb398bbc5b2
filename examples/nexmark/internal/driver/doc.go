// Package driver runs queries one after the other, shows what happens, and verifies what comes out.
//
//	driver.go   one query: directory, supervisor, results
//	verify.go   the results against the answer (pure)
//	summary.go  rate and latencies, as text
//
// What runs the query is a worker process (package worker); what breaks it is package supervise of the examples. The answer comes
// from a computation that shares nothing with either.
package driver
