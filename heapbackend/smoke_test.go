package heapbackend

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
)

func TestSmoke(t *testing.T) {
	cfg := Config{M: 16, Range: keygroups.Range{First: 0, End: 16}, Seed: 7}
	reg := func() (*Backend[string], *Value[string, int], *List[string, string], *Map[string, int32, []byte]) {
		b, err := New[string](cfg)
		require.NoError(t, err)
		v, err := NewValue[int](b, "v")
		require.NoError(t, err)
		l, err := NewList[string](b, "l")
		require.NoError(t, err)
		m, err := NewMap[int32, []byte](b, "m")
		require.NoError(t, err)
		return b, v, l, m
	}
	b, v, l, m := reg()
	for i := range 1000 {
		k := string(rune('a' + i%200))
		require.NoError(t, v.Update(k, func(x *int) { *x += i }))
		require.NoError(t, l.Append(k, k, k))
		require.NoError(t, m.Put(k, int32(i), []byte{byte(i)}))
	}
	s, err := b.Capture()
	require.NoError(t, err)
	want := maps.Collect(v.All())
	for i := range 1000 {
		k := string(rune('a' + i%200))
		require.NoError(t, v.Update(k, func(x *int) { *x++ }))
		require.NoError(t, l.Append(k, k, k))
		require.NoError(t, m.Update(k, int32(i), func(b *[]byte) { (*b)[0]++ }))
	}
	for _, way := range []string{"adopt", "decode"} {
		b2, v2, l2, m2 := reg()
		var staged []*Staged
		for g := range 16 {
			var st *Staged
			if way == "adopt" {
				st, err = b2.StageSnapshot(s, g)
			} else {
				block, n, err2 := s.AppendGroup(nil, g)
				require.NoError(t, err2)
				require.Equal(t, s.Entries(g), n)
				st, err = b2.StageBlock(s.Schema(), g, block)
			}
			require.NoError(t, err)
			staged = append(staged, st)
		}
		require.NoError(t, b2.Install(staged))
		require.Equal(t, want, maps.Collect(v2.All()))
		require.Len(t, slices.Collect(l2.Get("a")), 10)
		require.Equal(t, 5, m2.Len("a"))
		x, ok := m2.Get("a", 200)
		require.True(t, ok)
		require.Equal(t, []byte{200}, x)
		require.NoError(t, m2.Update("a", 200, func(b *[]byte) { (*b)[0] = 1 }))
		require.NoError(t, l2.Append("a", "z"))
		s2, err := b2.Capture()
		require.NoError(t, err)
		s2.Release()
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
	cfg := Config{M: 4, Range: keygroups.Range{End: 4}}
	b, err := New[string](cfg)
	require.NoError(t, err)
	v, err := NewValue[before](b, "v")
	require.NoError(t, err)
	require.NoError(t, v.Put("k", before{N: -7, Gone: "x", Name: "n"}))
	s, err := b.Capture()
	require.NoError(t, err)
	defer s.Release()
	for _, way := range []string{"adopt", "decode"} {
		b2, err := New[string](cfg)
		require.NoError(t, err)
		v2, err := NewValue[after](b2, "v")
		require.NoError(t, err)
		b3, err := New[string](cfg)
		require.NoError(t, err)
		_, err = NewValue[map[string]int](b3, "v")
		require.NoError(t, err)
		for g := range 4 {
			stage := func(b *Backend[string]) (*Staged, error) {
				if way == "adopt" {
					return b.StageSnapshot(s, g)
				}
				block, _, err := s.AppendGroup(nil, g)
				require.NoError(t, err)
				return b.StageBlock(s.Schema(), g, block)
			}
			staged, err := stage(b2)
			require.NoError(t, err)
			require.NoError(t, b2.Install([]*Staged{staged}))
			if s.Entries(g) > 0 {
				_, err = stage(b3)
				var schema *SchemaError
				require.ErrorAs(t, err, &schema)
				require.ErrorIs(t, err, ErrSchema)
				require.Equal(t, "v", schema.State)
			}
		}
		got, ok := v2.Get("k")
		require.True(t, ok)
		require.Equal(t, after{Name: "n", N: -7}, got)
	}
}
