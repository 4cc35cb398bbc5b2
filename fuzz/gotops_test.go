package fuzz

import "slices"

// doGot does what a program may do with what it got: put it anywhere, and append to it.
func (j *job[K]) doGot(code byte, a, b int, mk label) {
	if j.tasks[0].baskets != nil {
		j.doGotBasket(code, a, b)
	}
	if j.tasks[0].maps != nil {
		j.doGotShorts(code, a, b, mk)
	}
}

func (j *job[K]) doGotBasket(code byte, a, b int) {
	got, ok := j.taskOf(a).baskets.Get(j.keys.of(a))
	s, key := j.taskOf(b).baskets, j.keys.of(b)
	switch {
	case !ok:
	case code == opMove:
		j.must(s.Put(key, got))
		j.want.baskets[b] = copyBasket(j.want.baskets[a])
	case code == opLend:
		store := func(x *basket, from basket) {
			x.Items, x.Tags, x.Best, x.Parts = from.Items, from.Tags, from.Best, append(from.Parts, from)
		}
		v, from := copyBasket(j.want.baskets[b]), copyBasket(j.want.baskets[a])
		if len(from.Parts) > 8 {
			return
		}
		j.must(s.Update(key, func(x *basket) { store(x, got) }))
		store(&v, from)
		j.want.baskets[b] = copyBasket(v)
	case code == opExtend:
		extendBasket(got)
		for _, v := range j.taskOf(a).baskets.All() {
			extendBasket(v)
		}
	}
}

func extendBasket(b basket) {
	_ = append(b.Items, "theirs")
	for _, p := range append(b.Parts, basket{})[:len(b.Parts)] {
		extendBasket(p)
	}
}

func (j *job[K]) doGotShorts(code byte, a, b int, mk label) {
	got, ok := j.taskOf(a).maps.Get(j.keys.of(a), mk)
	if !ok {
		return
	}
	if code == opExtend {
		_ = append(got, -1)
		return
	}
	s, key := j.taskOf(b).maps, j.keys.of(b)
	if code == opMove {
		j.must(s.Put(key, mk, got))
	} else {
		j.must(s.Update(key, mk, func(x *[]int16) { *x = got }))
	}
	want := slices.Clone(j.want.maps[a][mk])
	if j.want.maps[b] == nil {
		j.want.maps[b] = map[label][]int16{}
	}
	j.want.maps[b][mk] = want
}
