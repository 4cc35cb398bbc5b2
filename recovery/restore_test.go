package recovery

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// fixture is one checkpoint of one task, in a store, and what must be in it.
type fixture struct {
	store    *faultStore
	manifest *primary.Manifest
	snapshot *heapbackend.Snapshot
	want     map[uint64]int64
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{store: newFaultStore(), want: map[uint64]int64{}}
	b, v := f.backend(t)
	for k := range uint64(testKeys) {
		f.want[k] = int64(k) * 3
		require.NoError(t, v.Put(k, int64(k)*3))
	}
	var err error
	f.snapshot, err = b.Capture()
	require.NoError(t, err)
	t.Cleanup(f.snapshot.Release)
	f.manifest = f.write(t, 5)
	return f
}

// backend returns a backend with one key that no checkpoint has.
func (f *fixture) backend(t *testing.T) (*heapbackend.Backend[uint64], *heapbackend.Value[uint64, int64]) {
	b, err := heapbackend.New[uint64](heapbackend.Config{M: testM, Range: rng(0, testM), Seed: testSeed})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	v, err := heapbackend.NewValue[int64](b, "sums")
	require.NoError(t, err)
	return b, v
}

// write makes the snapshot checkpoint id.
func (f *fixture) write(t testing.TB, id uint64) *primary.Manifest {
	c := f.snapshot.Config()
	name := "j/objects/" + string(rune('a'+id))
	w, err := f.store.Create(t.Context(), name)
	require.NoError(t, err)
	h := primary.Header{Job: "j", Operator: "o", Attempt: alloc(1), Checkpoint: id, M: c.M, Range: c.Range, Seed: c.Seed, Schema: f.snapshot.Schema()}
	index, err := primary.WriteObject(t.Context(), w, h, f.snapshot, primary.WriteOptions{})
	require.NoError(t, err)
	require.NoError(t, w.Commit(t.Context()))
	ts := primary.TaskState{Range: c.Range, Attempt: alloc(1), Schema: h.Schema, Objects: []string{name}}
	for _, s := range index.Segments {
		ts.Groups = append(ts.Groups, primary.GroupState{Group: s.Group, Segments: []primary.SegmentRef{{Segment: s}}})
	}
	return &primary.Manifest{Job: "j", Checkpoint: id, M: c.M, Seed: c.Seed, Operators: []primary.Operator{{Name: "o", Tasks: []primary.TaskState{ts}}}}
}

func (f *fixture) wantAll() Want {
	return Want{Job: "j", Operator: "o", M: testM, Seed: testSeed, Range: rng(0, testM)}
}

// fakeCopy is a local copy of the fixture that a test can spoil.
type fakeCopy struct {
	meta   localcopy.Meta
	groups []localcopy.GroupInfo
	load   func(ctx context.Context, group int, into heapbackend.AnyBackend) (*heapbackend.Staged, error)
}

func (c *fakeCopy) Meta() localcopy.Meta          { return c.meta }
func (c *fakeCopy) Groups() []localcopy.GroupInfo { return c.groups }
func (c *fakeCopy) Drop(context.Context) error    { return nil }
func (c *fakeCopy) Load(ctx context.Context, group int, into heapbackend.AnyBackend) (*heapbackend.Staged, error) {
	return c.load(ctx, group, into)
}

// copy is a right copy of the snapshot whose Load first calls spoil.
func (f *fixture) copy(letter byte, spoil func(ctx context.Context, group int) error) (LocalSource, localcopy.Copy) {
	ts := f.manifest.Operators[0].Tasks[0]
	c := &fakeCopy{meta: localcopy.Meta{Owner: localcopy.Owner{Job: "j", Operator: "o"}, Attempt: alloc(1), Checkpoint: f.manifest.Checkpoint,
		M: f.manifest.M, Seed: f.manifest.Seed, Range: ts.Range, Schema: ts.Schema}}
	for _, g := range ts.Groups {
		c.groups = append(c.groups, localcopy.GroupInfo{Group: g.Group, Digest: g.Segments[0].Digest, Entries: g.Segments[0].Entries, Bytes: g.Segments[0].Raw})
	}
	c.load = func(ctx context.Context, group int, into heapbackend.AnyBackend) (*heapbackend.Staged, error) {
		if err := spoil(ctx, group); err != nil {
			return nil, err
		}
		return into.StageSnapshot(f.snapshot, group)
	}
	return LocalSource{Name: string(letter), Letter: letter, Meta: c.meta, Groups: c.groups}, c
}

