package heapbackend_test

import (
	"fmt"
	"math"
	bigmath "math/big"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/wire"
)

// checking is the configuration of a backend that checks values.
func checking() heapbackend.Config {
	cfg := whole()
	cfg.CheckValues = true
	return cfg
}

// requireFault requires that an error names a fault of the state, and what to do.
func requireFault(t *testing.T, err error, state string, f heapbackend.Fault) *heapbackend.CheckError {
	t.Helper()
	require.ErrorIs(t, err, heapbackend.ErrCheck)
	found := (*heapbackend.CheckError)(nil)
	require.ErrorAs(t, err, &found)
	require.Equal(t, state, found.State)
	require.Equal(t, f, found.Fault, "%v", err)
	require.ErrorContains(t, err, fmt.Sprintf("state %q", state))
	require.ErrorContains(t, err, fmt.Sprintf("key group %d: %v", found.Group, f))
	return found
}

// withheld keeps half of what it is from its encoding.
type withheld struct{ said, kept int }

func (w withheld) MarshalBinary() ([]byte, error) { return []byte{byte(w.said)}, nil }

func (w *withheld) UnmarshalBinary(b []byte) error {
	w.said = int(b[0])
	return nil
}

var flips int

// coin is written otherwise each time.
type coin struct{ Tossed bool }

func (c coin) MarshalBinary() ([]byte, error) {
	if c.Tossed {
		flips++
		return []byte{1, byte(flips)}, nil
	}
	return []byte{0, 0}, nil
}

func (c *coin) UnmarshalBinary(b []byte) error {
	c.Tossed = b[0] == 1
	return nil
}

// lossy is made of types that lose something when they are written.
type lossy struct {
	At     time.Time
	Addr   net.IP
	Hidden withheld
	Coin   coin
	Own    own
	Number *float64
}

func TestCheckValuesNamesValuesThatDoNotComeBack(t *testing.T) {
	west := time.FixedZone("west", -3600)
	nan := math.NaN()
	for name, tt := range map[string]struct {
		v     lossy
		fault heapbackend.Fault // 0 for none
		path  string
	}{
		"nothing wrong":               {v: lossy{At: time.Unix(1, 2).UTC(), Addr: net.IPv4(1, 2, 3, 4), Number: &nan}},
		"a clock reading":             {lossy{At: time.Now()}, heapbackend.FaultChanged, ".At"},
		"a zone":                      {lossy{At: time.Unix(1, 0).In(west)}, heapbackend.FaultChanged, ".At"},
		"an address of 4 bytes":       {lossy{Addr: net.IPv4(1, 2, 3, 4).To4()}, heapbackend.FaultChanged, ".Addr"},
		"unexported and not written":  {lossy{Hidden: withheld{1, 2}}, heapbackend.FaultChanged, ".Hidden.kept"},
		"written otherwise each time": {lossy{Coin: coin{true}}, heapbackend.FaultUnsteady, ""},
		"keys that become one":        {lossy{Own: own{Names: map[caseless]int{"Go": 1, "GO": 2}}}, heapbackend.FaultUnreadable, "caseless"},
		"a key that becomes another":  {lossy{Own: own{Counts: map[outcome]int{7: 1}}}, heapbackend.FaultUnreadable, "outcome"},
		"nil that is not zero":        {lossy{Own: own{Limit: limit{Infinite: true}}}, heapbackend.FaultUnreadable, "limit"},
		"nil below a pointer":         {lossy{Own: own{Upper: &limit{Infinite: true}}}, heapbackend.FaultUnreadable, "limit"},
		"no bytes that come back":     {v: lossy{Own: own{Switch: &toggle{true}, Toggle: toggle{true}}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := backend[uint64](t, checking())
			s, err := heapbackend.NewValue[lossy](b, "losses")
			if err != nil {
				require.ErrorIs(t, err, heapbackend.ErrStateType)
				return // refused from the start is better still
			}
			k := keyIn(t, 3, 0)
			if err = s.Put(k, tt.v); err == nil {
				require.True(t, sameFromBytes(t, b, s, k), "it comes back as another value, and nobody says so")
				require.True(t, tt.fault == 0 || tt.fault == heapbackend.FaultChanged && !strings.Contains(tt.path, "Hidden"))
				return // the state itself may have put right what was put
			}
			found := requireFault(t, err, "losses", tt.fault)
			require.Equal(t, []int{3, -1}, []int{found.Group, found.Entry})
			require.ErrorContains(t, err, tt.path)
			require.Equal(t, err, b.Err())
			_, err = b.Capture()
			require.ErrorIs(t, err, heapbackend.ErrCheck, "no checkpoint has it")
		})
	}
}

