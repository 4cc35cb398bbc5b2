//go:build race

package main

// The race detector makes the program some ten times slower; its tests count less text then.
const slowness = 8
