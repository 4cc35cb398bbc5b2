package recovery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// The old program's values, and those of the new one. Version 1 was in seconds.
type (
	oldWait struct {
		Gone    string
		Seconds int32
	}
	wait struct {
		Seconds int64
		Note    string
	}
	delay struct{ Millis int64 }
)

// evolved is one checkpoint that an older program wrote, in the heap, in a file and in the primary.
type evolved struct {
	fixture
	copies  []localcopy.Copy
	formats []localcopy.Format
}

func newEvolved(t *testing.T) *evolved {
	e := &evolved{fixture: fixture{store: newFaultStore()}}
	b, err := heapbackend.New[uint64](heapbackend.Config{M: testM, Range: rng(0, testM), Seed: testSeed})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	o := heapbackend.Options[oldWait]{Version: 1}
	v, err := heapbackend.NewValue(b, "v", o)
	require.NoError(t, err)
	l, err := heapbackend.NewList(b, "l", o)
	require.NoError(t, err)
	m, err := heapbackend.NewMap[string](b, "m", o)
	require.NoError(t, err)
	for k := range uint64(testKeys) {
		w := oldWait{"gone", int32(k)}
		require.NoError(t, errors.Join(v.Put(k, w), l.Append(k, w, w), m.Put(k, "x", w)))
	}
	e.snapshot, err = b.Capture()
	require.NoError(t, err)
	t.Cleanup(e.snapshot.Release)
	e.manifest = e.write(t, 5)
	e.keep(t, localcopy.Heap())
	e.keep(t, localcopy.File(t.TempDir()))
	return e
}

// keep stores the checkpoint's local copy in a format.
func (e *evolved) keep(t *testing.T, f localcopy.Format) {
	ts := e.manifest.Operators[0].Tasks[0]
	meta := localcopy.Meta{Owner: localcopy.Owner{Job: "j", Operator: "o", Allocation: alloc(2)}, Attempt: ts.Attempt,
		Checkpoint: e.manifest.Checkpoint, M: e.manifest.M, Seed: e.manifest.Seed, Range: ts.Range, Schema: ts.Schema}
	w, err := f.Begin(t.Context(), meta, e.snapshot)
	require.NoError(t, err)
	var twin []primary.Segment
	for _, g := range ts.Groups {
		require.NoError(t, w.WriteGroup(t.Context(), g.Group))
		twin = append(twin, g.Segments[0].Segment)
	}
	c, err := w.Seal(t.Context(), twin)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Drop(context.Background())) })
	e.copies, e.formats = append(e.copies, c), append(e.formats, f)
}

// restore reads each key group from the sources that pick names for it: letters, in order, before the primary.
func (e *evolved) restore(t *testing.T, b heapbackend.AnyBackend, pick func(group int) string) (*Report, error) {
	var sources []LocalSource
	for i, c := range e.copies {
		letter := e.formats[i].Letter()
		groups := slices.DeleteFunc(slices.Clone(c.Groups()), func(g localcopy.GroupInfo) bool {
			return !slices.Contains([]byte(pick(g.Group)), letter)
		})
		sources = append(sources, LocalSource{Name: e.formats[i].Name(), Letter: letter, Meta: c.Meta(), Groups: groups})
	}
	return Restore(t.Context(), e.config(t, b, sources, e.copies))
}

// mixtures are where key groups come from.
var mixtures = map[string]func(group int) string{
	"heap":             func(int) string { return "H" },
	"file":             func(int) string { return "F" },
	"primary":          func(int) string { return "" },
	"heap, then file":  func(int) string { return "HF" },
	"each third":       func(group int) string { return []string{"H", "F", ""}[group%3] },
	"halves of ranges": func(group int) string { return []string{"HF", ""}[group*2/testM] },
}

