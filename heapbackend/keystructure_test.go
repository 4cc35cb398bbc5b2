package heapbackend_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// mood is a number whose text does not tell every mood apart.
type mood int

func (m mood) MarshalText() ([]byte, error) {
	if m == 1 {
		return []byte("good"), nil
	}
	return []byte("unknown"), nil
}

func (m *mood) UnmarshalText(b []byte) error {
	*m = 0
	if string(b) == "good" {
		*m = 1
	}
	return nil
}

// serial is an array of bytes with methods that write just these.
type serial [8]byte

func (s serial) MarshalBinary() ([]byte, error) { return s[:], nil }

func (s *serial) UnmarshalBinary(b []byte) error { copy(s[:], b); return nil }

type base struct{ A, b int }

type labelled struct {
	base
	A    int `msgpack:"x"`
	Skip int `msgpack:"-"`
	own  string
}

// What a key's type says about how to write it for others has no part in which keys there are.
func TestKeysThatDifferStayApart(t *testing.T) {
	requireKeys(t, func(i int) mood { return mood(i) }, 200)
	requireKeys(t, func(i int) [2]mood { return [2]mood{mood(i % 2), mood(i)} }, 200)
	requireKeys(t, func(i int) serial { return serial{byte(i), 7: byte(i >> 4)} }, 200)
	requireKeys(t, func(i int) labelled { return labelled{Skip: i} }, 200)
	requireKeys(t, func(i int) labelled { return labelled{own: stringKey(i)} }, 200)
	requireKeys(t, func(i int) labelled { return labelled{base: base{i % 2, i}, A: -i} }, 200)

	b := backend[uint64](t, whole())
	m := mapOf[labelled, int](t, b, "m")
	for i := range 100 {
		require.NoError(t, m.Put(1, labelled{Skip: i, base: base{b: i}}, i))
	}
	s := capture(t, b)
	for _, how := range ways {
		b2 := backend[uint64](t, whole())
		m2 := mapOf[labelled, int](t, b2, "m")
		restore(t, b2, s, how)
		require.Equal(t, maps.Collect(m.Entries(1)), maps.Collect(m2.Entries(1)))
	}
}

// The schema calls keys by what they are made of, and so the bytes are those too.
func TestKeysMayChangeTheirName(t *testing.T) {
	b := backend[mood](t, whole())
	v := valueOf[string](t, b, "v")
	require.NoError(t, v.Put(5, "five"))
	require.NoError(t, v.Put(1, "one"))
	var staged []*heapbackend.Staged
	s := capture(t, b)
	b2 := backend[int](t, whole())
	v2 := valueOf[string](t, b2, "v")
	for g := range s.Range().All() {
		block, _, err := s.AppendGroup(nil, g)
		require.NoError(t, err)
		one, err := b2.StageBlock(s.Schema(), g, block)
		require.NoError(t, err)
		staged = append(staged, one)
	}
	require.NoError(t, b2.Install(staged))
	require.Equal(t, map[int]string{5: "five", 1: "one"}, maps.Collect(v2.All()))
}