// sameFromBytes reports whether the value of k is the same after a restore from bytes.
func sameFromBytes(t *testing.T, b *heapbackend.Backend[uint64], s *heapbackend.Value[uint64, lossy], k uint64) bool {
	again := backend[uint64](t, whole())
	r := valueOf[lossy](t, again, "losses")
	restore(t, again, capture(t, b), decoded)
	want, _ := s.Get(k)
	got, _ := r.Get(k)
	if want.Number != nil { // it is NaN
		require.Equal(t, math.Float64bits(*want.Number), math.Float64bits(*got.Number))
		want.Number, got.Number = nil, nil
	}
	return reflect.DeepEqual(want, got)
}

func TestCheckValuesNamesWhatATypeDoesNotWrite(t *testing.T) {
	type skipping struct {
		N      int
		Cached int `msgpack:"-"`
	}
	b := backend[uint64](t, checking())
	if s, err := heapbackend.NewValue[skipping](b, "skipping"); err == nil {
		require.NoError(t, s.Put(1, skipping{N: 1}))
		requireFault(t, s.Put(1, skipping{Cached: 1}), "skipping", heapbackend.FaultChanged)
	}
	b = backend[uint64](t, checking())
	if s, err := heapbackend.NewValue[*bigmath.Float](b, "floats"); err == nil {
		require.NoError(t, s.Put(1, new(bigmath.Float).SetPrec(64).SetInt64(1)))
		third := new(bigmath.Float).SetPrec(200).Quo(bigmath.NewFloat(1), bigmath.NewFloat(3))
		requireFault(t, s.Put(1, third), "floats", heapbackend.FaultChanged)
	}
}

// rounding is a codec that loses the last digit, and does not take back large numbers.
type rounding struct{}

func (rounding) ID() string { return "rounding" }

func (rounding) Append(dst []byte, v *int) ([]byte, error) {
	return wire.AppendInt(dst, int64(*v/10*10)), nil
}

func (rounding) Decode(src []byte, v *int) ([]byte, error) {
	r := wire.NewReader(src)
	if *v = int(r.Int()); *v > 1000 {
		return nil, errNegative
	}
	return r.Rest(), r.Err()
}

func TestCheckValuesChecksEveryKindOfState(t *testing.T) {
	for name, tt := range kindsThatCheck(t) {
		t.Run(name, func(t *testing.T) {
			for v, fault := range map[int]heapbackend.Fault{10: 0, 11: heapbackend.FaultChanged, 2000: heapbackend.FaultUnreadable} {
				b := backend[uint64](t, checking())
				put := tt(t, b)
				require.NoError(t, put(20))
				err := put(v)
				if fault == 0 {
					require.NoError(t, err)
					capture(t, b).Release()
					continue
				}
				requireFault(t, err, name, fault)
				_, err = b.Capture()
				require.ErrorIs(t, err, heapbackend.ErrCheck)
			}
		})
	}
}

