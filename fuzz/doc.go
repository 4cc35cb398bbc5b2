// Package fuzz holds the fuzz targets of the library and the corpora of what they found. It exports nothing.
//
// # Targets
//
//	FuzzBackendOps      a program of operations on the tasks of a job, against plain maps
//	FuzzGroupBlock      heapbackend: any schema and any block of a key group
//	FuzzKinds           a program of operations on states in namespaces, timers and states whose content expires
//	FuzzKindsBlock      heapbackend: any schema and any block of a key group of such states
//	FuzzKeyEncoding     keygroups: encodings, hashes and groups of keys of every shape
//	FuzzLocalFile       localcopy: any bytes in the place of a copy
//	FuzzLogRecord       primary: any bytes in the place of a record of the commit log
//	FuzzManifest        primary: any bytes as a manifest
//	FuzzObject          primary: any bytes as an object
//	FuzzObjectMutation  primary: objects of this library with one thing changed
//
// Run one with
//
//	go test -run '^$' -fuzz '^FuzzObject$' -fuzztime 10m -fuzzminimizetime 1s ./fuzz
//
// (Go minimizes every input that reaches new code, by default for a minute each; there is more to gain from new ones.)
// Seeds run in every go test: those in the source, those below testdata/fuzz, and the programs in testdata/programs.
//
// # What stands between a fuzzer and a format
//
// Everything written is under checksums, which no fuzzer guesses. So bytes are tried as they come and then once more
// with their checksums, lengths and magic numbers put right (seal.go says how, from docs/format.md alone), so that what
// lies behind them is reached. Every decoder is held to a bound on the memory it takes for the bytes it was given.
//
// # Faults
//
// TestFaults is one small job in three processes, the first of which is killed, and one fault in it: at one call to its
// store or its local copies (it fails, is slow, hangs, is half done, is done and not answered, the disk is full, the
// process is killed, the machine is switched off), or in one file that lies there between two processes (removed,
// damaged, an older one, another job's, no file at all). All calls go through one seam (faultseam_test.go), over vfs.FS
// for whatever lies on a disk and over primary.Store for any other store; a new kind of file is a new root of it
// (process.run), and needs nothing else.
//
//	go test -run 'TestFaults$' -v ./fuzz                                  one fault of each kind, in seconds
//	go test -run 'TestFaults$' -v ./fuzz -faults single                   every single fault
//	go test -run 'TestFaults$' -v ./fuzz -faults pairs -faults.for 2m     pairs of them, for two minutes
//	go test -run 'TestFaults$' -v ./fuzz -fault 'fail:link:store/orders/log/3#1@1'
//
// The last is a case as a failing run prints it: what happens in it is logged, by the clock of the bubble it runs in.
// Without -faults.for, pairs go on until all were taken, which is a matter of days.
//
// # Programs
//
// A program is text, one operation a line (program.go lists them): what a failing run prints can be put into
// testdata/programs as it is, and is from then on a regression test. The fuzzer's bytes are programs in another
// spelling.
package fuzz
