// Package input lists what is to be counted, cuts it into splits, and reads the
// splits from any position on.
//
// # Model
//
// A [List] is a fixed, sorted list of files. Every file is cut into units of at most 1 MiB; unit i belongs to split i mod 64. The
// number of splits does not depend on the number of tasks: task t of p reads the splits s with s mod p = t, one after the other, and
// after a rescale the splits, each with its position, are dealt out anew.
//
//	file  a.go            b.go                         c.go
//	unit  |--- 0 ---|- 1 -|--- 2 ---|--- 3 ---|-- 4 --|- 5 -|   ...
//	split      0       1       2         3        4      5      ... 63 0 1 ...
//
// # A word belongs to the unit it begins in
//
// A reader that starts anywhere but at the beginning of a file looks at the byte before: if it is a letter, it is in the middle
// of a word, and that word is not its own. A reader that comes to the end of a chunk inside a word reads on to the end of the word. So each
// word is counted once wherever units, chunks and checkpoints cut the text, and a position is no more than an offset.
//
// # Identity
//
// The digest of a list covers every file's path, size and first 8,000 bytes (of standard input: every byte). It is in every
// position, so that a run does not go on with other input than it began with.
//
// # Concurrency
//
// A List is immutable once made; a [Reader] belongs to one goroutine.
package input
