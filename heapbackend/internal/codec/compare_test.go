package codec_test

import (
	ring "container/list"
	"math"
	"math/big"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
)

// cached is a type with methods of its own that keeps more than it writes.
type cached struct {
	point
	mu    sync.Mutex
	known map[string][]int
	then  func()
}

func (c *cached) MarshalBinary() ([]byte, error) { return c.point.MarshalBinary() }

func (c *cached) UnmarshalBinary(b []byte) error { return c.point.UnmarshalBinary(b) }

func difference[V any](a, b V) string {
	return codec.Difference(reflect.ValueOf(&a).Elem(), reflect.ValueOf(&b).Elem(), "v")
}

func TestDifferenceNamesThePart(t *testing.T) {
	nan := math.NaN()
	now := time.Now()
	loop, other := &node{Value: 1}, &node{Value: 1}
	loop.Next, other.Next = loop, other
	chain := ring.New()
	chain.PushBack(1)
	for name, tt := range map[string]struct{ want, got string }{
		"equal numbers":           {"", difference(1, 1)},
		"numbers":                 {"v", difference(1, 2)},
		"NaN":                     {"", difference(nan, -nan)},
		"a number and NaN":        {"v", difference(1, nan)},
		"nil and empty":           {"v", difference([]int{}, nil)},
		"lengths":                 {"v", difference([]int{1}, []int{1, 2})},
		"an element":              {"v[].B", difference([]inner{{}, {B: "x"}}, []inner{{}, {}})},
		"a slice beyond its end":  {"", difference([]int{1, 2}[:1], []int{1})},
		"a pointer and nil":       {"v", difference(&inner{}, nil)},
		"what is pointed to":      {"v.A", difference(&inner{A: 1}, &inner{})},
		"a map's value":           {"v[]", difference(map[string]int{"a": 1}, map[string]int{"a": 2})},
		"a map's key":             {"v[key]", difference(map[string]int{"a": 1}, map[string]int{"b": 1})},
		"NaN keys":                {"", difference(map[float64]int{nan: 1}, map[float64]int{nan: 1})},
		"an array":                {"v[]", difference([2]bool{true}, [2]bool{})},
		"ids":                     {"v[]", difference(uuid.UUID{1}, uuid.UUID{})},
		"instants":                {"v", difference(time.Unix(1, 0).UTC(), time.Unix(2, 0).UTC())},
		"zones":                   {"v", difference(time.Unix(1, 0).UTC(), time.Unix(1, 0).In(time.FixedZone("x", 60)))},
		"clock readings":          {"v", difference(now, now.Round(0))},
		"an instant":              {"", difference(now, now)},
		"blank fields":            {"", difference(struct{ A, _ int }{A: 1}, struct{ A, _ int }{A: 1})},
		"cycles":                  {"", difference(loop, other)},
		"precision":               {"v.prec", difference(new(big.Float).SetPrec(53), new(big.Float).SetPrec(64))},
		"hidden nil and empty":    {"", difference(&cached{known: map[string][]int{}}, &cached{})},
		"hidden contents":         {"v.known[][]", difference(&cached{known: map[string][]int{"a": {1}}}, &cached{known: map[string][]int{"a": {2}}})},
		"functions do not count":  {"", difference(&cached{then: func() {}}, &cached{})},
		"unexported":              {"v.x", difference(point{1, 2}, point{2, 2})},
		"dynamic types":           {"v", difference[any](1, "1")},
		"dynamic values":          {"v", difference[any](1, 2)},
		"what refers to itself":   {"", difference(chain, chain)},
		"zero of arbitrary types": {"", difference(outer{}, outer{})},
	} {
		require.Equal(t, tt.want, tt.got, name)
	}
	held, free := &cached{}, &cached{}
	held.mu.Lock()
	require.Empty(t, difference(held, free), "a lock does not count")
}
