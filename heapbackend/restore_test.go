package heapbackend_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// filledTrio holds n keys in each state.
func filledTrio(t testing.TB, n int) trio {
	x := newTrio(t, whole())
	for k := range uint64(n) {
		require.NoError(t, x.v.Put(k, int(k)))
		require.NoError(t, x.l.Append(k, int(k), 1))
		require.NoError(t, x.m.Put(k, "a", int(k)))
	}
	return x
}

func TestStageRefusesSnapshotsOfOtherJobs(t *testing.T) {
	s := capture(t, filledTrio(t, 50).b)
	otherM, otherSeed := whole(), whole()
	otherM.M, otherSeed.Seed = testM*2, 8
	for name, cfg := range map[string]heapbackend.Config{"M": otherM, "seed": otherSeed} {
		b := newTrio(t, cfg).b
		_, err := b.StageSnapshot(s, 0)
		require.ErrorIs(t, err, heapbackend.ErrMismatch, name)
		// Bytes do not say what job they are of, but their keys do.
		_, err = stage(b, s, decoded)
		require.ErrorIs(t, err, heapbackend.ErrCorrupt, name)
		require.NoError(t, b.Err())
	}
}

func TestStageRefusesGroupsOutsideTheRange(t *testing.T) {
	s := capture(t, filledTrio(t, 50).b)
	b := newTrio(t, part(2, 5)).b
	for _, g := range []int{-1, 1, 5, testM} {
		_, err := b.StageSnapshot(s, g)
		require.ErrorIs(t, err, heapbackend.ErrGroup)
		_, err = b.StageBlock(s.Schema(), g, nil)
		require.ErrorIs(t, err, heapbackend.ErrGroup)
		_, err = b.StageEmpty(g)
		require.ErrorIs(t, err, heapbackend.ErrGroup)
	}
	part := capture(t, b)
	_, err := newTrio(t, whole()).b.StageSnapshot(part, 1)
	require.ErrorIs(t, err, heapbackend.ErrGroup, "the snapshot does not hold it")
}

func TestAnotherTypeLeavesTheBackendUntouched(t *testing.T) {
	s := capture(t, filledTrio(t, 50).b)
	type register func(b *heapbackend.Backend[uint64]) error
	for name, reg := range map[string]register{
		"value type":   func(b *heapbackend.Backend[uint64]) error { _, err := heapbackend.NewValue[string](b, "v"); return err },
		"kind":         func(b *heapbackend.Backend[uint64]) error { _, err := heapbackend.NewList[int](b, "v"); return err },
		"element type": func(b *heapbackend.Backend[uint64]) error { _, err := heapbackend.NewList[[]int](b, "l"); return err },
		"map value": func(b *heapbackend.Backend[uint64]) error {
			_, err := heapbackend.NewMap[string, bool](b, "m")
			return err
		},
		"map key": func(b *heapbackend.Backend[uint64]) error { _, err := heapbackend.NewMap[int, int](b, "m"); return err },
	} {
		for way, how := range ways {
			t.Run(name+"/"+way, func(t *testing.T) {
				b := backend[uint64](t, whole())
				require.NoError(t, reg(b))
				own := valueOf[int](t, b, "own")
				require.NoError(t, own.Put(1, 1))
				before := blocksOf(t, capture(t, b))
				_, err := stage(b, s, how)
				var schema *heapbackend.SchemaError
				require.ErrorAs(t, err, &schema)
				require.ErrorIs(t, err, heapbackend.ErrSchema)
				require.Contains(t, "v l m", schema.State)
				require.NotEqual(t, schema.Registered, schema.Written)
				require.ErrorContains(t, err, schema.Registered)
				require.ErrorContains(t, err, schema.Written)
				require.NoError(t, b.Err())
				require.Equal(t, before, blocksOf(t, capture(t, b)))
			})
		}
	}
}

