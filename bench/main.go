package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
)

// options is what the program was asked for.
type options struct {
	n      int // entries
	rounds int // turns of each side
}

func main() {
	var o options
	flag.IntVar(&o.n, "n", 1_000_000, "entries in the states and maps")
	flag.IntVar(&o.rounds, "rounds", 7, "turns of each side; medians are printed")
	quick := flag.Bool("quick", false, "a run of seconds, to see that everything works: its numbers mean nothing")
	flag.Parse()
	if *quick {
		o = options{n: 20_000, rounds: 3}
	}
	if err := run(os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// minEntries is what a lane over one hundredth of the keys needs.
const minEntries = 1000

// run measures everything and prints it as it comes.
func run(w io.Writer, o options) error {
	if o.n < minEntries || o.rounds < 1 {
		return fmt.Errorf("-n must be at least %d and -rounds at least 1", minEntries)
	}
	t := newTable(w)
	t.note("%s %s/%s, %d cores, GOGC=%s GOMEMLIMIT=%s", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.GOMAXPROCS(0), setting("GOGC", "100"), setting("GOMEMLIMIT", "off"))
	t.note("n=%d, values of 24 bytes, %d key groups, medians of %d rounds", o.n, groups, o.rounds)
	keys, texts := uintKeys(o.n), textKeys(o.n)
	return errors.Join(
		access(t, o, "uint64", newUints(keys)),
		access(t, o, "string16", newTexts(texts)),
		pauses(t, o),
		tax(t, o, keys),
		singles(t, o, keys),
		codecs(t, o, "uint64", newUintRows(keys)),
		codecs(t, o, "string16", newTextRows(texts)),
	)
}

// setting returns an environment variable of the collector, or what holds without it.
func setting(name, without string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return without
}

// collect brings the heap to rest before a turn.
func collect() {
	runtime.GC()
	runtime.GC()
}

// liveHeap returns the bytes of live objects.
func liveHeap() float64 {
	collect()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return float64(s.HeapAlloc)
}

// withoutCollector runs f with the collector held off.
func withoutCollector(f func()) {
	collect()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	f()
}
