package fuzz

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heapstate/heapstate/primary"
)

// fault is what goes wrong at one call of one process.
type fault struct {
	kind string
	call
	process int
}

func (f fault) String() string { return fmt.Sprintf("%s:%s@%d", f.kind, f.call, f.process) }

// faultCase is one run of the small job, and what goes wrong in it. As text it is words in any order: faults
// ("fail:link:store/orders/log/3#1@1", the number of the process last), damages ("removed:store/orders/log/3"), and
// what the case is like:
//
//	memory    the store is no directory
//	one       one checkpoint is retained, instead of two
//	stepback  the job may go back to an older one
//	lost      the local copies are gone before the second process starts
//	running   damages are done while the first process restarts its tasks, not before the second one starts
type faultCase struct {
	faults  []fault
	damages []damage
	faultJob
	stepBack, lost, running bool
}

// faultJob is a kind of job, each of which is rehearsed.
type faultJob struct{ memory, one bool }

var faultJobs = []faultJob{{}, {memory: true}, {one: true}}

func (j faultJob) retain() int {
	if j.one {
		return 1
	}
	return 2
}

func (c faultCase) String() string {
	var words []string
	for _, f := range c.faults {
		words = append(words, f.String())
	}
	for _, d := range c.damages {
		words = append(words, d.String())
	}
	for word, is := range c.flags() {
		if *is {
			words = append(words, word)
		}
	}
	slices.Sort(words[len(c.faults)+len(c.damages):])
	return strings.Join(words, " ")
}

func (c *faultCase) flags() map[string]*bool {
	return map[string]*bool{
		"memory": &c.memory, "one": &c.one, "stepback": &c.stepBack, "lost": &c.lost, "running": &c.running,
	}
}

var (
	faultPattern  = regexp.MustCompile(`^([a-z]+):([a-z]+):(.+)#([0-9]+)@([0-9])$`)
	damagePattern = regexp.MustCompile(`^([a-z]+):([^:#@]+)$`)
)

func parseFaultCase(text string) (c faultCase, err error) {
	for _, word := range strings.Fields(text) {
		if is := c.flags()[word]; is != nil {
			*is = true
			continue
		}
		if m := faultPattern.FindStringSubmatch(word); m != nil && slices.Contains(callKinds, m[1]) {
			nth, _ := strconv.Atoi(m[4])
			process, _ := strconv.Atoi(m[5])
			c.faults = append(c.faults, fault{m[1], call{m[2], m[3], nth}, process})
			continue
		}
		m := damagePattern.FindStringSubmatch(word)
		if m == nil || !slices.Contains(slices.Concat(contentKinds, placeKinds), m[1]) {
			return c, fmt.Errorf("%q is no fault, no damage and no option", word)
		}
		c.damages = append(c.damages, damage{m[1], m[2]})
	}
	return c, nil
}

// of returns the faults of one process.
func (c faultCase) of(process int) (found []fault) {
	for _, f := range c.faults {
		if f.process == process {
			found = append(found, f)
		}
	}
	return found
}

// has tells whether a call of one of the store's roots has a fault of a kind.
func (c faultCase) has(kind string, roots ...string) bool {
	return slices.ContainsFunc(c.faults, func(f fault) bool {
		return f.kind == kind && slices.Contains(roots, f.root())
	})
}

// onStore tells whether a fault is at a call the job makes to its store: local copies, and other readers, stop nothing.
func (c faultCase) onStore() bool {
	return slices.ContainsFunc(c.faults, func(f fault) bool { return f.root() == "store" || f.root() == "object" })
}

// How a case went, beside being wrong.
const (
	rightEnd   = "right"       // the second process went on to the end
	refusedEnd = "refused"     // it ended with an error that says what is the matter
	hungEnd    = "hung"        // it hung in a store that hangs
	killedEnd  = "killed"      // it was killed
	absentEnd  = "not met"     // the call did not come
	voidEnd    = "not applied" // the damage would have changed nothing
)

// verdict is how a case went, and what was wrong.
type verdict struct {
	end   string
	wrong []string
}

