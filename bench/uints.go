package main

import "github.com/heapstate/heapstate/heapbackend"

// newUints returns both sides for uint64 keys.
func newUints(keys []uint64) sides {
	order := shuffled(keys)
	return sides{&uintMap{keys: keys, order: order}, &uintState{keys: keys, order: order}}
}

type uintMap struct {
	keys, order []uint64
	m           map[uint64]total
}

func (s *uintMap) drop() { s.m = nil }

func (s *uintMap) insert() {
	m := map[uint64]total{}
	for i, k := range s.keys {
		m[k] = total{Sum: uint64(i)}
	}
	s.m = m
}

func (s *uintMap) get() {
	sum, m := uint64(0), s.m
	for _, k := range s.order {
		sum += m[k].Sum
	}
	sink += sum
}

func (s *uintMap) put() {
	m := s.m
	for i, k := range s.order {
		m[k] = total{Sum: uint64(i)}
	}
}

func (s *uintMap) update() {
	m := s.m
	for _, k := range s.order {
		x := m[k]
		x.N++
		m[k] = x
	}
}

type uintState struct {
	keys, order []uint64
	v           *heapbackend.Value[uint64, total]
}

func (s *uintState) drop() { s.v = nil }

func (s *uintState) insert() {
	_, v, err := newState[uint64]()
	must(err)
	for i, k := range s.keys {
		must(v.Put(k, total{Sum: uint64(i)}))
	}
	s.v = v
}

func (s *uintState) get() {
	sum, v := uint64(0), s.v
	for _, k := range s.order {
		x, _ := v.Get(k)
		sum += x.Sum
	}
	sink += sum
}

func (s *uintState) put() {
	v := s.v
	for i, k := range s.order {
		must(v.Put(k, total{Sum: uint64(i)}))
	}
}

func (s *uintState) update() {
	v := s.v
	for _, k := range s.order {
		must(v.Update(k, func(x *total) { x.N++ }))
	}
}
