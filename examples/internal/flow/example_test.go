package flow_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/heapstate/heapstate/examples/internal/flow"
	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
	"github.com/heapstate/heapstate/recovery"
)

// lines is a source: task i has the i-th text, and its position is the number of words read.
type lines struct {
	words []string
	next  uint64
}

func (s *lines) Ready() <-chan struct{} { return nil }
func (s *lines) Position() []byte       { return binary.AppendUvarint(nil, s.next) }
func (s *lines) Close() error           { return nil }

func (s *lines) Next(emit func(string) error) (bool, error) {
	if s.next == uint64(len(s.words)) {
		return false, nil
	}
	err := emit(s.words[s.next])
	s.next++
	return true, err
}

// tally is an operator: it counts words in keyed state.
type tally struct {
	counts *heapbackend.Value[string, int]
	done   func(word string, n int)
}

func (o *tally) Process(words []string) error {
	for _, w := range words {
		if err := o.counts.Update(w, func(n *int) { *n++ }); err != nil {
			return err
		}
	}
	return nil
}

func (o *tally) Finish(context.Context) error {
	for word, n := range o.counts.All() {
		o.done(word, n)
	}
	return nil
}

// A word count on two tasks: each reads its own words, and counts those whose key groups it owns.
func Example() {
	texts := [][]string{{"to", "be", "or"}, {"not", "to", "be"}}
	exchange := flow.NewExchange[string](len(texts))
	results := make(chan string, 10)
	job, err := recovery.NewJob(recovery.Config{
		Name: "example", Tasks: len(texts), Primary: primary.NewMemory(), Local: localcopy.Stack(localcopy.Heap()),
		Every: time.Second, Region: recovery.RestartAll,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = job.Run(context.Background(), func(ctx context.Context, t *recovery.Task) error {
		backend, err := heapbackend.For[string](t)
		if err != nil {
			return err
		}
		counts, err := heapbackend.NewValue[int](backend, "counts")
		if err != nil {
			return err
		}
		if _, err := t.Restore(ctx); err != nil {
			return err
		}
		route, err := flow.ByKey(func(w string) string { return w }, t.M(), t.Tasks(), t.BackendConfig().Seed)
		if err != nil {
			return err
		}
		source := &lines{words: texts[t.Index()]}
		source.next, _ = binary.Uvarint(t.Position()) // nothing is 0
		return exchange.Run(ctx, t, flow.Instance[string]{
			Source: source, Route: route,
			Operator: &tally{counts, func(word string, n int) { results <- fmt.Sprint(word, " ", n) }},
		})
	})
	close(results)
	if err != nil {
		fmt.Println(err)
	}
	for line := range results {
		fmt.Println(line)
	}
	// Unordered output:
	// be 2
	// not 1
	// or 1
	// to 2
}
