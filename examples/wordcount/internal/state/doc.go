// Package state is the directory of a word count: where everything lies in it, who may use it, and whether a run fits what is there.
//
//	DIR/wordcount.json   says that the directory is ours
//	DIR/lock             held by the run that uses it
//	DIR/primary/         checkpoints (primary.Dir)
//	DIR/local/           local copies (localcopy.File)
//	DIR/spool/           standard input, as a file
//	DIR/result/          the counts of each task, at the end of a run
//
// A directory that has other things in it and no wordcount.json is never used:
// parts of ours are removed as a whole, and must not be anybody else's.
package state
