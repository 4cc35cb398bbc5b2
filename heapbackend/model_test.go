package heapbackend_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// machine is the tasks of a job beside plain maps. Its operations are text: see op.
type machine[K comparable] struct {
	t      require.TestingT
	verify bool
	key    func(int) K
	hasher keygroups.Hasher[K]
	groups map[string]int // by canonical key
	tasks  []*task[K]
	ghosts []*task[K] // tasks that others were restored from and that go on writing
	shots  []*shot[K]
	loans  []loan[K]
	stale  []bag // was got, and its keys were updated since

	readers sync.WaitGroup
	mu      sync.Mutex // guards faults
	faults  []error    // of the readers
}

// task is a backend and what it must hold.
type task[K comparable] struct {
	b      *heapbackend.Backend[K]
	points *heapbackend.Value[K, point]
	bags   *heapbackend.Value[K, bag]
	lists  *heapbackend.List[K, []byte]
	maps   *heapbackend.Map[K, string, bag]
	spaces spacedStates
	want   contents
}

// shot is a snapshot and what it must hold.
type shot[K comparable] struct {
	handle *heapbackend.Snapshot
	from   *task[K]
	want   contents
	blocks map[int][]byte
}

// op is one operation: a name and three numbers, each taken modulo what there is to choose from.
type op struct {
	name    string
	a, b, c int
}

func (o op) String() string { return fmt.Sprintf("%s %d %d %d", o.name, o.a, o.b, o.c) }

// GoString makes a failed program print as the text that parseOps reads.
func (o op) GoString() string { return "\n" + o.String() }

// opNames has a name once for each unit of its weight.
var opNames = strings.Fields(`
	put put update update delete
	bag bag change change sweep sweep drop
	append append append set unlist
	mapput mapput mapchange mapchange mapremove unmap
	sum sum unsum aggregate aggregate note note denote merge
	move move lend lend extend outgrow hold hold
	fill fill drain iterate entries
	capture capture capture release release retain read read check
	rollback restart rescale ghost ghost`)

func genOp(t *rapid.T) op {
	n := rapid.IntRange(0, 99)
	return op{rapid.SampledFrom(opNames).Draw(t, "op"), n.Draw(t, "a"), n.Draw(t, "b"), n.Draw(t, "c")}
}

func parseOps(t require.TestingT, text string) (ops []op) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		var o op
		_, err := fmt.Sscanf(line, "%s %d %d %d", &o.name, &o.a, &o.b, &o.c)
		require.NoError(t, err, line)
		ops = append(ops, o)
	}
	return ops
}

// composite is a key with a float: several of its values are one key.
type composite struct {
	A int32
	F float64
}

var floats = []float64{0, math.Copysign(0, -1), math.NaN(), math.Float64frombits(0xfff8000000000123), 1.5}

func stringKey(i int) string { return fmt.Sprintf("key-%d", i) }
func uintKey(i int) uint64   { return uint64(i) }
func compositeKey(i int) composite {
	return composite{int32(i / len(floats)), floats[i%len(floats)]}
}

// TestAnyProgramEqualsPlainMaps runs random programs. A failure prints its operations: put them into a file under
// testdata/ops, which TestKnownPrograms runs.
func TestAnyProgramEqualsPlainMaps(t *testing.T) {
	t.Run("key=string", func(t *testing.T) { anyProgram(t, stringKey) })
	t.Run("key=uint64", func(t *testing.T) { anyProgram(t, uintKey) })
	t.Run("key=composite", func(t *testing.T) { anyProgram(t, compositeKey) })
}

func anyProgram[K comparable](t *testing.T, key func(int) K) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 100).Draw(t, "length")
		ops := rapid.SliceOfN(rapid.Custom(genOp), n, 2*n).Draw(t, "ops")
		program(t, key, rapid.Bool().Draw(t, "verify"), ops)
	})
}

// TestKnownPrograms runs the programs under testdata/ops, each of which found a fault once or reaches a rare case.
func TestKnownPrograms(t *testing.T) {
	files, err := filepath.Glob("testdata/ops/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			ops := parseOps(t, string(text))
			for _, verify := range []bool{false, true} {
				program(t, stringKey, verify, ops)
				program(t, uintKey, verify, ops)
				program(t, compositeKey, verify, ops)
			}
		})
	}
}

func program[K comparable](t require.TestingT, key func(int) K, verify bool, ops []op) {
	h, err := keygroups.NewHasher[K](whole().Seed)
	require.NoError(t, err)
	m := &machine[K]{t: t, verify: verify, key: key, hasher: h, groups: map[string]int{}}
	m.tasks = []*task[K]{m.fresh(whole().Range)}
	defer m.readers.Wait()
	actions := m.actions()
	for i, o := range ops {
		require.Contains(t, actions, o.name)
		actions[o.name](o)
		for _, tk := range m.tasks {
			require.NoError(t, tk.b.Err(), "after operation %d: %v", i, o)
		}
	}
	m.check(op{})
	m.recallAll()
	m.readers.Wait()
	require.Empty(t, m.faults)
	m.end()
}

// end closes everything, half of it before the snapshots are released, and reads the snapshots in between.
func (m *machine[K]) end() {
	for i, tk := range append(m.ghosts, m.tasks...) {
		if i%2 == 0 {
			require.NoError(m.t, tk.b.Close())
		}
	}
	for _, s := range m.shots {
		require.NoError(m.t, m.checkShot(s, s.handle))
		s.handle.Release()
	}
}

// fresh returns an empty task.
func (m *machine[K]) fresh(r keygroups.Range) *task[K] {
	cfg := part(r.First, r.End)
	cfg.CheckValues = m.verify
	b := backend[K](m.t, cfg)
	return &task[K]{
		b:      b,
		points: valueOf[point](m.t, b, "points"), bags: valueOf[bag](m.t, b, "bags"),
		lists: listOf[[]byte](m.t, b, "lists"), maps: mapOf[string, bag](m.t, b, "maps"),
		spaces: newSpacedStates(m.t, b),
		want:   newContents(),
	}
}

// at returns the k-th key, its canonical form, and the task of list that holds it, nil if none does.
func (m *machine[K]) at(list []*task[K], k int) (K, string, *task[K]) {
	key := m.key(k)
	canonical := string(m.hasher.Append(nil, key))
	group := keygroups.Of(m.hasher.Hash(key), testM)
	m.groups[canonical] = group
	for _, tk := range list {
		if tk.b.Config().Range.Contains(group) {
			return key, canonical, tk
		}
	}
	return key, canonical, nil
}
