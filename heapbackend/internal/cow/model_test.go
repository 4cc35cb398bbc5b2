package cow

import (
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// hashes is what the model runs under: a good hash, one that fills few pages, and ones that no split can spread.
var hashes = map[string]func(uint64) uint64{
	"good":     mix,
	"one home": func(k uint64) uint64 { return mix(k) &^ (1<<dirShift - 1<<tagBits) },
	"one tag":  func(k uint64) uint64 { return mix(k) &^ (1<<tagBits - 1) },
	"few dirs": func(k uint64) uint64 { return mix(k) & (1<<(dirShift+2) - 1) },
	"constant": func(uint64) uint64 { return 7 },
}

func mix(k uint64) uint64 {
	k ^= k >> 30
	k *= 0xbf58476d1ce4e5b9
	k ^= k >> 27
	k *= 0x94d049bb133111eb
	return k ^ k>>31
}

// fat is a value large enough that pages split at few entries.
type fat [24]uint64

// machine is tables beside plain maps with full copies. One table is worked on, the others wait; each has a space of
// its own, and all adopt from each other.
type machine struct {
	side
	hash func(uint64) uint64
	// stamped: entries have stamps too, which the model keeps in stamps.
	stamped bool
	others  []side
	snaps   []snap // of all
}

type side struct {
	stamps map[uint64]int64
	cursor Cursor
	space  *Space
	pool   *Pool[uint64, fat]
	table  *Table[uint64, fat]
	model  map[uint64]uint64
}

type snap struct {
	view   *View
	frozen Frozen[uint64, fat]
	model  map[uint64]uint64
	stamps map[uint64]int64
}

func (m *machine) fresh() {
	if m.model == nil {
		m.model, m.stamps = map[uint64]uint64{}, map[uint64]int64{}
	}
	m.space = NewSpace()
	m.pool = NewPool[uint64, fat](m.space, PoolOptions[uint64]{Hash: m.hash, Stamps: m.stamped})
	m.table = NewTable(m.pool)
}

func (m *machine) put(t *rapid.T, k, v uint64) {
	p, inserted, _, err := m.table.Upsert(m.hash(k), k)
	require.NoError(t, err)
	_, had := m.model[k]
	require.Equal(t, !had, inserted)
	if inserted {
		require.Zero(t, *p, "an inserted value is zero")
	}
	p[0], p[23] = v, v
	m.model[k] = v
	if m.stamped {
		stamp := m.table.StampOf(m.hash(k), p)
		require.Equal(t, m.stamps[k], *stamp, "a stamp is zero at first, and then what it was set to")
		*stamp = int64(v >> 1)
		m.stamps[k] = *stamp
	}
}

func (m *machine) check(t *rapid.T) {
	for _, s := range m.snaps {
		equalModel(t, &s.frozen, s.model, m.hash)
		equalStamps(t, &s.frozen, s.stamps, m.hash)
	}
	for _, o := range append(m.others, m.side) {
		f := o.table.Freeze()
		equalModel(t, &f, o.model, m.hash)
		equalStamps(t, &f, o.stamps, m.hash)
		invariants(t, &o.table.directory, o.space)
		accounts(t, o.pool)
	}
}

// takeOver makes the table that is worked on what a snapshot is, sometimes in a new space, while the old one waits.
func (m *machine) takeOver(t *rapid.T, s snap) {
	if rapid.Bool().Draw(t, "in a new space") {
		if m.others = append(m.others, m.side); len(m.others) > 2 {
			m.others[0].space.Close()
			m.others = m.others[1:]
		}
		m.cursor = Cursor{}
		m.fresh()
	}
	require.True(t, m.space.Adopt(s.view))
	m.table.Adopt(s.frozen)
	m.model, m.stamps = maps.Clone(s.model), maps.Clone(s.stamps)
}

func equalModel(t *rapid.T, f *Frozen[uint64, fat], want map[uint64]uint64, hash func(uint64) uint64) {
	require.Equal(t, len(want), f.Len())
	got := map[uint64]uint64{}
	for k, v := range f.All() {
		_, twice := got[k]
		require.False(t, twice, "key %d yielded twice", k)
		require.Equal(t, v[0], v[23])
		got[k] = v[0]
		require.Same(t, v, f.Get(hash(k), k))
	}
	require.Equal(t, want, got)
}

// invariants checks what the comments at header, directory and Space state.
func invariants(t *rapid.T, d *directory, s *Space) {
	require.Less(t, s.frozen, s.epoch)
	entries, pages, deep := 0, 0, 0
	for h := range d.all {
		count := 0
		for range h.used {
			count++
		}
		require.Equal(t, int(h.count), count)
		require.LessOrEqual(t, h.epoch, s.epoch)
		entries += count
		pages++
		if d.depth > 0 && h.depth == d.depth {
			deep++
		}
	}
	require.Equal(t, d.n, entries)
	require.Equal(t, d.pages, pages)
	require.Equal(t, d.deep, deep)
	if d.depth > 0 {
		n := 0
		for _, g := range d.segs {
			n += len(g.pages)
		}
		require.Equal(t, 1<<d.depth, n)
	}
}

// accounts checks that a pool, the only one of its space, counts right what it keeps, and keeps no more than it may.
func accounts(t *rapid.T, p *Pool[uint64, fat]) {
	idle := 0
	for i := range p.free {
		idle += p.free[i].bytes()
	}
	for i := range p.limbo {
		idle += p.limbo[i].stack.bytes()
	}
	require.Equal(t, idle, p.idle)
	require.Equal(t, max(0, idle-max(p.made, p.madeBefore)), p.space.surplus)
	require.LessOrEqual(t, p.space.surplus, spareBytes)
}

func TestAnyInterleavingEqualsPlainMaps(t *testing.T) {
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				m := &machine{hash: hash}
				m.stamped = rapid.Bool().Draw(t, "stamped")
				m.fresh()
				keys := rapid.Uint64Range(0, rapid.Uint64Range(4, 600).Draw(t, "keys"))
				t.Repeat(map[string]func(*rapid.T){
					"put": func(t *rapid.T) {
						m.put(t, keys.Draw(t, "key"), rapid.Uint64().Draw(t, "value"))
					},
					"fill": func(t *rapid.T) {
						from, n := keys.Draw(t, "from"), rapid.Uint64Range(1, 200).Draw(t, "n")
						for k := from; k < from+n; k++ {
							m.put(t, k, k)
						}
					},
					"get": func(t *rapid.T) {
						k := keys.Draw(t, "key")
						v, ok := m.model[k]
						p := m.table.Get(hash(k), k)
						require.Equal(t, ok, p != nil)
						if ok {
							require.Equal(t, v, p[0])
						}
					},
					"delete": func(t *rapid.T) {
						k := keys.Draw(t, "key")
						_, ok := m.model[k]
						require.Equal(t, ok, m.table.Delete(hash(k), k))
						m.forget(k)
					},
					"stamp": func(t *rapid.T) { m.stamp(keys.Draw(t, "key"), rapid.Int64().Draw(t, "stamp")) },
					"look":  func(t *rapid.T) { m.look(t, rapid.IntRange(1, 100).Draw(t, "steps")) },
					"round": m.round,
					"drain": func(t *rapid.T) {
						from, n := keys.Draw(t, "from"), rapid.Uint64Range(1, 300).Draw(t, "n")
						for k := from; k < from+n; k++ {
							_, ok := m.model[k]
							require.Equal(t, ok, m.table.Delete(hash(k), k))
							m.forget(k)
						}
					},
					"clear": func(t *rapid.T) {
						m.table.Clear()
						m.model, m.stamps = map[uint64]uint64{}, map[uint64]int64{}
					},
					"capture": func(t *rapid.T) {
						v := m.space.Capture()
						m.snaps = append(m.snaps, snap{v, m.table.Freeze(), maps.Clone(m.model), maps.Clone(m.stamps)})
					},
					"release": func(t *rapid.T) {
						if len(m.snaps) == 0 {
							t.Skip()
						}
						i := rapid.IntRange(0, len(m.snaps)-1).Draw(t, "snapshot")
						m.snaps[i].view.Release()
						m.snaps = append(m.snaps[:i], m.snaps[i+1:]...)
					},
					"adopt": func(t *rapid.T) {
						if len(m.snaps) == 0 {
							t.Skip()
						}
						m.takeOver(t, m.snaps[rapid.IntRange(0, len(m.snaps)-1).Draw(t, "snapshot")])
					},
					"turn": func(t *rapid.T) {
						if len(m.others) == 0 {
							t.Skip()
						}
						i := rapid.IntRange(0, len(m.others)-1).Draw(t, "side")
						m.side, m.others[i] = m.others[i], m.side
					},
					"": m.check,
				})
			})
		})
	}
}

