package fuzz

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

type (
	// spot is a key in a namespace; in the model of a map state, a key and a key of its map.
	spot = heapbackend.NamespacedKey[string, string]
	// alarm is a timer.
	alarm struct {
		spot
		at heapbackend.Timestamp
	}
	// aging is a value and the time of its last write.
	aging struct {
		v     int64
		stamp heapbackend.Timestamp
	}
)

// kindsAfter is how long what expires lives.
const kindsAfter = 20 * time.Millisecond

// kindsTask is the backend of one range of key groups with a state of each kind that has a namespace, a time or a life.
type kindsTask struct {
	known   kindsTimes
	backend *heapbackend.Backend[string]
	r       keygroups.Range
	scope   *heapbackend.Namespaces[string, string]
	sums    *heapbackend.Reducing[spot, int64]
	accs    *heapbackend.Aggregating[spot, int64, int64, int64]
	notes   *heapbackend.List[spot, int64]
	timers  *heapbackend.Timers[spot]
	values  *heapbackend.Value[string, int64]
	maps    *heapbackend.Map[string, string, int64]
}

// orderly is an aggregator whose accumulators tell in which order they were put together.
var orderly = heapbackend.Aggregator[int64, int64, int64]{
	Create: func() int64 { return 1 },
	Add:    func(acc *int64, in int64) { *acc = *acc*31 + in },
	Result: func(acc int64) int64 { return -acc },
	Merge:  func(into *int64, from int64) { *into = *into*1009 + from },
}

func newKindsTask(t require.TestingT, cfg heapbackend.Config, ttl heapbackend.TTL) *kindsTask {
	b, err := heapbackend.New[string](cfg)
	require.NoError(t, err)
	k := &kindsTask{backend: b, r: cfg.Range}
	k.scope, err = heapbackend.NamespacesOf[string](b)
	require.NoError(t, err)
	k.sums, err = heapbackend.NewReducing(k.scope, "sums", func(a, b int64) int64 { return a + b })
	require.NoError(t, err)
	k.accs, err = heapbackend.NewAggregating(k.scope, "accs", orderly)
	require.NoError(t, err)
	k.notes, err = heapbackend.NewList[int64](k.scope, "notes")
	require.NoError(t, err)
	k.timers, err = heapbackend.NewTimers(k.scope, "timers", heapbackend.EventTime)
	require.NoError(t, err)
	k.values, err = heapbackend.NewValue(b, "values", heapbackend.Options[int64]{TTL: &ttl})
	require.NoError(t, err)
	k.maps, err = heapbackend.NewMap[string](b, "maps", heapbackend.Options[int64]{TTL: &ttl})
	require.NoError(t, err)
	return k
}

// kindsModel is what the tasks of a job hold together, expired or not.
type kindsModel struct {
	sums, accs map[spot]int64
	notes      map[spot][]int64
	timers     map[alarm]bool
	values     map[string]aging
	maps       map[spot]aging
}

func newKindsModel() *kindsModel {
	return &kindsModel{
		map[spot]int64{}, map[spot]int64{}, map[spot][]int64{}, map[alarm]bool{}, map[string]aging{}, map[spot]aging{},
	}
}

func (a aging) alive(now heapbackend.Timestamp) bool { return a.stamp.Add(kindsAfter) > now }

// part returns a copy of what there is at a time for the keys of which keep is true. Lists are changed by assignment.
func (m *kindsModel) part(now heapbackend.Timestamp, keep func(key string) bool) *kindsModel {
	in := func(s spot) bool { return keep(s.Key) }
	p := &kindsModel{
		sums: kept(m.sums, in), accs: kept(m.accs, in), notes: kept(m.notes, in),
		timers: kept(m.timers, func(a alarm) bool { return keep(a.Key) }),
		values: kept(m.values, keep), maps: kept(m.maps, in),
	}
	maps.DeleteFunc(p.values, func(_ string, a aging) bool { return !a.alive(now) })
	maps.DeleteFunc(p.maps, func(_ spot, a aging) bool { return !a.alive(now) })
	return p
}

func kept[K comparable, V any](m map[K]V, keep func(K) bool) map[K]V {
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(k K, _ V) bool { return !keep(k) })
	return m
}

// entries is the number of entries a backend counts for that content, of which nothing has expired.
func (m *kindsModel) entries() int {
	return len(m.sums) + len(m.accs) + len(m.notes) + len(m.timers) + len(m.values) + len(m.mapKeys())
}

func (m *kindsModel) mapKeys() map[string]bool {
	keys := map[string]bool{}
	for s := range m.maps {
		keys[s.Key] = true
	}
	return keys
}

// kindsSeen is content as loops yield it, without times of writes.
type kindsSeen struct {
	sums, accs map[spot]int64
	notes      map[spot][]int64
	timers     map[alarm]bool
	values     map[string]int64
	maps       map[spot]int64
	spaces     map[string][]string // state/key: the namespaces, in order
}

