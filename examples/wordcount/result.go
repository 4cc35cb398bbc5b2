package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/heapstate/heapstate/examples/wordcount/internal/verify"
)

// entry is a word and how often it occurs.
type entry struct {
	word  string
	count uint64
}

// errDiffers: the result is not what an independent count finds.
var errDiffers = errors.New("the result differs from an independent count")

const shownWords = 10

// finish takes the tasks' results together: shows, verifies and writes them.
func (c *counting) finish(ctx context.Context) error {
	entries, err := readParts(c.place.Result(), c.tasks)
	if err != nil {
		return err
	}
	var words uint64
	for _, e := range entries {
		words += e.count
	}
	r := &c.record
	c.say("%d words, %d distinct, in %s; %d checkpoints, %d recoveries",
		words, len(entries), r.Elapsed.Round(time.Millisecond), len(r.Checkpoints), len(r.Recoveries))
	for _, e := range top(entries, shownWords) {
		c.say("%12d %s", e.count, e.word)
	}
	if c.verify {
		if err := c.verifyResult(ctx, entries); err != nil {
			return err
		}
	}
	if c.out == "" {
		return nil
	}
	return writeFile(c.out, func(w *bufio.Writer) error { return writeEntries(w, entries) })
}

// verifyResult compares the result with an independent count of the input.
func (c *counting) verifyResult(ctx context.Context, entries []entry) error {
	began := time.Now()
	want := verify.Counts{}
	for _, f := range c.list.Files {
		if err := want.AddFile(ctx, f.Path, f.Size); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
	}
	c.record.Result.VerifyNS = time.Since(began)
	if err := compare(entries, want); err != nil {
		return err
	}
	c.record.Result.Verified = true
	c.say("verified: an independent single-threaded count finds the same (%s)", c.record.Result.VerifyNS.Round(time.Millisecond))
	return nil
}

// compare returns errDiffers with the first differences.
func compare(entries []entry, want verify.Counts) error {
	var differences []string
	for _, e := range entries {
		if want[e.word] != e.count {
			differences = append(differences, fmt.Sprintf("%q %d times, not %d", e.word, e.count, want[e.word]))
		}
	}
	if missing := len(want) - len(entries); missing > 0 {
		differences = append(differences, fmt.Sprintf("%d words missing", missing))
	}
	if len(differences) == 0 {
		return nil
	}
	return fmt.Errorf("%w in %d places: %s", errDiffers, len(differences), strings.Join(differences[:min(len(differences), 3)], ", "))
}

// top returns the n most frequent words, ties in the order of the words.
func top(entries []entry, n int) []entry {
	sorted := slices.SortedStableFunc(slices.Values(entries), func(a, b entry) int { return cmp.Compare(b.count, a.count) })
	return sorted[:min(n, len(sorted))]
}

// readParts reads the results of all tasks, sorted by word. A word in two of them is an error: it would have been counted by two tasks.
func readParts(dir string, tasks int) ([]entry, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "part-*"))
	if err != nil {
		return nil, err
	}
	if len(paths) != tasks {
		return nil, fmt.Errorf("%d of %d tasks have left a result", len(paths), tasks)
	}
	var entries []entry
	for _, path := range paths {
		if entries, err = readPart(entries, path); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.word, b.word) })
	for i := 1; i < len(entries); i++ {
		if entries[i].word == entries[i-1].word {
			return nil, fmt.Errorf("%w: %q was counted by two tasks", errDiffers, entries[i].word)
		}
	}
	return entries, nil
}

func readPart(entries []entry, path string) ([]entry, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		word, number, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("result %s: %w", filepath.Base(path), err)
		}
		entries = append(entries, entry{word, n})
	}
	return entries, nil
}

func writeEntries(w *bufio.Writer, entries []entry) error {
	for _, e := range entries {
		if _, err := fmt.Fprintf(w, "%s\t%d\n", e.word, e.count); err != nil {
			return err
		}
	}
	return nil
}

// writeReport writes the -report file.
func (c *counting) writeReport() error {
	if c.report == "" {
		return nil
	}
	b, err := c.record.json()
	if err != nil {
		return err
	}
	return writeFile(c.report, func(w *bufio.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// writeFile replaces a file as a whole: nobody ever sees half of it.
func writeFile(path string, write func(*bufio.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".wordcount-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriter(f)
	err = errors.Join(write(w), w.Flush(), f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