// kindsThatCheck returns what registers a state of each kind, under its name, and how a number gets into it.
func kindsThatCheck(*testing.T) map[string]func(t *testing.T, b *heapbackend.Backend[uint64]) func(int) error {
	o := heapbackend.Options[int]{Codec: rounding{}}
	aging := o
	aging.TTL = &heapbackend.TTL{After: time.Hour}
	newer := func(_, v int) int { return v }
	sum := heapbackend.Aggregator[int, int, int]{Add: func(acc *int, in int) { *acc = in }, Result: func(acc int) int { return acc }}
	type backend = *heapbackend.Backend[uint64]
	return map[string]func(t *testing.T, b backend) func(int) error{
		"value": func(t *testing.T, b backend) func(int) error {
			s := valueOf(t, b, "value", o)
			return func(v int) error { return s.Put(1, v) }
		},
		"update": func(t *testing.T, b backend) func(int) error {
			s := valueOf(t, b, "update", o)
			return func(v int) error { return s.Update(1, func(x *int) { *x = v }) }
		},
		"aging": func(t *testing.T, b backend) func(int) error {
			s := valueOf(t, b, "aging", aging)
			return func(v int) error { return s.Put(1, v) }
		},
		"list": func(t *testing.T, b backend) func(int) error {
			s := listOf(t, b, "list", o)
			return func(v int) error { return s.Append(1, v) }
		},
		"aging list": func(t *testing.T, b backend) func(int) error {
			s := listOf(t, b, "aging list", aging)
			return func(v int) error { return s.Set(1, v, 20) }
		},
		"map": func(t *testing.T, b backend) func(int) error {
			s := mapOf[string](t, b, "map", o)
			return func(v int) error { return s.Put(1, "k", v) }
		},
		"aging map": func(t *testing.T, b backend) func(int) error {
			s := mapOf[string](t, b, "aging map", aging)
			return func(v int) error { return s.Update(1, "k", func(x *int) { *x = v }) }
		},
		"reducing": func(t *testing.T, b backend) func(int) error {
			s, err := heapbackend.NewReducing(b, "reducing", newer, o)
			require.NoError(t, err)
			return func(v int) error { return s.Add(1, v) }
		},
		"aggregating": func(t *testing.T, b backend) func(int) error {
			s, err := heapbackend.NewAggregating(b, "aggregating", sum, o)
			require.NoError(t, err)
			return func(v int) error { return s.Add(1, v) }
		},
		"split": func(t *testing.T, b backend) func(int) error {
			s, err := heapbackend.NewSplitList(b, "split", o)
			require.NoError(t, err)
			return func(v int) error { return s.Append(v) }
		},
		"union": func(t *testing.T, b backend) func(int) error {
			s, err := heapbackend.NewUnionList(b, "union", o)
			require.NoError(t, err)
			return func(v int) error { return s.Set(v) }
		},
		"broadcast": func(t *testing.T, b backend) func(int) error {
			s, err := heapbackend.NewBroadcast[string](b, "broadcast", o)
			require.NoError(t, err)
			return func(v int) error { return s.Put("k", v) }
		},
	}
}

// reachable is one state whose contents a program can get at.
type reachable struct {
	got   func() []int // what it returns
	write func() error // another operation on the same entry
	group int          // of the entry
}

func sharedKinds(t *testing.T) map[string]func(b *heapbackend.Backend[uint64]) reachable {
	k := keyIn(t, 3, 0)
	type backend = *heapbackend.Backend[uint64]
	return map[string]func(backend) reachable{
		"value": func(b backend) reachable {
			s := valueOf[[]int](t, b, "value")
			require.NoError(t, s.Put(k, []int{1}))
			return reachable{func() []int { v, _ := s.Get(k); return v }, func() error { return s.Update(k, func(*[]int) {}) }, 3}
		},
		"list": func(b backend) reachable {
			s := listOf[[]int](t, b, "list")
			require.NoError(t, s.Append(k, []int{1}))
			return reachable{func() []int { return slices.Collect(s.Get(k))[0] }, func() error { return s.Append(k, []int{2}) }, 3}
		},
		"map": func(b backend) reachable {
			s := mapOf[string, []int](t, b, "map")
			require.NoError(t, s.Put(k, "a", []int{1}))
			return reachable{func() []int { v, _ := s.Get(k, "a"); return v }, func() error { return s.Put(k, "b", nil) }, 3}
		},
		"split": func(b backend) reachable {
			s, err := heapbackend.NewSplitList[[]int](b, "split")
			require.NoError(t, err)
			require.NoError(t, s.Append([]int{1}))
			return reachable{func() []int { return slices.Collect(s.All())[0] }, func() error { return s.Append([]int{2}) }, testM}
		},
		"broadcast": func(b backend) reachable {
			s, err := heapbackend.NewBroadcast[string, []int](b, "broadcast")
			require.NoError(t, err)
			require.NoError(t, s.Put("a", []int{1}))
			return reachable{func() []int { v, _ := s.Get("a"); return v }, func() error { return s.Put("a", []int{2}) }, testM}
		},
	}
}