func sound(context.Context, int) error { return nil }

// config is a restore of the fixture with the given copies into b.
func (f *fixture) config(t *testing.T, b heapbackend.AnyBackend, sources []LocalSource, copies []localcopy.Copy) RestoreConfig {
	p, err := MakePlan(f.wantAll(), f.manifest, sources)
	require.NoError(t, err)
	return RestoreConfig{Backend: b, Plan: p, Locals: copies, Store: f.store, Parallelism: 4}
}

func (f *fixture) requireRestored(t *testing.T, v *heapbackend.Value[uint64, int64]) {
	t.Helper()
	require.Equal(t, f.want, maps.Collect(v.All()))
}

func TestRestoreFromPrimary(t *testing.T) {
	f := newFixture(t)
	b, v := f.backend(t)
	require.NoError(t, v.Put(9999, 1)) // what was there is replaced
	r, err := Restore(t.Context(), f.config(t, b, nil, nil))
	require.NoError(t, err)
	f.requireRestored(t, v)
	require.EqualValues(t, 5, r.Checkpoint)
	require.EqualValues(t, testKeys, r.Entries())
	for _, g := range r.Groups {
		require.Equal(t, "primary", g.Source)
		require.EqualValues(t, LetterPrimary, g.Letter)
		require.Positive(t, g.Bytes)
	}
}

func TestRestoreEmptiesWhatTheCheckpointSaysIsEmpty(t *testing.T) {
	f := newFixture(t)
	b, v := f.backend(t)
	require.NoError(t, v.Put(1, 1))
	ts := &f.manifest.Operators[0].Tasks[0]
	empty := ts.Groups[4].Group
	ts.Groups = slices.Delete(ts.Groups, 4, 5)
	source, c := f.copy('X', sound)
	source.Groups = append(source.Groups, localcopy.GroupInfo{Group: empty, Entries: 1}) // a copy that says otherwise
	r, err := Restore(t.Context(), f.config(t, b, []LocalSource{source}, []localcopy.Copy{c}))
	require.NoError(t, err)
	h, err := keygroups.NewHasher[uint64](testSeed)
	require.NoError(t, err)
	maps.DeleteFunc(f.want, func(k uint64, _ int64) bool { return keygroups.Of(h.Hash(k), testM) == empty })
	f.requireRestored(t, v)
	require.EqualValues(t, LetterEmpty, r.Groups[empty].Letter)
}

func TestRestoreFallsBackGroupByGroup(t *testing.T) {
	broken := errors.New("broken")
	release := make(chan struct{})
	defer close(release)
	for name, tt := range map[string]struct {
		spoil func() error
		want  func(t *testing.T, err error)
	}{
		"error": {func() error { return broken }, func(t *testing.T, err error) { require.ErrorIs(t, err, broken) }},
		"panic": {func() error { panic(broken) }, func(t *testing.T, err error) {
			p := new(PanicError)
			require.ErrorAs(t, err, &p)
			require.ErrorIs(t, err, broken)
		}},
		"hang": {func() error { <-release; return nil }, func(t *testing.T, err error) { require.ErrorIs(t, err, errHung) }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			b, v := f.backend(t)
			bad := func(group int) bool { return group%8 == 3 }
			s1, c1 := f.copy('X', func(_ context.Context, group int) error {
				if bad(group) {
					return tt.spoil()
				}
				return nil
			})
			s2, c2 := f.copy('Y', func(_ context.Context, group int) error { return when(group == 11, broken) })
			cfg := f.config(t, b, []LocalSource{s1, s2}, []localcopy.Copy{c1, c2})
			cfg.LocalTimeout = 20 * time.Millisecond
			cfg.MemoryBytes = 1 // what hangs must not keep the memory from the others
			r, err := Restore(t.Context(), cfg)
			require.NoError(t, err)
			f.requireRestored(t, v)
			require.Equal(t, 4, r.FellBack())
			for _, g := range r.Groups {
				switch {
				case g.Group == 11:
					require.Equal(t, "primary", g.Source)
					require.Len(t, g.Failed, 2)
					tt.want(t, g.Failed[0].Err)
				case bad(g.Group):
					require.Equal(t, "Y", g.Source)
					require.Len(t, g.Failed, 1)
					require.Equal(t, "X", g.Failed[0].Source)
					tt.want(t, g.Failed[0].Err)
				default:
					require.Equal(t, "X", g.Source)
				}
			}
		})
	}
}