// program registers the three states with values of type V.
func program[V any](t *testing.T, o heapbackend.Options[V]) (*heapbackend.Backend[uint64], func() map[uint64][]V) {
	b, err := heapbackend.New[uint64](heapbackend.Config{M: testM, Range: rng(0, testM), Seed: testSeed})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	v, err := heapbackend.NewValue(b, "v", o)
	require.NoError(t, err)
	l, err := heapbackend.NewList(b, "l", o)
	require.NoError(t, err)
	m, err := heapbackend.NewMap[string](b, "m", o)
	require.NoError(t, err)
	return b, func() map[uint64][]V {
		got := map[uint64][]V{}
		for k, x := range v.All() {
			got[k] = append(append(got[k], x), slices.Collect(l.Get(k))...)
			got[k] = append(got[k], slices.Collect(maps.Values(maps.Collect(m.Entries(k))))...)
		}
		return got
	}
}

func wantEvolved[V any](of func(k uint64) V) map[uint64][]V {
	want := map[uint64][]V{}
	for k := range uint64(testKeys) {
		want[k] = slices.Repeat([]V{of(k)}, 4)
	}
	return want
}

func toDelay(w wait) (delay, error) { return delay{w.Seconds * 1000}, nil }

func TestEvolutionIsTheSameFromEverySource(t *testing.T) {
	e := newEvolved(t)
	for name, pick := range mixtures {
		t.Run(name, func(t *testing.T) {
			b, read := program(t, heapbackend.Options[wait]{Version: 1})
			r, err := e.restore(t, b, pick)
			require.NoError(t, err)
			require.Zero(t, r.FellBack())
			require.Equal(t, wantEvolved(func(k uint64) wait { return wait{Seconds: int64(k)} }), read())

			d, delays := program(t, heapbackend.Options[delay]{Version: 2, Migrations: []heapbackend.Migration{heapbackend.Migrate(1, toDelay)}})
			r, err = e.restore(t, d, pick)
			require.NoError(t, err)
			require.Zero(t, r.FellBack())
			require.Equal(t, wantEvolved(func(k uint64) delay { return delay{int64(k) * 1000} }), delays())
			for _, g := range r.Groups {
				letter := byte(LetterPrimary)
				if from := pick(g.Group); from != "" {
					letter = from[0]
				}
				require.Equal(t, string(letter), string(g.Letter), "group %d", g.Group)
			}
		})
	}
}

func TestEvolutionIsRefusedTheSameByEverySource(t *testing.T) {
	e := newEvolved(t)
	odd := errors.New("odd")
	failing := func(fail func() error) heapbackend.Options[delay] {
		return heapbackend.Options[delay]{Version: 2, Migrations: []heapbackend.Migration{heapbackend.Migrate(1, func(w wait) (delay, error) {
			return delay{}, fail()
		})}}
	}
	for what, o := range map[string]heapbackend.Options[delay]{
		"error":        failing(func() error { return odd }),
		"panic":        failing(func() error { panic(odd) }),
		"missing link": {Version: 3, Migrations: []heapbackend.Migration{heapbackend.Migrate(2, func(d delay) (delay, error) { return d, nil })}},
		"newer":        {},
	} {
		t.Run(what, func(t *testing.T) {
			seen := map[string]bool{}
			for name, pick := range mixtures {
				b, read := program(t, o)
				before := b.Schema()
				_, err := e.restore(t, b, pick)
				requireEvolutionRefused(t, err, seen, name)
				require.True(t, isPermanent(err), "a restart would not help")
				require.Empty(t, read())
				require.Equal(t, before, b.Schema())
				require.NoError(t, b.Err())
			}
			require.Len(t, seen, 1)
		})
	}
}

// requireEvolutionRefused adds what every source said of the state to seen.
func requireEvolutionRefused(t *testing.T, err error, seen map[string]bool, name string) {
	t.Helper()
	var lost *RestoreError
	require.ErrorAs(t, err, &lost, name)
	require.NotEmpty(t, lost.Causes)
	require.Equal(t, Blameless, Judge(err), "the bytes are sound")
	for i := range lost.Causes {
		var schema *heapbackend.SchemaError
		require.ErrorAs(t, &lost.Causes[i], &schema, name)
		require.Equal(t, "v", schema.State)
		seen[fmt.Sprint(schema)] = true
	}
}
