package heapbackend_test

import (
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// rack is a backend with every kind of state that holds slices.
type rack struct {
	b       *heapbackend.Backend[uint64]
	value   *heapbackend.Value[uint64, []int]
	list    *heapbackend.List[uint64, []int]
	m       *heapbackend.Map[uint64, string, []int]
	reduced *heapbackend.Reducing[uint64, []int]
	agg     *heapbackend.Aggregating[uint64, []int, []int, []int]
	rules   *heapbackend.Broadcast[string, []int]
	split   *heapbackend.OperatorList[[]int]
}

// template is what the accumulators of a rack begin as.
func newRack(t *testing.T, template []int) *rack {
	cfg := whole()
	cfg.CheckValues = true
	return newRackIn(t, cfg, template)
}

func newRackIn(t *testing.T, cfg heapbackend.Config, template []int) *rack {
	b := backend[uint64](t, cfg)
	s := &rack{b: b, value: valueOf[[]int](t, b, "value")}
	s.list, s.m = listOf[[]int](t, b, "list"), mapOf[string, []int](t, b, "map")
	var err error
	s.reduced, err = heapbackend.NewReducing(b, "reduced", func(_, b []int) []int { return b })
	require.NoError(t, err)
	s.agg, err = heapbackend.NewAggregating(b, "agg", heapbackend.Aggregator[[]int, []int, []int]{
		Create: func() []int { return template },
		Add: func(acc *[]int, in []int) {
			if len(in) == 1 {
				(*acc)[0] = in[0]
			} else {
				*acc = in // which it should have copied
			}
		},
		Result: func(acc []int) []int { return acc },
	})
	require.NoError(t, err)
	s.rules, err = heapbackend.NewBroadcast[string, []int](b, "rules")
	require.NoError(t, err)
	s.split, err = heapbackend.NewSplitList[[]int](b, "split")
	require.NoError(t, err)
	return s
}

// place is where a rack has a slice: how one is put there, got, and changed in place, which some cannot.
type place struct {
	put    func(v []int) error
	get    func() []int
	change func(fn func(v *[]int)) error
}

func last(all iter.Seq[[]int]) (v []int) {
	for v = range all {
	}
	return v
}

// places are all ways into a rack and out of it. Each uses a key of its own.
func (s *rack) places() map[string]place {
	return map[string]place{
		"value": {
			func(v []int) error { return s.value.Put(1, v) },
			func() []int { v, _ := s.value.Get(1); return v },
			func(fn func(*[]int)) error { return s.value.Update(1, fn) },
		},
		"update": {
			func(v []int) error { return s.value.Update(2, func(x *[]int) { *x = v }) },
			func() []int {
				for k, v := range s.value.All() {
					if k == 2 {
						return v
					}
				}
				return nil
			},
			func(fn func(*[]int)) error { return s.value.Update(2, fn) },
		},
		"map": {
			func(v []int) error { return s.m.Put(1, "a", v) },
			func() []int { v, _ := s.m.Get(1, "a"); return v },
			func(fn func(*[]int)) error { return s.m.Update(1, "a", fn) },
		},
		"map update": {
			func(v []int) error { return s.m.Update(1, "b", func(x *[]int) { *x = v }) },
			func() []int {
				for k, v := range s.m.Entries(1) {
					if k == "b" {
						return v
					}
				}
				return nil
			},
			func(fn func(*[]int)) error { return s.m.Update(1, "b", fn) },
		},
		"list": {func(v []int) error { return s.list.Append(1, v) }, func() []int { return last(s.list.Get(1)) }, nil},
		"set":  {func(v []int) error { return s.list.Set(2, v) }, func() []int { return last(s.list.Get(2)) }, nil},
		"reduced": {
			func(v []int) error { return s.reduced.Add(1, v) },
			func() []int { v, _ := s.reduced.Get(1); return v }, nil,
		},
		"aggregated": {
			func(v []int) error { return s.agg.Add(1, append(slices.Clip(v), 0)[:max(2, len(v))]) },
			func() []int { v, _ := s.agg.Get(1); return v },
			func(fn func(*[]int)) error {
				var v []int
				fn(&v)
				return s.agg.Add(1, v)
			},
		},
		"rules": {
			func(v []int) error { return s.rules.Put("a", v) },
			func() []int { v, _ := s.rules.Get("a"); return v }, nil,
		},
		"split": {func(v []int) error { return s.split.Append(v) }, func() []int { return last(s.split.All()) }, nil},
	}
}

func TestWhatWasGotCanBePutAnywhere(t *testing.T) {
	for from := range newRack(t, []int{0}).places() {
		for to := range newRack(t, []int{0}).places() {
			if from == to {
				continue
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				s := newRack(t, []int{0, 0})
				source, sink := s.places()[from], s.places()[to]
				require.NoError(t, source.put([]int{1, 2, 3}))
				got := source.get()
				require.NoError(t, sink.put(got))
				requireApart(t, s, source, sink)
				requireApart(t, s, sink, source)
			})
		}
	}
}

