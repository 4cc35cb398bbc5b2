package fuzz

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	faultText  = flag.String("fault", "", "the only case of TestFaults, as it prints them: its log is printed too")
	faultsRun  = flag.String("faults", "sample", "cases of TestFaults: sample (of single faults), single, or pairs")
	faultsFor  = flag.Duration("faults.for", 0, "how long TestFaults goes on with new cases; 0 is until there are none")
	faultsSeed = flag.Uint64("faults.seed", 0, "the order in which TestFaults takes cases; 0: another each time")
)

// TestFaults runs a small job with faults in its store and its file system: at each call, and in each file. What must
// hold whatever happens:
//
//   - state is never wrong: every restore is compared with what the records make of it, and is from the newest
//     checkpoint that had been committed; from an older one only with StepBack and if the log says so; never from
//     nothing;
//   - a checkpoint that completes is one that no task has gone back behind;
//   - a store that does not answer for a while ends no job that runs, and costs no checkpoint;
//   - a start that is refused says why, deletes nothing, and goes right once the damage is repaired;
//   - a savepoint is its user's: nothing of it is deleted, whatever becomes of the rest of it;
//   - nothing panics, hangs, or goes on for ever, and a healthy job leaves nothing behind.
func TestFaults(t *testing.T) {
	bench := newFaultBench(t)
	if *faultText != "" {
		c, err := parseFaultCase(*faultText)
		require.NoError(t, err)
		v := runFaults(t, bench.starts[c.faultJob], c, scratchDir(t), func(line string) { t.Log(line) })
		require.Empty(t, v.wrong, "it ended %s", v.end)
		t.Log("it ended", v.end)
		return
	}
	seed := *faultsSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	singles := bench.singles()
	r := rand.New(rand.NewPCG(seed, 0))
	r.Shuffle(len(singles), func(i, j int) { singles[i], singles[j] = singles[j], singles[i] })
	var next func() (faultCase, bool)
	switch *faultsRun {
	case "sample":
		next = inTurn(oneOfEach(singles))
	case "single":
		next = inTurn(singles)
	case "pairs":
		next = pairsOf(singles, r)
	default:
		t.Fatalf("-faults is %q", *faultsRun)
	}
	t.Logf("%d single faults, -faults %s, seed %d", len(singles), *faultsRun, seed)
	bench.run(t, next)
	t.Log(bench.String())
}

// scratchDir is a directory for files nobody keeps: in memory if the system has such a place, which makes a case six
// times as fast. Nothing here asks what a disk would have kept.
func scratchDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "heapstate-faults")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// inTurn yields one case after the other. It is called by one goroutine at a time, as the others are.
func inTurn(cases []faultCase) func() (faultCase, bool) {
	at := -1
	return func() (faultCase, bool) {
		at++
		return cases[min(at, len(cases)-1)], at < len(cases)
	}
}

// oneOfEach keeps the first of each kind of fault at each kind of place.
func oneOfEach(cases []faultCase) (found []faultCase) {
	seen := map[string]bool{}
	for _, c := range cases {
		kind := c.kind()
		if len(c.faults) > 0 {
			kind += c.faults[0].root()
		}
		if !seen[kind] {
			seen[kind] = true
			found = append(found, c)
		}
	}
	return found
}

// pairsOf yields every pair of two faults that one job can have, once, in an order that r decides.
func pairsOf(singles []faultCase, r *rand.Rand) func() (faultCase, bool) {
	n := uint64(len(singles))
	all := n * n
	at, step, left := r.Uint64N(all), r.Uint64N(all)|1, all
	for gcd(step, all) != 1 {
		step += 2
	}
	return func() (faultCase, bool) {
		for ; left > 0; left-- {
			at = (at + step) % all
			a, b := singles[at/n], singles[at%n]
			if at/n > at%n && a.faultJob == b.faultJob && a.stepBack == b.stepBack {
				left--
				return faultCase{
					faults: slices.Concat(a.faults, b.faults), damages: slices.Concat(a.damages, b.damages),
					faultJob: a.faultJob, stepBack: a.stepBack, lost: a.lost || b.lost, running: a.running || b.running,
				}, true
			}
		}
		return faultCase{}, false
	}
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// faultBench runs cases and counts how they go.
type faultBench struct {
	starts map[faultJob]*start

	mu    sync.Mutex // guards what follows
	ends  map[string]map[string]int
	cases int
	wrong int
	bad   map[string][]string // by what is wrong, without numbers and names
}

// mostAlike is how many cases that go wrong in the same way are printed.
const mostAlike = 5

func newFaultBench(t *testing.T) *faultBench {
	b := &faultBench{starts: map[faultJob]*start{}, ends: map[string]map[string]int{}, bad: map[string][]string{}}
	for _, kind := range faultJobs {
		s, err := prepare(t, scratchDir(t), smallJob, kind)
		require.NoError(t, err)
		other, err := prepare(t, scratchDir(t), "others", kind)
		require.NoError(t, err)
		s.history.foreign = files{}
		for name, content := range other.files {
			s.history.foreign[strings.Replace(name, "/others/", "/"+smallJob+"/", 1)] = content
		}
		b.starts[kind] = s
	}
	return b
}

// run runs cases on as many goroutines as there are processors, each of which has its own subtest.
func (b *faultBench) run(t *testing.T, next func() (faultCase, bool)) {
	began := time.Now()
	var take sync.Mutex // guards next
	t.Run("cases", func(t *testing.T) {
		for i := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				scratch := scratchDir(t)
				for *faultsFor == 0 || time.Since(began) < *faultsFor {
					take.Lock()
					c, ok := next()
					take.Unlock()
					if !ok {
						return
					}
					b.note(c, runFaults(t, b.starts[c.faultJob], c, scratch, nil))
				}
			})
		}
	})
	for _, class := range slices.Sorted(maps.Keys(b.bad)) {
		bad := b.bad[class]
		slices.Sort(bad)
		t.Errorf("%d cases like these:\n%s", len(bad), strings.Join(bad[:min(mostAlike, len(bad))], "\n"))
	}
}

