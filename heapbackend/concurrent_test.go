//go:build !race

package heapbackend_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// misused are operations of which two goroutines make a backend's life hard, each for its k.
var misused = map[string]func(x trio, timers *heapbackend.Timers[uint64]) func(k uint64) error{
	"Value.Put": func(x trio, _ *heapbackend.Timers[uint64]) func(uint64) error {
		return func(k uint64) error { return x.v.Put(k, 1) }
	},
	"Value.Update": func(x trio, _ *heapbackend.Timers[uint64]) func(uint64) error {
		return func(k uint64) error { return x.v.Update(k%7, func(n *int) { *n++ }) }
	},
	"Value.Delete": func(x trio, _ *heapbackend.Timers[uint64]) func(uint64) error {
		return func(k uint64) error { return errors.Join(x.v.Put(k%50, 1), x.v.Delete(k%31)) }
	},
	"Map.Put": func(x trio, _ *heapbackend.Timers[uint64]) func(uint64) error {
		return func(k uint64) error { return x.m.Put(k%5, "a", 1) }
	},
	"Map.Get": func(x trio, _ *heapbackend.Timers[uint64]) func(uint64) error {
		return func(k uint64) error { x.m.Get(k%5, "a"); return x.m.Put(k, "a", 1) }
	},
	"List.Append": func(x trio, _ *heapbackend.Timers[uint64]) func(uint64) error {
		return func(k uint64) error { return x.l.Append(k%5, 1) }
	},
	"Timers": func(x trio, timers *heapbackend.Timers[uint64]) func(uint64) error {
		return func(k uint64) error {
			at := heapbackend.Timestamp(k * 7919 % 1000)
			return errors.Join(timers.Register(k, at), timers.Delete(k/2, at/2))
		}
	},
	"Capture": func(x trio, _ *heapbackend.Timers[uint64]) func(uint64) error {
		return func(k uint64) error {
			s, err := x.b.Capture()
			if err == nil {
				s.Release()
			}
			return errors.Join(err, x.v.Put(k, 1))
		}
	},
}

// TestTwoGoroutinesNeverHangNorPanic lets two goroutines use one backend, which the guard does not always see at once.
// What they read and write then is anyone's guess; but each operation ends, and the only error is ErrConcurrent. It is
// not for the race detector, whose business the misuse is.
func TestTwoGoroutinesNeverHangNorPanic(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one goroutine runs at a time")
	}
	trials := 300
	if testing.Short() {
		trials = 50
	}
	for name, op := range misused {
		t.Run(name, func(t *testing.T) {
			for trial := range trials {
				x := newTrio(t, whole())
				timers, err := heapbackend.NewTimers(x.b, "t", heapbackend.EventTime)
				require.NoError(t, err)
				together(t, x, trial, op(x, timers))
			}
		})
	}
}

func together(t *testing.T, x trio, trial int, op func(k uint64) error) {
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
				if err := op(i*2 + g); err != nil {
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
