package localcopy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// model is the rules of the lifecycle on two maps: the value each id was captured with.
type model struct {
	pending, sealed map[uint64]int64
	stored, aborted map[uint64]bool
	floor           uint64
	disposed        bool
}

func newModel() *model {
	return &model{map[uint64]int64{}, map[uint64]int64{}, map[uint64]bool{}, map[uint64]bool{}, 0, false}
}

func (m *model) drop(fits func(uint64) bool) {
	for id := range uint64(20) {
		if fits(id) {
			delete(m.pending, id)
			delete(m.sealed, id)
			delete(m.stored, id)
		}
	}
}

func (m *model) apply(op string, id uint64, value int64) {
	switch op {
	case "store":
		if m.disposed || m.aborted[id] || id < m.floor {
			return
		}
		m.drop(func(o uint64) bool { return o == id })
		m.pending[id], m.stored[id] = value, true
	case "done":
		if v, ok := m.pending[id]; ok {
			delete(m.pending, id)
			m.sealed[id] = v
		}
	case "confirm":
		if m.stored[id] {
			m.drop(func(o uint64) bool { return o < id })
			m.floor = max(m.floor, id)
		}
	case "abort":
		m.drop(func(o uint64) bool { return o == id })
		m.aborted[id] = true
	case "restored":
		m.drop(func(o uint64) bool { return o != id })
		clear(m.aborted)
		m.floor = id
	case "next": // the keeper of the next attempt: it knows what is sealed, and nothing else
		*m = model{map[uint64]int64{}, m.sealed, map[uint64]bool{}, map[uint64]bool{}, 0, false}
	case "dispose":
		m.disposed, m.pending, m.sealed = true, map[uint64]int64{}, map[uint64]int64{}
	}
}

// Any sequence of calls leaves exactly the copies the rules say.
func TestLifecycleAgreesWithModel(t *testing.T) {
	for seed := range uint64(60) {
		ops := randomOps(rand.New(rand.NewPCG(seed, 1)), 40)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runOps(t, ops) })
	}
}

// randomOps returns operations as text: "store 3", "confirm 2", ... Ids mostly move on, as they do in life.
func randomOps(r *rand.Rand, n int) []string {
	kinds := strings.Fields("store store store done done done confirm abort restored next")
	ops := make([]string, n)
	for i := range ops {
		id := max(0, min(19, i/3+r.IntN(5)-2))
		ops[i] = fmt.Sprintf("%s %d", kinds[r.IntN(len(kinds))], id)
	}
	if r.IntN(4) == 0 {
		ops[n-3] = "dispose 0"
	}
	return ops
}

func runOps(t *testing.T, ops []string) {
	s, m := newState(t), newModel()
	formats := localcopy.Stack(localcopy.Heap(), localcopy.File(t.TempDir()))
	k := s.keep(formats...)
	twins := map[uint64][]primary.Segment{}
	for i, text := range ops {
		var op string
		var id uint64
		_, err := fmt.Sscan(text, &op, &id)
		require.NoError(t, err)
		if disposed := m.disposed; disposed && op == "next" {
			continue // what was sealed before is no longer in the model
		}
		m.apply(op, id, int64(i))
		switch op {
		case "store":
			var meta localcopy.Meta
			var snapshot *heapbackend.Snapshot
			meta, snapshot, twins[id] = s.checkpoint(id, int64(i))
			k.Store(meta, snapshot)
		case "done":
			k.PrimaryDone(id, twins[id])
		case "confirm":
			k.Confirm(id)
		case "abort":
			k.Abort(id)
		case "restored":
			k.Restored(id)
		case "dispose":
			k.Dispose(false)
		case "next":
			settle(t, k)
			k.Dispose(false)
			settle(t, k)
			k = s.keep(formats...)
		}
		requireModel(t, k, m, formats, strings.Join(ops[:i+1], "; "))
	}
	settle(t, k)
	for _, f := range k.Stats() {
		require.Zero(t, f.Failed-f.Late, "only lateness may happen")
	}
}

func requireModel(t *testing.T, k *localcopy.Keeper, m *model, formats localcopy.Formats, history string) {
	t.Helper()
	settle(t, k)
	for id := range uint64(20) {
		value, ok := m.sealed[id]
		copies := k.Copies(id)
		if !ok {
			require.Empty(t, copies, "checkpoint %d after %s", id, history)
			continue
		}
		require.Len(t, copies, len(formats), "checkpoint %d after %s", id, history)
		for _, c := range copies {
			requireValue(t, c, value)
		}
	}
}
