package worker

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/heapstate/heapstate/heapbackend"
)

// counter is the keyed operator: one per task and attempt.
type counter struct {
	counts  *heapbackend.Value[string, uint64]
	result  string // the file the counts go to in the end
	trouble func() // panics when that was asked for
	first   func() // called before the first batch; nil afterwards
	done    func(words, distinct uint64)
}

func increment(n *uint64) { *n++ }

// Process counts a batch of words.
func (c *counter) Process(words []string) error {
	c.trouble()
	if c.first != nil {
		c.first()
		c.first = nil
	}
	for _, word := range words {
		if err := c.counts.Update(word, increment); err != nil {
			return err
		}
	}
	return nil
}

// entry is one line of the result.
type entry struct {
	word  string
	count uint64
}

// Finish writes the task's counts, sorted, as lines of word TAB count. Written
// twice, after a failure, they are the same.
func (c *counter) Finish(ctx context.Context) error {
	c.trouble()
	entries := make([]entry, 0, c.counts.Keys())
	var words uint64
	for word, n := range c.counts.All() {
		entries = append(entries, entry{word, n})
		words += n
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.word, b.word) })
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := writeEntries(c.result, entries); err != nil {
		return err
	}
	c.done(words, uint64(len(entries)))
	return nil
}

func writeEntries(path string, entries []entry) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "tmp-")
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for _, e := range entries {
		if _, err = fmt.Fprintf(w, "%s\t%d\n", e.word, e.count); err != nil {
			break
		}
	}
	if err = errors.Join(err, w.Flush(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}