func (b *faultBench) note(c faultCase, v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cases++
	if b.ends[c.kind()] == nil {
		b.ends[c.kind()] = map[string]int{}
	}
	b.ends[c.kind()][v.end]++
	if len(v.wrong) > 0 {
		b.ends[c.kind()]["WRONG"]++
		b.wrong++
		how, class := strings.Join(v.wrong, "\n\t"), alike(v.wrong)
		b.bad[class] = append(b.bad[class], fmt.Sprintf("go test ./fuzz -run 'TestFaults$' -fault '%s'\n\t%s", c, how))
	}
}

var anyName = regexp.MustCompile(`[^ ]*[0-9"][^ ]*`)

// alike is the same for what goes wrong in the same way.
func alike(wrong []string) string {
	var short []string
	for _, line := range wrong {
		line = anyName.ReplaceAllString(line, "N")
		short = append(short, line[:min(len(line), 120)])
	}
	slices.Sort(short)
	return strings.Join(slices.Compact(short), "; ")
}

// kind is what is counted together.
func (c faultCase) kind() string {
	var kinds []string
	for _, f := range c.faults {
		kinds = append(kinds, f.kind)
	}
	for _, d := range c.damages {
		kinds = append(kinds, d.kind+map[bool]string{false: " file", true: " file, running"}[c.running])
	}
	if len(kinds) > 1 {
		return "pairs"
	}
	return strings.Join(kinds, "")
}

// String has the counts, by kind.
func (b *faultBench) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d cases, %d wrong\n", b.cases, b.wrong)
	for _, kind := range slices.Sorted(maps.Keys(b.ends)) {
		fmt.Fprintf(&out, "%22s:", kind)
		for _, end := range slices.Sorted(maps.Keys(b.ends[kind])) {
			fmt.Fprintf(&out, " %d %s,", b.ends[kind][end], end)
		}
		out.WriteByte('\n')
	}
	return strings.ReplaceAll(out.String(), ",\n", "\n")
}

// singles are all cases with one fault. A job that retains one checkpoint has the calls of one that retains two.
func (b *faultBench) singles() (found []faultCase) {
	for kind, s := range b.starts {
		found = append(found, s.damages(kind)...)
		if kind.one {
			continue
		}
		known := map[call]bool{}
		for _, c := range s.traces["2"] {
			known[c] = true
		}
		for _, c := range s.traces["1"] {
			found = append(found, atCall(c, 1, faultCase{faultJob: kind})...)
		}
		for _, c := range s.traces["2"] {
			found = append(found, atCall(c, 2, faultCase{faultJob: kind})...)
		}
		for _, c := range s.traces["2 lost"] {
			if !kind.memory && !known[c] {
				found = append(found, atCall(c, 2, faultCase{faultJob: kind, lost: true})...)
			}
		}
	}
	slices.SortFunc(found, func(a, b faultCase) int { return strings.Compare(a.String(), b.String()) })
	return found
}

// atCall are the cases with one fault at a call. All may step back: what a store that does not answer must never cause.
func atCall(c call, process int, like faultCase) (found []faultCase) {
	like.stepBack = true
	for _, kind := range callKinds {
		if suits(kind, c.op) && (kind != powerKind || !like.memory) {
			like.faults = []fault{{kind, c, process}}
			found = append(found, like)
		}
	}
	return found
}

// damages are the cases with one damage: to what the first process leaves, and to what it has when it restarts its
// tasks. Going back needs two checkpoints.
func (s *start) damages(kind faultJob) (found []faultCase) {
	for _, d := range s.damagesOf(s.files, !kind.memory) {
		for _, stepBack := range []bool{false, true}[:kind.retain()] {
			c := faultCase{damages: []damage{d}, faultJob: kind, stepBack: stepBack}
			found = append(found, c)
			if c.lost = strings.HasPrefix(d.name, "store/"); c.lost {
				found = append(found, c)
			}
		}
	}
	for _, d := range s.damagesOf(s.atPanic, !kind.memory) {
		found = append(found, faultCase{damages: []damage{d}, faultJob: kind, stepBack: !kind.one, running: true})
	}
	return found
}

// damagesOf are the damages that some files can have. onDisk says that something else can be in the place of a file.
func (s *start) damagesOf(now files, onDisk bool) (found []damage) {
	add := func(name string, kinds []string) {
		for _, kind := range kinds {
			if _, ok := s.history.aim(now, damage{kind, name}); ok {
				found = append(found, damage{kind, name})
			}
		}
	}
	for name := range now {
		add(shortName(name), contentKinds)
		if onDisk {
			add(shortName(name), placeKinds)
		}
	}
	for _, dir := range now.directories() {
		add(dir, treeKinds)
	}
	return found
}
