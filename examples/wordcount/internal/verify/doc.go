// Package verify counts the words of an input a second time: on one goroutine,
// byte by byte, with a builtin map. It shares no code with the pipeline, so that
// a mistake of one is not a mistake of both.
package verify
