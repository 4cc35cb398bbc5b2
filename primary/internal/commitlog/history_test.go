package commitlog

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// history is a world of coordinators that do not know of each other. At any call of the store another may take its
// turn, so that each sleeps anywhere in what it does, for as long as the others need to claim, commit and retire.
type history struct {
	rnd      *rand.Rand
	objects  map[string][]byte
	actors   []*actor
	depth    int
	parents  map[string]string // of every checkpoint that was tried: what its coordinator went on from
	done     []Record          // committed
	commits  int
	takeover int
}

// actor is one coordinator.
type actor struct {
	log    *Log
	newest string
	slots  []uint64
	live   []Entry // held by the claim, until a checkpoint follows
	busy   bool
}

var errFault = errors.New("test: fault")

// turn lets somebody else do something.
func (h *history) turn() {
	if h.depth > 4 || h.rnd.IntN(8) != 0 {
		return
	}
	h.step()
}

func (h *history) step() {
	a := h.actors[h.rnd.IntN(len(h.actors))]
	if a.busy {
		return
	}
	a.busy = true
	h.depth++
	for range 1 + h.rnd.IntN(4) {
		switch {
		case a.log == nil:
			h.open(a)
		case h.rnd.IntN(12) == 0:
			*a = actor{busy: true} // its process dies
		default:
			h.commit(a)
		}
	}
	h.depth--
	a.busy = false
}

func (h *history) Create(_ context.Context, name string, b []byte) error {
	h.turn()
	fate := h.rnd.IntN(40)
	if fate == 0 {
		return errFault
	}
	if fate == 1 {
		return ErrUncertain
	}
	if _, ok := h.objects[name]; ok {
		return ErrExist
	}
	h.objects[name] = bytes.Clone(b)
	h.turn()
	if fate == 2 {
		return ErrUncertain
	}
	return nil
}

func (h *history) Read(_ context.Context, name, _ string) ([]byte, error) {
	h.turn()
	if b, ok := h.objects[name]; ok {
		return bytes.Clone(b), nil
	}
	return nil, ErrNotExist
}

func (h *history) Holds(ctx context.Context, name string, b []byte) (bool, error) {
	got, err := h.Read(ctx, name, Magic)
	return err == nil && bytes.HasPrefix(got, b), nil
}

func (h *history) Exists(_ context.Context, name string) (bool, error) {
	h.turn()
	_, ok := h.objects[name]
	return ok || name == OriginName(testJob) && h.takeover > 0, nil
}

// wholeKey marks the context of who opens the log. Its listings are of one moment: that the newest record is replaced
// and retired during each of them, while a dead one lies in a hole, is what the log leaves open.
type wholeKey struct{}

func (h *history) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(h.objects)) {
			if ctx.Value(wholeKey{}) == nil && h.depth < 3 && h.rnd.IntN(4) == 0 {
				h.turn()
			}
			if _, ok := h.objects[name]; ok && strings.HasPrefix(name, prefix) && !yield(name, nil) {
				return
			}
		}
	}
}

func (h *history) open(a *actor) {
	ctx := context.WithValue(context.Background(), wholeKey{}, true)
	v, err := Load(ctx, h, testJob)
	if err != nil || len(v.Faults) > 0 {
		return
	}
	again, err := listSlots(ctx, h, testJob)
	if err != nil {
		return
	}
	a.slots = slices.Concat(v.Slots, again)
	slices.Sort(a.slots)
	a.slots = slices.DeleteFunc(slices.Compact(a.slots), func(s uint64) bool { return s > v.Top() })
	a.log = New(h, testJob, uuid.New(), v.Top())
	r := a.log.Next(Claim, 0)
	for _, e := range v.Live {
		a.newest = string(e.Manifest)
		e.Holder = r.Slot
		r.Live, r.Held = append(r.Live, e.Ref), append(r.Held, e)
	}
	a.live = r.Held
	if verdict, err := a.log.Append(ctx, r); verdict != Committed || err != nil {
		*a = actor{busy: true}
		return
	}
	h.takeover++
	a.slots = append(a.slots, r.Slot)
	if h.rnd.IntN(4) != 0 {
		_ = a.log.Copy(ctx, r)
	}
	if v.Newest != nil {
		h.retire(a, v.Newest.Begin())
	}
}

func (h *history) commit(a *actor) {
	ctx := context.Background()
	r := a.log.Next(Checkpoint, 0)
	h.commits++
	r.Manifest = []byte(strconv.Itoa(h.commits))
	h.parents[string(r.Manifest)] = a.newest
	var before []Ref
	for _, e := range a.live {
		before = append(before, e.Ref)
	}
	v, err := a.log.Append(ctx, r)
	for v == Doubt && !errors.Is(err, ErrFenced) {
		v, err = a.log.Settle(ctx, r, before)
	}
	if v == Committed {
		h.done = append(h.done, *r)
	}
	if errors.Is(err, ErrFenced) {
		*a = actor{busy: true}
		return
	}
	for s := r.Slot; s <= a.log.Newest().Slot; s++ {
		a.slots = append(a.slots, s)
	}
	if v != Committed {
		return
	}
	a.newest, a.live = string(r.Manifest), []Entry{r.entry(r.Slot)}
	if h.rnd.IntN(4) != 0 {
		_ = a.log.Copy(ctx, r)
	}
	h.retire(a, a.log.Newest().Begin())
}

func (h *history) retire(a *actor, begin uint64) {
	for ; len(a.slots) > 0 && a.slots[0] < begin; a.slots = a.slots[1:] {
		for _, name := range []string{CopyName(testJob, a.slots[0]), RecordName(testJob, a.slots[0])} {
			h.turn()
			delete(h.objects, name)
		}
		if h.rnd.IntN(6) == 0 {
			return
		}
	}
}

// check makes sure that every checkpoint that was said to be committed is in the history of the next.
func (h *history) check(t *testing.T, seed uint64) {
	t.Helper()
	slices.SortFunc(h.done, func(a, b Record) int { return cmp.Compare(a.Slot, b.Slot) })
	done := h.done
	for i := 1; i < len(done); i++ {
		want, at := string(done[i-1].Manifest), string(done[i].Manifest)
		for at != "" && at != want {
			at = h.parents[at]
		}
		require.Equal(t, want, at, "seed %d: what slot %d holds does not come after slot %d", seed, done[i].Slot, done[i-1].Slot)
	}
}

func TestHistoryIsOneLine(t *testing.T) {
	takeovers, commits := 0, 0
	for seed := range uint64(300) {
		h := &history{
			rnd: rand.New(rand.NewPCG(seed, 1)), objects: map[string][]byte{}, actors: []*actor{{}, {}, {}},
			parents: map[string]string{},
		}
		for range 60 {
			h.step()
		}
		h.check(t, seed)
		takeovers, commits = takeovers+h.takeover, commits+len(h.done)
	}
	require.Greater(t, takeovers, 1000)
	require.Greater(t, commits, 3000)
}
