package fuzz

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// The operations of FuzzKinds. Append to them, or old corpora mean something else. k is a key, n a namespace, i a
// snapshot that is held, way how state gets from it into a backend, see stage.
const (
	kindAdd       = iota // k n v      sums and accs: Add
	kindDrop             // k n        sums, accs and notes: Delete
	kindAppend           // k n v      notes: Append v % 40 elements
	kindMerge            // k n into   sums, accs and notes: three namespaces from n on into one
	kindRegister         // k n at     timers
	kindUnset            // k n at     timers: Delete
	kindDue              // body most upTo
	kindPut              // k v        values
	kindGet              // k          values
	kindUpdate           // k v        values
	kindDelete           // k          values and maps
	kindMapPut           // k mk v
	kindMapGet           // k mk
	kindMapUpdate        // k mk v
	kindMapRemove        // k mk
	kindClock            // ms         the clock goes on
	kindCapture
	kindRelease // i
	kindRestore // i p way    new tasks from a snapshot, one or two; the old ones go on for a while
	kindInstall // i way      into the tasks there are, if they have the snapshot's ranges or not
	kindCheck   //            everything, and every snapshot, equals the model
	kindCount
)

// kindsHead is the number of bytes before the operations, of four bytes each.
const kindsHead = 3

// FuzzKinds runs programs on states in namespaces, timers and states whose content expires, and on plain maps. The
// clock belongs to the program: a restore takes it back to the time of the snapshot, or not.
func FuzzKinds(f *testing.F) {
	for _, p := range kindsSeeds() {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, b []byte) { runKinds(t, b) })
}

// TestSeedsOfKindsReachEveryOperation requires of each that it did something: a merge moved, a timer fired, a life
// ended.
func TestSeedsOfKindsReachEveryOperation(t *testing.T) {
	var reached [kindCount]int
	expired := 0
	for _, p := range kindsSeeds() {
		j := runKinds(t, p)
		for i, n := range j.reached {
			reached[i] += n
		}
		expired += j.expired
	}
	for i, n := range reached {
		require.Positive(t, n, "operation %d", i)
	}
	require.Positive(t, expired)
}

// kindsSeeds are a program that tells a story under each head, and some that are drawn at random, always the same.
func kindsSeeds() (seeds [][]byte) {
	story := []byte{
		kindAdd, 1, 0, 7, kindAdd, 1, 1, 8, kindAppend, 1, 0, 3, kindAppend, 1, 1, 39, kindAppend, 2, 2, 5,
		kindRegister, 1, 0, 30, kindRegister, 1, 0, 30, kindRegister, 2, 1, 10, kindRegister, 3, 1, 40, kindUnset, 3, 1, 40,
		kindPut, 1, 5, 0, kindPut, 2, 6, 0, kindMapPut, 1, 1, 9, kindMapPut, 1, 2, 10, kindClock, 12, 0, 0,
		kindGet, 1, 0, 0, kindUpdate, 2, 3, 0, kindMapGet, 1, 1, 0, kindMapUpdate, 1, 2, 4, kindCapture, 0, 0, 0,
		kindMerge, 1, 0, 3, kindDue, 1, 9, 12, kindClock, 12, 0, 0, kindCheck, 0, 0, 0, kindCapture, 0, 0, 0,
		kindRestore, 0, 1, 8, kindDue, 0, 9, 60, kindAdd, 1, 1, 2, kindMerge, 1, 1, 1, kindCheck, 0, 0, 0,
		kindRestore, 0, 0, 9, kindCheck, 0, 0, 0, kindClock, 29, 0, 0, kindInstall, 1, 2, 0, kindDrop, 1, 0, 0, kindDelete, 1, 0, 0,
		kindMapPut, 4, 1, 1, kindMapRemove, 4, 1, 0, kindRestore, 0, 1, 14, kindMerge, 1, 0, 3, kindDrop, 1, 3, 0,
		kindRelease, 0, 0, 0, kindCheck, 0, 0, 0,
	}
	for head := range byte(8) {
		seeds = append(seeds, slices.Concat([]byte{head, head / 2, head}, story))
	}
	for seed := range uint64(24) {
		r := rand.New(rand.NewPCG(seed, 2))
		p := make([]byte, kindsHead+4*(40+r.IntN(160)))
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		seeds = append(seeds, p)
	}
	return seeds
}

// kindsJob is the tasks of a job and the model of what they hold together.
type kindsJob struct {
	t       *testing.T
	m       int
	verify  bool
	ttl     heapbackend.TTL
	now     heapbackend.Timestamp
	tasks   []*kindsTask
	want    *kindsModel
	gone    kindsGone
	shots   []*kindsShot
	serial  int64
	reached [kindCount]int
	expired int // values and entries that a read or an update found expired
}