func TestAnotherKeyTypeIsRefused(t *testing.T) {
	s := capture(t, filledTrio(t, 50).b)
	for name, how := range ways {
		b := backend[string](t, whole())
		_, err := stage(b, s, how)
		require.ErrorIs(t, err, heapbackend.ErrMismatch, "%s: not registered", name)
		valueOf[int](t, b, "v")
		_, err = stage(b, s, how)
		var schema *heapbackend.SchemaError
		require.ErrorAs(t, err, &schema, name)
		require.Equal(t, "Value[string, int]", schema.Registered)
		require.Equal(t, "Value[uint64, int]", schema.Written)
	}
}

// TestAnotherGoTypeOfTheSameSchema takes over values whose Go type differs, but not what is written of it.
func TestAnotherGoTypeOfTheSameSchema(t *testing.T) {
	type mine struct{ X int }
	type yours struct{ X int }
	for name, how := range ways {
		b, b2 := backend[uint64](t, whole()), backend[uint64](t, whole())
		v, v2 := valueOf[mine](t, b, "v"), valueOf[yours](t, b2, "v")
		for k := range uint64(100) {
			require.NoError(t, v.Put(k, mine{int(k)}))
		}
		restore(t, b2, capture(t, b), how)
		require.NoError(t, v.Put(5, mine{-1}))
		for k := range uint64(100) {
			got, ok := v2.Get(k)
			require.True(t, ok, name)
			require.Equal(t, yours{int(k)}, got, name)
		}
	}
}

func TestAnOlderTypeIsReadByName(t *testing.T) {
	type before struct {
		N    int32
		Gone string
		Name string
	}
	type after struct {
		Name string
		New  []int
		N    int64
	}
	for name, how := range ways {
		b, b2 := backend[string](t, whole()), backend[string](t, whole())
		require.NoError(t, valueOf[before](t, b, "v").Put("k", before{N: -7, Gone: "x", Name: "n"}))
		require.NoError(t, listOf[before](t, b, "l").Append("k", before{N: -7, Gone: "x", Name: "n"}))
		require.NoError(t, mapOf[string, before](t, b, "m").Put("k", "mk", before{N: -7, Gone: "x", Name: "n"}))
		v, l, m := valueOf[after](t, b2, "v"), listOf[after](t, b2, "l"), mapOf[string, after](t, b2, "m")
		restore(t, b2, capture(t, b), how)
		want := after{Name: "n", N: -7}
		got, ok := v.Get("k")
		require.True(t, ok, name)
		require.Equal(t, want, got, name)
		for got := range l.Get("k") {
			require.Equal(t, want, got, name)
		}
		require.Equal(t, 1, l.Len("k"), name)
		got, ok = m.Get("k", "mk")
		require.True(t, ok, name)
		require.Equal(t, want, got, name)
	}
}

func TestInstallReplacesItsGroupsAndNoOther(t *testing.T) {
	s := capture(t, filledTrio(t, 200).b)
	for name, how := range ways {
		t.Run(name, func(t *testing.T) {
			x := newTrio(t, whole())
			for g := range testM {
				require.NoError(t, x.v.Put(keyIn(t, g, 500), -1))
			}
			staged := make([]*heapbackend.Staged, 3)
			var err error
			for i := range 2 {
				staged[i], err = how(x.b, s, i)
				require.NoError(t, err)
			}
			staged[2], err = x.b.StageEmpty(5)
			require.NoError(t, err)
			require.Zero(t, staged[2].Entries())
			require.NoError(t, x.b.Install(staged))
			after := capture(t, x.b)
			for g := range testM {
				got, ok := x.v.Get(keyIn(t, g, 500))
				switch {
				case g < 2:
					require.False(t, ok)
					require.Equal(t, s.Entries(g), after.Entries(g))
				case g == 5:
					require.False(t, ok)
					require.Zero(t, after.Entries(g))
				default:
					require.Equal(t, -1, got)
					require.EqualValues(t, 1, after.Entries(g))
				}
			}
		})
	}
}

