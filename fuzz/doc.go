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
// # Programs
//
// A program is text, one operation a line (program.go lists them): what a failing run prints can be put into
// testdata/programs as it is, and is from then on a regression test. The fuzzer's bytes are programs in another spelling.
package fuzz