// runFaults runs one case in a bubble of its own.
func runFaults(t *testing.T, s *start, c faultCase, scratch string, print func(string)) (v verdict) {
	dir, err := os.MkdirTemp(scratch, "case")
	if err != nil {
		return verdict{wrong: []string{err.Error()}}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	const patience = time.Minute
	stuck := time.AfterFunc(patience, func() { panic("a case takes longer than a minute: " + c.String()) })
	defer stuck.Stop()
	w := newWorld(smallJob, dir, c.faultJob)
	w.stepBack, w.print = c.stepBack, print
	defer func() {
		if r := recover(); r != nil { // a bubble whose goroutines do not end
			v.wrong = append(v.wrong, fmt.Sprint(r))
		}
	}()
	synctest.Test(t, func(*testing.T) {
		v.end, err = w.play(s, c)
		if err != nil {
			w.fault("%v", err)
		}
	})
	v.wrong = w.wrong
	return v
}

// errNoDamage says that a damage would change nothing, because of what went wrong before it.
var errNoDamage = errors.New("no damage")

// play is the processes of a case: one that is killed, one that goes on, and one that must.
func (w *world) play(s *start, c faultCase) (end string, err error) {
	w.began = time.Now()
	met, err := w.firstLife(s, c)
	want := s.wanted
	if err == nil && w.lives(c, 1) {
		var wantErr error
		if want, wantErr = w.wantedNow(); wantErr != nil {
			want = wanted{} // the fault has been at it
		}
	}
	if err == nil {
		err = w.strike(c, !c.running)
	}
	if errors.Is(err, errNoDamage) {
		return voidEnd, nil
	}
	if err != nil {
		return "", err
	}
	w.owned = want.savepoints()
	second := w.live(2, secondUntil, laterLife, c.of(2))
	end = w.judge(2, second, c, want)
	if second.struck+met+len(w.blows) == 0 {
		end = absentEnd
	}
	if second.opened && second.err == nil {
		want = wanted{} // it has gone on, and may have done away with it
	}
	if err := w.mend(second, want); err != nil {
		return end, err
	}
	return end, w.lastLife(second, c, want)
}

// lastLife plays the process in which nothing goes wrong any more. If the one before was killed before it could refuse
// the damages there are, this one may do that, and then the next one must go on.
func (w *world) lastLife(before ending, c faultCase, want wanted) error {
	last := w.live(3, thirdUntil, laterLife, nil)
	if len(w.blows) > 0 && (before.killed || before.hung) {
		w.judge(3, last, c, want)
		if err := w.mend(last, want); err != nil {
			return err
		}
		if last.err != nil {
			last = w.live(4, thirdUntil, laterLife, nil)
		}
	}
	switch {
	case last.err != nil || last.hung:
		w.fault("nothing is wrong any more, and the job ends with hung %v, %v", last.hung, last.err)
	case !last.killed: // which is for calls without end
		return w.requireClean(len(w.blows) == 0)
	}
	return nil
}

// mend repairs the damages when a process has refused to start, or to go on, because of them. Nothing that is wanted
// may be gone then.
func (w *world) mend(e ending, want wanted) error {
	if e.err == nil || len(w.blows) == 0 {
		return nil
	}
	return errors.Join(w.requireWanted(want), w.repair())
}

// lives tells whether something goes wrong in a process.
func (w *world) lives(c faultCase, process int) bool {
	return len(c.of(process)) > 0 || c.running && process == 1
}

// strike does the damages of a case, if it is time for them.
func (w *world) strike(c faultCase, now bool) error {
	if !now {
		return nil
	}
	ok, err := w.damage(c.damages, c.lost)
	if err == nil && !ok {
		err = errNoDamage
	}
	return err
}

// firstLife plays the first process, or sets up what it leaves if nothing goes wrong in it.
func (w *world) firstLife(s *start, c faultCase) (met int, err error) {
	w.history = &s.history
	if w.lives(c, 1) {
		if slices.ContainsFunc(c.damages, func(d damage) bool { return d.kind == olderKind }) {
			w.history = &history{ever: files{}, foreign: s.history.foreign}
			defer w.remember(w.history)()
		}
		w.atPanic = func() { err = w.strike(c, c.running) }
		first := w.live(1, thirdUntil, firstLife, c.of(1))
		w.judge(1, first, c, wanted{})
		return first.struck, err
	}
	w.truth = s.truth.clone()
	if w.memory() {
		w.mem, err = s.files.store()
		return 0, err
	}
	return 0, s.files.write(w.dir)
}

// judge says how a process ended, and notes what is wrong with that.
func (w *world) judge(nth int, e ending, c faultCase, want wanted) string {
	switch {
	case e.killed:
		return killedEnd
	case e.hung:
		store := c.has(hangKind, "store", "object")
		if nth > 1 && !(store && e.idle) {
			w.fault("process %d hangs", nth)
		}
		return hungEnd
	case e.err == nil:
		return rightEnd
	case !e.opened && outage(e.err) && c.onStore():
	case nth == 1 && len(w.blows) > 0 && errors.Is(e.err, primary.ErrFenced): // somebody else has been at the log
	case len(w.blows) > 0 && documented(e.err):
		w.judgeRefusal(e.err, want)
	default:
		w.fault("process %d ends: %v", nth, e.err)
	}
	return refusedEnd
}

// judgeRefusal looks at a start that was refused. Damage is never taken for a format of the future, and only damage to
// the log and to checkpoints stops a start. With StepBack, that to one checkpoint, or to a record that the newest does
// not need, stops nothing.
func (w *world) judgeRefusal(err error, want wanted) {
	if errors.Is(err, primary.ErrVersion) && !errors.Is(err, primary.ErrCorrupt) {
		w.fault("damage is taken for a format that is too new: %v", err)
	}
	home := w.root() + w.job
	if !slices.ContainsFunc(w.blows, func(b blow) bool {
		return b.within(home+"/log") || b.within(home+"/objects") || b.addsACopy(home)
	}) {
		w.fault("damage to what no start needs stops one: %v", err)
	}
	if !w.stepBack || len(w.blows) > 1 || want.newest == nil {
		return
	}
	b := w.blows[0]
	if strings.HasPrefix(b.name, home+"/objects/") && want.retained > 1 {
		w.fault("an older checkpoint is intact, and StepBack does not find it: %v", err)
	}
	if b.ofOneFile() && b.kind != foreignKind && b.within(home+"/log") && !b.ofNewest(home+"/log/", want) {
		w.fault("the newest checkpoint does not need %s, and StepBack does not pass it: %v", b.name, err)
	}
}

// addsACopy tells whether a damage put a copy of a log record where there was neither record nor copy: what it says may
// have been in the place of a newer commit.
func (b blow) addsACopy(home string) bool {
	for name := range b.instead {
		slot, ok := strings.CutPrefix(name, home+"/log-copy/")
		_, copied := b.before[name]
		_, record := b.before[home+"/log/"+slot]
		if ok && !copied && !record {
			return true
		}
	}
	return false
}

// within tells whether a damage is to something in a directory, or to all of it.
func (b blow) within(dir string) bool { return b.name == dir || strings.HasPrefix(b.name, dir+"/") }

// ofOneFile tells whether it is to the content of a single file.
func (b blow) ofOneFile() bool {
	return slices.Contains(contentKinds, b.kind) && len(b.hit) == 1 && shortName(b.hit[0]) == b.name
}

// ofNewest tells whether it is to the record of the newest checkpoint, or to the newest record, in the log.
func (b blow) ofNewest(log string, want wanted) bool {
	top := slices.MaxFunc(slices.Collect(maps.Keys(b.before)), func(a, b string) int {
		return strings.Compare(inDir(log, a), inDir(log, b))
	})
	return b.hit[0] == top || b.hit[0] == fmt.Sprintf("%s%020d", log, want.newest.Sequence)
}

func inDir(dir, name string) string {
	if strings.HasPrefix(name, dir) {
		return name
	}
	return ""
}

// outage tells whether an error says that a store did not answer. What is uncertain may hide what lies below it.
func outage(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, primary.ErrUncertain) ||
		strings.Contains(err.Error(), errFault.Error())
}