func TestInstallTakesAllOrNothing(t *testing.T) {
	source := filledTrio(t, 200)
	good, gone := capture(t, source.b), capture(t, source.b)
	x := newTrio(t, whole())
	require.NoError(t, x.v.Put(3, -3))
	stageOf := func(b heapbackend.AnyBackend, s *heapbackend.Snapshot, g int) *heapbackend.Staged {
		st, err := adopted(b, s, g)
		require.NoError(t, err)
		return st
	}
	released := stageOf(x.b, gone, 4)
	gone.Release()
	installed, err := x.b.StageEmpty(4)
	require.NoError(t, err)
	require.NoError(t, x.b.Install([]*heapbackend.Staged{installed}))
	for name, c := range map[string]struct {
		last *heapbackend.Staged
		want error
	}{
		"staged for another backend": {stageOf(newTrio(t, whole()).b, good, 4), heapbackend.ErrMismatch},
		"nil":                        {nil, heapbackend.ErrMismatch},
		"staged twice":               {stageOf(x.b, good, 1), heapbackend.ErrGroup},
		"snapshot released":          {released, heapbackend.ErrReleased},
		"installed before":           {installed, heapbackend.ErrMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			before := blocksOf(t, capture(t, x.b))
			decodedOne, err := decoded(x.b, good, 2)
			require.NoError(t, err)
			err = x.b.Install([]*heapbackend.Staged{stageOf(x.b, good, 1), decodedOne, c.last})
			require.ErrorIs(t, err, c.want)
			require.Equal(t, before, blocksOf(t, capture(t, x.b)))
			require.NoError(t, x.b.Err())
			// What was staged well is still good.
			require.NoError(t, x.b.Install([]*heapbackend.Staged{decodedOne}))
		})
	}
}

func TestAStateRegisteredAfterStagingIsEmptiedToo(t *testing.T) {
	x := newTrio(t, whole())
	staged, err := x.b.StageEmpty(2)
	require.NoError(t, err)
	late := valueOf[int](t, x.b, "late")
	require.NoError(t, late.Put(keyIn(t, 2, 0), 1))
	require.NoError(t, late.Put(keyIn(t, 3, 0), 1))
	require.NoError(t, x.b.Install([]*heapbackend.Staged{staged}))
	require.Equal(t, 1, late.Keys())
}

func TestADecodedGroupKeepsNothingOfTheBytes(t *testing.T) {
	b := backend[string](t, whole())
	v, l := valueOf[[]byte](t, b, "v"), listOf[string](t, b, "l")
	require.NoError(t, v.Put("key", []byte("value")))
	require.NoError(t, l.Append("key", "element"))
	s := capture(t, b)
	for _, registered := range []bool{true, false} {
		b2 := backend[string](t, whole())
		var v2 *heapbackend.Value[string, []byte]
		if registered {
			v2 = valueOf[[]byte](t, b2, "v")
		}
		schema := append([]byte(nil), s.Schema()...)
		for g, block := range blocksOf(t, s) {
			staged, err := b2.StageBlock(schema, g, block)
			require.NoError(t, err)
			clear(block)
			require.NoError(t, b2.Install([]*heapbackend.Staged{staged}))
		}
		clear(schema)
		if !registered {
			v2 = valueOf[[]byte](t, b2, "v")
		}
		got, _ := v2.Get("key")
		require.Equal(t, "value", string(got))
	}
}

func TestStagingRunsBesideTheOwner(t *testing.T) {
	s := capture(t, filledTrio(t, 300).b)
	x := newTrio(t, whole())
	type result struct {
		staged *heapbackend.Staged
		err    error
	}
	results := make(chan result)
	for g := range testM {
		go func() {
			staged, err := mixed(x.b, s, g)
			results <- result{staged, err}
		}()
	}
	for k := range uint64(300) {
		require.NoError(t, x.v.Put(k, -1))
	}
	var all []*heapbackend.Staged
	for range testM {
		r := <-results
		require.NoError(t, r.err)
		all = append(all, r.staged)
	}
	require.NoError(t, x.b.Install(all))
	want := map[uint64]int{}
	for k := range uint64(300) {
		want[k] = int(k)
	}
	require.Equal(t, want, maps.Collect(x.v.All()))
}
