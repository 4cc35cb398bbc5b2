package fuzz

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// The states of every job, as bits of a mask.
const (
	hasTotals = 1 << iota
	hasBaskets
	hasLists
	hasMaps
	hasAll = 1<<iota - 1
)

// task is the backend of one range of key groups, and its states; those not registered are nil.
type task[K comparable] struct {
	backend *heapbackend.Backend[K]
	r       keygroups.Range
	totals  *heapbackend.Value[K, total]
	baskets *heapbackend.Value[K, basket]
	lists   *heapbackend.List[K, note]
	maps    *heapbackend.Map[K, label, []int16]
}

// newTask makes a task and registers the states of mask, beginning with the turn-th.
func newTask[K comparable](cfg heapbackend.Config, mask, turn int) (*task[K], error) {
	b, err := heapbackend.New[K](cfg)
	if err != nil {
		return nil, err
	}
	k := &task[K]{backend: b, r: cfg.Range}
	for i := range 4 {
		if err := k.register(mask & (1 << ((i + turn) % 4))); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// register registers the state of one bit; none is none.
func (k *task[K]) register(bit int) (err error) {
	switch bit {
	case hasTotals:
		k.totals, err = heapbackend.NewValue[total](k.backend, "totals")
	case hasBaskets:
		k.baskets, err = heapbackend.NewValue[basket](k.backend, "baskets")
	case hasLists:
		k.lists, err = heapbackend.NewList[note](k.backend, "lists")
	case hasMaps:
		k.maps, err = heapbackend.NewMap[label, []int16](k.backend, "maps")
	}
	return err
}

func (k *task[K]) mask() int {
	mask := 0
	if k.totals != nil {
		mask |= hasTotals
	}
	if k.baskets != nil {
		mask |= hasBaskets
	}
	if k.lists != nil {
		mask |= hasLists
	}
	if k.maps != nil {
		mask |= hasMaps
	}
	return mask
}

// part returns what of the content is in the task's groups.
func (k *task[K]) part(c *content, group func(key int) int) *content {
	p := newContent()
	p.merge(c, func(key int) bool { return k.r.Contains(group(key)) })
	return p
}

// check compares the task's states, as they are now, with their part of the model.
func (k *task[K]) check(ks keys[K], want *content) error {
	var errs []error
	if s := k.totals; s != nil {
		errs = append(errs, named("totals", compare(ks, want.totals, s.All(), s.Get), sized(s.Keys(), len(want.totals))))
	}
	if s := k.baskets; s != nil {
		errs = append(errs, named("baskets", compare(ks, want.baskets, s.All(), s.Get), sized(s.Keys(), len(want.baskets))))
	}
	if s := k.lists; s != nil {
		get := func(key K) ([]note, bool) { return collect(s.Get(key)), s.Len(key) > 0 }
		errs = append(errs, named("lists", compare(ks, want.lists, mapped(s.All(), collect), get), sized(s.Keys(), len(want.lists))))
	}
	if s := k.maps; s != nil {
		get := func(key K) (map[label][]int16, bool) { return maps.Collect(s.Entries(key)), s.Len(key) > 0 }
		errs = append(errs, named("maps", compare(ks, want.maps, mapped(s.All(), maps.Collect), get), sized(s.Keys(), len(want.maps))))
	}
	return errors.Join(append(errs, k.backend.Err())...)
}

// checkAt compares the task's states as they are in a snapshot.
func (k *task[K]) checkAt(ks keys[K], snap *heapbackend.Snapshot, mask int, want *content) error {
	var errs []error
	if mask&hasTotals != 0 {
		v, err := k.totals.At(snap)
		if err != nil {
			return err
		}
		errs = append(errs, named("totals", compare(ks, want.totals, v.All(), v.Get)))
	}
	if mask&hasBaskets != 0 {
		v, err := k.baskets.At(snap)
		if err != nil {
			return err
		}
		errs = append(errs, named("baskets", compare(ks, want.baskets, v.All(), v.Get)))
	}
	if mask&hasLists != 0 {
		v, err := k.lists.At(snap)
		if err != nil {
			return err
		}
		get := func(key K) ([]note, bool) { l := collect(v.Get(key)); return l, len(l) > 0 }
		errs = append(errs, named("lists", compare(ks, want.lists, mapped(v.All(), collect), get)))
	}
	if mask&hasMaps != 0 {
		v, err := k.maps.At(snap)
		if err != nil {
			return err
		}
		errs = append(errs, named("maps", compare(ks, want.maps, mapped(v.All(), maps.Collect), nil)))
		for key, m := range want.maps {
			get := func(mk label) ([]int16, bool) { return v.Get(ks.of(key), mk) }
			for mk, w := range m {
				if x, ok := get(mk); !ok || !slices.Equal(x, w) {
					errs = append(errs, fmt.Errorf("maps: key %d, %q is %v, want %v", key, mk, x, w))
				}
			}
		}
	}
	return errors.Join(errs...)
}

func named(state string, errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %w", state, err)
	}
	return nil
}

func sized(have, want int) error {
	if have != want {
		return fmt.Errorf("Keys is %d, want %d", have, want)
	}
	return nil
}

// collect is slices.Collect as a function of its own type.
func collect(seq iter.Seq[note]) []note { return slices.Collect(seq) }

// mapped turns the values of a sequence.
func mapped[K, V, W any](seq iter.Seq2[K, V], turn func(V) W) iter.Seq2[K, W] {
	return func(yield func(K, W) bool) {
		for k, v := range seq {
			if !yield(k, turn(v)) {
				return
			}
		}
	}
}
