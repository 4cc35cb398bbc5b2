package fuzz

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// job runs a program: the tasks of a job, what their states must hold, and the snapshots that are held.
type job[K comparable] struct {
	keys   keys[K]
	hasher keygroups.Hasher[K]
	cfg    heapbackend.Config // Range aside

	tasks []*task[K]
	want  *content
	snaps []*checkpoint[K]

	nextMask, nextTurn int // what the next restore registers, from which state on
	next               int // counts values, so that each write is another
	budget             int // entries that checks and captures may still look at
}

// checkpoint is a snapshot of every task, and the model at that moment.
type checkpoint[K comparable] struct {
	snaps []*heapbackend.Snapshot
	tasks []*task[K] // that were captured
	masks []int      // the states registered then
	want  *content
}

const (
	jobSeed  = 1234567
	maxSnaps = 5
	// maxWork bounds what one program costs, in entries looked at.
	maxWork = 400_000
)

// failure is what a job panics with when a backend is not what the model is.
type failure struct{ error }

// run runs a program; if it fails, a short one that fails too is printed.
func run(t *testing.T, p program) {
	t.Helper()
	done, err := execute(p)
	if err == nil {
		return
	}
	p.ops = p.ops[:done]
	short, err := shrink(p, err)
	t.Fatalf("%v\nthe program, to be kept in testdata/programs:\n%s", err, short)
}

// shrink takes operations out of a failing program for as long as it fails, in pieces that get smaller. It returns what
// is left and how that fails.
func shrink(p program, err error) (program, error) {
	runs := 2000
	for piece := max(1, len(p.ops)/2); piece > 0 && runs > 0; {
		shorter := false
		for at := 0; at+piece <= len(p.ops) && runs > 0; runs-- {
			q := p
			q.ops = slices.Concat(p.ops[:at], p.ops[at+piece:])
			done, fails := execute(q)
			if fails == nil {
				at += piece
				continue
			}
			q.ops = q.ops[:done]
			p, err, shorter = q, fails, true
		}
		if !shorter || piece > 1 {
			piece /= 2
		}
	}
	return p, err
}

// execute runs a program and returns how many operations it got through, the failing one included. A panic of the
// library's is a failure too.
func execute(p program) (done int, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				f = failure{fmt.Errorf("panic: %v\n%s", r, debug.Stack())}
			}
			err = f.error
		}
	}()
	switch keyKinds[p.key] {
	case "uint64":
		runJob(uintKeys, p, &done)
	case "string":
		runJob(textKeys, p, &done)
	default:
		runJob(placeKeys, p, &done)
	}
	return done, nil
}

func runJob[K comparable](ks keys[K], p program, done *int) {
	j := &job[K]{
		keys: ks, want: newContent(), nextMask: hasAll, budget: maxWork,
		cfg: heapbackend.Config{M: groupCounts[p.groups], Seed: jobSeed, CheckValues: p.verify == 1},
	}
	h, err := keygroups.NewHasher[K](jobSeed)
	j.must(err)
	j.hasher = h
	j.reset(int(p.tasks))
	for i, o := range p.ops {
		*done = i + 1
		j.do(o)
		if j.budget < 0 {
			break
		}
	}
	j.finish()
}

// finish checks everything there is, then with one snapshot after the other released, then closes.
func (j *job[K]) finish() {
	j.check()
	for len(j.snaps) > 0 {
		j.checkSnap(j.snaps[0])
		j.release(j.snaps[0])
		j.snaps = j.snaps[1:]
	}
	j.check()
	j.closeTasks()
}