// requireApart changes one place in every way there is, with captures between, and requires that the other stays as it
// is.
func requireApart(t *testing.T, s *rack, one, other place) {
	t.Helper()
	want := slices.Clone(other.get())
	for range 3 {
		snap := capture(t, s.b)
		before := entriesOf(t, snap)
		if one.change != nil {
			require.NoError(t, one.change(func(v *[]int) {
				if len(*v) == 0 {
					*v = []int{99}
				}
				(*v)[0] = 99
			}))
		}
		require.Equal(t, want, other.get())
		got := one.get()
		require.NoError(t, one.put(append(got, 100)))
		require.Equal(t, want, other.get())
		require.NoError(t, one.put(append(got, 101)))
		require.Equal(t, before, entriesOf(t, snap))
		snap.Release()
	}
	require.Equal(t, want, other.get())
	require.NoError(t, s.b.Err())
}

func TestWhatWasPutStaysTheProgramsOwn(t *testing.T) {
	for name := range newRack(t, []int{0}).places() {
		t.Run(name, func(t *testing.T) {
			s := newRack(t, []int{0, 0})
			p := s.places()[name]
			buffer := make([]int, 0, 16)
			buffer = append(buffer, 1, 2, 3)
			require.NoError(t, p.put(buffer))
			want := slices.Clone(p.get())
			snap := capture(t, s.b)
			buffer[0] = 7
			_ = append(buffer, 8)
			require.Equal(t, want, p.get())
			blocksOf(t, snap)
			if p.change != nil {
				require.NoError(t, p.change(func(v *[]int) { *v = append((*v)[:0], 9) }))
			}
			require.Equal(t, []int{7, 2, 3}, buffer)
		})
	}
}

func TestWhatIsNewBeginsAsACopyOfWhatCreateReturns(t *testing.T) {
	template := []int{0, 0}
	s := newRack(t, template)
	for k := range uint64(3) {
		require.NoError(t, s.agg.Add(k, []int{int(k) + 1}))
	}
	require.Equal(t, []int{0, 0}, template)
	for k := range uint64(3) {
		got, _ := s.agg.Get(k)
		require.Equal(t, []int{int(k) + 1, 0}, got)
	}
}

// An attempt that was given up may hold what it got, and append to it when another has taken its memory over.
func TestNothingIsAppendedIntoTheMemoryOfAnother(t *testing.T) {
	for name := range newRack(t, []int{0}).places() {
		t.Run(name, func(t *testing.T) {
			old := newRack(t, []int{0, 0})
			theirs := old.places()[name]
			require.NoError(t, theirs.put(append(make([]int, 0, 8), 1, 2)))
			if theirs.change != nil && name != "aggregated" {
				require.NoError(t, theirs.change(func(v *[]int) { *v = append(make([]int, 0, 8), 1, 2) }))
				require.NoError(t, theirs.change(func(v *[]int) { *v = append(*v, 3) }))
			}
			snap := capture(t, old.b)
			defer snap.Release()
			held := theirs.get()
			viewed := old.viewed(t, snap, name)

			next := newRack(t, []int{0, 0})
			var staged []*heapbackend.Staged
			for g := range snap.Blocks() {
				one, err := next.b.StageSnapshot(snap, g)
				require.NoError(t, err)
				staged = append(staged, one)
			}
			require.NoError(t, next.b.Install(staged))
			ours := next.places()[name]
			want := append(slices.Clone(ours.get()), 50)
			mine := append(ours.get(), 50)
			for _, v := range [][]int{held, viewed} {
				_ = append(v, 60)
			}
			require.Equal(t, want, mine)
			require.NoError(t, ours.put(mine))
			for _, v := range [][]int{held, viewed} {
				_ = append(v, 60)
			}
			require.Equal(t, want[:len(want)-1], ours.get()[:len(want)-1])
			require.Equal(t, 50, ours.get()[len(want)-1])
		})
	}
}