func TestCheckValuesFindsAssignmentThroughWhatGetReturned(t *testing.T) {
	for name, of := range sharedKinds(t) {
		t.Run(name, func(t *testing.T) {
			b := backend[uint64](t, checking())
			x := of(b)
			x.got()[0]++
			_, err := b.Capture()
			require.Equal(t, x.group, requireFault(t, err, name, heapbackend.FaultModified).Group)
			require.Equal(t, err, b.Err())

			b = backend[uint64](t, checking())
			x = of(b)
			require.NoError(t, x.write())
			x.got()[0]++
			err = x.write()
			found := requireFault(t, err, name, heapbackend.FaultModified)
			require.Equal(t, []int{x.group, -1}, []int{found.Group, found.Entry})

			b = backend[uint64](t, checking()) // and where a snapshot was taken in between
			x = of(b)
			s := capture(t, b)
			x.got()[0]++
			_, _, err = s.AppendGroup(nil, x.group)
			requireFault(t, err, name, heapbackend.FaultModified)
			requireFault(t, x.write(), name, heapbackend.FaultModified)
		})
	}
}

func TestCheckValuesFindsAModifiedEntryByItsPlace(t *testing.T) {
	b := backend[uint64](t, checking())
	s := valueOf[[]int](t, b, "value")
	for i := range 20 {
		require.NoError(t, s.Put(keyIn(t, 3, i), []int{i}))
	}
	before := capture(t, b)
	k := keyIn(t, 3, 7)
	v, _ := s.Get(k)
	v[0]++
	_, err := b.Capture()
	view, viewErr := s.At(before)
	require.NoError(t, viewErr)
	place := slices.Index(keysOf(view.InGroup(3)), k)
	require.Equal(t, place, requireFault(t, err, "value", heapbackend.FaultModified).Entry)
}

// What two keys share must not change through one of them: either it does not, or it is found.
func TestCheckValuesFindsWhatKeysShare(t *testing.T) {
	for name, sin := range map[string]func(s *heapbackend.Value[uint64, []int]) error{
		"a value of another key": func(s *heapbackend.Value[uint64, []int]) error {
			v, _ := s.Get(1)
			if err := s.Put(2, v); err != nil {
				return err
			}
			return s.Update(1, func(x *[]int) { (*x)[0] = 7 })
		},
		"room behind a value": func(s *heapbackend.Value[uint64, []int]) error {
			if err := s.Update(1, func(x *[]int) { *x = append(*x, 2, 3)[:2] }); err != nil {
				return err
			}
			v, _ := s.Get(1)
			if err := s.Put(2, append(v, 8)); err != nil {
				return err
			}
			return s.Put(3, append(v, 9))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := backend[uint64](t, checking())
			s := valueOf[[]int](t, b, "value")
			require.NoError(t, s.Put(1, []int{1}))
			want := map[string][]int{"a value of another key": {1}, "room behind a value": {1, 2, 8}}[name]
			require.NoError(t, sin(s))
			got, _ := s.Get(2)
			if _, err := b.Capture(); !slices.Equal(want, got) {
				requireFault(t, err, "value", heapbackend.FaultModified)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

func TestCheckValuesIsOffByDefault(t *testing.T) {
	b := backend[uint64](t, whole())
	s := valueOf[lossy](t, b, "losses")
	require.NoError(t, s.Put(1, lossy{Hidden: withheld{1, 2}}))
	v, _ := s.Get(1)
	v.Hidden.said = 3
	capture(t, b).Release()
}
