package fuzz

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// start is what the first process leaves behind when nothing goes wrong in it.
type start struct {
	truth   *truth
	files   files
	atPanic files // when the first process is about to restart its tasks
	wanted  wanted
	history history
	traces  map[string][]call // by "1", "2" and "2 lost"
}

// prepare plays the first process with nothing wrong in it, for a job of any name, and the second one, to find out
// which calls there are.
func prepare(t *testing.T, scratch, job string, kind faultJob) (*start, error) {
	s := &start{traces: map[string][]call{}, history: history{ever: files{}}}
	var failed error
	for _, life := range []string{"1", "2", "2 lost"} {
		dir := filepath.Join(scratch, "start")
		w := newWorld(job, dir, kind)
		synctest.Test(t, func(*testing.T) { failed = w.rehearse(s, life) })
		if err := errors.Join(failed, os.RemoveAll(dir)); err != nil {
			return nil, err
		}
		if len(w.wrong) > 0 {
			return nil, fmt.Errorf("without a fault: %s", strings.Join(w.wrong, "; "))
		}
	}
	return s, nil
}

// rehearse plays a life without a fault and keeps its calls, and of the first one what it leaves.
func (w *world) rehearse(s *start, life string) (err error) {
	nth, _ := strconv.Atoi(life[:1])
	if nth == 1 {
		w.atPanic = func() { s.atPanic, err = w.files() }
		stop := w.remember(&s.history)
		e := w.live(1, thirdUntil, firstLife, nil)
		stop()
		if !e.hung {
			return fmt.Errorf("the first process ends: %w", e.err)
		}
		s.truth = w.truth
		if err == nil {
			s.files, err = w.files()
		}
		if err == nil {
			s.wanted, err = w.wantedNow()
		}
		s.history.remember(s.files, false)
	} else {
		if _, err := w.firstLife(s, faultCase{}); err != nil {
			return err
		}
		if _, err := w.damage(nil, life != "2"); err != nil {
			return err
		}
		if e := w.live(2, secondUntil, laterLife, nil); e.err != nil || e.hung {
			return fmt.Errorf("the second process ends: hung %v, %w", e.hung, e.err)
		}
	}
	s.traces[life] = w.seam.trace
	return err
}

// earlyTicks are when all files are remembered together, in quarters of the time between two checkpoints: before the
// first process restarts its tasks, and after.
var earlyTicks = []int{5, 9}

// remember keeps what the files are from time to time, until stop is called.
func (w *world) remember(h *history) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for tick := 0; ; tick++ {
			select {
			case <-done:
				return
			case <-time.After(everyTime / 4):
			}
			if now, err := w.files(); err == nil { // else a file went while it was read
				h.remember(now, slices.Contains(earlyTicks, tick))
			}
		}
	}()
	return func() { close(done); <-ended }
}