// kindsShot is a snapshot of every task.
type kindsShot struct {
	tasks []*kindsTask
	snaps []*heapbackend.Snapshot
	want  *kindsModel
	gone  kindsGone
	seen  []kindsTimes // by task
	at    heapbackend.Timestamp
}

// kindsTimes says for values and for maps which times a task knows of beside those that its clock has shown since.
type kindsTimes [2]heapbackend.Timestamp

// kindsGone says for values and for maps, by key group, up to which stamp all was left out of the snapshot that was
// adopted. Absent where none was.
type kindsGone [2]map[int]heapbackend.Timestamp

// runKinds runs what the bytes say; all bytes are a program.
func runKinds(t *testing.T, b []byte) *kindsJob {
	var head [kindsHead]byte
	b = b[copy(head[:], b):]
	j := &kindsJob{t: t, m: groupCounts[head[0]%4], verify: head[1]%4 == 3, now: 1000, want: newKindsModel(),
		gone: kindsGone{{}, {}}}
	j.ttl = heapbackend.TTL{
		After: kindsAfter, OnRead: head[2]%2 == 1, Cleanup: []int{0, -1, 60}[head[2]/2%3],
		Clock: func() heapbackend.Timestamp { return j.now },
	}
	j.tasks = j.fresh(1 + int(head[1]%2))
	for n := 0; len(b) > 0 && n < maxOps; n++ {
		var o [4]byte
		b = b[copy(o[:], b):]
		j.serial++
		if j.do(int(o[0]%kindCount), int(o[1]), int(o[2]), int(o[3])) {
			j.reached[o[0]%kindCount]++
		}
	}
	j.check()
	for len(j.shots) > 0 {
		j.release(0)
	}
	return j
}

// fresh makes n empty tasks, or as many as there are groups.
func (j *kindsJob) fresh(n int) (tasks []*kindsTask) {
	ranges, err := keygroups.Ranges(j.m, min(n, j.m))
	require.NoError(j.t, err)
	for i, r := range ranges {
		cfg := heapbackend.Config{M: j.m, Range: r, Seed: jobSeed, Task: i, Tasks: len(ranges), CheckValues: j.verify}
		tasks = append(tasks, newKindsTask(j.t, cfg, j.ttl))
	}
	return tasks
}

func (j *kindsJob) group(key string) int { return j.tasks[0].backend.Group(key) }

func (j *kindsJob) taskOf(key string) *kindsTask {
	return j.tasks[slices.IndexFunc(j.tasks, func(k *kindsTask) bool { return k.r.Contains(j.group(key)) })]
}

func (j *kindsJob) must(err error) { require.NoError(j.t, err) }

// check compares every task and every snapshot with the model.
func (j *kindsJob) check() {
	for _, k := range j.tasks {
		want := j.want.part(j.now, func(key string) bool { return k.r.Contains(j.group(key)) })
		require.Equal(j.t, want.seen(), k.seen(j.t, k.loops()))
		j.checkCounts(k, want)
		j.must(k.backend.Err())
	}
	for _, s := range j.shots {
		for i, snap := range s.snaps {
			want := s.want.part(s.at, func(key string) bool { return snap.Range().Contains(j.group(key)) })
			loops, n := s.tasks[i].loopsAt(j.t, snap)
			require.Equal(j.t, want.seen(), s.tasks[i].seen(j.t, loops), "a snapshot")
			require.Equal(j.t, want.entries(), n, "a snapshot")
		}
	}
}

// checkCounts compares what a task counts. Keys may count what has expired.
func (j *kindsJob) checkCounts(k *kindsTask, want *kindsModel) {
	counts := []int{len(want.sums), len(want.accs), len(want.notes), len(want.timers)}
	require.Equal(j.t, counts, []int{k.sums.Keys(), k.accs.Keys(), k.notes.Keys(), k.timers.Len()})
	require.GreaterOrEqual(j.t, k.values.Keys(), len(want.values))
	require.GreaterOrEqual(j.t, k.maps.Keys(), len(want.mapKeys()))
	next, any := k.timers.Next()
	require.Equal(j.t, len(want.timers) > 0, any)
	if any {
		require.Equal(j.t, want.earliest(), next)
	}
}

func (m *kindsModel) earliest() heapbackend.Timestamp {
	first := heapbackend.MaxTimestamp
	for a := range m.timers {
		first = min(first, a.at)
	}
	return first
}