// viewed returns what a snapshot has at a place.
func (s *rack) viewed(t *testing.T, snap *heapbackend.Snapshot, name string) (v []int) {
	switch name {
	case "value", "update":
		view, err := s.value.At(snap)
		require.NoError(t, err)
		for k, x := range view.All() {
			_ = append(x, 70)
			v, _ = view.Get(k)
		}
	case "map", "map update":
		view, err := s.m.At(snap)
		require.NoError(t, err)
		for _, entries := range view.All() {
			for _, x := range entries {
				v = x
			}
		}
	case "reduced":
		view, err := s.reduced.At(snap)
		require.NoError(t, err)
		v, _ = view.Get(1)
	case "aggregated":
		view, err := s.agg.At(snap)
		require.NoError(t, err)
		v, _ = view.Get(1)
	}
	return v
}

func TestReadsAndUpdatesInPlaceCopyNothing(t *testing.T) {
	s := newRackIn(t, whole(), []int{0, 0})
	b := backend[uint64](t, whole())
	labels := valueOf[map[string]int](t, b, "labels")
	require.NoError(t, labels.Put(1, map[string]int{"a": 1}))
	require.NoError(t, s.value.Put(1, []int{1, 2, 3}))
	require.NoError(t, s.m.Put(1, "a", []int{1, 2, 3}))
	require.NoError(t, s.agg.Add(1, []int{1}))
	for name, f := range map[string]func(){
		"Value.Get":       func() { s.value.Get(1) },
		"Value.Update":    func() { _ = s.value.Update(1, func(v *[]int) { (*v)[0]++ }) },
		"grow":            func() { _ = s.value.Update(1, func(v *[]int) { *v = append((*v)[:2], 9) }) },
		"Map.Get":         func() { s.m.Get(1, "a") },
		"Map.Update":      func() { _ = s.m.Update(1, "a", func(v *[]int) { *v = (*v)[:1] }) },
		"Aggregating.Get": func() { s.agg.Get(1) },
		"a map":           func() { _ = labels.Update(1, func(v *map[string]int) { (*v)["a"]++ }) },
	} {
		f()
		require.Zero(t, testing.AllocsPerRun(100, f), name)
	}
}

// sharing is a codec that gives out one slice for all values that are equal.
type sharing struct{ same []int }

func (sharing) ID() string { return "sharing" }

func (sharing) Append(dst []byte, v *[]int) ([]byte, error) { return append(dst, byte((*v)[0])), nil }

func (s sharing) Decode(src []byte, v *[]int) ([]byte, error) {
	*v = s.same[:1]
	return src[1:], nil
}

func TestWhatACodecGivesTwiceIsCopied(t *testing.T) {
	c := sharing{same: []int{5, 6}}
	open := func() (*heapbackend.Backend[uint64], *heapbackend.Value[uint64, []int]) {
		b := backend[uint64](t, whole())
		return b, valueOf(t, b, "v", heapbackend.Options[[]int]{Codec: c})
	}
	b, v := open()
	require.NoError(t, v.Put(1, []int{5}))
	require.NoError(t, v.Put(2, []int{5}))
	x, got := open()
	restore(t, x, capture(t, b), decoded)
	require.NoError(t, got.Update(1, func(v *[]int) { *v = append(*v, 9); (*v)[0] = 9 }))
	other, _ := got.Get(2)
	require.Equal(t, []int{5}, other)
	require.Equal(t, []int{5, 6}, c.same)
}
