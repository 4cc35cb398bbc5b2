// Bench compares a heapbackend state with what a program would otherwise use, one builtin Go map, and prints one table:
//
//	go run . [-n 1000000] [-rounds 7] [-quick]
//
// in this directory. It is a module of its own, so that what it compares with enters no user's module graph.
//
// # How it measures
//
// Every row is a ratio of two things measured in one process, in turns: A B A B ..., each turn after a garbage
// collection, and the medians are compared. Both sides get the same keys in the same order, and what they read is added
// up and kept. The builtin map stands in code of its own for each key type, because in generic code the compiler does
// not use its fastest accessors. The collector runs as it is configured; GOGC and GOMEMLIMIT are printed.
//
// Values are 24 bytes without pointers; keys are random uint64, or strings of 16 bytes.
//
//   - get, put, update: of keys that are there, in random order.
//   - insert: into an empty state or map, growing all the way.
//   - memory: live heap for each entry, once the inserts are done and collected.
//   - capture: the pause of the owner, writes having touched a hundredth of the entries before each.
//   - adopt: an empty backend takes over a whole snapshot.
//   - updates after a capture: against the same updates with no snapshot, from the second capture on; the snapshot
//     before is released at each capture. A tenth: n/10 random keys. All: n random keys. Hot: n updates over 1 % of
//     the keys.
//   - single puts: n/10 after a capture, each timed, the collector held off; the medians over the rounds. A turn of
//     the clock is part of every one.
//   - encode: all key groups to bytes on one goroutine, against msgpack/v5 through reflection with structs as arrays.
//   - decode: those bytes into an empty backend, on one goroutine and on all, against msgpack/v5 through reflection
//     into a builtin map that is made in its final size.
package main
