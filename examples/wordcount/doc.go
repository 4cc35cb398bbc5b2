// Command wordcount counts the words of real text on several tasks, and survives what
// breaks: a task that panics, a worker process that is killed, a local disk that is lost.
//
//	go run ./examples/wordcount
//
// counts the source tree of the installed Go, does all three, shows where the state came back from each time, and compares the
// result with an independent count.
//
//	go run ./examples/wordcount -dir /tmp/wc -out counts.tsv some/dir some/file
//
// counts what it is given. Kill it, whole and at any moment, and start it again with the same -dir: it goes on from its last
// checkpoint and ends with the same counts.
//
// A word is a maximal run of ASCII letters, lower-cased. Directories are walked whole; symbolic links in them are not followed;
// binary files (a NUL in the first 8,000 bytes) and what cannot be read are skipped and counted. A file named twice is counted once.
//
// # How it is made
//
//	supervisor  this process: lists the input, starts the worker, breaks it (examples/internal/supervise),
//	            merges the result and verifies it (internal/verify)
//	worker      a child process: a recovery.Job whose tasks run source -> exchange by key ->
//	            count -> sink (internal/worker, on examples/internal/flow and examples/internal/child)
//
// To build a pipeline of your own, start from internal/worker/pipeline.go and examples/internal/child/job.go; they are all
// that meets the library.
//
// # Exit codes
//
//	0  counted, and verified unless -verify=false
//	1  the result differs from the independent count, or the run failed or was interrupted
//	2  bad flags, arguments or directory: one line says which, and nothing was changed
package main