// fail ends the program.
func (j *job[K]) fail(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

func (j *job[K]) must(err error) {
	if err != nil {
		panic(failure{err})
	}
}

func (j *job[K]) group(key int) int { return keygroups.Of(j.hasher.Hash(j.keys.of(key)), j.cfg.M) }

func (j *job[K]) taskOf(key int) *task[K] {
	at, err := keygroups.TaskOf(j.cfg.M, len(j.tasks), j.group(key))
	j.must(err)
	return j.tasks[at]
}

func (j *job[K]) parallelism(p int) int { return min(p%4+1, j.cfg.M) }

// newTasks makes tasks for the whole of the job.
func (j *job[K]) newTasks(p, mask, turn int) []*task[K] {
	ranges, err := keygroups.Ranges(j.cfg.M, j.parallelism(p))
	j.must(err)
	var tasks []*task[K]
	for _, r := range ranges {
		cfg := j.cfg
		cfg.Range = r
		k, err := newTask[K](cfg, mask, turn)
		j.must(err)
		tasks = append(tasks, k)
	}
	return tasks
}

func (j *job[K]) reset(p int) {
	j.closeTasks()
	j.tasks, j.want = j.newTasks(p, hasAll, 0), newContent()
}

// closeTasks closes the tasks; snapshots of them stay readable.
func (j *job[K]) closeTasks() {
	for _, k := range j.tasks {
		j.must(k.backend.Close())
		j.must(k.backend.Close())
		if k.totals != nil && !errors.Is(k.totals.Put(j.keys.of(2), total{}), heapbackend.ErrClosed) {
			j.fail("a closed backend takes a write")
		}
	}
}

func (j *job[K]) check() {
	j.budget -= 2 * j.want.size()
	for i, k := range j.tasks {
		if err := k.check(j.keys, k.part(j.want, j.group)); err != nil {
			j.fail("task %d of %d, %v: %v", i, len(j.tasks), k.r, err)
		}
	}
}

func (j *job[K]) capture() {
	if len(j.snaps) == maxSnaps {
		return
	}
	j.budget -= j.want.size()
	c := &checkpoint[K]{tasks: j.tasks, want: j.want.clone()}
	for _, k := range j.tasks {
		s, err := k.backend.Capture()
		j.must(err)
		c.snaps, c.masks = append(c.snaps, s), append(c.masks, k.mask())
	}
	j.snaps = append(j.snaps, c)
}

// snap returns the i-th snapshot held, nil if there is none.
func (j *job[K]) snap(i int) *checkpoint[K] {
	if len(j.snaps) == 0 {
		return nil
	}
	return j.snaps[i%len(j.snaps)]
}

// checkSnap compares a snapshot with the model, through its views and through its bytes.
func (j *job[K]) checkSnap(c *checkpoint[K]) {
	j.budget -= 4 * c.want.size()
	for i, s := range c.snaps {
		k := c.tasks[i]
		want := k.part(c.want, j.group)
		if err := k.checkAt(j.keys, s, c.masks[i], want); err != nil {
			j.fail("snapshot of task %d, %v: %v", i, k.r, err)
		}
		other, err := newTask[K](s.Config(), hasAll, i)
		j.must(err)
		var staged []*heapbackend.Staged
		for g := range k.r.All() {
			block := j.block(s, g)
			st, err := other.backend.StageBlock(s.Schema(), g, block)
			j.must(err)
			staged = append(staged, st)
		}
		j.must(other.backend.Install(staged))
		if err := other.check(j.keys, want); err != nil {
			j.fail("bytes of the snapshot of task %d, %v: %v", i, k.r, err)
		}
	}
}

// block returns the bytes of a group, which are the same every time.
func (j *job[K]) block(s *heapbackend.Snapshot, g int) []byte {
	block, n, err := s.AppendGroup(nil, g)
	j.must(err)
	again, _, err := s.AppendGroup([]byte("x"), g)
	j.must(err)
	if !bytes.Equal(block, again[1:]) {
		j.fail("group %d: a snapshot gives other bytes the second time", g)
	}
	if n != s.Entries(g) || (n == 0) != (len(block) == 0) {
		j.fail("group %d: %d entries appended, %d counted, %d bytes", g, n, s.Entries(g), len(block))
	}
	return block
}

// release gives a snapshot back and checks that it is gone.
func (j *job[K]) release(c *checkpoint[K]) {
	for i, s := range c.snaps {
		s.Release()
		s.Release()
		if _, _, err := s.AppendGroup(nil, c.tasks[i].r.First); !errors.Is(err, heapbackend.ErrReleased) {
			j.fail("a released snapshot answers %v", err)
		}
	}
}

// The ways of state from a snapshot into a backend: bits of way.
const (
	wayDecode     = 1 // through bytes, not by sharing memory
	wayMixed      = 2 // every second group the other way
	wayConcurrent = 4 // groups are staged on goroutines
)

// stage stages the groups of task k for which take is true.
func (j *job[K]) stage(c *checkpoint[K], k *task[K], way int, take func(group int) bool) []*heapbackend.Staged {
	staged := make([]*heapbackend.Staged, k.r.Len())
	errs := make([]error, k.r.Len())
	var wg sync.WaitGroup
	for g := range k.r.All() {
		if !take(g) {
			continue
		}
		at := g - k.r.First
		one := func() { staged[at], errs[at] = j.stageGroup(c, k, way, g) }
		if way&wayConcurrent != 0 {
			wg.Go(one)
		} else {
			one()
		}
	}
	wg.Wait()
	j.must(errors.Join(errs...))
	var found []*heapbackend.Staged
	for _, s := range staged {
		if s != nil {
			found = append(found, s)
		}
	}
	return found
}

func (j *job[K]) stageGroup(c *checkpoint[K], k *task[K], way, g int) (*heapbackend.Staged, error) {
	for i, s := range c.snaps {
		if !c.tasks[i].r.Contains(g) {
			continue
		}
		decode := way&wayDecode != 0
		if way&wayMixed != 0 && g%2 == 1 {
			decode = !decode
		}
		if !decode {
			return k.backend.StageSnapshot(s, g)
		}
		block, _, err := s.AppendGroup(nil, g)
		if err != nil {
			return nil, err
		}
		return k.backend.StageBlock(s.Schema(), g, block)
	}
	return nil, fmt.Errorf("no snapshot has group %d", g)
}

// restore makes new tasks from a snapshot.
func (j *job[K]) restore(c *checkpoint[K], p, way int) {
	tasks := j.newTasks(p, j.nextMask, j.nextTurn)
	for _, k := range tasks {
		j.must(k.backend.Install(j.stage(c, k, way, func(int) bool { return true })))
	}
	j.closeTasks()
	j.tasks, j.want = tasks, c.want.clone()
	j.nextMask, j.nextTurn = hasAll, 0
}

// install takes all groups of a snapshot, or every second, into the tasks there are.
func (j *job[K]) install(c *checkpoint[K], way int, part byte) {
	take := func(g int) bool { return part%3 == 0 || g%2 == int(part%2) }
	for _, k := range j.tasks {
		j.must(k.backend.Install(j.stage(c, k, way, take)))
	}
	j.want.merge(c.want, func(key int) bool { return take(j.group(key)) })
}

// badInstall gives a group twice, which must change nothing.
func (j *job[K]) badInstall(c *checkpoint[K], way int) {
	for _, k := range j.tasks {
		staged := j.stage(c, k, way, func(int) bool { return true })
		err := k.backend.Install(append(staged, staged[0]))
		if !errors.Is(err, heapbackend.ErrGroup) {
			j.fail("one group twice: %v", err)
		}
	}
	j.check()
}