// seen returns what loops over a content yield of which nothing has expired.
func (m *kindsModel) seen() kindsSeen {
	v := kindsSeen{m.sums, map[spot]int64{}, m.notes, m.timers, map[string]int64{}, map[spot]int64{}, map[string][]string{}}
	for k, acc := range m.accs {
		v.accs[k] = orderly.Result(acc)
	}
	for k, a := range m.values {
		v.values[k] = a.v
	}
	for k, a := range m.maps {
		v.maps[k] = a.v
	}
	listSpaces(v.spaces, "sums/", m.sums)
	listSpaces(v.spaces, "accs/", m.accs)
	listSpaces(v.spaces, "notes/", m.notes)
	return v
}

func listSpaces[V any](to map[string][]string, state string, m map[spot]V) {
	for s := range m {
		to[state+s.Key] = append(to[state+s.Key], s.Namespace)
	}
	for s := range m {
		slices.Sort(to[state+s.Key])
	}
}

// kindsLoops are the loops over the states of a task, or over views of them.
type kindsLoops struct {
	sums, accs iter.Seq2[spot, int64]
	notes      iter.Seq2[spot, iter.Seq[int64]]
	timers     iter.Seq2[spot, heapbackend.Timestamp]
	values     iter.Seq2[string, int64]
	maps       iter.Seq2[string, iter.Seq2[string, int64]]
	states     map[string]heapbackend.State[spot] // those with an index of namespaces
}

func (k *kindsTask) loops() kindsLoops {
	return kindsLoops{
		k.sums.All(), k.accs.All(), k.notes.All(), k.timers.All(), k.values.All(), k.maps.All(),
		map[string]heapbackend.State[spot]{"sums/": k.sums, "accs/": k.accs, "notes/": k.notes},
	}
}

// loopsAt also checks that views count what they yield; keys is their number.
func (k *kindsTask) loopsAt(t require.TestingT, snap *heapbackend.Snapshot) (l kindsLoops, keys int) {
	sums, err := k.sums.At(snap)
	require.NoError(t, err)
	accs, err := k.accs.At(snap)
	require.NoError(t, err)
	notes, err := k.notes.At(snap)
	require.NoError(t, err)
	timers, err := k.timers.At(snap)
	require.NoError(t, err)
	values, err := k.values.At(snap)
	require.NoError(t, err)
	inner, err := k.maps.At(snap)
	require.NoError(t, err)
	return kindsLoops{
		sums.All(), accs.All(), notes.All(), timers.All(), values.All(), inner.All(),
		map[string]heapbackend.State[spot]{"sums/": sums, "accs/": accs, "notes/": notes},
	}, sums.Keys() + accs.Keys() + notes.Keys() + timers.Len() + values.Keys() + inner.Keys()
}

// seen runs the loops. Nothing is yielded twice, and nothing that is empty.
func (k *kindsTask) seen(t require.TestingT, l kindsLoops) kindsSeen {
	v := kindsSeen{
		once(t, l.sums), once(t, l.accs), map[spot][]int64{}, map[alarm]bool{}, once(t, l.values), map[spot]int64{},
		map[string][]string{},
	}
	for key, list := range l.notes {
		require.NotContains(t, v.notes, key)
		v.notes[key] = slices.Collect(list)
		require.NotEmpty(t, v.notes[key])
	}
	for key, at := range l.timers {
		require.NotContains(t, v.timers, alarm{key, at})
		v.timers[alarm{key, at}] = true
	}
	for key, m := range l.maps {
		n := len(v.maps)
		for mk, x := range once(t, m) {
			require.NotContains(t, v.maps, heapbackend.In(key, mk))
			v.maps[heapbackend.In(key, mk)] = x
		}
		require.Greater(t, len(v.maps), n)
	}
	keys := map[string]bool{}
	for _, m := range []iter.Seq[spot]{maps.Keys(v.sums), maps.Keys(v.accs), maps.Keys(v.notes)} {
		for s := range m {
			keys[s.Key] = true
		}
	}
	for i := range kindsKeys { // and those that should have none
		keys[kindsKey(i)] = true
	}
	for name, s := range l.states {
		for key := range keys {
			if spaces := slices.Sorted(k.scope.Of(s, key)); len(spaces) > 0 {
				v.spaces[name+key] = spaces
			}
		}
	}
	return v
}

func once[K comparable, V any](t require.TestingT, seq iter.Seq2[K, V]) map[K]V {
	m := map[K]V{}
	for k, v := range seq {
		_, twice := m[k]
		require.False(t, twice, "%v twice", k)
		m[k] = v
	}
	return m
}

const (
	kindsKeys   = 12
	kindsSpaces = 5
)

func kindsKey(i int) string   { return fmt.Sprint("k", i%kindsKeys) }
func kindsSpace(i int) string { return fmt.Sprint("n", i%kindsSpaces) }
func kindsSpot(a, b int) spot { return heapbackend.In(kindsKey(a), kindsSpace(b)) }
