package heapbackend_test

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/keygroups"
)

// testM is the number of key groups of the backends in these tests.
const testM = 8

// whole is the configuration of a backend that holds every key group.
func whole() heapbackend.Config { return part(0, testM) }

// part is the configuration of a backend that holds [first, end).
func part(first, end int) heapbackend.Config {
	return heapbackend.Config{M: testM, Range: keygroups.Range{First: first, End: end}, Seed: 7}
}

func backend[K comparable](t require.TestingT, cfg heapbackend.Config) *heapbackend.Backend[K] {
	b, err := heapbackend.New[K](cfg)
	require.NoError(t, err)
	return b
}

func valueOf[V any, K comparable](t require.TestingT, b *heapbackend.Backend[K], name string, o ...heapbackend.Options[V]) *heapbackend.Value[K, V] {
	s, err := heapbackend.NewValue(b, name, o...)
	require.NoError(t, err)
	return s
}

func listOf[V any, K comparable](t require.TestingT, b *heapbackend.Backend[K], name string, o ...heapbackend.Options[V]) *heapbackend.List[K, V] {
	s, err := heapbackend.NewList(b, name, o...)
	require.NoError(t, err)
	return s
}

func mapOf[MK comparable, V any, K comparable](t require.TestingT, b *heapbackend.Backend[K], name string, o ...heapbackend.Options[V]) *heapbackend.Map[K, MK, V] {
	s, err := heapbackend.NewMap[MK](b, name, o...)
	require.NoError(t, err)
	return s
}

func capture(t require.TestingT, b heapbackend.AnyBackend) *heapbackend.Snapshot {
	s, err := b.Capture()
	require.NoError(t, err)
	return s
}

// keyIn returns a key of that group, a different one for each n.
func keyIn(t require.TestingT, group, n int) uint64 {
	h, err := keygroups.NewHasher[uint64](whole().Seed)
	require.NoError(t, err)
	for k := uint64(0); ; k++ {
		if keygroups.Of(h.Hash(k), testM) == group {
			if n--; n < 0 {
				return k
			}
		}
	}
}

// way is one way of staging a group of a snapshot.
type way func(into heapbackend.AnyBackend, s *heapbackend.Snapshot, group int) (*heapbackend.Staged, error)

func adopted(into heapbackend.AnyBackend, s *heapbackend.Snapshot, group int) (*heapbackend.Staged, error) {
	return into.StageSnapshot(s, group)
}

func decoded(into heapbackend.AnyBackend, s *heapbackend.Snapshot, group int) (*heapbackend.Staged, error) {
	block, _, err := s.AppendGroup(nil, group)
	if err != nil {
		return nil, err
	}
	return into.StageBlock(s.Schema(), group, block)
}

// mixed adopts groups of even number and decodes the others.
func mixed(into heapbackend.AnyBackend, s *heapbackend.Snapshot, group int) (*heapbackend.Staged, error) {
	if group%2 == 0 {
		return adopted(into, s, group)
	}
	return decoded(into, s, group)
}

var ways = map[string]way{"adopted": adopted, "decoded": decoded, "mixed": mixed}

// stage stages every group of s that into holds.
func stage(into heapbackend.AnyBackend, s *heapbackend.Snapshot, how way) ([]*heapbackend.Staged, error) {
	var staged []*heapbackend.Staged
	for g := range into.Config().Range.Intersect(s.Range()).All() {
		x, err := how(into, s, g)
		if err != nil {
			return nil, err
		}
		if x.Group() != g || x.Entries() != s.Entries(g) {
			return nil, fmt.Errorf("staged group %d with %d entries, want %d with %d", x.Group(), x.Entries(), g, s.Entries(g))
		}
		staged = append(staged, x)
	}
	return staged, nil
}

// restore makes every group of s that into holds its content.
func restore(t require.TestingT, into heapbackend.AnyBackend, s *heapbackend.Snapshot, how way) {
	staged, err := stage(into, s, how)
	require.NoError(t, err)
	require.NoError(t, into.Install(staged))
}

// blocksOf returns the bytes of every group of a snapshot.
func blocksOf(t require.TestingT, s *heapbackend.Snapshot) map[int][]byte {
	blocks := map[int][]byte{}
	for g := range s.Range().All() {
		block, n, err := s.AppendGroup(nil, g)
		require.NoError(t, err)
		require.Equal(t, s.Entries(g), n)
		require.Equal(t, n == 0, len(block) == 0, "an empty group has no bytes")
		blocks[g] = block
	}
	return blocks
}

// entriesOf is blocksOf without the order of the records.
func entriesOf(t require.TestingT, s *heapbackend.Snapshot) map[int][]string {
	entries := map[int][]string{}
	for g, block := range blocksOf(t, s) {
		r := wire.NewReader(block)
		for r.Len() > 0 {
			require.Equal(t, 3, r.ArrayLen())
			state, n, records := r.Uint(), r.Uint(), wire.NewReader(r.Bytes())
			for range n {
				entries[g] = append(entries[g], fmt.Sprintf("%d %x", state, records.Raw()))
			}
			require.NoError(t, records.Err())
			require.Zero(t, records.Len())
		}
		slices.Sort(entries[g])
	}
	return entries
}
