package fuzz

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
)

// The types of the states: without references, with references of every kind, elements, and values of maps.
type (
	total struct {
		Sum  int64
		N    uint32
		Last [3]uint8
	}
	basket struct {
		Items []string
		Tags  map[string]int16
		Best  *int64
		Parts []basket
	}
	note struct {
		ID   int32
		Text string
	}
)

// content is what a job's states hold, by the numbers of keys: what everything is compared with.
type content struct {
	totals  map[int]total
	baskets map[int]basket
	lists   map[int][]note
	maps    map[int]map[label][]int16
}

func newContent() *content {
	return &content{map[int]total{}, map[int]basket{}, map[int][]note{}, map[int]map[label][]int16{}}
}

// clone returns a copy that shares nothing which is ever changed in place: the model changes totals and lists by
// assignment, baskets and the values of maps likewise.
func (c *content) clone() *content {
	n := &content{maps.Clone(c.totals), maps.Clone(c.baskets), maps.Clone(c.lists), make(map[int]map[label][]int16, len(c.maps))}
	for k, m := range c.maps {
		n.maps[k] = maps.Clone(m)
	}
	return n
}

// merge takes the keys for which take is true from another content, and drops those of its own.
func (c *content) merge(from *content, take func(key int) bool) {
	mergeMap(c.totals, from.totals, take)
	mergeMap(c.baskets, from.baskets, take)
	mergeMap(c.lists, from.lists, take)
	mergeMap(c.maps, from.clone().maps, take)
}

func mergeMap[V any](to, from map[int]V, take func(int) bool) {
	maps.DeleteFunc(to, func(k int, _ V) bool { return take(k) })
	for k, v := range from {
		if take(k) {
			to[k] = v
		}
	}
}

func (c *content) size() int {
	n := len(c.totals) + 4*len(c.baskets)
	for _, l := range c.lists {
		n += len(l) + 1
	}
	for _, m := range c.maps {
		n += len(m) + 1
	}
	return n
}

// makeBasket returns a basket of n items; two calls share nothing. 0 to 2 give the nil, the empty and the nil-pointer
// cases.
func makeBasket(n, v int) basket {
	switch n {
	case 0:
		return basket{}
	case 1:
		return basket{Items: []string{}, Tags: map[string]int16{}, Parts: []basket{}}
	}
	b := basket{Tags: map[string]int16{}, Parts: []basket{{Items: []string{strconv.Itoa(v)}}}}
	for i := range n {
		b.Items = append(b.Items, fmt.Sprint("item", i, v))
		b.Tags["tag"+strconv.Itoa(i%5)] = int16(i * v)
	}
	if n > 2 {
		best := int64(v)
		b.Best = &best
	}
	return b
}

// copyBasket returns a deep copy.
func copyBasket(b basket) basket {
	b.Items, b.Tags, b.Parts = slices.Clone(b.Items), maps.Clone(b.Tags), slices.Clone(b.Parts)
	for i := range b.Parts {
		b.Parts[i] = copyBasket(b.Parts[i])
	}
	if b.Best != nil {
		best := *b.Best
		b.Best = &best
	}
	return b
}

// changeBasket writes to everything a basket refers to.
func changeBasket(b *basket, n int) {
	for i := range b.Items {
		b.Items[i] += "+"
		if i >= n {
			break
		}
	}
	b.Items = append(b.Items, "more")
	if b.Tags == nil {
		b.Tags = map[string]int16{}
	}
	b.Tags["changed"] += int16(n)
	delete(b.Tags, "tag0")
	if b.Best != nil {
		*b.Best += int64(n)
	}
	for i := range b.Parts {
		b.Parts[i].Items = append(b.Parts[i].Items, "part")
		b.Parts[i].Items[0] = "first"
	}
}

func makeNotes(n, from int) []note {
	notes := make([]note, n)
	for i := range notes {
		notes[i] = note{int32(from + i), strconv.Itoa(i % 7)}
	}
	return notes
}

// keyKinds are the kinds of key a job may have.
var keyKinds = []string{"uint64", "string", "place"}

// keys are the keys of a kind by their numbers, and back.
type keys[K comparable] struct {
	of     func(i int) K
	number func(k K) int
}

var (
	uintKeys = keys[uint64]{of: func(i int) uint64 { return uint64(i) }, number: func(k uint64) int { return int(k) }}
	textKeys = keys[string]{
		of: func(i int) string { return strconv.Itoa(i) },
		number: func(k string) int {
			i, err := strconv.Atoi(k)
			if err != nil {
				return -1
			}
			return i
		},
	}
	// placeKeys have floats: key 0 is a NaN, with other bits each time, and key 1 a zero of either sign.
	placeKeys = keys[place]{of: placeOf, number: numberOfPlace}
)

// calls counts the calls of placeOf.
var calls uint64

func placeOf(i int) place {
	calls++
	switch i {
	case 0:
		return place{X: math.Float64frombits(0x7ff8_0000_0000_0000 | calls<<63 | calls&0xffff), Y: 1}
	case 1:
		return place{X: math.Copysign(0, float64(int(calls%2))-0.5), Y: 1}
	}
	return place{X: float64(i), Y: -float64(i), Z: 0.5}
}

func numberOfPlace(k place) int {
	switch {
	case math.IsNaN(k.X):
		return 0
	case k.X == 0:
		return 1
	}
	return int(k.X)
}

// compare returns how a state differs from its model, nil if it does not. all yields every entry, get looks one up;
// both may be nil.
func compare[K comparable, V any](ks keys[K], want map[int]V, all iter.Seq2[K, V], get func(K) (V, bool)) error {
	if all != nil {
		n := 0
		for k, v := range all {
			n++
			w, ok := want[ks.number(k)]
			if !ok {
				return fmt.Errorf("key %d is there and should not be", ks.number(k))
			}
			if !equal(v, w) {
				return fmt.Errorf("key %d is %+v, want %+v", ks.number(k), v, w)
			}
		}
		if n != len(want) {
			return fmt.Errorf("%d keys, want %d", n, len(want))
		}
	}
	if get == nil {
		return nil
	}
	for i, w := range want {
		v, ok := get(ks.of(i))
		if !ok || !equal(v, w) {
			return fmt.Errorf("look-up of key %d gives %+v (%v), want %+v", i, v, ok, w)
		}
	}
	return nil
}

// equal is reflect.DeepEqual, faster for the commonest type.
func equal[V any](a, b V) bool {
	if x, ok := any(a).(total); ok {
		return x == any(b).(total)
	}
	return reflect.DeepEqual(a, b)
}
