package fuzz

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzBackendOps runs programs of operations on the backends of a job and on plain maps: puts, updates, deletes,
// captures, releases, restores by adoption and through bytes into other ranges and with other states registered.
func FuzzBackendOps(f *testing.F) {
	for _, p := range programs(f) {
		f.Add(p.bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) { run(t, decodeProgram(b)) })
}

// programs returns those in testdata/programs, by name.
func programs(tb testing.TB) map[string]program {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "programs", "*.txt"))
	require.NoError(tb, err)
	require.NotEmpty(tb, names)
	found := map[string]program{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(tb, err)
		p, err := parseProgram(string(b))
		require.NoError(tb, err, name)
		found[strings.TrimSuffix(filepath.Base(name), ".txt")] = p
	}
	return found
}

// TestPrograms runs each program under every kind of key, number of groups and number of tasks.
func TestPrograms(t *testing.T) {
	for name, p := range programs(t) {
		t.Run(name, func(t *testing.T) {
			for variant := range len(keyKinds) * len(groupCounts) * 4 {
				if testing.Short() && variant%7 != 0 {
					continue
				}
				p.key = byte(variant % len(keyKinds))
				p.groups = byte(variant / len(keyKinds) % len(groupCounts))
				p.tasks = byte(variant / len(keyKinds) / len(groupCounts))
				p.verify = byte(variant % 7 % 2)
				run(t, p)
			}
		})
	}
}

// TestRandomPrograms runs programs that are drawn at random, always the same ones.
func TestRandomPrograms(t *testing.T) {
	count := 150
	if testing.Short() {
		count = 30
	}
	for seed := range uint64(count) {
		p := randomProgram(seed)
		run(t, p)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// randomProgram draws a program in which everything is likely, captures more than the rest.
func randomProgram(seed uint64) program {
	r := rand.New(rand.NewPCG(seed, 1))
	p := program{key: byte(r.Uint32()), groups: byte(r.Uint32()), tasks: byte(r.Uint32()), verify: byte(r.Uint32() % 8 / 7)}
	keys := byte(1 + r.IntN(255))
	for range 20 + r.IntN(maxOps-20) {
		o := op{byte(r.IntN(opCount)), byte(r.Uint32()) % keys, byte(r.Uint32()), byte(r.Uint32())}
		if o.code >= opReset { // rare: each throws much away
			o.code = byte(r.IntN(opCount))
		}
		if r.IntN(12) == 0 {
			o.code = opCapture
		}
		p.ops = append(p.ops, o)
	}
	p.normalize()
	return p
}

func TestProgramsHaveTwoSpellings(t *testing.T) {
	for seed := range uint64(50) {
		p := randomProgram(seed)
		require.Equal(t, p, decodeProgram(p.bytes()))
		parsed, err := parseProgram(p.String())
		require.NoError(t, err)
		require.Equal(t, p, parsed)
	}
	for _, bad := range []string{"put 1", "put 1 2 3", "put 1 300", "fly 1", "key float16", "groups 3", "put x 1", "put 1 2 3 4 5"} {
		_, err := parseProgram(bad)
		require.Error(t, err, bad)
	}
}
