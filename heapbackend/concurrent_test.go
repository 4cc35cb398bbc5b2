//go:build !race

package heapbackend_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// TestTwoGoroutinesNeverHangNorPanic lets two goroutines use one backend, which the guard does not always see at once. What
// they read and write then is anyone's guess; but each operation ends, and the only error is ErrConcurrent. It is not for
// the race detector, whose business the misuse is.
func TestTwoGoroutinesNeverHangNorPanic(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one goroutine runs at a time")
	}
	ops := map[string]func(x trio, k uint64) error{
		"Value.Put":    func(x trio, k uint64) error { return x.v.Put(k, 1) },
		"Value.Update": func(x trio, k uint64) error { return x.v.Update(k%7, func(n *int) { *n++ }) },
		"Value.Delete": func(x trio, k uint64) error {
			if err := x.v.Put(k%50, 1); err != nil {
				return err
			}
			return x.v.Delete(k % 31)
		},
		"Map.Put": func(x trio, k uint64) error { return x.m.Put(k%5, "a", 1) },
		"Map.Get": func(x trio, k uint64) error { x.m.Get(k%5, "a"); return x.m.Put(k, "a", 1) },
	}
	trials := 1000
	if testing.Short() {
		trials = 100
	}
	for name, op := range ops {
		t.Run(name, func(t *testing.T) {
			for trial := range trials {
				together(t, newTrio(t, part(0, 8)), trial, op)
			}
		})
	}
}

func together(t *testing.T, x trio, trial int, op func(x trio, k uint64) error) {
	errs := make(chan error, 2)
	var ready atomic.Int32
	var both sync.WaitGroup
	for g := range uint64(2) {
		both.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs <- fmt.Errorf("panic: %v", p)
				}
			}()
			for ready.Add(1); ready.Load() < 2; { // busy, so that both begin at once
			}
			for i := range uint64(500) {
				if err := op(x, i*2+g); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { both.Wait(); close(errs); close(done) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatalf("trial %d: an operation does not end; Err is %v", trial, x.b.Err())
	}
	for err := range errs {
		require.ErrorIs(t, err, heapbackend.ErrConcurrent, "trial %d", trial)
		require.ErrorIs(t, x.b.Err(), heapbackend.ErrConcurrent, "trial %d", trial)
	}
}