func TestPagesComeBackAfterRelease(t *testing.T) {
	m := &machine{hash: mix}
	m.fresh()
	const n = 4096
	touch := func() {
		for k := range uint64(n) {
			_, _, _, err := m.table.Upsert(mix(k), k)
			require.NoError(t, err)
		}
	}
	touch()
	var last *View
	for round := range 6 {
		v := m.space.Capture()
		if last != nil {
			last.Release()
		}
		last = v
		before := m.pool.fresh
		touch()
		if round >= 2 {
			require.Equal(t, before, m.pool.fresh, fmt.Sprint("round ", round, ": pages only released snapshots could see are used again"))
		}
	}
	last.Release()
}

func TestShrinkingGivesMemoryBack(t *testing.T) {
	m := &machine{hash: mix}
	m.fresh()
	const n = 20000
	for k := range uint64(n) {
		_, _, _, err := m.table.Upsert(mix(k), k)
		require.NoError(t, err)
	}
	full := m.table.pages
	for k := range uint64(n - 100) {
		require.True(t, m.table.Delete(mix(k), k))
	}
	require.Less(t, m.table.pages, full/50)
	require.LessOrEqual(t, m.pool.idle, spareBytes)
	for k := uint64(n - 100); k < n; k++ {
		require.True(t, m.table.Delete(mix(k), k))
	}
	require.Zero(t, m.table.pages)
	require.Zero(t, int(m.table.depth))
}

func TestKeysThatAgreeInEveryBit(t *testing.T) {
	m := &machine{hash: hashes["constant"]}
	m.fresh()
	var err error
	k := uint64(0)
	for ; err == nil; k++ {
		_, _, _, err = m.table.Upsert(7, k)
	}
	require.ErrorIs(t, err, ErrFull)
	require.EqualValues(t, maxGroups*slotsPerGroup+1, k)
	require.Equal(t, maxGroups*slotsPerGroup, m.table.Len())
	require.NotNil(t, m.table.Get(7, 5))
}
