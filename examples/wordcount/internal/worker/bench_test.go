package worker

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/heapstate/heapstate/examples/internal/child"
	"github.com/heapstate/heapstate/examples/internal/protocol"
	"github.com/heapstate/heapstate/examples/wordcount/internal/input"
	"github.com/heapstate/heapstate/examples/wordcount/internal/state"
)

// BenchmarkJob counts 32 MB of text with 100,000 distinct words, from the file to the result, in this process.
func BenchmarkJob(b *testing.B) {
	dir := b.TempDir()
	var text strings.Builder
	for i := uint64(0); text.Len() < 32<<20; i++ {
		n := i * i * 0x9e3779b97f4a7c15 >> 40 // squares crowd: some words are far more frequent
		n = n * n % 100_000
		for ; n > 0; n /= 26 {
			text.WriteByte('a' + byte(n%26))
		}
		text.WriteByte(' ')
	}
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	list, err := input.Walk(b.Context(), []string{dir}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, every := range []time.Duration{time.Hour, 200 * time.Millisecond} {
		for _, tasks := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("every=%s/tasks=%d", every, tasks), func(b *testing.B) {
				b.SetBytes(list.Bytes)
				b.ReportAllocs()
				for b.Loop() {
					place := state.Layout{Dir: b.TempDir()}
					start := &protocol.Start{Primary: place.Primary(), Tasks: tasks, Groups: 128, Every: every, Local: []string{"heap"}, Limit: list.Bytes + 1}
					if err := inProcess(b, start, &Work{Result: place.Result(), List: list}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// inProcess runs a worker in this process, without a supervisor.
func inProcess(b *testing.B, start *protocol.Start, work *Work) error {
	w := &worker{Child: child.New(start, io.Discard), work: work}
	if err := os.Mkdir(work.Result, 0o700); err != nil {
		return err
	}
	return w.Run(b.Context(), w.program())
}
