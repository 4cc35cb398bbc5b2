package main

import "github.com/heapstate/heapstate/heapbackend"

// newTexts returns both sides for keys of 16 bytes of text.
func newTexts(keys []string) sides {
	order := shuffled(keys)
	return sides{&textMap{keys: keys, order: order}, &textState{keys: keys, order: order}}
}

type textMap struct {
	keys, order []string
	m           map[string]total
}

func (s *textMap) drop() { s.m = nil }

func (s *textMap) insert() {
	m := map[string]total{}
	for i, k := range s.keys {
		m[k] = total{Sum: uint64(i)}
	}
	s.m = m
}

func (s *textMap) get() {
	sum, m := uint64(0), s.m
	for _, k := range s.order {
		sum += m[k].Sum
	}
	sink += sum
}

func (s *textMap) put() {
	m := s.m
	for i, k := range s.order {
		m[k] = total{Sum: uint64(i)}
	}
}

func (s *textMap) update() {
	m := s.m
	for _, k := range s.order {
		x := m[k]
		x.N++
		m[k] = x
	}
}

type textState struct {
	keys, order []string
	v           *heapbackend.Value[string, total]
}

func (s *textState) drop() { s.v = nil }

func (s *textState) insert() {
	_, v, err := newState[string]()
	must(err)
	for i, k := range s.keys {
		must(v.Put(k, total{Sum: uint64(i)}))
	}
	s.v = v
}

func (s *textState) get() {
	sum, v := uint64(0), s.v
	for _, k := range s.order {
		x, _ := v.Get(k)
		sum += x.Sum
	}
	sink += sum
}

func (s *textState) put() {
	v := s.v
	for i, k := range s.order {
		must(v.Put(k, total{Sum: uint64(i)}))
	}
}

func (s *textState) update() {
	v := s.v
	for _, k := range s.order {
		must(v.Update(k, func(x *total) { x.N++ }))
	}
}
