// Package worker is the process that runs a query: a recovery.Job whose tasks run the dataflow of package stream. Together with
// package child of the examples, which holds the job's configuration, it is all that meets the library.
//
//	source half ─▶ exchange by key ─▶ keyed half: the query's operator on its states ─▶ output.Buffer ─▶ the supervisor
package worker