func TestRestoreFailsOnlyWhenAKeyGroupHasNoSourceLeft(t *testing.T) {
	f := newFixture(t)
	b, v := f.backend(t)
	require.NoError(t, v.Put(9999, 1))
	broken := errors.New("broken")
	s, c := f.copy('X', func(_ context.Context, group int) error { return when(group == 7, broken) })
	seg := f.manifest.Operators[0].Tasks[0].Groups[7].Segments[0]
	f.store.set(func() {
		f.store.read = func(_ string, p []byte, off int64) error {
			if off == seg.Offset {
				p[0] ^= 1
			}
			return nil
		}
	})
	_, err := Restore(t.Context(), f.config(t, b, []LocalSource{s}, []localcopy.Copy{c}))
	e := new(RestoreError)
	require.ErrorAs(t, err, &e)
	require.Equal(t, RestoreError{Checkpoint: 5, Operator: "o", Group: 7, M: testM, Object: "j/objects/f", Offset: seg.Offset, Causes: e.Causes}, *e)
	require.Len(t, e.Causes, 2)
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, err, primary.ErrCorrupt)
	for _, part := range []string{"key group 7", "j/objects/f", "at offset", "X: broken", "checkpoint 5"} {
		require.ErrorContains(t, err, part)
	}
	require.Equal(t, Damaged, Judge(err))
	require.Equal(t, map[uint64]int64{9999: 1}, maps.Collect(v.All()), "something was half-written")
}

func TestRestoreCancelIsPromptAndChangesNothing(t *testing.T) {
	f := newFixture(t)
	b, v := f.backend(t)
	require.NoError(t, v.Put(9999, 1))
	hang, reading := make(chan struct{}), make(chan struct{}, 100)
	f.store.set(func() {
		f.store.read = func(string, []byte, int64) error {
			reading <- struct{}{}
			<-hang // deaf to ctx
			return nil
		}
	})
	defer close(hang)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() {
		_, err := Restore(ctx, f.config(t, b, nil, nil))
		done <- err
	}()
	<-reading
	start := time.Now()
	cancel(why)
	require.ErrorIs(t, <-done, why)
	require.Less(t, time.Since(start), 2*time.Second)
	require.Equal(t, map[uint64]int64{9999: 1}, maps.Collect(v.All()))
}

func TestRestoreIsParallelWithinItsMemory(t *testing.T) {
	f := newFixture(t)
	for name, tt := range map[string]struct {
		memory    int64
		low, high int64
	}{"one at a time": {1, 1, 1}, "all at once": {1 << 30, 2, 4}} {
		t.Run(name, func(t *testing.T) {
			b, v := f.backend(t)
			var now, most atomic.Int64
			f.store.set(func() {
				f.store.read = func(string, []byte, int64) error {
					n := now.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					time.Sleep(time.Millisecond)
					now.Add(-1)
					return nil
				}
			})
			cfg := f.config(t, b, nil, nil)
			cfg.MemoryBytes = tt.memory
			_, err := Restore(t.Context(), cfg)
			require.NoError(t, err)
			f.requireRestored(t, v)
			require.GreaterOrEqual(t, most.Load(), tt.low)
			require.LessOrEqual(t, most.Load(), tt.high)
		})
	}
}

func TestRestoreRefusesWhatItCannotRead(t *testing.T) {
	f := newFixture(t)
	b, _ := f.backend(t)
	gs := &f.manifest.Operators[0].Tasks[0].Groups[2]
	t.Run("a chain of deltas", func(t *testing.T) {
		delta := gs.Segments[0]
		delta.Kind = primary.Delta
		old := gs.Segments
		gs.Segments = append(slices.Clone(old), delta)
		defer func() { gs.Segments = old }()
		_, err := Restore(t.Context(), f.config(t, b, nil, nil))
		require.ErrorIs(t, err, primary.ErrVersion)
	})
	t.Run("an object that is not named", func(t *testing.T) {
		gs.Segments[0].Object = 1
		defer func() { gs.Segments[0].Object = 0 }()
		_, err := Restore(t.Context(), f.config(t, b, nil, nil))
		require.ErrorIs(t, err, primary.ErrCorrupt)
	})
	t.Run("a bad configuration", func(t *testing.T) {
		_, err := Restore(t.Context(), RestoreConfig{Parallelism: -1})
		require.ErrorIs(t, err, ErrConfig)
		cfg := f.config(t, b, nil, nil)
		cfg.Store = nil
		_, err = Restore(t.Context(), cfg)
		require.ErrorIs(t, err, ErrConfig)
	})
}
