package heapbackend_test

import (
	"fmt"
	"log"
	"maps"
	"slices"
	"sync"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// newUsers makes the backend of one task of a job with 16 key groups, whose keys are names of users.
func newUsers() *heapbackend.Backend[string] {
	b, err := heapbackend.New[string](heapbackend.Config{M: 16, Range: keygroups.Range{End: 16}, Seed: 42})
	if err != nil {
		log.Fatal(err)
	}
	return b
}

// A count for each user and window: the window is the namespace.
func ExampleNamespacesOf() {
	type window struct{ Start, End int64 }
	b := newUsers()
	windows, err := heapbackend.NamespacesOf[window](b)
	if err != nil {
		log.Fatal(err)
	}
	counts, err := heapbackend.NewValue[int](windows, "counts")
	if err != nil {
		log.Fatal(err)
	}
	for _, at := range []int64{1, 2, 11, 3, 14} {
		w := window{at / 10 * 10, at/10*10 + 10}
		if err := counts.Update(heapbackend.In("ada", w), func(n *int) { *n++ }); err != nil {
			log.Fatal(err)
		}
	}
	ofAda := slices.Collect(windows.Of(counts, "ada"))
	slices.SortFunc(ofAda, func(a, b window) int { return int(a.Start - b.Start) })
	for _, w := range ofAda {
		n, _ := counts.Get(heapbackend.In("ada", w))
		fmt.Println(w.Start, w.End, n)
	}
	// Output:
	// 0 10 3
	// 10 20 2
}

// Session windows: a record that lies between two sessions makes them one.
func ExampleNamespaces_Merge() {
	type session struct{ First, Last int64 }
	b := newUsers()
	sessions, err := heapbackend.NamespacesOf[session](b)
	if err != nil {
		log.Fatal(err)
	}
	clicks, err := heapbackend.NewReducing(sessions, "clicks", func(a, b int) int { return a + b })
	if err != nil {
		log.Fatal(err)
	}
	const gap = 10
	for _, at := range []int64{0, 7, 25, 16} {
		merged, met := session{at, at}, []session{}
		for s := range sessions.Of(clicks, "ada") {
			if s.First-gap < at && at < s.Last+gap {
				merged, met = session{min(merged.First, s.First), max(merged.Last, s.Last)}, append(met, s)
			}
		}
		if err := sessions.Merge(clicks, "ada", merged, met...); err != nil {
			log.Fatal(err)
		}
		if err := clicks.Add(heapbackend.In("ada", merged), 1); err != nil {
			log.Fatal(err)
		}
	}
	for k, n := range clicks.All() {
		fmt.Println(k.Key, k.Namespace.First, k.Namespace.Last, n)
	}
	// Output: ada 0 25 4
}

// An average: the state holds sum and count, and is asked for the average.
func ExampleNewAggregating() {
	type acc struct {
		Sum float64
		N   int
	}
	b := newUsers()
	average, err := heapbackend.NewAggregating(b, "average", heapbackend.Aggregator[float64, acc, float64]{
		Add:    func(a *acc, x float64) { a.Sum += x; a.N++ },
		Result: func(a acc) float64 { return a.Sum / float64(a.N) },
		Merge:  func(into *acc, from acc) { into.Sum += from.Sum; into.N += from.N },
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, x := range []float64{1, 2, 6} {
		if err := average.Add("ada", x); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(average.Get("ada"))
	// Output: 3 true
}

// A snapshot is a consistent read view of all states, for other goroutines, while the owner goes on writing.
func ExampleSnapshot() {
	b := newUsers()
	visits, err := heapbackend.NewValue[int](b, "visits")
	if err != nil {
		log.Fatal(err)
	}
	pages, err := heapbackend.NewMap[string, int](b, "pages")
	if err != nil {
		log.Fatal(err)
	}
	visit := func(user, page string) {
		if err := visits.Update(user, func(n *int) { *n++ }); err != nil {
			log.Fatal(err)
		}
		if err := pages.Update(user, page, func(n *int) { *n++ }); err != nil {
			log.Fatal(err)
		}
	}
	visit("ada", "/")
	visit("ada", "/docs")

	snapshot, err := b.Capture() // microseconds; touches no data
	if err != nil {
		log.Fatal(err)
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		defer snapshot.Release()
		visitsThen, err := visits.At(snapshot)
		if err != nil {
			log.Fatal(err)
		}
		pagesThen, err := pages.At(snapshot)
		if err != nil {
			log.Fatal(err)
		}
		for user, n := range visitsThen.All() {
			entries := maps.Collect(pagesThen.Entries(user))
			fmt.Println(user, n, slices.Sorted(maps.Keys(entries)))
		}
	})
	visit("ada", "/pricing") // the reader does not see it
	reader.Wait()
	// Output: ada 2 [/ /docs]
}
