package main

import (
	"cmp"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	googlebtree "github.com/google/btree"
	"github.com/stretchr/testify/require"
	tidwallbtree "github.com/tidwall/btree"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// alarm is what the libraries' trees hold for a timer: what ours holds.
type alarm struct {
	at   int64
	hash uint64
	key  uint64
}

func compareAlarms(a, b alarm) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.hash, b.hash), cmp.Compare(a.key, b.key))
}

// earlier is less for the libraries, without a call where the times differ.
func earlier(a, b alarm) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return compareAlarms(a, b) < 0
}

// orderedSet is a set of timers in 128 key groups.
type orderedSet interface {
	register(x alarm)
	delete(x alarm)
	drain() int
	capture() (release func())
}

const timerGroups = 128

type stateTimers struct {
	b *heapbackend.Backend[uint64]
	s *heapbackend.Timers[uint64]
}

func newStateTimers(tb testing.TB) orderedSet {
	b, err := heapbackend.New[uint64](heapbackend.Config{M: timerGroups, Range: keygroups.Range{End: timerGroups}, Seed: 42})
	require.NoError(tb, err)
	s, err := heapbackend.NewTimers(b, "timers", heapbackend.EventTime)
	require.NoError(tb, err)
	return stateTimers{b, s}
}

func (t stateTimers) register(x alarm) { _ = t.s.Register(x.key, heapbackend.Timestamp(x.at)) }
func (t stateTimers) delete(x alarm)   { _ = t.s.Delete(x.key, heapbackend.Timestamp(x.at)) }

func (t stateTimers) drain() (n int) {
	for range t.s.Due(heapbackend.MaxTimestamp) {
		n++
	}
	return n
}

func (t stateTimers) capture() func() {
	snap, err := t.b.Capture()
	if err != nil {
		panic(err)
	}
	return snap.Release
}

// tree is what the libraries have in common.
type tree interface {
	set(alarm)
	del(alarm)
	pop() bool
	clone() tree
}

type tidwall struct{ *tidwallbtree.BTreeG[alarm] }

func newTidwall() tree {
	return tidwall{tidwallbtree.NewBTreeGOptions(earlier, tidwallbtree.Options{NoLocks: true})}
}
func (t tidwall) set(x alarm) { t.Set(x) }
func (t tidwall) del(x alarm) { t.Delete(x) }
func (t tidwall) pop() bool   { _, ok := t.PopMin(); return ok }
func (t tidwall) clone() tree { return tidwall{t.Copy()} }

type google struct{ *googlebtree.BTreeG[alarm] }

func newGoogle() tree        { return google{googlebtree.NewG(32, earlier)} }
func (t google) set(x alarm) { t.ReplaceOrInsert(x) }
func (t google) del(x alarm) { t.BTreeG.Delete(x) }
func (t google) pop() bool   { _, ok := t.DeleteMin(); return ok }
func (t google) clone() tree { return google{t.Clone()} }

// treeTimers is a tree for each key group, without a guard and without the order across key groups: what a state made of
// them would have to add.
type treeTimers struct {
	h     keygroups.Hasher[uint64]
	trees []tree
}

func newTreeTimers(tb testing.TB, fresh func() tree) orderedSet {
	h, err := keygroups.NewHasher[uint64](42)
	require.NoError(tb, err)
	t := treeTimers{h: h}
	for range timerGroups {
		t.trees = append(t.trees, fresh())
	}
	return t
}

func (t treeTimers) of(x *alarm) tree {
	x.hash = t.h.Hash(x.key)
	return t.trees[keygroups.Of(x.hash, timerGroups)]
}

func (t treeTimers) register(x alarm) { t.of(&x).set(x) }
func (t treeTimers) delete(x alarm)   { t.of(&x).del(x) }

func (t treeTimers) drain() (n int) {
	for _, tree := range t.trees {
		for tree.pop() {
			n++
		}
	}
	return n
}

func (t treeTimers) capture() func() {
	held := make([]tree, len(t.trees))
	for i := range held {
		held[i] = t.trees[i].clone()
	}
	return func() { held = nil }
}

// BenchmarkOrderedTimers compares heapbackend's timers with a tree of a library for each key group, in turns:
//
//	TIMERS=10000000 go test -run '^$' -bench OrderedTimers -benchtime 5x
func BenchmarkOrderedTimers(b *testing.B) {
	n := 1_000_000
	if s := os.Getenv("TIMERS"); s != "" {
		var err error
		n, err = strconv.Atoi(s)
		require.NoError(b, err)
	}
	for _, order := range []string{"ascending", "random"} {
		r := rand.New(rand.NewPCG(7, 8))
		timers := make([]alarm, n)
		for i := range timers {
			timers[i] = alarm{at: int64(i + r.IntN(1000)), key: r.Uint64()}
			if order == "random" {
				timers[i].at = r.Int64N(int64(n))
			}
		}
		lanes := []*timersLane{
			{name: "heapstate", fresh: func() orderedSet { return newStateTimers(b) }},
			{name: "tidwall", fresh: func() orderedSet { return newTreeTimers(b, newTidwall) }},
			{name: "google", fresh: func() orderedSet { return newTreeTimers(b, newGoogle) }},
		}
		b.Run("times="+order, func(b *testing.B) {
			for b.Loop() {
				for _, l := range lanes {
					l.turn(b, timers)
				}
			}
			b.ReportMetric(0, "ns/op")
			for _, l := range lanes {
				l.report(b)
			}
		})
	}
}

// timersLane is one side of the comparison and what it took, in ns or bytes by operation.
type timersLane struct {
	name  string
	fresh func() orderedSet
	took  map[string][]float64
}

func (l *timersLane) turn(b *testing.B, timers []alarm) {
	if l.took == nil {
		l.took = map[string][]float64{}
	}
	n := len(timers)
	some := timers[n/2:][:n/10]
	before := liveHeap()
	s := l.fresh()
	each := func(op string, timers []alarm, f func(alarm)) {
		start := time.Now()
		for _, x := range timers {
			f(x)
		}
		l.add(op+"-ns", float64(time.Since(start))/float64(len(timers)))
	}
	each("register", timers, s.register)
	l.add("B", (liveHeap()-before)/float64(n))
	each("again", timers, s.register)
	each("delete", some, s.delete)
	each("put-back", some, s.register)
	start := time.Now()
	release := s.capture()
	l.add("capture-ns", float64(time.Since(start)))
	each("delete-captured", some, s.delete)
	release()
	each("put-back", some, s.register)
	start = time.Now()
	require.Equal(b, n, s.drain())
	l.add("drain-ns", float64(time.Since(start))/float64(n))
}

func (l *timersLane) add(what string, v float64) { l.took[what] = append(l.took[what], v) }

func (l *timersLane) report(b *testing.B) {
	for _, what := range []string{"register-ns", "again-ns", "delete-ns", "delete-captured-ns", "drain-ns", "capture-ns", "B"} {
		b.ReportMetric(median(l.took[what]), l.name+"-"+what)
	}
}
